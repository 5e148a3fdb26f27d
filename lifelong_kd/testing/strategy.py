"""What every strategy promises, shown on a small stream in a few seconds."""

from __future__ import annotations

import contextlib
import copy
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Scenario
from lifelong_kd.model.freeze import digest
from lifelong_kd.rounds.base import Controller, Proposal, Verdict, View
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.testing.expect import expect
from lifelong_kd.testing.small import small_experiment
from lifelong_kd.testing.stopping import Stop, quiet
from lifelong_kd.tracking.base import RunInfo, Status, Tracker, Value
from lifelong_kd.training.experiment import Experiment
from lifelong_kd.training.interrupt import Interrupted
from lifelong_kd.training.plugin import DistillationPlugin

__all__ = ["check_strategy"]

LOSS = "train/loss/"
OWN = {"task", "task_weighted"}
"""The loss that every strategy has in its first task."""

Build = Callable[..., Experiment]
End = tuple[str, list[list[float]]]
"""How a run ended: the digest of the weights and the accuracy matrix."""


def check_strategy(
    make: Callable[[], Strategy],
    *,
    scenario: Scenario = "class",
    head: str | None = None,
    model: tuple[str, Mapping[str, Any]] | None = None,
    silent: bool = False,
    rounds: bool = True,
) -> None:
    """Check that a strategy trains, repeats, resumes, teaches without moving and is the same as an Avalanche plugin.

    The last is not looked at in a task-incremental stream for a strategy whose training set mixes tasks, since
    Avalanche composes such batches differently.

    Args:
        make: makes a fresh strategy: a factory such as ``lwf``, or ``lambda: lwf(temperature=4.0)``.
        scenario: the scenario of the stream that it is checked on.
        head: the head of the network; the scenario's usual one if not given.
        model: name and options of another backbone than the usual perceptron, for images of 4x4 pixels.
        silent: whether the strategy, having no teacher yet, is to add nothing to the loss of the first task.
        rounds: whether it has to be unmoved by a round that is rolled back, too.

    Raises:
        AssertionError: saying which promise is broken.

    Example:
        >>> from lifelong_kd.strategy.lwf import lwf
        >>> check_strategy(lwf, scenario="task")
    """
    if not callable(make):
        raise TypeError(f"check_strategy wants the function that makes the strategy, not {make!r}")
    build = partial(small_experiment, scenario=scenario, head=head, model=model)
    with tempfile.TemporaryDirectory() as place, quiet():
        watch = _Watch()
        whole = _run(build(make(), trackers=[watch]), Path(place) / "whole", watch)
        expect(
            not silent or not watch.spoke,
            f"in the first task, where there is no teacher yet, there was a loss of {', '.join(sorted(watch.spoke))}",
        )
        moved = [name for name, digests in watch.seen.items() if len(digests) > 1]
        expect(not moved, f"the teacher moved while it taught: {', '.join(moved)}")
        again = _run(build(make()), Path(place) / "again")
        expect(again == whole, "two runs with the same seed end with different weights or accuracies")
        often = _run(build(make(), every=1), Path(place) / "often")
        expect(often == whole, "a run that is evaluated more often ends with different weights or accuracies")
        for axis in ("task", "iteration"):
            resumed = _stopped_and_resumed(build, make, Path(place) / axis, axis)
            expect(
                resumed == whole, f"a run stopped at its second {axis} record and resumed ends differently"
            )
        between = partial(build, checkpoint_every=None)
        resumed = _stopped_and_resumed(between, make, Path(place) / "between", "iteration")
        expect(
            resumed == whole,
            "a run stopped in its second task and resumed from that task's beginning ends differently",
        )
        if rounds:
            tried = _run(build(make(), controller=_RollsBack()), Path(place) / "rounds")
            expect(tried == whole, "rounds that were rolled back left something behind")
        _check_plugin(build, make, Path(place) / "plugin", scenario)


