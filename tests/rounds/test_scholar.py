"""When a scholar is trained on, when it stops, and which one is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from made import figures, view

from lifelong_kd.core.errors import BadCall
from lifelong_kd.rounds.base import Figures, Proposal, View
from lifelong_kd.rounds.scholar import Scholar

Reached = tuple[float, float | None]


def after(*rounds: Reached, kept: int | None = None) -> View:
    """Rounds of the second task with these mean accuracies (of both tasks) and scores of the generator."""

    def seen(accuracy: float, score: float | None) -> Figures:
        return replace(figures([accuracy, accuracy]), generator=score)

    return view([(Proposal(why="."), seen(*one)) for one in rounds], kept=kept)


def play(scholar: Scholar, *reached: Reached) -> tuple[list[bool], str]:
    """Which of the rounds took the place of the kept one, until the task was over, and its last reason."""
    keeps: list[bool] = []
    kept: int | None = None
    for count in range(1, len(reached) + 1):
        verdict = scholar.judge(after(*reached[:count], kept=kept))
        keeps.append(verdict.keep)
        kept = count - 1 if verdict.keep else kept
        if verdict.next is None:
            return keeps, verdict.why
        assert verdict.next.start == "last"
    return keeps, "goes on"


def test_it_goes_on_while_one_of_the_two_improves() -> None:
    scholar = Scholar(min_delta=0.0, min_share=0.0)
    # The solver, then the generator alone, then neither.
    keeps, why = play(scholar, (0.5, 3.0), (0.6, 3.0), (0.6, 2.0), (0.6, 2.0), (0.9, 1.0))
    assert keeps == [True, True, True, False] and "1 round without a gain" in why
    assert play(scholar, (0.5, None), (0.6, None), (0.6, None)) == (
        [True, True, False],
        "no better solver: accuracy 0.6000, against 0.6000; 1 round without a gain of solver or generator",
    )


def test_patience_counts_rounds_in_a_row() -> None:
    patient = Scholar(patience=2, min_delta=0.0)
    assert play(patient, (0.5, None), (0.5, None), (0.6, None), (0.5, None), (0.5, None))[0] == [
        True,
        False,
        True,
        False,
        False,
    ]
    assert play(patient, (0.5, None), (0.5, None))[1] == "goes on"


@pytest.mark.parametrize(
    ("later", "goes_on"),
    [
        ((0.55, 2.0), False),  # a gain of min_delta is none
        ((0.6, 2.0), True),
        ((0.5, 1.8), False),  # nor is a tenth of the score
        ((0.5, 1.79), True),
        ((0.0, 1.0), True),
    ],
)
def test_what_counts_as_a_gain(later: Reached, goes_on: bool) -> None:
    verdict = Scholar(min_delta=0.05, min_share=0.1).judge(after((0.5, 2.0), later, kept=0))
    assert (verdict.next is not None) is goes_on


def test_a_score_below_nought_falls_further() -> None:
    scholar = Scholar(min_share=0.1)
    assert scholar.judge(after((0.5, -2.0), (0.5, -2.1), kept=0)).next is None
    assert scholar.judge(after((0.5, -2.0), (0.5, -2.3), kept=0)).next is not None


@pytest.mark.parametrize(
    ("rounds", "keep"),
    [
        ([(0.5, 2.0), (0.6, 9.0)], True),  # clearly a better solver, whatever the generator
        ([(0.6, 2.0), (0.5, 1.0)], False),  # clearly a worse one
        ([(0.6, 2.0), (0.55, 1.0)], True),  # within the noise: the generator decides
        ([(0.55, 2.0), (0.6, 2.5)], False),
        ([(0.6, 2.0), (0.55, 1.5), (0.5, 1.0)], False),  # not further and further below the best
        ([(0.55, None), (0.6, None)], True),
        ([(0.6, None), (0.55, None)], False),
    ],
)
def test_which_is_kept(rounds: list[Reached], keep: bool) -> None:
    verdict = Scholar(min_delta=0.05).judge(after(*rounds, kept=len(rounds) - 2))
    assert verdict.keep is keep


def test_the_budget_and_the_epochs() -> None:
    scholar = Scholar(budget=2, epochs=3)
    assert scholar.first(view()).epochs == 3
    first = scholar.judge(after((0.1, None)))
    assert first.keep and first.next is not None and first.next.epochs == 3
    second = scholar.judge(after((0.1, None), (0.9, None), kept=0))
    assert second.keep and second.next is None and second.why.endswith("the budget is spent")


def test_a_round_that_diverged_ends_the_task() -> None:
    for reached, kept in (([(0.5, 1.0), (0.0, float("inf"))], 0), ([(0.0, float("inf"))], None)):
        seen = after(*reached, kept=kept)
        lost = replace(seen.rounds[-1], diverged=True, pruned=True)
        verdict = Scholar(patience=5).judge(replace(seen, rounds=(*seen.rounds[:-1], lost)))
        assert not verdict.keep and verdict.next is None and "diverged" in verdict.why


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"budget": 0}, "budget must be at least 1, got 0"),
        ({"patience": 0}, "patience must be at least 1"),
        ({"min_delta": 1.0}, "min_delta must be at least 0 and less than 1"),
        ({"min_share": -0.1}, "min_share must be at least 0"),
        ({"epochs": 0}, "epochs must be at least 1"),
    ],
)
def test_options(options: dict[str, Any], says: str) -> None:
    with pytest.raises(BadCall, match=says):
        Scholar(**options)
