"""A made-up course of tasks in which a controller of rounds decides, and nothing is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.rounds.base import Controller, Figures, Knob, Outcome, Proposal, Reading, Round, View
from lifelong_kd.testing.expect import expect

__all__ = ["Course", "Kind", "Played", "Response", "reading"]

Kind = Literal["distill", "rehearse", "other"]

Response = Callable[[int, int, int, Proposal], float]
"""``respond(of, task, index, proposal)``: accuracy on task ``of`` after that round of ``task``, so trained."""


def reading(accuracy: float, samples: int = 40) -> Reading:
    """A student that is right on the first samples and wrong on the rest, in whole samples."""
    right = torch.arange(samples) < round(accuracy * samples)
    return Reading(float(right.double().mean()), 1.0 - accuracy, right)


@dataclass(frozen=True)
class Played:
    """A task that is over: its rounds, and the index of the one that is kept."""

    task: int
    rounds: tuple[Round, ...]
    kept: int

    @property
    def best(self) -> Round:
        """The round that is kept."""
        return self.rounds[self.kept]


class _Upto(dict[int, Reading]):
    """Readings by task that refuse to say anything of tasks to come."""

    def __init__(self, task: int, readings: Mapping[int, Reading]) -> None:
        super().__init__(readings)
        self.task = task

    def __missing__(self, task: int) -> Reading:
        if task > self.task:
            raise BadCall(f"a controller of rounds cannot see task {task} while task {self.task} is learned")
        raise KeyError(task)

    def get(self, task: int, default: Any = None) -> Any:
        return self[task] if task in self or task > self.task else default

    def __deepcopy__(self, memo: dict[int, Any]) -> _Upto:
        return _Upto(self.task, self)


@dataclass(frozen=True)
class Course:
    """Tasks whose accuracies are made up.

    Args:
        respond: gives the accuracies.
        tasks: how many.
        terms: the kind of each of the strategy's terms by name; they speak from the second task on.
        speaking: whether they ever speak.
        temperature: of the terms that have a teacher.
        samples: of each task, in each source.
        lr: the configured learning rate.
        epochs: the configured number.
        most: rounds of one task at most.
        folder: where the controller may write.
        scored: whether the generator, as good as the student on the current task, has a score.
    """

    respond: Response
    tasks: int = 3
    terms: Mapping[str, Kind] = field(default_factory=lambda: {"kd": "distill"})
    speaking: bool = True
    temperature: float | None = 2.0
    samples: int = 40
    lr: float = 0.1
    epochs: int = 3
    most: int = 200
    folder: Path | None = None
    scored: bool = True

    def play(self, controller: Controller, name: str | None = None) -> list[Played]:
        """Let a controller decide from the first task to the last.

        Args:
            controller: decides.
            name: what it is called in messages; its class if ``None``.

        Raises:
            AssertionError: if a task does not end within the number of rounds allowed, or its first round is
            not kept.
        """
        done: list[Played] = []
        earlier: tuple[Outcome, ...] = ()
        for task in range(self.tasks):
            played = self._task(
                controller, self._view(task, controller, done, earlier), name or type(controller).__name__
            )
            done.append(played)
            best = played.best
            earlier = (*earlier, Outcome(task, best.proposal, best.figures, len(played.rounds)))
        return done

    def _view(
        self, task: int, controller: Controller, done: list[Played], earlier: tuple[Outcome, ...]
    ) -> View:
        before = None
        if done:
            last = done[-1]
            found = {
                of: reading(self.respond(of, task - 1, last.kept, last.best.proposal), self.samples)
                for of in range(task)
            }
            looked = {name: found if name in controller.looks else {} for name in ("validation", "memory")}
            before = Figures(task, None, _Upto(task, looked["validation"]), _Upto(task, looked["memory"]))
        knobs = {
            name: Knob(kind, 1.0, self.speaking and task > 0, self.temperature if kind == "distill" else None)
            for name, kind in self.terms.items()
        }
        return View(
            task=task,
            scenario="class",
            old_classes=2 * task,
            new_classes=2,
            lr=self.lr,
            epochs=self.epochs,
            knobs=knobs,
            before=before,
            earlier=earlier,
            seed=task,
            folder=self.folder,
        )

    def _task(self, controller: Controller, view: View, name: str) -> Played:
        proposal: Proposal | None = controller.first(view)
        while proposal is not None:
            number = len(view.rounds)
            expect(
                number < self.most,
                f"{name} does not end task {view.task} within {self.most} rounds",
            )
            curve, pruned = self._epochs(controller, view, proposal)
            made = Round(
                number, proposal, self._figures(view.task, number, proposal, controller), curve, pruned
            )
            view = replace(view, rounds=(*view.rounds, made))
            verdict = controller.judge(view)
            judged = replace(made, kept=verdict.keep, why=verdict.why)
            kept = number if verdict.keep else view.kept
            expect(
                kept is not None,
                f"{name} does not keep the first round of task {view.task}",
            )
            view = replace(view, rounds=(*view.rounds[:-1], judged), kept=kept)
            proposal = verdict.next
        return Played(view.task, view.rounds, view.kept or 0)

    def _epochs(
        self, controller: Controller, view: View, proposal: Proposal
    ) -> tuple[tuple[float, ...], bool]:
        """The accuracies after each epoch, and whether the round was broken off."""
        if not controller.prunes:
            return (), False
        reached = self.respond(view.task, view.task, len(view.rounds), proposal)
        epochs = proposal.epochs or self.epochs
        curve: tuple[float, ...] = ()
        for epoch in range(1, epochs + 1):
            curve = (*curve, reached * epoch / epochs)
            if controller.prune(view, curve):
                return curve, True
        return curve, False

    def _figures(self, task: int, index: int, proposal: Proposal, controller: Controller) -> Figures:
        looks = controller.looks
        found = {of: reading(self.respond(of, task, index, proposal), self.samples) for of in range(task + 1)}
        old = {of: one for of, one in found.items() if of < task}
        score = 1.0 - found[task].accuracy if self.scored and "generator" in looks else None
        return Figures(
            task,
            found[task] if "train" in looks else None,
            _Upto(task, found if "validation" in looks else {}),
            _Upto(task, old if "memory" in looks else {}),
            score,
        )
