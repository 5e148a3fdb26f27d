"""The conformance check finds what is wrong with a controller, and nothing with one that is sound."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.rounds.base import Controller, Figures, Proposal, Verdict, View
from lifelong_kd.testing import check_controller
from lifelong_kd.testing.course import Course, reading


class Sound(Controller):
    """Tries the half of the rate after the configured one and keeps the better."""

    def first(self, view: View) -> Proposal:
        return Proposal(why="as configured")

    def judge(self, view: View) -> Verdict:
        if view.best is None:
            return Verdict(True, self.second(view), "the first")
        better = view.last.figures.new() > view.best.figures.new()
        return Verdict(better, None, "better" if better else "no better")

    def second(self, view: View) -> Proposal | None:
        return Proposal(lr=view.lr / 2, why="half the rate")


class Pruning(Sound):
    prunes = True

    def judge(self, view: View) -> Verdict:
        verdict = super().judge(view)
        return replace(verdict, keep=False) if view.last.pruned else verdict

    def prune(self, view: View, curve: tuple[float, ...]) -> bool:
        return len(view.rounds) == 1 and curve[-1] < view.rounds[0].curve[len(curve) - 1]


@pytest.mark.parametrize("make", [Sound, Pruning])
def test_sound_ones_pass(make: type[Controller]) -> None:
    check_controller(make)
    check_controller(
        make, tasks=2, terms={"replay": "rehearse"}, respond=lambda of, task, index, proposal: 0.5
    )


def fails(make: Any, message: str, **how: Any) -> None:
    with pytest.raises(AssertionError, match=message):
        check_controller(make, **how)


def proposing(proposal: Any, *, first: bool = False, **attributes: Any) -> type[Controller]:
    """A controller that proposes this in its first or second round."""

    class Proposing(Sound):
        def first(self, view: View) -> Proposal:
            return proposal if first else super().first(view)

        def second(self, view: View) -> Proposal | None:
            return None if first else proposal

    for name, value in attributes.items():
        setattr(Proposing, name, value)
    return Proposing


NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    ("proposal", "message"),
    [
        (Proposal(lr=0.0, why="."), "proposes in task 0 the learning rate 0.0"),
        (Proposal(lr=NAN, why="."), "the learning rate nan"),
        (Proposal(lr="high", why="."), "'high' as learning rate, not a number"),  # type: ignore[arg-type]
        (Proposal(lr=INFINITE, why="."), "the learning rate inf"),
        (Proposal(epochs=0, why="."), "0 epochs"),
        (Proposal(epochs=1.5, why="."), "1.5 epochs"),  # type: ignore[arg-type]
        (Proposal(factors={"pod": 1.0}, why="."), "to turn pod, which the strategy does not have"),
        (Proposal(temperatures={"pod": 1.0}, why="."), "to turn pod, which"),
        (Proposal(factors={"kd": -1.0}, why="."), "the factor -1.0 for kd"),
        (Proposal(factors={"kd": NAN}, why="."), "the factor nan for kd"),
        (Proposal(factors={"kd": INFINITE}, why="."), "the factor inf for kd"),
        (Proposal(temperatures={"kd": 0.0}, why="."), "the temperature 0.0 for kd"),
        (Proposal(start="anew", why="."), "to start with 'anew'"),  # type: ignore[arg-type]
        (Proposal(generation=-1.0, why="."), "the weight -1.0 for a second teacher"),
        (Proposal(generation=NAN, why="."), "the weight nan for a second teacher"),
        (Proposal(), "a round without a reason"),
        (Proposal(why=" "), "a round without a reason"),
        ("again", "proposes 'again', not a Proposal"),
    ],
)
def test_what_cannot_be_carried_out(proposal: Any, message: str, first: bool) -> None:
    fails(proposing(proposal, first=first), message)


def test_a_kept_round_before_there_is_one() -> None:
    fails(
        proposing(Proposal(start="kept", why="."), first=True),
        "to start with a kept round before there is one",
    )
    check_controller(proposing(Proposal(start="kept", why=".")))
    second = Proposal(generation=1.0, why=".")
    fails(proposing(second, first=True, generations=True), "a second teacher before a round is kept")
    check_controller(proposing(second, generations=True))


def test_a_second_teacher() -> None:
    second = Proposal(generation=1.0, why=".")
    fails(proposing(second), "does not say `generations = True`")
    fails(proposing(replace(second, plain=True), generations=True), "in a round of plain fine-tuning")
    fails(proposing(second, generations=True, temperature=0.0), "softens answers at the temperature 0.0")


def test_a_temperature_for_what_has_none() -> None:
    fails(proposing(Proposal(temperatures={"kd": 2.0}, why=".")), "a temperature for kd, which has none")


def test_terms_that_are_not_there_in_a_strategy_without_any() -> None:
    """It turns ``kd`` without looking whether there is such a term."""
    fails(proposing(Proposal(factors={"kd": 2.0}, why=".")), "to turn kd, which the strategy does not have")


class Endless(Sound):
    def judge(self, view: View) -> Verdict:
        return Verdict(True, self.second(view), "again")


class KeepsNothing(Sound):
    def judge(self, view: View) -> Verdict:
        return Verdict(False, None, "no good")


class KeepsTheSecond(Sound):
    def judge(self, view: View) -> Verdict:
        return Verdict(
            len(view.rounds) == 2, self.second(view) if len(view.rounds) == 1 else None, "the second"
        )


class Silent(Sound):
    def judge(self, view: View) -> Verdict:
        return replace(super().judge(view), why="")


class SaysYes(Sound):
    def judge(self, view: View) -> Verdict:
        return True  # type: ignore[return-value]


class Counts(Sound):
    """Keeps a state that changes whenever it is asked."""

    asked = 0

    def judge(self, view: View) -> Verdict:
        self.asked += 1
        return replace(super().judge(view), why=f"asked {self.asked} times")


class Remembers(Sound):
    """Keeps a state that only a fresh one does not have."""

    start: float | None = None

    def first(self, view: View) -> Proposal:
        self.start = view.lr
        return super().first(view)

    def second(self, view: View) -> Proposal | None:
        return Proposal(lr=self.start, why="the rate that was configured")


class Draws(Sound):
    def second(self, view: View) -> Proposal | None:
        return Proposal(lr=float(torch.rand(())) + 0.1, why="at random")


class Meddles(Sound):
    def judge(self, view: View) -> Verdict:
        view.last.figures.validation[view.task] = reading(1.0)  # type: ignore[index]
        return super().judge(view)


class Forgets(Sound):
    def first(self, view: View) -> Proposal:
        view.knobs.clear()  # type: ignore[attr-defined]
        return super().first(view)


class FineTunes(Sound):
    def first(self, view: View) -> Proposal:
        return Proposal(plain=True, why="fine-tuning")

    def judge(self, view: View) -> Verdict:
        return Verdict(True, None, "the only round")


class NeedsTerms(Sound):
    def first(self, view: View) -> Proposal:
        return Proposal(lr=view.lr / len(view.distilling()), why="a share for each")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Endless, "Endless does not end task 0 within 5 rounds"),
        (KeepsNothing, "KeepsNothing does not keep the first round of task 0"),
        (KeepsTheSecond, "KeepsTheSecond does not keep the first round of task 0"),
        (Silent, "Silent judges a round of task 0 without a reason"),
        (SaysYes, "SaysYes judges with True, not a Verdict"),
        (Counts, "Counts.judge answers otherwise when asked again"),
        (Remembers, "Remembers.judge answers otherwise from a fresh controller"),
        (Draws, "Draws.judge answers otherwise when asked again"),
        (Meddles, "Meddles.judge changes the view"),
        (Forgets, "Forgets.first changes the view"),
        (FineTunes, "FineTunes ends task 1 with plain fine-tuning"),
        (NeedsTerms, "NeedsTerms.first fails in task 0 with 0 rounds: ZeroDivisionError"),
        (lambda: 3, "3 is not a Controller"),
    ],
)
def test_what_a_controller_must_not_do(make: Any, message: str) -> None:
    fails(make, message, most=5)


def looking(look: Any) -> type[Controller]:
    class Looking(Sound):
        def judge(self, view: View) -> Verdict:
            look(view)
            return super().judge(view)

    return Looking


@pytest.mark.parametrize(
    ("look", "message"),
    [
        (lambda view: view.last.figures.of("test"), "cannot see 'test'"),
        (lambda view: view.last.figures.of("validation", view.task + 1), "cannot see task 1 while task 0"),
        (lambda view: view.last.figures.validation[view.task + 1], "cannot see task 1 while task 0"),
        (lambda view: view.last.figures.validation.get(view.task + 2), "cannot see task 2 while task 0"),
        (lambda view: view.last.figures.of("train"), "name it in the controller's `looks`"),
        (lambda view: view.last.figures.of("memory", 0), "name it in the controller's `looks`"),
        (
            lambda view: view.before and view.before.validation[view.task + 1],
            "cannot see task 2 while task 1",
        ),
    ],
)
def test_what_a_controller_must_not_see(look: Any, message: str) -> None:
    fails(looking(look), f"Looking.judge fails in task . with 1 rounds: .*{message}")


def test_an_option_that_looks_at_the_test_stream() -> None:
    class Peeks(Sound):
        def __init__(self) -> None:
            self.looks = frozenset({"validation", "test"})

    fails(Peeks, "the controller Peeks looks at 'test'")
    with pytest.raises(BadCall, match="looks at 'test'"):

        class PeeksAlways(Sound):
            looks = frozenset({"test"})


def test_figures_refuse_the_test_stream_and_later_tasks() -> None:
    figures = Figures(1, reading(0.5), {0: reading(0.5), 1: reading(0.25)})
    assert figures.of("validation").accuracy == 0.25 and figures.of("validation", 0).accuracy == 0.5
    for source, task in (("test", 0), ("validation", 2), ("validation", -1), ("train", 0), ("memory", 0)):
        with pytest.raises(BadCall):
            figures.of(source, task)


class NeverAsked(Sound):
    def prune(self, view: View, curve: tuple[float, ...]) -> bool:
        return True


class PrunesTheFirst(NeverAsked):
    prunes = True


class KeepsWhatItBrokeOff(Pruning):
    def judge(self, view: View) -> Verdict:
        return Verdict(True, self.second(view) if len(view.rounds) == 1 else None, "whatever")


class SaysHowMuch(Sound):
    prunes = True

    def prune(self, view: View, curve: tuple[float, ...]) -> bool:
        return curve[-1]  # type: ignore[return-value]


class PrunesByOption(NeverAsked):
    def __init__(self) -> None:
        self.prunes = False


def test_rounds_that_are_broken_off() -> None:
    fails(NeverAsked, "has a rule that breaks rounds off, and is never asked")
    fails(PrunesTheFirst, "breaks off the first round of task 0, which has to be kept")
    fails(KeepsWhatItBrokeOff, "ends task 0 with a round that it broke off")
    fails(SaysHowMuch, "when asked if a round is broken off")
    check_controller(PrunesByOption)


def test_a_controller_that_refuses_the_terms() -> None:
    class Picky(Sound):
        def check(self, knobs: Any) -> None:
            if "pod" not in knobs:
                raise BadCall("there is no term pod")

    fails(Picky, "Picky refuses the terms kd: there is no term pod")
    check_controller(Picky, terms=("pod",))


def test_a_course_of_ones_own() -> None:
    """It fails only where the new task is learned exactly half."""

    class Half(Sound):
        def judge(self, view: View) -> Verdict:
            if view.last.figures.new() == 0.5 and view.task == 1:
                raise BadCall("half a task")
            return super().judge(view)

    check_controller(Half)
    fails(Half, "half a task", respond=lambda of, task, index, proposal: 0.5)


def test_a_course_is_played_with_what_is_looked_at() -> None:
    seen: list[View] = []

    class Sees(Sound):
        looks = frozenset({"memory", "train"})

        def judge(self, view: View) -> Verdict:
            seen.append(view)
            return Verdict(True, None, "the only round")

    Course(lambda of, task, index, proposal: 0.1 * of + 0.2 * task, tasks=3).play(Sees())
    last = seen[-1]
    assert last.last.figures.train is not None
    assert last.last.figures.train.accuracy == pytest.approx(0.6)
    assert {of: one.accuracy for of, one in last.last.figures.memory.items()} == pytest.approx(
        {0: 0.4, 1: 0.5}
    )
    assert last.before is not None and not last.last.figures.validation and not last.before.validation
    assert {of: one.accuracy for of, one in last.before.memory.items()} == pytest.approx({0: 0.2, 1: 0.3})
    assert last.forgetting(last.last.figures, "memory") == pytest.approx(-0.2)
    assert [outcome.task for outcome in last.earlier] == [0, 1] and last.earlier[0].rounds == 1