class _RollsBack(Controller):
    """Keeps the first round of every task, tries another one, and then the first again, which has to be the same."""

    looks = frozenset({"validation", "train"})

    def first(self, view: View) -> Proposal:
        return Proposal(why="as configured")

    def judge(self, view: View) -> Verdict:
        if len(view.rounds) == 1:
            return Verdict(keep=True, next=Proposal(lr=3 * view.lr, epochs=1, why="another"), why="the first")
        if len(view.rounds) == 2:
            return Verdict(keep=False, next=Proposal(why="the first again"), why="only tried")
        first, last = view.rounds[0].figures, view.last.figures
        same = [
            torch.equal(first.of("validation", task).right, last.of("validation", task).right)
            for task in range(view.task + 1)
        ]
        expect(all(same), "a round that was rolled back changed the one after it")
        return Verdict(keep=False, why="the same")


class _Watch(Tracker):
    """Notes what the teachers look like while they teach."""

    def __init__(self) -> None:
        self.experiment: Experiment | None = None
        self.seen: dict[str, set[str]] = {}
        self.spoke: set[str] = set()

    def start(self, run: RunInfo) -> None:
        self.seen = {}

    def log(self, values: Mapping[str, Value], axis: str, step: Mapping[str, int]) -> None:
        if axis != "iteration" or self.experiment is None or self.experiment.plugin is None:
            return
        if step["task"] == 0:
            self.spoke |= {name.removeprefix(LOSS) for name in values if name.startswith(LOSS)} - OWN
        for name, teacher in self.experiment.plugin.strategy.teachers.items():
            module = getattr(teacher, "module", None)
            if isinstance(module, nn.Module) and not teacher.adapts:
                self.seen.setdefault(f"{name} in task {step['task']}", set()).add(digest(module))

    def finish(self, status: Status) -> None:
        self.experiment = None


def _run(experiment: Experiment, folder: Path, watch: _Watch | None = None, *, resume: bool = False) -> End:
    if watch is not None:
        watch.experiment = experiment
    results = experiment.run(folder, resume=resume)
    return digest(experiment.engine.model), results["accuracy_matrix"]


def _stopped_and_resumed(build: Build, make: Callable[[], Strategy], folder: Path, axis: str) -> End:
    with contextlib.suppress(Interrupted):
        build(make(), trackers=[Stop(axis)]).run(folder)
    return _run(build(make()), folder, resume=True)


def _check_plugin(build: Build, make: Callable[[], Strategy], folder: Path, scenario: Scenario) -> None:
    """The engine and Avalanche's own ``Naive`` end with the same weights, samples in the same order."""
    if scenario == "task" and make().train_on != "new":
        # Avalanche balances batches by task label where several are mixed; ours shuffles them together.
        return
    from avalanche.training.supervised import Naive

    experiment = build(make(), shuffle=False, dropout=0.0, teacher_cache="off")
    network = copy.deepcopy(experiment.engine.model)
    plain = Naive(
        model=network,
        optimizer=experiment.make_optimizer(network.parameters()),
        criterion=nn.CrossEntropyLoss(),
        train_mb_size=experiment.training.batch_size,
        train_epochs=experiment.training.epochs,
        eval_mb_size=experiment.training.eval_batch_size,
        plugins=[DistillationPlugin(make(), scenario=scenario, seeds=Seeds(experiment.seeds.root))],
        evaluator=None,
    )
    for experience in experiment.benchmark.train_stream:
        plain.train(experience, eval_streams=[], shuffle=False, reset_optimizer_state=True)
    experiment.run(folder)
    ours, theirs = experiment.engine.model.state_dict(), plain.model.state_dict()
    far = [
        name for name in ours if not ours[name].float().allclose(theirs[name].float(), rtol=1e-4, atol=1e-5)
    ]
    expect(
        not far, f"as a plugin of Avalanche's Naive the strategy ends with other values of {', '.join(far)}"
    )
