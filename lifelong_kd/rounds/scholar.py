"""A generator and its solver trained on, in turns with a look at both, until neither improves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

from lifelong_kd.core.errors import BadCall
from lifelong_kd.rounds.base import Controller, Proposal, Round, Verdict, View

__all__ = ["Scholar"]


class Scholar(Controller):
    """Train a scholar, a solver and its generator, on the same task again and again, until both stop improving.

    A round goes on where the training of the one before ended, so that n rounds of e epochs are one training of n e
    epochs that is looked at n times. Within a task the frozen generator and solver of the task before do the replaying,
    in every round; what a round leaves replaces them when the task is over. With A_r the mean validation accuracy over
    the tasks so far after round r, each task weighing the same, and G_r the generator's score on the validation data of
    the current task (lower is better), round r improves the scholar if::

        A_r > max_{s<r} A_s + min_delta     or     G_r < min_{s<r} G_s - min_share * |min_{s<r} G_s|

    The task ends when ``patience`` rounds in a row have not improved it, after ``budget`` rounds, or when one diverged.
    It ends with the most accurate scholar: round r takes the place of the kept one if A_r is above all before by more
    than ``min_delta``; if it is within ``min_delta`` of the best of them, if its generator is better than the kept one
    (without a score: if A_r is above the best). So a generator that still improves is not thrown away for the noise of
    an accuracy that does not.

    The pair is the scholar of Shin et al., "Continual Learning with Deep Generative Replay" (arXiv:1705.08690), which
    trains both for a fixed number of steps. The rule that stops is ours.

    Args:
        budget: rounds of a task at most.
        patience: rounds in a row that may improve neither.
        min_delta: gain in accuracy, in [0, 1), that counts as one.
        min_share: gain of the generator that counts as one, as a share of its best score.
        epochs: passes over the task's data in each round; as configured if null.
    """

    looks = frozenset({"validation", "generator"})
    goes_on: ClassVar[bool] = True

    def __init__(
        self,
        *,
        budget: int = 8,
        patience: int = 1,
        min_delta: float = 0.002,
        min_share: float = 0.01,
        epochs: int | None = None,
    ) -> None:
        for name, given in (("budget", budget), ("patience", patience)):
            if given < 1:
                raise BadCall(f"{name} must be at least 1, got {given}")
        for name, share in (("min_delta", min_delta), ("min_share", min_share)):
            if not 0 <= share < 1:
                raise BadCall(f"{name} must be at least 0 and less than 1, got {share}")
        if epochs is not None and epochs < 1:
            raise BadCall(f"epochs must be at least 1, got {epochs}")
        self.budget = budget
        self.patience = patience
        self.min_delta = min_delta
        self.min_share = min_share
        self.epochs = epochs

    def first(self, view: View) -> Proposal:
        return Proposal(epochs=self.epochs, why="solver and generator as configured")

    def judge(self, view: View) -> Verdict:
        if view.last.diverged:
            return Verdict(False, None, "diverged; the scholar before it stays" if view.best else "diverged")
        keep, why = self._better(view)
        idle = self._idle(view)
        if idle >= self.patience:
            rounds = "round" if idle == 1 else "rounds"
            return Verdict(keep, None, f"{why}; {idle} {rounds} without a gain of solver or generator")
        if len(view.rounds) >= self.budget:
            return Verdict(keep, None, f"{why}; the budget is spent")
        following = Proposal(start="last", epochs=self.epochs, why="solver and generator go on")
        return Verdict(keep, following, why)

    def _better(self, view: View) -> tuple[bool, str]:
        """Whether the last round takes the place of the kept one, and the figures that say so."""
        accuracy, score = view.last.figures.average(), view.last.figures.generator
        said = f"accuracy {accuracy:.4f}" + ("" if score is None else f", generator {score:.4g}")
        if view.best is None:
            return True, f"the first scholar: {said}"
        best = max(_accuracies(view.rounds[:-1]))
        gain, kept = accuracy - best, view.best.figures.generator
        said = f"{said}, against {best:.4f}" + ("" if kept is None else f" and {kept:.4g}")
        # Sums of fractions come out a little beside each other; no sample counts so little.
        if gain > self.min_delta + 1e-9:
            return True, f"a better solver: {said}"
        if gain < -self.min_delta - 1e-9:
            return False, f"a worse solver: {said}"
        if score is not None and kept is not None:
            keep = score < kept
            return keep, f"as good a solver, {'a better' if keep else 'no better'} generator: {said}"
        return gain > 1e-9, f"{'a slightly better' if gain > 1e-9 else 'no better'} solver: {said}"

    def _idle(self, view: View) -> int:
        """How many rounds in a row, up to the last one, have improved neither."""
        best, lowest, idle = -math.inf, math.inf, 0
        for done in view.rounds:
            accuracy, score = done.figures.average(), done.figures.generator
            gains = accuracy > best + self.min_delta + 1e-9
            if score is not None:
                gains |= score < lowest - (self.min_share * abs(lowest) if lowest < math.inf else 0.0)
                lowest = min(lowest, score)
            best = max(best, accuracy)
            idle = 0 if gains else idle + 1
        return idle


def _accuracies(rounds: tuple[Round, ...]) -> Iterator[float]:
    return (done.figures.average() for done in rounds)
