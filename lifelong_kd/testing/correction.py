"""What every correction promises."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lifelong_kd.core.types import Scenario
from lifelong_kd.correction.base import Asked, Correction
from lifelong_kd.memory.exemplars import Balanced
from lifelong_kd.phase.base import Stage
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.testing.expect import expect
from lifelong_kd.testing.phase import CPU, SmallRun
from lifelong_kd.testing.strategy import check_strategy

__all__ = ["check_correction"]


def check_correction(
    make: Callable[[], Correction], *, scenario: Scenario = "class", strategy: bool = True
) -> None:
    """Check that a correction gives scores of every column, repeats, survives a restart and draws nothing of others'.

    It is fitted after each of three tasks of a small network; then a strategy with it, with a memory of
    exemplars and held-out samples, goes through :func:`check_strategy`.

    Args:
        make: makes a fresh correction.
        scenario: the scenario of the stream that it is checked on.
        strategy: whether the second part is done.

    Raises:
        AssertionError: saying which promise is broken.
    """
    one, two = _walked(make, scenario), _walked(make, scenario)
    name = type(make()).__name__
    same = all(torch.equal(left, right) for left, right in zip(one, two, strict=True))
    expect(same, f"{name} gives other scores when it is fitted again with the same seed")
    if strategy:
        check_strategy(partial(_strategy, make), scenario=scenario)


def _strategy(make: Callable[[], Correction]) -> Strategy:
    return Strategy(
        task_loss=TaskLoss("all"),
        memory=Balanced(total=24),
        train_on="new_and_memory",
        corrections=[make()],
        held=0.25,
    )


def _walked(make: Callable[[], Correction], scenario: Scenario) -> list[Tensor]:
    """Go through three tasks; the scores after each."""
    correction, run, given = make(), SmallRun(scenario), []
    name = type(correction).__name__
    correction.begin(CPU)
    for teacher in correction.teachers:
        teacher.begin(run.say, CPU)
    structures: dict[int, nn.Module] = {}
    for index in range(3):
        held = run.memory.take(torch.arange(len(run.memory))) if len(run.memory) else None
        stage = run.stage(index, held)
        for teacher in correction.teachers:
            teacher.begin_task(stage.task)
        correction.begin_task(stage)
        run.learn(stage)
        correction.after_step(stage.model)
        for teacher in correction.teachers:
            teacher.after_step(stage.model, run.seeds.generator("teacher"))
        run.remember(stage)
        structures[index] = copy.deepcopy(stage.model)
        _fitted(correction, stage, f"{name} in task {index}")
        for teacher in correction.teachers:
            teacher.observe(stage.model, stage.task)
        scores = _scores(correction, run, stage, name)
        again = make()
        again.begin(CPU)
        again.load_state_dict(
            copy.deepcopy(correction.state_dict()), lambda task: copy.deepcopy(structures[task])
        )
        expect(again.ready == correction.ready, f"{name} is ready or not, but not after a restart")
        if correction.ready:
            same = torch.equal(_scores(again, run, stage, name), scores)
            expect(same, f"{name} gives other scores after state_dict and load_state_dict")
        # From here the restored one goes on, asking the same teachers.
        if not correction.teachers:
            correction = again
        given.append(scores)
    return given


def _fitted(correction: Correction, stage: Stage, name: str) -> None:
    modes = [module.training for module in stage.model.modules()]
    parameters = [id(parameter) for parameter in stage.model.parameters()]
    default = torch.get_rng_state()
    correction.fit(stage)
    expect(torch.equal(torch.get_rng_state(), default), f"{name} draws from torch's default generator")
    expect([m.training for m in stage.model.modules()] == modes, f"{name} leaves modules in another mode")
    expect(all(p.grad is None for p in stage.model.parameters()), f"{name} leaves gradients behind")
    now = [id(parameter) for parameter in stage.model.parameters()]
    expect(now == parameters, f"{name} puts other objects in the place of parameters")


def _scores(correction: Correction, run: SmallRun, stage: Stage, name: str) -> Tensor:
    data: Any = stage.data
    run.model.eval()
    logits, _ = run.describe(data.x)

    def answer(module: nn.Module) -> Tensor:
        with torch.no_grad():
            return run.say(module, data.x, data.labels).logits

    asked = Asked(
        x=data.x,
        label=data.labels,
        task=stage.task,
        features=lambda: run.describe(data.x)[1],
        answer=answer,
    )
    before = logits.clone()
    scores = correction.scores(logits, asked) if correction.ready else logits
    expect(
        scores.shape == before.shape,
        f"{name} gives scores of shape {tuple(scores.shape)}, not {before.shape}",
    )
    expect(torch.equal(logits, before), f"{name} changes the logits that it is given in place")
    expect(not (scores.isnan() | scores.isposinf()).any(), f"{name} gives scores that are no numbers")
    best = set(scores.argmax(dim=1).tolist())
    offered = scores[:, list(stage.task.seen)].isfinite().any(dim=1)
    expect(offered.all(), f"{name} offers none of the classes seen; best columns: {sorted(best)}")
    if correction.in_training:
        wider = torch.cat([logits, logits[:, :1]], dim=1).requires_grad_()
        correction.rectify(wider).sum().backward()
        expect(wider.grad is not None, f"{name} lets no gradient through in training")
        narrow = correction.rectify(logits[:, :2])
        same = torch.allclose(narrow, correction.rectify(logits)[:, :2])
        expect(same, f"{name} corrects a column otherwise when a later one is missing")
    return scores
