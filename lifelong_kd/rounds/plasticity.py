"""Plasticity first, then as much stability as it leaves room for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from lifelong_kd.core.errors import BadCall
from lifelong_kd.rounds.base import Controller, Proposal, Verdict, View
from lifelong_kd.rounds.terms import refuse_fine_tuning, refuse_unknown, turned

__all__ = ["PlasticityStability"]

# FACIL's rates in shares of 0.1, the rate that it starts from unless told otherwise.
FIRST = (5.0, 1.0, 0.5)
LATER = (1.0, 0.5, 0.1, 0.05, 0.01)


class PlasticityStability(Controller):
    """Find the learning rate that learns a task best, then the highest weights that still let it be learned.

    1. Plasticity: the task is learned by plain fine-tuning with one learning rate after the other. The best
       accuracy on its validation data is A_ft, the rate that reached it (the first of equals) is that of the
       task.
    2. Stability: the task is learned by the method, the weights at ``start`` times the configured ones. While
       the accuracy on the task's validation data is below (1 - tolerance) A_ft, the weights are multiplied by
       ``decay`` and the task is learned again, at most ``attempts`` times in all. The last attempt is kept.

    With several terms the n-th attempt turns down one of them, the others staying where they were; when each
    has had its turn, all of them go down together, and that is where the next turns start from. Accuracy is
    read as the stream's scenario reads it. Data of earlier tasks have no part in it.

    A round that diverged counts as one that learns nothing and cannot be kept: the task takes another rate, or the
    next lower weights. Where no attempt of the second step is left the last one that did not diverge is kept.

    In a task where no term speaks, as in the first one of most methods, the first step is all, and its rounds
    are the method's own. Where terms speak a round of fine-tuning is never what is kept.

    De Lange et al., "A Continual Learning Survey: Defying Forgetting in Classification Tasks"
    (arXiv:1909.08383), code Mattdl/CLsurvey; Masana et al., "Class-incremental Learning: Survey and
    Performance Evaluation" (arXiv:2010.15277), code FACIL. Both have tolerance 0.2 and decay 0.5. Where the
    codes differ:

    * Rates. CLsurvey tries all of one list (a second one for the first task if given), FACIL three on the
      first task and, later, the three largest of another list below what the first task took. Here as FACIL;
      where no rate is below the first task's, which ends its search with rate 0, that rate is tried.
    * After the last attempt. CLsurvey (10 attempts) keeps it as it is; FACIL (7) turns the weight down once
      more and trains with that unseen. Here as CLsurvey: what is kept was measured.
    * Several weights. Only CLsurvey knows them; here as there.
    * The next task. CLsurvey begins with the weights that the last one ended with, FACIL at the start again.
      Here as FACIL unless ``carry``.
    * Accuracy. FACIL compares accuracies with the task known, also in class-incremental streams; here both
      are read in the stream's own way, so that the terms have to leave the task its place among the classes
      seen.

    Args:
        learning_rates: tried from the second task on, in this order; FACIL's list in shares of the configured
            rate (1, 0.5, 0.1, 0.05, 0.01) if null.
        first_learning_rates: tried in the first task; FACIL's in shares of the configured rate (5, 1, 0.5) if
            null.
        rates: from the second task on, at most so many rates, the largest below the one that the first task
            kept; all of them, whatever the first task kept, if null.
        tolerance: p, the share of A_ft that may be lost.
        decay: what a weight is multiplied by when too much is lost.
        attempts: rounds of the second step at most.
        start: factor of the configured weights to begin with; both codes start LwF at 10.
        terms: names of the terms that are turned; all that have a teacher if null.
        one_at_a_time: with several terms, turn down one after the other before all.
        carry: begin with the factors that the task before ended with.
        epochs: passes over the data in every round of both steps; as configured if null.
    """

    def __init__(
        self,
        *,
        learning_rates: list[float] | None = None,
        first_learning_rates: list[float] | None = None,
        rates: int | None = 3,
        tolerance: float = 0.2,
        decay: float = 0.5,
        attempts: int = 10,
        start: float = 10.0,
        terms: list[str] | None = None,
        one_at_a_time: bool = True,
        carry: bool = False,
        epochs: int | None = None,
    ) -> None:
        for name, given in (
            ("learning_rates", learning_rates),
            ("first_learning_rates", first_learning_rates),
        ):
            if given is not None and (not given or not all(0 < rate < math.inf for rate in given)):
                raise BadCall(f"{name} is a list of at least one rate greater than 0, got {given}")
        if rates is not None and rates < 1:
            raise BadCall(f"rates must be at least 1, got {rates}")
        if not 0 <= tolerance < 1:
            raise BadCall(f"tolerance must be at least 0 and less than 1, got {tolerance}")
        if not 0 < decay < 1:
            raise BadCall(f"decay must be between 0 and 1, got {decay}")
        if attempts < 1:
            raise BadCall(f"attempts must be at least 1, got {attempts}")
        if not 0 < start < math.inf:
            raise BadCall(f"start must be greater than 0 and finite, got {start}")
        if terms is not None and len(set(terms)) != len(terms):
            raise BadCall(f"terms names one twice: {terms}")
        if epochs is not None and epochs < 1:
            raise BadCall(f"epochs must be at least 1, got {epochs}")
        self.learning_rates = learning_rates
        self.first_learning_rates = first_learning_rates
        self.rates = rates
        self.tolerance = tolerance
        self.decay = decay
        self.attempts = attempts
        self.start = start
        self.terms = terms
        self.one_at_a_time = one_at_a_time
        self.carry = carry
        self.epochs = epochs

    def check(self, knobs: Mapping[str, Literal["distill", "rehearse", "other"]]) -> None:
        refuse_unknown(self.terms, knobs)

    def first(self, view: View) -> Proposal:
        return self._fine_tuning(view, 0)

    def judge(self, view: View) -> Verdict:
        rates, done = self.tried(view), len(view.rounds)
        accuracy, lost = view.last.figures.new(), view.last.diverged
        if done <= len(rates):
            keep = not lost and (view.best is None or accuracy > view.best.figures.new())
            why = (
                "diverged"
                if lost
                else f"accuracy {accuracy:.4f}, {'the best so far' if keep else 'no better'}"
            )
            if done < len(rates):
                return Verdict(keep, self._fine_tuning(view, done), why)
            more = _speaking(view) and (keep or view.best is not None)
            return Verdict(keep, self._attempt(view, 0) if more else None, why)
        number = done - len(rates)
        if lost:
            return self._after_divergence(view, number)
        best = max(tried.figures.new() for tried in view.rounds[: len(rates)])
        wanted = (1 - self.tolerance) * best
        why = f"attempt {number}: accuracy {accuracy:.4f}, wanted {wanted:.4f} ({1 - self.tolerance:g} of {best:.4f})"
        # (1 - 0.2) * 0.8 is a little more than 0.64; no sample counts so little.
        if accuracy >= wanted - 1e-9 or number == self.attempts or not turned(view, self.terms):
            return Verdict(True, None, why)
        return Verdict(True, self._attempt(view, number), why)

    def _after_divergence(self, view: View, number: int) -> Verdict:
        if number < self.attempts and turned(view, self.terms):
            return Verdict(False, self._attempt(view, number), f"attempt {number} diverged")
        refuse_fine_tuning(view)
        return Verdict(False, None, f"attempt {number} diverged; the one before stays")

    def tried(self, view: View) -> list[float]:
        """The learning rates of the first step in this task, in their order."""
        if view.task == 0:
            return list(self.first_learning_rates or (share * view.lr for share in FIRST))
        rates = list(self.learning_rates or (share * view.lr for share in LATER))
        before = [outcome.proposal.lr for outcome in view.earlier if outcome.task == 0]
        if self.rates is None or not before or before[0] is None:
            return rates[: self.rates]
        lower = sorted((rate for rate in rates if rate < before[0]), reverse=True)
        return lower[: self.rates] or [before[0]]

    def factors(self, view: View, attempt: int) -> dict[str, float]:
        """What the weights are multiplied by in an attempt, counted from 0."""
        names = turned(view, self.terms)
        turns = len(names) + 1 if self.one_at_a_time and len(names) > 1 else 1
        together, turn = divmod(attempt, turns)
        last = view.earlier[-1].proposal.factors if self.carry and view.earlier else {}
        return {
            name: last.get(name, self.start) * self.decay ** (together + (turn == place))
            for place, name in enumerate(names, 1)
        }

    def _fine_tuning(self, view: View, number: int) -> Proposal:
        rates = self.tried(view)
        why = f"plasticity: rate {rates[number]:g}, {number + 1} of {len(rates)}"
        return Proposal(lr=rates[number], epochs=self.epochs, plain=_speaking(view), why=why)

    def _attempt(self, view: View, attempt: int) -> Proposal:
        rates = self.tried(view)
        # Of equals the first, as the search itself keeps it.
        learned = [-1.0 if done.diverged else done.figures.new() for done in view.rounds[: len(rates)]]
        best = max(range(len(rates)), key=lambda number: learned[number])
        factors = self.factors(view, attempt)
        said = ", ".join(f"{name} x {factor:g}" for name, factor in factors.items())
        why = f"stability: {said or 'no weight to turn'}, rate {rates[best]:g}"
        return Proposal(lr=rates[best], epochs=self.epochs, factors=factors, why=why)


def _speaking(view: View) -> bool:
    return any(knob.speaks for knob in view.knobs.values())
