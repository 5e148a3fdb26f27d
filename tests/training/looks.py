"""Looks at a small run at the two moments at which families are asked."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from avalanche.training.plugins import SupervisedPlugin

from lifelong_kd.testing.small import small_experiment
from lifelong_kd.training.ask import Asker
from lifelong_kd.training.experiment import Experiment
from lifelong_kd.training.families.base import Family, Found, Look


def look_at(experiment: Experiment, task: int, pending: Mapping[str, Any] | None = None) -> Look:
    asker = Asker(experiment.engine, experiment.plugin, experiment.stream.benchmark)
    return Look(
        task=task,
        stream=experiment.stream,
        engine=experiment.engine,
        plugin=experiment.plugin,
        asker=asker,
        seeds=experiment.seeds,
        pending=pending or {},
    )


class _AfterTask(SupervisedPlugin):
    def __init__(self, tell: Callable[[], None]) -> None:
        SupervisedPlugin.__init__(self)
        self.tell = tell

    def before_eval(self, strategy: Any, **kwargs: Any) -> None:
        self.tell()


def run_with(
    strategy: Any,
    folder: Path,
    *,
    before: Callable[[Look], None] | None = None,
    after: Callable[[Look], None] | None = None,
    **options: Any,
) -> Experiment:
    """Run on the small stream: ``before`` is told at the end of each task's training, ``after`` after the task."""
    experiment = small_experiment(strategy, **options)
    state = {"task": -1, "told": -1}
    end_task = strategy.end_task

    def end(stage: Any) -> None:
        state["task"] += 1
        if before is not None:
            before(look_at(experiment, state["task"]))
        end_task(stage)

    def tell() -> None:
        if state["told"] < state["task"]:
            state["told"] = state["task"]
            if after is not None:
                after(look_at(experiment, state["task"]))

    strategy.end_task = end
    experiment.engine.plugins.append(_AfterTask(tell))
    experiment.run(folder)
    return experiment


def found_by(family: Family, strategy: Any, folder: Path, **options: Any) -> list[Found]:
    """What a family finds in each task of a run, as JSON has it."""
    found: list[Found] = []
    pending: list[Found] = []
    run_with(
        strategy,
        folder,
        before=lambda look: pending.append(family.before_end(look)),
        after=lambda look: found.append(
            {**pending[-1], **family.after_task(replace(look, pending=pending[-1]), list(found))}
        ),
        **options,
    )
    return [json.loads(json.dumps(one, allow_nan=False)) for one in found]


def everything(experiment: Experiment) -> dict[str, Any]:
    """All that a look must leave alone."""
    engine, plugin = experiment.engine, experiment.plugin
    state: dict[str, Any] = {
        "model": engine.model.state_dict(),
        "optimizer": engine.optimizer.state_dict(),
        "gradients": [parameter.grad for parameter in engine.model.parameters()],
        "modes": [module.training for module in engine.model.modules()],
        "hooks": [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in engine.model.modules()],
        "clock": dict(vars(engine.clock)),
        "random": [torch.get_rng_state(), torch.tensor(np.random.get_state()[1].astype(np.int64))],
        "python": random.getstate(),
        "seeds": experiment.seeds.state_dict(),
        "batch": engine.mbatch,
        "loss": engine.loss,
    }
    if plugin is not None:
        strategy = plugin.strategy
        state |= {
            "strategy": strategy.state_dict(),
            "teaching": plugin.adapter.teaching.read(),
            "parts": {name: (part.raw, part.weight) for name, part in strategy.parts.items()},
            "hits": [getattr(getattr(t, "cache", None), "hits", 0) for t in strategy.teachers.values()],
        }
    return _copied(state)


def _copied(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, Mapping):
        return {key: _copied(one) for key, one in value.items()}
    return [_copied(one) for one in value] if isinstance(value, list | tuple) else value


def difference(one: Any, other: Any, where: str = "") -> str | None:
    """Where two states differ, or ``None``."""
    if isinstance(one, torch.Tensor):
        same = isinstance(other, torch.Tensor) and one.shape == other.shape
        return None if same and torch.equal(one.nan_to_num(), other.nan_to_num()) else where
    if isinstance(one, Mapping):
        if one.keys() != other.keys():
            return f"{where}: {sorted(map(str, one.keys() ^ other.keys()))}"
        return next((d for key in one if (d := difference(one[key], other[key], f"{where}/{key}"))), None)
    if isinstance(one, list | tuple):
        if len(one) != len(other):
            return where
        pairs = enumerate(zip(one, other, strict=True))
        return next((d for i, (a, b) in pairs if (d := difference(a, b, f"{where}/{i}"))), None)
    return None if one == other else where
