"""Generations: what is proposed, what is accepted, when it ends."""

from __future__ import annotations

from typing import Any

import pytest

from lifelong_kd.core.errors import BadCall
from lifelong_kd.rounds.base import Figures, Proposal
from lifelong_kd.rounds.born_again import BornAgain
from lifelong_kd.testing import check_controller
from lifelong_kd.testing.course import Course
from tests.rounds.made import figures, view

ROUND = Proposal(why="any")


def judged(controller: BornAgain, before: Figures, after: Figures, *, task: int = 1) -> bool:
    """Whether a second round takes the place of the first."""
    return controller.judge(view([(ROUND, before), (ROUND, after)], kept=0, task=task)).keep


def test_the_first_round_is_as_configured_and_kept() -> None:
    controller = BornAgain(weight=0.7, epochs=5)
    assert controller.first(view()) == Proposal(why="as configured")
    verdict = controller.judge(view([(ROUND, figures([0.5, 0.5]))]))
    assert verdict.keep and verdict.next is not None
    assert (verdict.next.generation, verdict.next.epochs, verdict.next.start) == (0.7, 5, "task")
    assert verdict.next.lr is None and not verdict.next.factors and not verdict.next.plain


@pytest.mark.parametrize(("student", "start"), [("task", "task"), ("fresh", "fresh"), ("warm", "kept")])
def test_the_student_of_a_generation(student: Any, start: str) -> None:
    verdict = BornAgain(student=student).judge(view([(ROUND, figures([0.5]))], task=0))
    assert verdict.next is not None and verdict.next.start == start


# d of the new task is (0, 1, 1, 0), mean 1/2, standard error 0.2887; of the old one nothing changes.
BEFORE, AFTER = figures(["1111", "1000"]), figures(["1111", "1110"])


@pytest.mark.parametrize(
    ("score", "noise", "kept"),
    [
        ("new", 0.0, True),
        ("new", 1.7, True),  # 1.7 * 0.2887 = 0.491 < 0.5
        ("new", 1.8, False),  # 0.520
        ("average", 1.7, True),  # D = 0.25, SE = 0.1443
        ("average", 1.8, False),
    ],
)
def test_the_noise_that_a_gain_has_to_exceed(score: Any, noise: float, kept: bool) -> None:
    assert judged(BornAgain(score=score, noise=noise), BEFORE, AFTER) is kept


def test_what_is_forgotten_counts_in_the_average_only() -> None:
    """The new task gains 1/2, the old one loses 3/4."""
    after = figures(["1000", "1110"])
    assert judged(BornAgain(score="new", noise=0), BEFORE, after)
    assert not judged(BornAgain(score="average", noise=0), BEFORE, after)


def test_equals_keep_the_earlier_one() -> None:
    assert not judged(BornAgain(noise=0), BEFORE, BEFORE)


def test_one_validation_sample() -> None:
    """It has no standard error: no gain is beyond the noise, unless every gain is to be taken."""
    assert judged(BornAgain(noise=0), figures(["0"]), figures(["1"]), task=0)
    assert not judged(BornAgain(noise=0.1), figures(["0"]), figures(["1"]), task=0)


def played(controller: BornAgain, accuracies: list[list[float]]) -> list[tuple[int, int]]:
    """(rounds, kept) of each task from the accuracy of each round on every task."""
    course = Course(
        lambda of, task, index, proposal: accuracies[task][index], tasks=len(accuracies), samples=100
    )
    return [(len(task.rounds), task.kept) for task in course.play(controller)]


def test_it_ends_with_the_first_generation_that_is_no_better() -> None:
    """From the second task on: generations 1 and 2 better, 3 worse, and the fourth never tried."""
    tables = [[0.5, 0.4], [0.5, 0.7, 0.8, 0.7, 0.9], [0.5, 0.5]]
    assert played(BornAgain(generations=5), tables) == [(2, 0), (4, 2), (2, 0)]


def test_it_ends_after_the_last_generation() -> None:
    assert played(BornAgain(generations=2), [[0.2, 0.5, 0.8, 0.9]]) == [(3, 2)]


def test_a_generation_is_compared_with_the_one_that_is_kept() -> None:
    """100 samples: from 0.5 to 0.6 the standard error is sqrt(9 / 99 / 100) = 0.0302, from 0.6 to 0.61 it is 0.01."""
    assert played(BornAgain(noise=3.2, generations=2), [[0.5, 0.6, 0.9]]) == [(3, 2)]
    assert played(BornAgain(noise=3.4), [[0.5, 0.6, 0.9]]) == [(2, 0)]
    assert played(BornAgain(noise=1.0), [[0.5, 0.6, 0.61, 0.9]]) == [(3, 1)]


def test_only_the_first_task() -> None:
    tables = [[0.2, 0.5, 0.4], [0.2, 0.9], [0.2, 0.9]]
    assert played(BornAgain(tasks="first"), tables) == [(3, 1), (1, 0), (1, 0)]


def test_what_it_asks_for() -> None:
    controller = BornAgain(temperature=3.0)
    assert controller.looks == {"validation"} and controller.generations and controller.temperature == 3.0
    controller.check({})


@pytest.mark.parametrize("options", [{}, {"tasks": "first"}, {"student": "warm", "score": "new", "noise": 0}])
def test_it_keeps_the_promises_of_a_controller(options: dict[str, Any]) -> None:
    check_controller(lambda: BornAgain(**options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"generations": 0}, "generations must be at least 1, got 0"),
        ({"weight": 0.0}, "weight must be greater than 0 and finite, got 0.0"),
        ({"weight": float("inf")}, "weight must be greater"),
        ({"temperature": 0.0}, "temperature must be greater than 0 and finite, got 0.0"),
        ({"student": "kept"}, "student must be one of task, fresh, warm, got 'kept'"),
        ({"tasks": "last"}, "tasks must be all or first, got 'last'"),
        ({"noise": -1.0}, "noise must be at least 0 and finite, got -1.0"),
        ({"noise": float("nan")}, "noise must be at least 0"),
        ({"score": "old"}, "score must be average or new, got 'old'"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadCall, match=message):
        BornAgain(**options)
