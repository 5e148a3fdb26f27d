"""Born again: the student of one round is a second teacher of the next."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from lifelong_kd.core.errors import BadCall
from lifelong_kd.rounds.base import Controller, Figures, Proposal, Reading, Start, Verdict, View
from lifelong_kd.rounds.paired import difference

__all__ = ["BornAgain"]

STARTS: dict[str, Start] = {"task": "task", "fresh": "fresh", "warm": "kept"}


class BornAgain(Controller):
    """Teach a task again and again by the student that the round before left, as long as that pays.

    Round 0 is as configured. In round g the kept student is a second teacher beside those of the method::

        L_g = L + weight * T^2 KL(kept student^T || student^T)

    on the new batch and, where a term of the method reads the memory, with the same weight on what it draws.
    Generation g takes the place of the kept student if the score rises by more than ``noise`` standard errors
    of the paired difference on the same validation samples; otherwise the task ends with what is kept. With
    d_ji = (sample i of task j is right now) - (was right), of -1, 0 or 1, over the n_j samples of each of the
    J tasks of the score::

        D  = 1/J sum_j mean_i d_ji
        SE = 1/J sqrt(sum_j s_j^2 / n_j),   s_j^2 = sum_i (d_ji - mean_i d_ji)^2 / (n_j - 1)
        kept if D > 0 and D > noise * SE

    A validation set that decides after each generation is used up a little each time: ``noise`` guards
    against a chance gain, and ``generations`` bounds how often there is one to be had.

    Furlanello et al., "Born-Again Neural Networks" (arXiv:1805.04770), train a fixed number of generations,
    each from new weights on the labels and the answers of the one before. Mittal et al., "Essentials for
    Class Incremental Learning" (arXiv:2102.09517, CCIL), do so once, in the first task. The rule that stops
    is ours.

    Args:
        generations: generations after round 0 at most.
        weight: of the answers of the kept student.
        temperature: T, at which they are softened.
        student: each generation begins as the task found the student (``task``: as round 0 did), with newly
            drawn weights (``fresh``: what earlier tasks left is then only in the teachers), or as the kept
            student (``warm``).
        tasks: ``all``, or the ``first`` only.
        noise: standard errors that a gain has to exceed; 0 takes every gain.
        score: accuracy on the ``new`` task, or the ``average`` over the tasks so far, each weighing the same.
        epochs: passes over the data in each generation; as configured if null.
    """

    generations: ClassVar[bool] = True

    def __init__(
        self,
        *,
        generations: int = 3,
        weight: float = 1.0,
        temperature: float = 2.0,
        student: Literal["task", "fresh", "warm"] = "task",
        tasks: Literal["all", "first"] = "all",
        noise: float = 1.0,
        score: Literal["average", "new"] = "average",
        epochs: int | None = None,
    ) -> None:
        if generations < 1:
            raise BadCall(f"generations must be at least 1, got {generations}")
        if not 0 < weight < math.inf:
            raise BadCall(f"weight must be greater than 0 and finite, got {weight}")
        if not 0 < temperature < math.inf:
            raise BadCall(f"temperature must be greater than 0 and finite, got {temperature}")
        if student not in STARTS:
            raise BadCall(f"student must be one of {', '.join(STARTS)}, got {student!r}")
        if tasks not in ("all", "first"):
            raise BadCall(f"tasks must be all or first, got {tasks!r}")
        if not 0 <= noise < math.inf:
            raise BadCall(f"noise must be at least 0 and finite, got {noise}")
        if score not in ("average", "new"):
            raise BadCall(f"score must be average or new, got {score!r}")
        if epochs is not None and epochs < 1:
            raise BadCall(f"epochs must be at least 1, got {epochs}")
        self.most = generations
        self.weight = weight
        self.temperature = temperature
        self.student = student
        self.tasks = tasks
        self.noise = noise
        self.score = score
        self.epochs = epochs

    def first(self, view: View) -> Proposal:
        return Proposal(why="as configured")

    def judge(self, view: View) -> Verdict:
        number = view.last.index
        if view.last.diverged:
            return Verdict(
                False, None, f"generation {number} diverged" if number else "the first student diverged"
            )
        if view.best is None:
            if self.tasks == "first" and view.task:
                return Verdict(True, None, "only the first task is taught again")
            return Verdict(True, self._next(1), "the first student")
        gain = difference(self._readings(view.last.figures), self._readings(view.best.figures))
        if not gain.beyond(self.noise):
            why = f"generation {number}: {gain}, not a gain of more than {self.noise:g} standard errors"
            return Verdict(False, None, why)
        following = self._next(number + 1) if number < self.most else None
        return Verdict(True, following, f"generation {number} is better: {gain}")

    def _next(self, generation: int) -> Proposal:
        return Proposal(
            start=STARTS[self.student],
            epochs=self.epochs,
            generation=self.weight,
            why=f"generation {generation}, taught by the kept student as well",
        )

    def _readings(self, figures: Figures) -> dict[int, Reading]:
        if self.score == "new":
            return {figures.task: figures.of("validation")}
        return dict(figures.validation)
