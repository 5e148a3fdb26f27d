"""A controller of rounds that is asked under supervision."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, cast, get_args

import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.rounds.base import Controller, Proposal, Start, Verdict, View, refuse_peeking
from lifelong_kd.testing.expect import expect

__all__ = ["Watched"]


class Watched(Controller):
    """Asks the controller that is checked, again and anew, and looks at its answers."""

    def __init__(self, make: Callable[[], Controller]) -> None:
        self.make = make
        self.controller = make()
        expect(isinstance(self.controller, Controller), f"{self.controller!r} is not a Controller")
        self.name = type(self.controller).__name__
        try:
            refuse_peeking(self.name, self.controller.looks)
        except BadCall as error:
            raise AssertionError(str(error)) from error
        has_rule = type(self.controller).prune is not Controller.prune
        says = type(self.controller).prunes or "prunes" in vars(self.controller)
        expect(
            says or not has_rule,
            f"{self.name} has a rule that breaks rounds off, and is never asked: it does not say `prunes = True`",
        )
        self.looks = frozenset(self.controller.looks)
        self.prunes = self.controller.prunes
        if self.controller.generations:
            temperature = self.controller.temperature
            expect(
                0 < temperature < math.inf, f"{self.name} softens answers at the temperature {temperature}"
            )

    def first(self, view: View) -> Proposal:
        proposal = self._ask("first", view)
        self._check_proposal(proposal, view, first=True)
        return cast("Proposal", proposal)

    def judge(self, view: View) -> Verdict:
        verdict = self._ask("judge", view)
        expect(isinstance(verdict, Verdict), f"{self.name} judges with {verdict!r}, not a Verdict")
        expect(
            view.kept is not None or verdict.keep,
            f"{self.name} does not keep the first round of task {view.task}",
        )
        expect(
            isinstance(verdict.why, str) and verdict.why.strip(),
            f"{self.name} judges a round of task {view.task} without a reason",
        )
        if verdict.next is not None:
            self._check_proposal(verdict.next, view)
        return cast("Verdict", verdict)

    def prune(self, view: View, curve: tuple[float, ...]) -> bool:
        pruned = self._ask("prune", view, curve)
        expect(
            isinstance(pruned, bool), f"{self.name} answers {pruned!r} when asked if a round is broken off"
        )
        expect(
            not pruned or view.rounds,
            f"{self.name} breaks off the first round of task {view.task}, which has to be kept",
        )
        return bool(pruned)

    def _ask(self, question: str, view: View, *more: Any) -> Any:
        """The answer to a question, which has to be the same when asked again."""
        before = _plain(view)
        answers = []
        for controller in (self.controller, self.controller, self.make()):
            try:
                answers.append(getattr(controller, question)(view, *more))
            except Exception as error:
                said = str(error) if isinstance(error, BadCall) else f"{type(error).__name__}: {error}"
                where = f"task {view.task} with {len(view.rounds)} rounds"
                raise AssertionError(f"{self.name}.{question} fails in {where}: {said}") from error
            expect(_plain(view) == before, f"{self.name}.{question} changes the view")
        answer, again, fresh = (_plain(found) for found in answers)
        expect(
            answer == again, f"{self.name}.{question} answers otherwise when asked again about the same view"
        )
        expect(
            answer == fresh,
            f"{self.name}.{question} answers otherwise from a fresh controller: it keeps a state",
        )
        return answers[0]

    def _check_proposal(self, proposal: Any, view: View, *, first: bool = False) -> None:
        expect(isinstance(proposal, Proposal), f"{self.name} proposes {proposal!r}, not a Proposal")
        said = f"{self.name} proposes in task {view.task}"
        unknown = {*proposal.factors, *proposal.temperatures} - set(view.knobs)
        expect(not unknown, f"{said} to turn {', '.join(sorted(unknown))}, which the strategy does not have")
        lr, epochs = proposal.lr, proposal.epochs
        expect(lr is None or hasattr(lr, "__float__"), f"{said} {lr!r} as learning rate, not a number")
        expect(lr is None or 0 < lr < math.inf, f"{said} the learning rate {lr}")
        expect(epochs is None or (isinstance(epochs, int) and epochs >= 1), f"{said} {epochs} epochs")
        for name, factor in proposal.factors.items():
            expect(0 <= factor < math.inf, f"{said} the factor {factor} for {name}")
        for name, value in proposal.temperatures.items():
            expect(
                view.knobs[name].temperature is not None, f"{said} a temperature for {name}, which has none"
            )
            expect(0 < value < math.inf, f"{said} the temperature {value} for {name}")
        expect(proposal.start in get_args(Start), f"{said} to start with {proposal.start!r}")
        expect(
            not (first and proposal.start == "kept"), f"{said} to start with a kept round before there is one"
        )
        if proposal.start == "last":
            expect(not first, f"{said} to go on from the last round before there is one")
            expect(
                self.controller.goes_on,
                f"{said} to go on from the last round, and its class does not say `goes_on = True`",
            )
            expect(first or not view.last.diverged, f"{said} to go on from a round that diverged")
        generation = proposal.generation
        expect(0 <= generation < math.inf, f"{said} the weight {generation} for a second teacher")
        expect(not (first and generation), f"{said} a second teacher before a round is kept")
        expect(
            not generation or self.controller.generations,
            f"{said} a second teacher, and its class does not say `generations = True`",
        )
        expect(
            not (generation and proposal.plain), f"{said} a second teacher in a round of plain fine-tuning"
        )
        expect(isinstance(proposal.why, str) and proposal.why.strip(), f"{said} a round without a reason")


def _plain(value: Any) -> Any:
    """A value as nested tuples that can be compared, tensors included."""
    if isinstance(value, torch.Tensor):
        return (str(value.dtype), value.tolist())
    if is_dataclass(value) and not isinstance(value, type):
        parts = tuple(_plain(getattr(value, part.name)) for part in fields(value))
        return (type(value).__name__, parts)
    if isinstance(value, Mapping):
        return tuple((key, _plain(part)) for key, part in value.items())
    if isinstance(value, list | tuple):
        return tuple(_plain(part) for part in value)
    return value
