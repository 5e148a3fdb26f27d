"""The contract of a controller of rounds, and everything that it may know."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Scenario

__all__ = [
    "LOOKS",
    "SOURCES",
    "Controller",
    "Figures",
    "Knob",
    "Outcome",
    "Proposal",
    "Reading",
    "Round",
    "Source",
    "Start",
    "Verdict",
    "View",
    "refuse_peeking",
]

Source = Literal["train", "validation", "memory"]
SOURCES: frozenset[str] = frozenset(get_args(Source))
"""What a controller may look at: of the current task, or of earlier ones what was kept or carved out at their time."""

LOOKS: frozenset[str] = SOURCES | {"generator"}
"""What may be measured for a controller: the student on these sources, and how well the generator models its data."""

Start = Literal["task", "kept", "fresh", "last"]
"""What a round begins with: the student as the task found it, as the kept round left it, or with newly drawn weights.

``last`` goes on with the training of the round before, kept or not: student, optimiser, generator, whatever else learns
or is collected beside it, and the random draws, so that two such rounds are one long training with a look in between.
"""


@dataclass(frozen=True)
class Reading:
    """A student on some samples: ``accuracy`` in [0, 1] and mean cross-entropy ``loss``.

    ``loss`` is ``None`` where the student knows none of the classes. ``right`` says of each sample whether the student
    was right (bool, in the same order each time), so that two rounds can be compared sample by sample; of exemplars
    only as far as both rounds' memories hold the same ones.
    """

    accuracy: float
    loss: float | None
    right: Tensor

    @property
    def samples(self) -> int:
        """The number of samples."""
        return len(self.right)


@dataclass(frozen=True)
class Figures:
    """What was measured of one student, by source and task; test data and later tasks are never among it.

    ``validation`` and ``memory`` (exemplars) by task, up to the current one; ``train`` is the current task's training
    data. ``generator`` is the score that the strategy's generator gives itself on the current task's validation data,
    lower is better: an infinite one of a round that diverged, ``None`` of a generator that has none. What the
    controller does not look at is empty.
    """

    task: int
    train: Reading | None = None
    validation: Mapping[int, Reading] = field(default_factory=dict)
    memory: Mapping[int, Reading] = field(default_factory=dict)
    generator: float | None = None

    def of(self, source: str, task: int | None = None) -> Reading:
        """One reading, of the current task if none is named.

        Raises:
            BadCall: for the test stream, a task to come, or what was not measured.
        """
        wanted = self.task if task is None else task
        if source not in SOURCES:
            raise BadCall(
                f"a controller of rounds cannot see {source!r}: it sees {', '.join(sorted(SOURCES))};"
                " the test stream is for the evaluation alone"
            )
        if not 0 <= wanted <= self.task:
            raise BadCall(
                f"a controller of rounds cannot see task {wanted} while task {self.task} is learned"
            )
        if source == "train":
            found = self.train if wanted == self.task else None
        else:
            found = (self.validation if source == "validation" else self.memory).get(wanted)
        if found is None:
            raise BadCall(
                f"there is no reading of {source!r} for task {wanted}; name it in the controller's `looks`"
            )
        return found

    def new(self, source: Source = "validation") -> float:
        """Accuracy on the current task."""
        return self.of(source).accuracy

    def old(self, source: Source = "validation") -> float | None:
        """Mean accuracy on earlier tasks, each weighing the same; ``None`` if there is none."""
        readings = self.validation if source == "validation" else self.memory
        values = [reading.accuracy for task, reading in readings.items() if task < self.task]
        return sum(values) / len(values) if values else None

    def average(self, source: Source = "validation") -> float:
        """Mean accuracy on the tasks so far, each weighing the same."""
        readings = self.validation if source == "validation" else self.memory
        values = [reading.accuracy for reading in readings.values()]
        if not values:
            raise BadCall(f"there is no reading of {source!r}; name it in the controller's `looks`")
        return sum(values) / len(values)


@dataclass(frozen=True)
class Knob:
    """A term whose weight can be turned.

    ``kind`` is ``distill`` (there is a teacher), ``rehearse`` (the task loss on memory) or ``other``; ``weight`` its
    configured weight at the first step of this task; ``speaks`` whether it has anything to say in this task;
    ``temperature`` its configured one, ``None`` if it has none.
    """

    kind: Literal["distill", "rehearse", "other"]
    weight: float
    speaks: bool
    temperature: float | None = None


@dataclass(frozen=True)
class Proposal:
    """How the next round is trained; what is not named is as configured.

    Attributes:
        start: what the round begins with.
        lr: learning rate.
        epochs: passes over the task's data.
        factors: what each term's weight is multiplied by, by the term's name; 0 is no term.
        temperatures: of the terms, by name.
        plain: whether the round is plain fine-tuning: no term at all.
        generation: weight of a second teacher, the student of the kept round; 0 for none.
        why: the reason, in a few words, for whoever reads the log.
    """

    start: Start = "task"
    lr: float | None = None
    epochs: int | None = None
    factors: Mapping[str, float] = field(default_factory=dict)
    temperatures: Mapping[str, float] = field(default_factory=dict)
    plain: bool = False
    generation: float = 0.0
    why: str = ""


@dataclass(frozen=True)
class Round:
    """A round that is over: what was tried, what was measured, and what became of it.

    ``curve`` are the validation accuracies on the current task after each epoch, for a controller that prunes;
    ``pruned`` whether the round was broken off. It is ``diverged``, too, if that was because the student's numbers
    were no longer finite: its figures are then those of a student that is wrong about every sample, its losses
    infinite, and it cannot be kept. Until a round is judged, ``kept`` is false and ``why`` empty.
    """

    index: int
    proposal: Proposal
    figures: Figures
    curve: tuple[float, ...] = ()
    pruned: bool = False
    diverged: bool = False
    kept: bool = False
    why: str = ""


@dataclass(frozen=True)
class Outcome:
    """How an earlier task ended: the proposal that was kept, what was measured then, and how many rounds it took."""

    task: int
    proposal: Proposal
    figures: Figures
    rounds: int


@dataclass(frozen=True)
class View:
    """All that a controller is told: numbers about the current task and those before it, and nothing else.

    ``before`` is the student as the task found it, measured on earlier tasks (``None`` in the first task);
    ``rounds`` this task's rounds, the last one not yet judged when ``judge`` is asked; ``kept`` the index of the round
    that is kept, the last one that was; ``lr`` and ``epochs`` the configured ones; ``seed`` a number of this run and
    task for a controller that draws; ``folder`` where it may write, ``None`` outside a run folder.
    """

    task: int
    scenario: Scenario
    old_classes: int
    new_classes: int
    lr: float
    epochs: int
    knobs: Mapping[str, Knob]
    before: Figures | None = None
    rounds: tuple[Round, ...] = ()
    kept: int | None = None
    earlier: tuple[Outcome, ...] = ()
    seed: int = 0
    folder: Path | None = None

    @property
    def last(self) -> Round:
        """The round that is over."""
        return self.rounds[-1]

    @property
    def best(self) -> Round | None:
        """The round that is kept."""
        return None if self.kept is None else self.rounds[self.kept]

    def distilling(self) -> tuple[str, ...]:
        """The terms of teachers that have something to say in this task."""
        return tuple(name for name, knob in self.knobs.items() if knob.kind == "distill" and knob.speaks)

    def forgetting(self, figures: Figures, source: Source = "validation") -> float | None:
        """F = mean over earlier tasks j of (accuracy on j before this task - accuracy on j in ``figures``)."""
        if self.before is None:
            return None
        were, are = (f.validation if source == "validation" else f.memory for f in (self.before, figures))
        falls = [were[j].accuracy - are[j].accuracy for j in were if j < self.task and j in are]
        return sum(falls) / len(falls) if falls else None


@dataclass(frozen=True)
class Verdict:
    """What becomes of the last round: whether it takes the place of the kept one, what comes next, and the reason.

    Without ``next`` the task is done with the kept round.
    """

    keep: bool
    next: Proposal | None = None
    why: str = ""


def refuse_peeking(name: str, looks: Collection[str]) -> None:
    """Refuse a controller called ``name`` that looks at anything but :data:`LOOKS`.

    Raises:
        BadCall: naming what it must not see.
    """
    forbidden = set(looks) - LOOKS
    if forbidden:
        raise BadCall(
            f"the controller {name} looks at {', '.join(sorted(map(repr, forbidden)))}: allowed are"
            f" {', '.join(sorted(LOOKS))}; the test stream and later tasks are for the evaluation alone"
        )


class Controller(ABC):
    """Decides how a task is trained, round after round.

    A controller holds options and no state: what it decides follows from the view alone, so that a run that was killed
    in any round goes on with the same decisions.

    >>> class Twice(Controller):
    ...     def first(self, view):
    ...         return Proposal(why="as configured")
    ...     def judge(self, view):
    ...         if len(view.rounds) == 1:
    ...             return Verdict(keep=True, next=Proposal(lr=view.lr / 2, why="half the rate"))
    ...         better = view.last.figures.new() > view.best.figures.new()
    ...         return Verdict(keep=better, why="better" if better else "no better")
    """

    looks: frozenset[str] = frozenset({"validation"})
    """What is measured for it after each round: of ``train``, ``validation``, ``memory`` and ``generator``.

    An option may decide.
    """

    prunes: bool = False
    """Whether it is asked after each epoch if the round is to be broken off; an option may decide."""

    generations: ClassVar[bool] = False
    """Whether it proposes the kept student as a second teacher."""

    goes_on: ClassVar[bool] = False
    """Whether it proposes to go on with the training of the round before, by ``start="last"``."""

    temperature: float = 2.0
    """At which that second teacher's answers are softened."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        refuse_peeking(cls.__name__, cls.looks)

    @abstractmethod
    def first(self, view: View) -> Proposal:
        """How the first round of a task is trained."""

    @abstractmethod
    def judge(self, view: View) -> Verdict:
        """What becomes of ``view.last``, and what comes next.

        A task needs a kept round, so that the first one has to be kept; unless it diverged: such a round cannot be,
        and a task that ends without a kept round ends the run.
        """

    def prune(self, view: View, curve: tuple[float, ...]) -> bool:
        """Whether the round that is going on is broken off, by its accuracies after each epoch so far."""
        return False

    def check(self, knobs: Mapping[str, Literal["distill", "rehearse", "other"]]) -> None:
        """Refuse a strategy that it cannot do anything with, before anything is trained.

        Args:
            knobs: the kind of each of the strategy's terms.

        Raises:
            BadCall: saying what is missing.
        """
