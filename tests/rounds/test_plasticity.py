"""Plasticity, then stability: which rates, which weights, and what is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from lifelong_kd.core.errors import BadCall
from lifelong_kd.rounds.base import Knob, Outcome, Proposal
from lifelong_kd.rounds.plasticity import PlasticityStability
from lifelong_kd.testing import check_controller
from lifelong_kd.testing.course import Course, Played, Response
from tests.rounds.made import figures, view


def play(controller: PlasticityStability, respond: Response, **course: Any) -> list[Played]:
    return Course(respond, **{"tasks": 2, "samples": 100, **course}).play(controller)


def respond(
    by_rate: Mapping[float, float], by_factor: Mapping[float, float], default: float = 0.0
) -> Response:
    """Accuracy of the rounds of fine-tuning by their rate, of the others by the factor of ``kd``."""

    def answer(of: int, task: int, index: int, proposal: Proposal) -> float:
        if proposal.factors:
            return by_factor.get(round(proposal.factors["kd"], 6), default)
        assert proposal.lr is not None
        return by_rate.get(round(proposal.lr, 6), default)

    return answer


def rates(task: Played) -> list[float]:
    return [round(one.proposal.lr or 0.0, 6) for one in task.rounds]


# The first task takes 0.1, and the next one tries 0.05 alone.
ONE: dict[str, Any] = {"first_learning_rates": [0.1], "rates": 1}


def test_plasticity_by_hand() -> None:
    """In a first task without terms that is all, by rounds of the method."""
    (first,) = play(PlasticityStability(), respond({0.5: 0.3, 0.1: 0.8, 0.05: 0.7}, {}), tasks=1)
    assert rates(first) == [0.5, 0.1, 0.05]
    assert [one.kept for one in first.rounds] == [True, True, False] and first.kept == 1
    assert not any(one.proposal.plain or one.proposal.factors for one in first.rounds)


def test_both_steps_by_hand() -> None:
    """Of 0.05, 0.01, 0.005 the first is best, A_ft 0.9: 0.72 is wanted, and exactly 0.72 will do."""
    answer = respond({0.1: 0.8, 0.05: 0.9, 0.01: 0.85, 0.005: 0.1}, {10: 0.5, 5: 0.71, 2.5: 0.72, 1.25: 0.9})
    second = play(PlasticityStability(first_learning_rates=[0.5, 0.1]), answer)[1]
    assert rates(second) == [0.05, 0.01, 0.005, 0.05, 0.05, 0.05]
    assert [one.proposal.plain for one in second.rounds] == [True] * 3 + [False] * 3
    assert [dict(one.proposal.factors) for one in second.rounds[3:]] == [{"kd": 10}, {"kd": 5}, {"kd": 2.5}]
    assert [one.kept for one in second.rounds] == [True, False, False, True, True, True]
    assert second.kept == 5
    assert second.rounds[5].why == "attempt 3: accuracy 0.7200, wanted 0.7200 (0.8 of 0.9000)"
    assert all(one.proposal.start == "task" and one.proposal.epochs is None for one in second.rounds)


def test_weights_that_let_the_task_be_learned_at_once() -> None:
    (_, second) = play(PlasticityStability(**ONE), respond({0.05: 0.9}, {10: 0.9, 5: 0.9}))
    assert len(second.rounds) == 2 and second.kept == 1


def test_the_last_attempt_is_kept_though_it_fails() -> None:
    """The second attempt is better than the third, and neither is good enough."""
    answer = respond({0.1: 0.8, 0.05: 0.9}, {10: 0.1, 5: 0.6, 2.5: 0.5, 1.25: 0.9})
    (_, second) = play(PlasticityStability(**ONE, attempts=3), answer)
    assert len(second.rounds) == 4 and second.kept == 3
    assert second.best.proposal.factors == {"kd": 2.5}


def test_one_attempt() -> None:
    (_, second) = play(PlasticityStability(**ONE, attempts=1, start=4), respond({0.05: 0.9}, {4: 0.1}))
    assert len(second.rounds) == 2 and second.best.proposal.factors == {"kd": 4}


@pytest.mark.parametrize(("tolerance", "factor"), [(0.0, 1.25), (0.1, 2.5), (0.5, 5), (0.95, 10)])
def test_the_tolerance(tolerance: float, factor: float) -> None:
    answer = respond({0.05: 0.8}, {10: 0.1, 5: 0.4, 2.5: 0.72, 1.25: 0.8})
    (_, second) = play(PlasticityStability(**ONE, tolerance=tolerance), answer)
    assert second.best.proposal.factors == {"kd": factor}


def test_the_decay() -> None:
    (_, second) = play(PlasticityStability(**ONE, decay=0.1, start=2), respond({0.05: 0.8}, {0.02: 0.8}))
    assert [one.proposal.factors.get("kd") for one in second.rounds[1:]] == pytest.approx([2, 0.2, 0.02])


def test_of_equal_rates_the_first() -> None:
    first, second = play(PlasticityStability(), respond({}, {}, default=0.5))
    assert first.kept == 0 and first.best.proposal.lr == 0.5
    # The three largest below 0.5, of FACIL's list; the terms do not stand in the way.
    assert rates(second) == [0.1, 0.05, 0.01, 0.1]


def test_nothing_is_learned_at_all() -> None:
    """A_ft is 0, and 0 is enough."""
    first, second = play(PlasticityStability(), respond({}, {}))
    assert (first.kept, second.kept, len(second.rounds)) == (0, 3, 4)


def test_rates_of_ones_own_the_largest_below_the_first_tasks() -> None:
    controller = PlasticityStability(
        first_learning_rates=[0.3, 0.2], learning_rates=[0.01, 0.2, 0.1, 0.3], rates=2
    )
    first, second = play(controller, respond({0.3: 0.1, 0.2: 0.9}, {10: 0.9}))
    assert rates(first) == [0.3, 0.2]
    assert rates(second)[:2] == [0.1, 0.01]


def test_no_rate_below_the_first_tasks() -> None:
    controller = PlasticityStability(first_learning_rates=[0.001], learning_rates=[0.01, 0.001])
    _, second = play(controller, respond({0.001: 0.5}, {10: 0.5}))
    assert rates(second) == [0.001, 0.001]


def test_all_rates_whatever_the_first_task_kept() -> None:
    controller = PlasticityStability(
        first_learning_rates=[0.001], learning_rates=[0.01, 0.1, 0.001], rates=None
    )
    _, second = play(controller, respond({0.1: 0.5}, {10: 0.5}))
    assert rates(second) == [0.01, 0.1, 0.001, 0.1]


def test_a_first_task_that_is_not_known() -> None:
    """As many rates as are allowed, in the order given."""
    controller = PlasticityStability(learning_rates=[0.01, 0.1, 0.001], rates=2)
    assert controller.tried(view(task=1)) == [0.01, 0.1]


def test_the_first_tasks_rate_counts_in_the_third_too() -> None:
    controller = PlasticityStability(learning_rates=[0.1, 0.01, 0.001])
    earlier = tuple(
        Outcome(task, Proposal(lr=lr), figures([0.5] * (task + 1)), 1) for task, lr in enumerate((0.1, 0.001))
    )
    assert controller.tried(view(task=2, earlier=earlier)) == [0.01, 0.001]


def factors(controller: PlasticityStability, names: str, count: int) -> list[tuple[float, ...]]:
    seen = view(knobs={name: Knob("distill", 1.0, True) for name in names})
    return [tuple(controller.factors(seen, attempt).values()) for attempt in range(count)]


def test_two_weights_one_at_a_time_then_both() -> None:
    assert factors(PlasticityStability(start=8), "ab", 7) == [
        (8, 8),
        (4, 8),
        (8, 4),
        (4, 4),
        (2, 4),
        (4, 2),
        (2, 2),
    ]


def test_three_weights_one_at_a_time_then_all() -> None:
    assert factors(PlasticityStability(start=4), "abc", 6) == [
        (4, 4, 4),
        (2, 4, 4),
        (4, 2, 4),
        (4, 4, 2),
        (2, 2, 2),
        (1, 2, 2),
    ]


def test_all_weights_together() -> None:
    assert factors(PlasticityStability(start=4, one_at_a_time=False), "ab", 3) == [(4, 4), (2, 2), (1, 1)]
    assert factors(PlasticityStability(start=4), "a", 3) == [(4,), (2,), (1,)]


def test_the_terms_that_are_turned() -> None:
    """All that have a teacher and speak, or those that are named, if they speak."""
    knobs = {
        "kd": Knob("distill", 1.0, True),
        "silent": Knob("distill", 1.0, False),
        "replay": Knob("rehearse", 1.0, True),
        "l2": Knob("other", 1.0, True),
    }
    seen = view(knobs=knobs)
    assert list(PlasticityStability().factors(seen, 0)) == ["kd"]
    assert list(PlasticityStability(terms=["l2", "silent", "replay"]).factors(seen, 0)) == ["l2", "replay"]


def test_the_next_task_begins_at_the_start_or_where_the_last_one_ended() -> None:
    answer = respond({0.05: 0.9, 0.01: 0.9, 0.1: 0.9}, {2.5: 0.9, 1.25: 0.9})
    for carry, begins in ((False, 10), (True, 2.5)):
        controller = PlasticityStability(**ONE, carry=carry)
        tasks = play(controller, answer, tasks=3)
        assert tasks[1].best.proposal.factors == {"kd": 2.5}
        assert tasks[2].rounds[1].proposal.factors == {"kd": begins}


def test_no_weight_to_turn() -> None:
    """The task is learned by the method with the best rate, once, however badly."""
    answer = respond({0.1: 0.9, 0.05: 0.2, 0.01: 0.1}, {})
    _, second = play(PlasticityStability(first_learning_rates=[0.1]), answer, terms={"replay": "rehearse"})
    assert [one.proposal.plain for one in second.rounds] == [True, True, True, False]
    assert rates(second) == [0.05, 0.01, 0.005, 0.05]
    assert second.kept == 3 and second.best.proposal.factors == {}


@pytest.mark.parametrize("course", [{"speaking": False}, {"terms": {}}])
def test_nothing_speaks_in_any_task(course: dict[str, Any]) -> None:
    answer = respond({0.1: 0.9, 0.05: 0.2, 0.01: 0.4}, {})
    first, second = play(PlasticityStability(), answer, **course)
    assert (rates(first), first.kept) == ([0.5, 0.1, 0.05], 1)
    assert (rates(second), second.kept) == ([0.05, 0.01, 0.005], 1)
    assert not any(one.proposal.plain for one in second.rounds)


def test_terms_that_speak_in_the_first_task_are_searched_there() -> None:
    """A memory that is learned from at once: fine-tuning is not the method, and not what is kept."""
    knobs = {"kd": Knob("distill", 1.0, True)}
    controller = PlasticityStability(first_learning_rates=[0.1])
    seen = view(task=0, knobs=knobs)
    plain = controller.first(seen)
    assert plain.plain
    verdict = controller.judge(view([(plain, figures([0.5]))], task=0, knobs=knobs))
    assert verdict.keep and verdict.next is not None
    assert verdict.next.factors == {"kd": 10} and not verdict.next.plain


def test_epochs_of_every_round() -> None:
    _, second = play(PlasticityStability(epochs=7), respond({}, {}))
    assert {one.proposal.epochs for one in second.rounds} == {7}


def test_rates_are_shares_of_the_configured_one() -> None:
    first, second = play(PlasticityStability(), respond({0.01: 0.9}, {}), lr=0.01)
    assert rates(first) == [0.05, 0.01, 0.005]
    assert rates(second)[:3] == [0.005, 0.001, 0.0005]


@pytest.mark.parametrize(
    "options",
    [{}, {"one_at_a_time": False, "carry": True}, {"rates": None, "attempts": 1}, {"terms": ["kd"]}],
)
def test_it_keeps_the_promises_of_a_controller(options: dict[str, Any]) -> None:
    check_controller(lambda: PlasticityStability(**options))
    check_controller(
        lambda: PlasticityStability(**options), terms={"kd": "distill", "r": "rehearse"}, tasks=2
    )


def test_a_term_that_is_not_there() -> None:
    PlasticityStability(terms=["kd"]).check({"kd": "distill", "pod": "distill"})
    PlasticityStability().check({})
    with pytest.raises(BadCall, match=r"no term 'pd'.*Did you mean 'pod'\? Its terms: kd, pod"):
        PlasticityStability(terms=["pd"]).check({"kd": "distill", "pod": "distill"})
    with pytest.raises(BadCall, match="Its terms: none"):
        PlasticityStability(terms=["kd"]).check({})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rates": []}, r"learning_rates is a list of at least one rate greater than 0, got \[\]"),
        ({"first_learning_rates": [0.1, 0.0]}, r"first_learning_rates is .* got \[0.1, 0.0\]"),
        ({"learning_rates": [float("inf")]}, "learning_rates is a list"),
        ({"rates": 0}, "rates must be at least 1, got 0"),
        ({"tolerance": 1.0}, "tolerance must be at least 0 and less than 1, got 1.0"),
        ({"tolerance": -0.1}, "tolerance must be at least 0"),
        ({"decay": 1.0}, "decay must be between 0 and 1, got 1.0"),
        ({"decay": 0.0}, "decay must be between 0 and 1, got 0.0"),
        ({"attempts": 0}, "attempts must be at least 1, got 0"),
        ({"start": 0.0}, "start must be greater than 0 and finite, got 0.0"),
        ({"terms": ["kd", "kd"]}, "terms names one twice"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadCall, match=message):
        PlasticityStability(**options)
