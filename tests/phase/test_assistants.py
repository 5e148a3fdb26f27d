"""Experts of an architecture of their own, and assistants that are taught by them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Batch
from lifelong_kd.knowledge.cosine import Cosine
from lifelong_kd.knowledge.hint import Hint
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.model.freeze import digest
from lifelong_kd.phase.expert import ExpertPhase
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.compress import compress
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.ema import Ema
from lifelong_kd.teacher.expert import Expert
from lifelong_kd.teacher.stored import Stored
from lifelong_kd.testing.phase import CPU, SmallRun, check_phase
from lifelong_kd.testing.small import small_experiment
from lifelong_kd.testing.strategy import _run, _stopped_and_resumed

LARGE = ("mlp", {"hidden": [24, 24]})
MIDDLE = ("mlp", {"hidden": [12]})


@pytest.mark.parametrize("scenario", ["class", "task"])
def test_an_expert_of_another_architecture_keeps_a_phases_promises(scenario: Any) -> None:
    check_phase(lambda: ExpertPhase(Expert(model=LARGE), first_task=True), scenario=scenario, strategy=False)


def stage_and_run(*phases: ExpertPhase, index: int = 0) -> Any:
    run = SmallRun()
    stage = run.stage(index)
    for phase in phases:
        for teacher in phase.teachers:
            teacher.begin(run.say, CPU)
            teacher.begin_task(stage.task)
    for phase in phases:
        phase.run(stage)
    return stage


def test_the_expert_has_its_own_layers_and_the_students_columns() -> None:
    expert = Expert(model=LARGE)
    stage = stage_and_run(ExpertPhase(expert, first_task=True))
    module: Any = expert.module
    assert module.head.feature_size == 24 and module.head.width == stage.model.head.width
    said = expert.teach(
        Batch(torch.randn(5, 4), torch.zeros(5), torch.zeros(5, dtype=torch.int64), torch.zeros(5))
    )
    assert said.logits.shape == (5, stage.model.head.width) and not said.logits.requires_grad


def test_an_assistant_is_drawn_to_its_teacher() -> None:
    """With an overwhelming weight it says what its teacher says, more than one that has learned from labels alone."""
    apart = []
    for weight in (1e-9, 50.0):
        large, assistant = Expert(model=LARGE), Expert(model=MIDDLE)
        stage = stage_and_run(
            ExpertPhase(large, first_task=True, epochs=5),
            ExpertPhase(
                assistant,
                first_task=True,
                epochs=60,
                lr=0.005,
                taught_by=large,
                weight=weight,
                temperature=1.0,
            ),
        )
        x = stage.data.x
        columns = sorted(stage.task.new)
        with torch.no_grad():
            pair = [torch.softmax(one.module(x)[:, columns], dim=1) for one in (large, assistant)]  # type: ignore[misc]
        apart.append(float((pair[0] - pair[1]).abs().mean()))
        assert set(stage.notes) == {"expert/loss", "expert2/loss"}
    assert apart[1] < 0.5 * apart[0]


def test_the_loss_of_an_assistant_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    from lifelong_kd.phase import expert as room

    large, assistant = Expert(model=LARGE), Expert(model=MIDDLE)
    seen: list[tuple[Any, Any]] = []
    monkeypatch.setattr(room, "fit", lambda stage, module, loss, **rest: seen.append((module, loss)))
    phases = [
        ExpertPhase(large, first_task=True),
        ExpertPhase(assistant, first_task=True, taught_by=large, weight=0.7, temperature=3.0),
    ]
    stage = stage_and_run(*phases)
    module, loss = seen[1]
    module.eval()
    x, y = stage.data.x, stage.data.targets
    batch = Batch(x, y, stage.data.labels, x)
    columns = [1, 4]
    said, taught = (network(x)[:, columns] for network in (module, large.module))
    target = (taught / 3).softmax(dim=1)
    kl = (target * (target.log() - (said / 3).log_softmax(dim=1))).sum(dim=1).mean()
    ce = torch.nn.functional.cross_entropy(said, (y == 4).long())
    assert float(loss(batch).detach()) == pytest.approx(float((ce + 0.7 * 9 * kl).detach()), rel=1e-5)


def chain() -> Strategy:
    large, assistant = Expert(model=LARGE), Expert(model=MIDDLE)
    return Strategy(
        terms={
            "logits": Distill(assistant, Kd(), over="new"),
            "features": Distill(large, Hint()),
        },
        phases=[
            ExpertPhase(large, epochs=1, first_task=True),
            ExpertPhase(assistant, epochs=1, first_task=True, taught_by=large),
        ],
    )


def test_a_chain_of_experts_is_resumed_bit_for_bit(tmp_path: Path) -> None:
    build = partial(small_experiment, students={1: ("mlp", {"hidden": [6]})})
    whole = _run(build(chain()), tmp_path / "whole")
    assert _stopped_and_resumed(build, chain, tmp_path / "stopped", "task") == whole


def test_an_expert_comes_back_from_its_state() -> None:
    expert, again = Expert(model=LARGE), Expert(model=LARGE)
    stage = stage_and_run(ExpertPhase(expert, first_task=True))
    again.begin_task(stage.task)
    before = torch.get_rng_state()
    again.load_state_dict(expert.state_dict(), lambda task: stage.model)
    assert again.ready and digest(again.module) == digest(expert.module)  # type: ignore[arg-type]
    assert torch.equal(before, torch.get_rng_state())


def test_calls_that_are_refused() -> None:
    large, assistant = Expert(model=LARGE), Expert(model=MIDDLE)
    with pytest.raises(BadCall, match="cannot begin with the student's weights"):
        ExpertPhase(large, start="warm")
    with pytest.raises(BadCall, match="taught by another teacher, not by Expert"):
        ExpertPhase(large, taught_by=large)
    with pytest.raises(BadCall, match="Stored has no logits for samples"):
        ExpertPhase(large, taught_by=Stored())
    with pytest.raises(BadCall, match="weight must"):
        ExpertPhase(large, taught_by=Ema(), weight=0.0)
    wrong = [ExpertPhase(assistant, taught_by=large), ExpertPhase(large)]
    with pytest.raises(BadCall, match="put the phases in the order in which they teach"):
        Strategy(phases=wrong)
    with pytest.raises(BadCall, match="two phases 'expert' train one teacher"):
        Strategy(phases=[ExpertPhase(large), ExpertPhase(large)])


def test_features_that_cannot_be_compared_are_refused_before_training() -> None:
    large = Expert(model=LARGE)
    strategy = Strategy(terms={"deep": Distill(large, Cosine())}, phases=[ExpertPhase(large)])
    with pytest.raises(BadCall, match="term 'deep' cannot compare the student of task 0"):
        small_experiment(strategy)


def test_a_model_that_does_not_take_the_samples_is_refused_before_training() -> None:
    with pytest.raises(BadCall, match="at least 16x16 pixels"):
        small_experiment(compress(large=("cnn", {"stages": 5})))
