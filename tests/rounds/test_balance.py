"""The bisection by hand, what is kept of it, and where it has nothing to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from lifelong_kd.core.errors import BadCall
from lifelong_kd.rounds.balance import Balance
from lifelong_kd.rounds.base import Knob, Outcome, Proposal
from lifelong_kd.testing import check_controller
from lifelong_kd.testing.course import Course, Played, Response
from tests.rounds.made import figures, view

# (accuracy on the earlier task, accuracy on the new one) by factor; the earlier one is found with accuracy 1.
TABLE = {
    1.0: (0.5, 0.9),  # F 0.5 > L 0: up, sqrt(1 * 10)
    3.1623: (0.8, 0.6),  # F 0.2 < L 0.3: down, sqrt(1 * 3.1623)
    1.7783: (0.7, 0.85),  # F 0.3 > L 0.05: up, sqrt(1.7783 * 3.1623)
    2.3714: (0.75, 0.8),  # F 0.25 > L 0.1
}


def respond(table: Mapping[float, tuple[float, float]], plain: tuple[float, float] = (0.0, 1.0)) -> Response:
    """In the second task accuracies by factor; in the others everything is right."""

    def answer(of: int, task: int, index: int, proposal: Proposal) -> float:
        if task != 1:
            return 1.0
        found = plain if proposal.plain else table[round(proposal.factors["kd"], 4)]
        return found[of == task]

    return answer


def play(controller: Balance, response: Response, **course: Any) -> list[Played]:
    return Course(response, **{"tasks": 2, "samples": 100, **course}).play(controller)


def factors(task: Played) -> list[float]:
    return [round(one.proposal.factors["kd"], 4) for one in task.rounds]


def test_the_bisection_by_hand() -> None:
    """Scores 0.7, 0.7, 0.775, 0.775: equals keep the earlier one."""
    first, second = play(Balance(noise=0), respond(TABLE))
    assert len(first.rounds) == 1 and first.best.proposal.factors == {}
    assert factors(second) == [1.0, 3.1623, 1.7783, 2.3714]
    assert [one.kept for one in second.rounds] == [True, False, True, False] and second.kept == 2
    assert "forgets 0.5000 and fails to learn 0.0000, so up" in second.rounds[0].why
    assert "forgets 0.2000 and fails to learn 0.3000, so down" in second.rounds[1].why
    assert second.rounds[-1].why.endswith("the budget is spent")


def test_the_noise_that_a_gain_has_to_exceed() -> None:
    """From 0.7 to 0.775 with 20 samples won of 100 and 5 lost of the other 100.

    SE = 1/2 sqrt((16 + 4.75) / 99 / 100) = 0.02289, and 0.075 are 3.28 of them.
    """
    for noise, kept in ((3.2, 2), (3.3, 0)):
        assert play(Balance(noise=noise), respond(TABLE))[1].kept == kept


def test_forgetting_less_than_it_fails_to_learn_goes_down() -> None:
    """F = L = 0 in the first round: down, sqrt(0.1); there F 0.1 > L 0, up, between 0.3162 and 1."""
    table = {1.0: (1.0, 0.5), 0.3162: (0.9, 0.8), 0.5623: (1.0, 0.7)}
    second = play(Balance(noise=0, budget=3), respond(table))[1]
    assert factors(second) == [1.0, 0.3162, 0.5623] and second.kept == 1


def test_the_reference_is_the_best_so_far_not_the_best_to_come() -> None:
    """In round 0 nothing fails to be learned, though round 1 shows that much did: the bounds stay as they were set."""
    table = {1.0: (0.9, 0.5), 3.1623: (0.9, 0.9), 5.6234: (0.9, 0.8)}
    second = play(Balance(noise=0, budget=3), respond(table))[1]
    assert factors(second) == [1.0, 3.1623, 5.6234]


def test_equal_costs_go_down() -> None:
    """F = 1 - 0.7 and L = 0.6 - 0.3 differ in the last digit only."""
    assert 1 - 0.7 > 0.6 - 0.3
    table = {1.0: (0.5, 0.6), 3.1623: (0.7, 0.3), 1.7783: (0.9, 0.8)}
    assert factors(play(Balance(budget=3), respond(table))[1]) == [1.0, 3.1623, 1.7783]


def test_fine_tuning_as_the_reference() -> None:
    """A = 0.95 throughout. At 1: F 0.1, L 0.35, down. At 0.3162: F 0.3, L 0.25, up, though its score is lower."""
    table = {1.0: (0.9, 0.6), 0.3162: (0.7, 0.7), 0.5623: (0.85, 0.7)}
    controller = Balance(reference="fine_tuning", noise=0)
    first, second = play(controller, respond(table, plain=(0.8, 0.95)))
    assert len(first.rounds) == 1 and not first.best.proposal.plain
    assert [one.proposal.plain for one in second.rounds] == [True, False, False, False]
    assert [one.proposal.factors.get("kd") for one in second.rounds[1:]] == pytest.approx(
        [1, 0.3162, 0.5623], 1e-3
    )
    # The score of fine-tuning, 0.875, is the highest; it is not what is kept.
    assert [one.kept for one in second.rounds] == [True, True, False, True] and second.kept == 3


def test_learning_more_than_fine_tuning_is_no_loss() -> None:
    """L = 0.5 - 0.9 is less than F = 0."""
    table = {1.0: (1.0, 0.9), 3.1623: (1.0, 0.9)}
    second = play(Balance(reference="fine_tuning", budget=3), respond(table, plain=(0.1, 0.5)))[1]
    assert [one.proposal.factors.get("kd") for one in second.rounds[1:]] == pytest.approx([1, 3.1623], 1e-3)


@pytest.mark.parametrize(("carry", "begins"), [(True, 1.7783), (False, 1.0)])
def test_the_next_task_begins_with_what_was_kept(carry: bool, begins: float) -> None:
    tasks = play(Balance(noise=0, carry=carry), respond(TABLE), tasks=3)
    assert tasks[1].kept == 2
    assert factors(tasks[2])[0] == begins


def test_what_is_carried_lies_between_the_bounds_and_skips_tasks_without_a_factor() -> None:
    earlier = (
        Outcome(0, Proposal(), figures([1.0]), 1),
        Outcome(1, Proposal(factors={"kd": 50.0, "other": 3.0}), figures([1.0, 1.0]), 1),
        Outcome(2, Proposal(factors={"other": 2.0}), figures([1.0, 1.0, 1.0]), 1),
    )
    assert Balance().initial(view(task=3, earlier=earlier)) == 10.0
    assert Balance(highest=100).initial(view(task=3, earlier=earlier)) == 50.0
    assert Balance(lowest=0.5).initial(view(task=3, earlier=earlier[:1])) == 1.0


def test_one_round_is_all_the_budget() -> None:
    assert factors(play(Balance(budget=1), respond(TABLE))[1]) == [1.0]


def test_bounds_too_near_for_another_round() -> None:
    """sqrt(1.1) = 1.0488 is within 5 % of 1, sqrt(1.11) = 1.0536 is not, and sqrt(1.0536 * 1.11) is again."""
    table = {1.0: (0.5, 0.9), 1.0536: (0.5, 0.9)}
    near = play(Balance(highest=1.1), respond(table))[1]
    assert factors(near) == [1.0] and near.rounds[0].why.endswith("nothing left between the bounds")
    assert factors(play(Balance(highest=1.11), respond(table))[1]) == [1.0, 1.0536]


def test_a_factor_at_the_bound_ends_when_it_should_go_further() -> None:
    outcome = Outcome(0, Proposal(factors={"kd": 10.0}), figures([1.0]), 1)
    before = figures([1.0], task=1)
    seen = view(before=before, earlier=(outcome,))
    proposal = Balance().first(seen)
    assert proposal.factors == {"kd": 10.0}
    verdict = Balance().judge(view([(proposal, figures([0.5, 0.9]))], before=before, earlier=(outcome,)))
    assert verdict.keep and verdict.next is None


def test_memory_instead_of_validation_data() -> None:
    """Validation data would say down (F = 0); the exemplars say up (F = 0.5), and count in the score."""
    controller = Balance(measure="memory", noise=0, budget=2)
    assert controller.looks == {"validation", "memory"} and Balance().looks == {"validation"}
    before = figures([1.0], [1.0], task=1)
    rounds = [(controller.first(view(before=before)), figures([1.0, 0.8], [0.5]))]
    verdict = controller.judge(view(rounds, before=before))
    assert verdict.keep and verdict.next is not None
    assert verdict.next.factors["kd"] == pytest.approx(10**0.5)
    rounds.append((verdict.next, figures([0.2, 0.8], [0.6])))
    verdict = controller.judge(view(rounds, before=before, kept=0))
    assert verdict.keep and verdict.next is None


@pytest.mark.parametrize(
    "seen",
    [
        {"task": 0},
        {"before": figures([1.0], task=1), "knobs": {}},
        {"before": figures([1.0], task=1), "knobs": {"kd": Knob("distill", 1.0, False)}},
        {"before": figures([1.0], task=1), "knobs": {"replay": Knob("rehearse", 1.0, True)}},
        {"before": figures([], task=1)},
        {},
    ],
    ids=["first task", "no term", "silent", "no teacher", "nothing measured before", "nothing before"],
)
def test_one_round_where_there_is_nothing_to_turn_or_to_measure(seen: dict[str, Any]) -> None:
    for controller in (Balance(), Balance(reference="fine_tuning")):
        proposal = controller.first(view(**seen))
        assert not proposal.factors and not proposal.plain
        verdict = controller.judge(view([(proposal, figures([0.5, 0.5]))], **seen))
        assert verdict.keep and verdict.next is None


def test_no_exemplars_of_earlier_tasks() -> None:
    seen = {"before": figures([1.0], task=1)}
    assert not Balance(measure="memory").first(view(**seen)).factors


def test_temperatures_move_with_the_factor() -> None:
    knobs = {
        "kd": Knob("distill", 1.0, True, 2.0),
        "pod": Knob("distill", 3.0, True),
        "replay": Knob("rehearse", 1.0, True),
    }
    earlier = (Outcome(0, Proposal(factors={"kd": 4.0}), figures([1.0]), 1),)
    seen = view(before=figures([1.0], task=1), knobs=knobs, earlier=earlier)
    proposal = Balance(soften=0.5).first(seen)
    assert proposal.factors == {"kd": 4.0, "pod": 4.0} and proposal.temperatures == {"kd": 4.0}
    assert Balance().first(seen).temperatures == {}
    assert Balance(terms=["replay"]).first(seen).factors == {"replay": 1.0}


@pytest.mark.parametrize(
    "options",
    [{}, {"measure": "memory", "carry": False}, {"reference": "fine_tuning"}, {"budget": 9, "noise": 0}],
)
def test_it_keeps_the_promises_of_a_controller(options: dict[str, Any]) -> None:
    check_controller(lambda: Balance(**options))


def test_a_term_that_is_not_there() -> None:
    Balance().check({})
    with pytest.raises(BadCall, match=r"no term 'logit'.*Did you mean 'logits'\?"):
        Balance(terms=["logit"]).check({"logits": "distill"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lowest": 0.0}, "0 < lowest <= 1 <= highest is needed"),
        ({"lowest": 2.0}, "got 2.0 and 10.0"),
        ({"highest": 0.5}, "got 0.1 and 0.5"),
        ({"highest": float("inf")}, "lowest <= 1 <= highest"),
        ({"lowest": 1.0, "highest": 1.0}, "not both 1"),
        ({"measure": "test"}, "measure must be validation or memory, got 'test'"),
        ({"reference": "joint"}, "reference must be best or fine_tuning, got 'joint'"),
        ({"budget": 0}, "budget must be at least 1 with reference best, got 0"),
        (
            {"budget": 1, "reference": "fine_tuning"},
            "budget must be at least 2 with reference fine_tuning, got 1",
        ),
        ({"noise": -0.5}, "noise must be at least 0 and finite, got -0.5"),
        ({"soften": float("nan")}, "soften must be finite"),
        ({"terms": []}, r"terms names at least one term and none twice, got \[\]"),
        ({"terms": ["kd", "kd"]}, "none twice"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadCall, match=message):
        Balance(**options)
