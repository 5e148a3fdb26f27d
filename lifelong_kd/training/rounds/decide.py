"""Asking a controller: its errors become ones that name it, and what it proposes has to make sense."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, TypeVar, cast, get_args

from lifelong_kd.core.errors import Diverged, LifelongError, RunFailed
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.rounds.base import Controller, Proposal, Start, Verdict, View
from lifelong_kd.training.randomness import undisturbed

__all__ = ["Decider"]

Answer = TypeVar("Answer")

MOST = 500
"""Rounds of a task; a rule that wants more has no end."""


class Decider:
    """Asks a controller and checks its answers; its random draws leave the run's alone.

    Args:
        controller: who decides.
        seeds: the run's generators, which a controller must not move.

    Every method raises :class:`RunFailed`, naming the controller, if it raises or answers nonsense; the run can be
    resumed from its last checkpoint.
    """

    def __init__(self, controller: Controller, seeds: Seeds) -> None:
        self.controller = controller
        self._seeds = seeds

    def first(self, view: View) -> Proposal:
        """How the first round is trained."""
        proposal = self._ask(view, lambda: self.controller.first(view))
        return self._checked(proposal, view)

    def judge(self, view: View, diverged: str | None = None) -> Verdict:
        """What becomes of the last round.

        Args:
            view: with that round.
            diverged: how it diverged, if it did.

        Raises:
            Diverged: if it did, the task ends with it, and no other round was kept.
        """
        verdict = self._ask(view, lambda: self.controller.judge(view))
        if not isinstance(verdict, Verdict):
            raise self._nonsense(view, f"judged with {type(verdict).__name__}, not a Verdict")
        if diverged is not None and verdict.keep:
            raise self._nonsense(view, f"kept a round that diverged: {diverged}")
        if diverged is not None and view.kept is None and verdict.next is None:
            raise Diverged(f"no round of task {view.task} can be kept: {diverged}")
        if view.kept is None and not verdict.keep and verdict.next is None:
            raise self._nonsense(view, "ended the task without having kept a round")
        if verdict.next is not None and len(view.rounds) >= MOST:
            raise self._nonsense(view, f"proposed another round after {MOST}, the most that a task may have")
        if verdict.next is not None:
            kept = bool(verdict.keep) or view.kept is not None
            following = self._checked(verdict.next, view, kept=kept, lost=diverged is not None)
            return Verdict(bool(verdict.keep), following, str(verdict.why or ""))
        return Verdict(bool(verdict.keep), None, str(verdict.why or ""))

    def prune(self, view: View, curve: tuple[float, ...]) -> bool:
        """Whether the round that is going on is broken off."""
        return bool(self._ask(view, lambda: self.controller.prune(view, curve)))

    def _ask(self, view: View, question: Callable[[], Answer]) -> Answer:
        try:
            with undisturbed():
                return question()
        except LifelongError as error:
            raise RunFailed(f"{self._where(view)}: {_sentence(error)} {RESUME}") from error
        except Exception as error:
            raise RunFailed(
                f"{self._where(view)}: {type(error).__name__}: {_sentence(error)} {RESUME}"
            ) from error

    def _where(self, view: View) -> str:
        return f"the controller {type(self.controller).__name__} failed in task {view.task}, round {len(view.rounds)}"

    def _nonsense(self, view: View, what: str) -> RunFailed:
        return RunFailed(f"{self._where(view)}: it {_sentence(what)} {RESUME}")

    def _checked(self, proposal: Any, view: View, *, kept: bool = False, lost: bool = False) -> Proposal:
        if not isinstance(proposal, Proposal):
            raise self._nonsense(view, f"proposed {type(proposal).__name__}, not a Proposal")
        try:
            checked = _plain(proposal)
        except (TypeError, ValueError, AttributeError) as error:
            raise self._nonsense(view, f"proposed {proposal}: {error}") from error
        for wrong, what in (
            (checked.start not in get_args(Start), f"proposed to start from {checked.start!r}"),
            (checked.lr is not None and not 0 < checked.lr < math.inf, f"proposed lr {checked.lr}"),
            (checked.epochs is not None and checked.epochs < 1, f"proposed {checked.epochs} epochs"),
            (not 0 <= checked.generation < math.inf, f"proposed generation {checked.generation}"),
            (
                bool(unknown := {*checked.factors, *checked.temperatures} - set(view.knobs)),
                f"proposed to turn {', '.join(sorted(unknown))}, which the strategy does not have",
            ),
            (
                any(not 0 <= factor < math.inf for factor in checked.factors.values()),
                f"proposed the factors {dict(checked.factors)}",
            ),
            (
                any(
                    not 0 < value < math.inf or view.knobs[name].temperature is None
                    for name, value in checked.temperatures.items()
                    if name in view.knobs
                ),
                f"proposed the temperatures {dict(checked.temperatures)}",
            ),
            (checked.start == "kept" and not kept, "proposed to start from a kept round, and there is none"),
            (
                checked.start == "last" and (lost or not view.rounds),
                "proposed to go on from the last round, which diverged"
                if lost
                else "proposed to go on from the last round, and there is none",
            ),
            (
                checked.start == "last" and not self.controller.goes_on,
                "proposed to go on from the last round, and its class does not say `goes_on = True`",
            ),
            (checked.generation > 0 and not kept, "proposed a kept round as teacher, and there is none"),
            (
                checked.generation > 0 and not self.controller.generations,
                "proposed a kept round as teacher, and its class does not say `generations = True`",
            ),
        ):
            if wrong:
                raise self._nonsense(view, what)
        return checked


def _sentence(text: object) -> str:
    """With one full stop at its end."""
    return f"{str(text).rstrip('. ')}."


def _plain(proposal: Proposal) -> Proposal:
    """The same in Python's own numbers: neither a checkpoint nor ``results.json`` takes those of NumPy or torch."""
    return Proposal(
        start=cast(Start, str(proposal.start)),
        lr=None if proposal.lr is None else float(proposal.lr),
        epochs=None if proposal.epochs is None else operator.index(proposal.epochs),
        factors={str(name): float(factor) for name, factor in proposal.factors.items()},
        temperatures={str(name): float(value) for name, value in proposal.temperatures.items()},
        plain=bool(proposal.plain),
        generation=float(proposal.generation),
        why=str(proposal.why or ""),
    )


RESUME = "The folder can be resumed, once that is mended."
