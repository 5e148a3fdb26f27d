"""What each controller makes of a round that diverged: it is never kept, and the task goes on or fails."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.rounds.balance import Balance
from lifelong_kd.rounds.base import Controller, Figures, Knob, Proposal, Reading, Round, View
from lifelong_kd.rounds.born_again import BornAgain
from lifelong_kd.rounds.plasticity import PlasticityStability
from lifelong_kd.rounds.search import Search
from tests.rounds.made import figures, view

Respond = Callable[[Proposal, int], float | None]
"""The accuracy on the new task of a round with this proposal and number; ``None`` if it diverged."""


def lost(task: int) -> Figures:
    wrong = Reading(0.0, math.inf, torch.zeros(20, dtype=torch.bool))
    return Figures(task, None, dict.fromkeys(range(task + 1), wrong), dict.fromkeys(range(task), wrong))


def play(
    controller: Controller, respond: Respond, *, task: int = 1, old: float = 0.6, **more: object
) -> View:
    """One task; the view at its end, its last round judged. What is learned of the new task is given."""
    before = replace(figures([0.8] * task, [0.8] * task), task=task) if task else None
    seen = view(task=task, before=before, **more)
    proposal: Proposal | None = controller.first(seen)
    while proposal is not None:
        number = len(seen.rounds)
        assert number < 30
        reached = respond(proposal, number)
        found = lost(task) if reached is None else figures([*[old] * task, reached], [old] * task)
        made = Round(number, proposal, found, (), reached is None, reached is None)
        seen = replace(seen, rounds=(*seen.rounds, made))
        verdict = controller.judge(seen)
        assert verdict.why and not (verdict.keep and made.diverged)
        judged = replace(made, kept=verdict.keep, why=verdict.why)
        seen = replace(seen, rounds=(*seen.rounds[:-1], judged), kept=number if verdict.keep else seen.kept)
        proposal = verdict.next
    return seen


def by_factor(reached: Mapping[float, float | None], plain: float | None = 0.9) -> Respond:
    def respond(proposal: Proposal, number: int) -> float | None:
        if proposal.plain:
            return plain
        return reached.get(round(proposal.factors["kd"], 4), 0.5)

    return respond


def tried(seen: View) -> list[float]:
    return [round(done.proposal.factors["kd"], 4) for done in seen.rounds if not done.proposal.plain]


# ---- plasticity and stability -------------------------------------------------------------------------------------


def stability(**options: object) -> PlasticityStability:
    return PlasticityStability(**{"learning_rates": [0.5, 0.1, 0.05], "rates": None, **options})  # type: ignore[arg-type]


def test_plasticity_passes_over_a_rate_that_diverges() -> None:
    def respond(proposal: Proposal, number: int) -> float | None:
        return {0.5: None, 0.1: 0.4, 0.05: 0.3}[proposal.lr or 0.0]

    controller = PlasticityStability(first_learning_rates=[0.5, 0.1, 0.05])
    seen = play(controller, respond, task=0)
    assert [done.kept for done in seen.rounds] == [False, True, False] and seen.kept == 1


def test_a_rate_that_diverged_is_not_the_first_of_equals() -> None:
    """Nothing is learned with the others: 0 is as much as it seems to be for the first."""
    seen = play(stability(), lambda proposal, number: None if proposal.lr == 0.5 else 0.0)
    assert seen.best is not None and seen.best.proposal.lr == 0.1 and not seen.best.proposal.plain


def test_stability_turns_down_what_diverges() -> None:
    seen = play(stability(), by_factor({10.0: None, 5.0: 0.9}))
    assert tried(seen) == [10.0, 5.0] and seen.kept == 4


def test_what_is_wanted_of_nothing_is_not_reached_by_diverging() -> None:
    seen = play(stability(), by_factor({10.0: None, 5.0: 0.0}, plain=0.0))
    assert tried(seen) == [10.0, 5.0] and seen.kept == 4


def test_of_the_attempts_the_last_one_with_numbers_stays() -> None:
    seen = play(stability(attempts=3), by_factor({10.0: 0.1, 5.0: 0.2, 2.5: None}))
    assert seen.kept == 4 and seen.last.why == "attempt 3 diverged; the one before stays"


@pytest.mark.parametrize("task", [0, 1])
def test_where_every_rate_diverges_nothing_is_kept(task: int) -> None:
    seen = play(stability(), lambda proposal, number: None, task=task)
    assert seen.kept is None and len(seen.rounds) == 3


def test_fine_tuning_is_not_kept_in_the_place_of_the_method() -> None:
    with pytest.raises(BadCall, match="every round of the method diverged"):
        play(stability(attempts=2), by_factor({10.0: None, 5.0: None}))
    replay = {"replay": Knob("rehearse", 1.0, True)}
    with pytest.raises(BadCall, match="every round of the method diverged"):
        play(stability(), lambda proposal, number: 0.9 if proposal.plain else None, knobs=replay)


# ---- balance ------------------------------------------------------------------------------------------------------


def test_balance_goes_down_from_a_factor_that_diverges() -> None:
    """1, then sqrt(0.1 * 1); that forgets more than it misses, so sqrt(0.3162 * 1)."""
    seen = play(Balance(budget=3), by_factor({1.0: None, 0.3162: 0.9}))
    assert tried(seen) == [1.0, 0.3162, 0.5623]
    assert seen.rounds[0].why.startswith("factor 1 diverged, so down")
    assert [done.kept for done in seen.rounds] == [False, True, False]


def test_balance_never_keeps_it_later() -> None:
    seen = play(Balance(budget=3, noise=0.0), by_factor({1.0: 0.5, 3.1623: None, 1.7783: 0.9}))
    assert tried(seen) == [1.0, 3.1623, 1.7783] and seen.kept == 2


@pytest.mark.parametrize("measure", ["validation", "memory"])
def test_balance_with_a_reference_that_diverges(measure: str) -> None:
    """What can be learned is then what was learned best."""
    controller = Balance(budget=3, reference="fine_tuning", measure=measure)  # type: ignore[arg-type]
    seen = play(controller, by_factor({1.0: 0.5, 3.1623: 0.7}, plain=None))
    assert tried(seen) == [1.0, 3.1623]
    assert seen.rounds[0].why == "fine-tuning diverged" and not seen.rounds[0].kept
    assert "fails to learn 0.0000" in seen.rounds[1].why and seen.rounds[1].kept


def test_balance_without_a_round_that_can_be_kept() -> None:
    seen = play(Balance(budget=3), lambda proposal, number: None)
    assert seen.kept is None and tried(seen) == [1.0, 0.3162, 0.1778]
    with pytest.raises(BadCall, match="every round of the method diverged"):
        play(Balance(budget=3, reference="fine_tuning"), by_factor(dict.fromkeys((1.0, 0.3162), None)))


def test_balance_where_there_is_nothing_to_turn() -> None:
    seen = play(Balance(), lambda proposal, number: None, task=0)
    assert seen.kept is None and [done.why for done in seen.rounds] == ["the only round diverged"]


# ---- born again ---------------------------------------------------------------------------------------------------


def test_born_again_needs_a_first_student() -> None:
    for task in (0, 1):
        seen = play(BornAgain(), lambda proposal, number: None, task=task)
        assert seen.kept is None and len(seen.rounds) == 1
    seen = play(BornAgain(tasks="first"), lambda proposal, number: None)
    assert seen.kept is None and len(seen.rounds) == 1


def test_born_again_ends_with_the_generation_before() -> None:
    seen = play(BornAgain(noise=0.0), lambda proposal, number: [0.5, 0.6, None][number])
    assert seen.kept == 1 and seen.last.why == "generation 2 diverged"


# ---- search -------------------------------------------------------------------------------------------------------


def test_search_goes_on(tmp_path: Path) -> None:
    seen = play(Search(trials=4), lambda proposal, number: [None, 0.5, None, 0.6][number], folder=tmp_path)
    assert [done.kept for done in seen.rounds] == [False, True, False, True]
    assert seen.rounds[0].why == seen.rounds[2].why == "diverged"
    optuna = pytest.importorskip("optuna")
    storages = optuna.storages.journal
    storage = storages.JournalStorage(storages.JournalFileBackend(str(tmp_path / "task_1.journal")))
    study = optuna.load_study(study_name="task_1", storage=storage)
    assert [trial.state.name for trial in study.trials] == ["PRUNED", "COMPLETE", "PRUNED", "COMPLETE"]


def test_search_learns_from_it() -> None:
    """With the sampler asked after the first rounds, which have all diverged but one."""
    seen = play(
        Search(trials=8, startup=3), lambda proposal, number: 0.5 if proposal.factors["kd"] < 1 else None
    )
    assert seen.best is not None and not seen.best.diverged


@pytest.mark.parametrize("score", ["new", "average", "balanced"])
def test_search_where_everything_diverges(score: str) -> None:
    seen = play(Search(trials=6, score=score, startup=2, prune=True), lambda proposal, number: None)  # type: ignore[arg-type]
    assert seen.kept is None and len(seen.rounds) == 6
    assert not Search(trials=6, score="new", startup=1, prune=True).prune(seen, (0.1,))


def test_search_where_there_is_nothing_to_search() -> None:
    seen = play(Search(), lambda proposal, number: None, task=0)
    assert seen.kept is None and seen.last.why == "nothing to search in this task, and it diverged"
