"""Weights of the teachers from measured forgetting and measured learning."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from lifelong_kd.core.errors import BadCall
from lifelong_kd.rounds.base import Controller, Figures, Proposal, Reading, Round, Source, Verdict, View
from lifelong_kd.rounds.paired import difference
from lifelong_kd.rounds.terms import refuse_fine_tuning, refuse_unknown, turned

__all__ = ["Balance"]

# Factors nearer to each other than this ratio are not worth a round.
NEAR = 1.05


class Balance(Controller):
    """Turn the weights of the teachers until a task costs as much forgetting as it costs learning.

    One factor f multiplies the configured weights of all the terms that are turned. After a round with f::

        F = mean over earlier tasks of (accuracy as the task found it - accuracy now)
        L = A - accuracy on the new task,   A = the best accuracy on the new task of this task's rounds so far

    The rule, exactly:

    1. The factor lies between a = ``lowest`` and b = ``highest``. The task starts with f = 1, or with
       ``carry`` the factor that the last task that turned any term kept, put between a and b.
    2. F > L: it forgets more than it fails to learn, a = f and the next factor is sqrt(f b). Otherwise b = f
       and the next factor is sqrt(a f).
    3. It ends after ``budget`` rounds, or when the next factor is within 5 % of f.
    4. The first round is kept. A later one takes the place of the kept one if its score, the mean accuracy
       over the tasks so far, each weighing the same, is higher by more than ``noise`` standard errors of the
       paired difference (:func:`lifelong_kd.rounds.paired.difference`); equals and differences within the
       noise keep the earlier one.

    A round that diverged is never kept; whatever it seems to forget, b = f and the next factor is sqrt(a f).
    Where every round of the method diverged the run fails.

    With ``reference="fine_tuning"`` one round more comes first: plain fine-tuning, whose accuracy on the new
    task is A throughout, unless it diverged. Its place is taken by the round after it, whatever the score.

    Where no term that is turned has something to say (in the first task of most methods, always in a strategy
    without teachers), or nothing is there to measure forgetting on, a task is one round.

    Args:
        lowest: least factor, at most 1.
        highest: greatest factor, at least 1.
        budget: rounds of a task at most, that of fine-tuning among them.
        measure: whether earlier tasks are measured on the ``validation`` data kept of them or on the
            exemplars in the ``memory``, which the student was trained on. The new task is measured on
            validation data. In a domain-incremental stream the exemplars of the new task are among those of the
            memory, so that it seems to forget less.
        reference: A is the ``best`` accuracy so far, or that of ``fine_tuning``.
        noise: standard errors that a gain has to exceed; 0 takes every gain.
        carry: begin with the factor that was kept last.
        soften: the temperatures of the turned terms are multiplied by f to the power of this; 0 leaves them.
        terms: names of the terms that are turned; all that have a teacher if null.
    """

    def __init__(
        self,
        *,
        lowest: float = 0.1,
        highest: float = 10.0,
        budget: int = 4,
        measure: Literal["validation", "memory"] = "validation",
        reference: Literal["best", "fine_tuning"] = "best",
        noise: float = 1.0,
        carry: bool = True,
        soften: float = 0.0,
        terms: list[str] | None = None,
    ) -> None:
        if not (0 < lowest <= 1 <= highest < math.inf and lowest < highest):
            raise BadCall(f"0 < lowest <= 1 <= highest is needed, and not both 1, got {lowest} and {highest}")
        if measure not in ("validation", "memory"):
            raise BadCall(f"measure must be validation or memory, got {measure!r}")
        if reference not in ("best", "fine_tuning"):
            raise BadCall(f"reference must be best or fine_tuning, got {reference!r}")
        least = 2 if reference == "fine_tuning" else 1
        if budget < least:
            raise BadCall(f"budget must be at least {least} with reference {reference}, got {budget}")
        if not 0 <= noise < math.inf:
            raise BadCall(f"noise must be at least 0 and finite, got {noise}")
        if not math.isfinite(soften):
            raise BadCall(f"soften must be finite, got {soften}")
        if terms is not None and (not terms or len(set(terms)) != len(terms)):
            raise BadCall(f"terms names at least one term and none twice, got {terms}")
        self.lowest = lowest
        self.highest = highest
        self.budget = budget
        self.measure: Source = measure
        self.reference = reference
        self.noise = noise
        self.carry = carry
        self.soften = soften
        self.terms = terms
        self.looks = frozenset({"validation", measure})

    def check(self, knobs: Mapping[str, Literal["distill", "rehearse", "other"]]) -> None:
        refuse_unknown(self.terms, knobs)

    def first(self, view: View) -> Proposal:
        if not self._turns(view):
            return Proposal(why="as configured: no weight to turn, or no forgetting to measure")
        if self.reference == "fine_tuning":
            return Proposal(plain=True, why="fine-tuning: how well the task can be learned")
        return self._with(view, self.initial(view), "the factor to begin with")

    def judge(self, view: View) -> Verdict:
        lost = view.last.diverged
        if not self._turns(view):
            return Verdict(not lost, None, "the only round" + (" diverged" if lost else ""))
        if view.last.proposal.plain:
            first = self._with(view, self.initial(view), "the factor to begin with")
            reached = "diverged" if lost else f"reaches {view.last.figures.new():.4f}"
            return Verdict(not lost, first, f"fine-tuning {reached}")
        keep, why = self._better(view)
        factor = self.factor(view.last)
        following, said = self._bisect(view)
        why = f"{said}; {why}"
        spent = len(view.rounds) >= self.budget
        if spent or max(following / factor, factor / following) < NEAR:
            if not keep:
                refuse_fine_tuning(view)
            end = "the budget is spent" if spent else "nothing left between the bounds"
            return Verdict(keep, None, f"{why}; {end}")
        return Verdict(keep, self._with(view, following, said), why)

    def initial(self, view: View) -> float:
        """The factor that the task begins with."""
        if self.carry:
            names = turned(view, self.terms)
            for outcome in reversed(view.earlier):
                kept = [outcome.proposal.factors[name] for name in names if name in outcome.proposal.factors]
                if kept:
                    return min(max(kept[0], self.lowest), self.highest)
        return 1.0

    def factor(self, done: Round) -> float:
        """The factor of a round; all terms that are turned have the same."""
        return next(iter(done.proposal.factors.values()))

    def _bisect(self, view: View) -> tuple[float, str]:
        """The factor after the last one, and why: the bounds follow from the rounds, one after the other."""
        low, high = self.lowest, self.highest
        reference = -math.inf
        following, said = 1.0, ""
        # Where fine-tuning diverged there is nothing but the method's own rounds to go by.
        best = self.reference == "best" or view.rounds[0].diverged
        for done in view.rounds:
            learned = done.figures.new()
            if not done.diverged and (done.proposal.plain or best):
                reference = max(reference, learned)
            if done.proposal.plain:
                continue
            factor = self.factor(done)
            if done.diverged:
                high = factor
                following, said = math.sqrt(low * high), f"factor {factor:.4g} diverged, so down"
                continue
            forgotten = view.forgetting(done.figures, self.measure) or 0.0
            missed = reference - learned
            # Equal fractions may come out a little beside each other.
            up = forgotten > missed + 1e-9
            low, high = (factor, high) if up else (low, factor)
            following = math.sqrt(low * high)
            said = f"factor {factor:.4g} forgets {forgotten:.4f} and fails to learn {missed:.4f}"
            said += ", so up" if up else ", so down"
        return following, said

    def _better(self, view: View) -> tuple[bool, str]:
        if view.last.diverged:
            return False, "not to be kept"
        if view.best is None or view.best.proposal.plain:
            return True, "the first round of the method"
        gain = difference(self._readings(view.last.figures), self._readings(view.best.figures))
        keep = gain.beyond(self.noise)
        return keep, f"score {gain} against factor {self.factor(view.best):.4g}"

    def _readings(self, figures: Figures) -> dict[int, Reading]:
        old = figures.validation if self.measure == "validation" else figures.memory
        return {**old, figures.task: figures.of("validation")}

    def _turns(self, view: View) -> bool:
        if view.before is None or not turned(view, self.terms):
            return False
        found = view.before.validation if self.measure == "validation" else view.before.memory
        return any(task < view.task for task in found)

    def _with(self, view: View, factor: float, why: str) -> Proposal:
        names = turned(view, self.terms)
        temperatures = {
            name: configured * factor**self.soften
            for name in names
            if self.soften and (configured := view.knobs[name].temperature) is not None
        }
        return Proposal(
            factors=dict.fromkeys(names, factor),
            temperatures=temperatures,
            why=f"factor {factor:.4g} ({why})",
        )
