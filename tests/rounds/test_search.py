"""The search: what it tries, what it keeps, what it gives up, and the study it leaves behind."""

from __future__ import annotations

import math
import random
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lifelong_kd.core.errors import BadCall, RunFailed
from lifelong_kd.rounds.base import Figures, Knob, Outcome, Proposal, Reading, Round, View
from lifelong_kd.rounds.search import Search

optuna = pytest.importorskip("optuna")

KNOBS = {
    "kd": Knob("distill", 1.0, speaks=True, temperature=2.0),
    "replay": Knob("rehearse", 1.0, speaks=True),
}
SILENT = {name: replace(knob, speaks=False) for name, knob in KNOBS.items()}

# One object, so that two views can be compared.
NOBODY = torch.zeros(4, dtype=torch.bool)


def figures(task: int, new: float, old: float = 0.5) -> Figures:
    def reading(accuracy: float) -> Reading:
        return Reading(accuracy, 1.0, NOBODY)

    return Figures(task, validation={j: reading(new if j == task else old) for j in range(task + 1)})


def view_of(task: int = 1, **more: Any) -> View:
    return View(
        **{
            "task": task,
            "scenario": "class",
            "old_classes": 2 * task,
            "new_classes": 2,
            "lr": 0.01,
            "epochs": 5,
            "knobs": KNOBS if task else SILENT,
            "seed": 7,
            **more,
        }
    )


def play(search: Search, view: View, accuracy: Callable[[Proposal], float], stop: int | None = None) -> View:
    """The rounds of a task, each measured by ``accuracy``; all of them, or ``stop``."""
    proposal: Proposal | None = search.first(view)
    while proposal is not None and len(view.rounds) != stop:
        done = Round(len(view.rounds), proposal, figures(view.task, accuracy(proposal)))
        view = replace(view, rounds=(*view.rounds, done))
        verdict = search.judge(view)
        kept = done.index if verdict.keep else view.kept
        done = replace(done, kept=verdict.keep, why=verdict.why)
        view = replace(view, rounds=(*view.rounds[:-1], done), kept=kept)
        proposal = verdict.next
    return view


def hill(proposal: Proposal) -> float:
    """Highest, 0.9, at lr 0.1 and factor 4."""
    lr = proposal.lr if proposal.lr is not None else 0.01
    factor = proposal.factors.get("kd", 1.0)
    return 0.9 - 0.1 * math.log10(lr / 0.1) ** 2 - 0.1 * math.log10(factor / 4) ** 2


def outcome(task: int, proposal: Proposal) -> Outcome:
    return Outcome(task, proposal, figures(task, 0.8), 3)


def open_study(path: Path, name: str) -> Any:
    backend = optuna.storages.journal.JournalFileBackend(str(path))
    return optuna.load_study(study_name=name, storage=optuna.storages.journal.JournalStorage(backend))


def test_first_round_is_as_configured() -> None:
    search = Search(lr=(0.001, 1.0), epochs=(1, 50), temperature=(1.0, 8.0))
    proposal = search.first(view_of())
    assert proposal == Proposal(factors={"kd": 1.0}, temperatures={"kd": 2.0}, why="as configured")


def test_stays_in_its_ranges_and_uses_all_trials() -> None:
    search = Search(
        trials=12, lr=(0.001, 1.0), factor=(0.5, 8.0), epochs=(2, 9), temperature=(1.0, 4.0), score="new"
    )
    view = play(search, view_of(), hill)
    assert len(view.rounds) == 12
    for one in view.rounds[1:]:
        assert one.proposal.lr is not None and 0.001 <= one.proposal.lr <= 1.0
        assert set(one.proposal.factors) == set(one.proposal.temperatures) == {"kd"}
        assert 0.5 <= one.proposal.factors["kd"] <= 8.0 and 1.0 <= one.proposal.temperatures["kd"] <= 4.0
        assert one.proposal.epochs is None or (
            type(one.proposal.epochs) is int and 2 <= one.proposal.epochs <= 9
        )
        assert one.proposal.start == "task" and not one.proposal.plain
    assert len({one.proposal.lr for one in view.rounds}) == 12


@pytest.mark.parametrize("seed", range(5))
def test_finds_a_better_region_than_the_configured_one(seed: int) -> None:
    search = Search(trials=15, lr=(0.001, 1.0), score="new")
    view = play(search, view_of(seed=seed), hill)
    assert view.best is not None
    # At lr 0.01 and factor 1 it would be 0.9 - 0.1 - 0.036.
    assert hill(view.rounds[0].proposal) == pytest.approx(0.7638, abs=1e-4)
    assert hill(view.best.proposal) == max(hill(one.proposal) for one in view.rounds) > 0.85


def test_suggestions_beat_draws_at_random() -> None:
    def mean_of_last(startup: int) -> float:
        search = Search(trials=24, lr=(0.001, 1.0), score="new", startup=startup)
        views = [play(search, view_of(seed=seed), hill) for seed in range(4)]
        return sum(hill(one.proposal) for view in views for one in view.rounds[-8:]) / 32

    assert mean_of_last(5) > mean_of_last(100) + 0.05


def test_never_worse_than_configured() -> None:
    view = play(
        Search(score="new"), view_of(), lambda proposal: 0.9 if proposal.factors == {"kd": 1.0} else 0.2
    )
    assert view.kept == 0 and [one.kept for one in view.rounds] == [True] + [False] * 9


def test_of_equals_the_first_is_kept() -> None:
    view = play(Search(trials=4), view_of(), lambda proposal: 0.5)
    assert view.kept == 0


@pytest.mark.parametrize(("score", "kept"), [("new", 1), ("average", 2), ("balanced", 1)])
def test_scores(score: Any, kept: int) -> None:
    search = Search(trials=4, score=score)
    view = view_of(task=3)
    # Average over the four tasks: 0.45, 0.475, 0.5; mean of new and old: 0.5, 0.65, 0.5.
    for new, old in ((0.6, 0.4), (1.0, 0.3), (0.5, 0.5)):
        done = Round(len(view.rounds), search.first(view), figures(3, new, old))
        view = replace(view, rounds=(*view.rounds, done))
        verdict = search.judge(view)
        view = replace(view, kept=done.index if verdict.keep else view.kept)
    assert view.kept == kept


def test_same_view_same_decisions_whatever_is_drawn_elsewhere() -> None:
    search = Search(trials=9, lr=(0.001, 1.0), score="new")
    whole = play(search, view_of(), hill)
    random.seed(3)
    torch.manual_seed(3)
    assert play(Search(trials=9, lr=(0.001, 1.0), score="new"), view_of(), hill) == whole
    other = play(search, view_of(seed=8), hill)
    assert other.rounds[0].proposal == whole.rounds[0].proposal
    assert other.rounds[1].proposal != whole.rounds[1].proposal


@pytest.mark.parametrize("stop", [1, 4, 8])
def test_resume_in_the_middle(stop: int) -> None:
    options: dict[str, Any] = {"trials": 9, "lr": (0.001, 1.0), "score": "new"}
    whole = play(Search(**options), view_of(), hill)
    begun = play(Search(**options), view_of(), hill, stop=stop)
    assert begun.rounds == whole.rounds[:stop]
    # A process that comes later and knows the rounds alone decides the same.
    verdict = Search(**options).judge(replace(begun, kept=whole_kept(whole, stop - 1)))
    assert verdict.next == whole.rounds[stop].proposal
    assert verdict.keep == whole.rounds[stop - 1].kept


def whole_kept(view: View, before: int) -> int | None:
    kept = [one.index for one in view.rounds[:before] if one.kept]
    return kept[-1] if kept else None


def test_a_configured_value_outside_widens_the_range() -> None:
    search = Search(trials=30, lr=(0.1, 1.0), factor=(2.0, 4.0), score="new", startup=30)
    rounds = play(search, view_of(), hill).rounds[1:]
    rates, factors = (
        [one.proposal.lr or 0.01 for one in rounds],
        [one.proposal.factors["kd"] for one in rounds],
    )
    assert 0.01 <= min(rates) < 0.1 and 1.0 <= min(factors) < 2.0 and max(factors) <= 4.0


def test_terms_by_name_and_terms_that_say_nothing() -> None:
    named = Search(terms=["replay"], temperature=(1.0, 4.0))
    assert named.first(view_of()).factors == {"replay": 1.0}
    assert named.first(view_of()).temperatures == {}
    assert Search().first(view_of(knobs=SILENT)).factors == {}


def test_a_task_without_anything_to_search_has_one_round() -> None:
    view = play(Search(), view_of(task=0), hill)
    assert len(view.rounds) == 1 and view.kept == 0


def test_all_tasks_try_what_the_task_before_kept() -> None:
    search = Search(trials=5, lr=(0.001, 1.0))
    earlier = (outcome(0, Proposal(lr=0.3)), outcome(1, Proposal(factors={"kd": 3.0})))
    view = play(search, view_of(task=2, earlier=earlier), hill)
    assert view.rounds[0].proposal.factors == {"kd": 1.0}
    # The first task kept 0.3, the one before this the configured rate.
    assert view.rounds[1].proposal == Proposal(factors={"kd": 3.0}, why="as the task before kept it")
    same = (outcome(1, Proposal(factors={"kd": 1.0})),)
    view = play(search, view_of(task=2, earlier=same), hill)
    assert view.rounds[1].proposal.why.startswith("drawn at random: lr 0.4171, factor kd ")


def test_first_searches_each_number_where_it_first_matters() -> None:
    search = Search(trials=6, tasks="first", lr=(0.001, 1.0), score="new")
    first = play(search, view_of(task=0), hill)
    assert len(first.rounds) == 6 and all(not one.proposal.factors for one in first.rounds)
    assert first.best is not None and first.best.proposal.lr is not None
    earlier = (outcome(0, first.best.proposal),)

    second = play(search, view_of(task=1, earlier=earlier), hill)
    assert len(second.rounds) == 6
    assert {one.proposal.lr for one in second.rounds} == {first.best.proposal.lr}
    assert len({one.proposal.factors["kd"] for one in second.rounds}) == 6
    assert second.best is not None
    earlier = (*earlier, outcome(1, second.best.proposal))

    third = play(search, view_of(task=2, earlier=earlier), hill)
    assert len(third.rounds) == 1
    assert third.rounds[0].proposal == replace(second.best.proposal, why="as an earlier task kept it")


def curves(*rows: tuple[float, ...], task: int = 0) -> View:
    rounds = tuple(
        Round(n, Proposal(lr=0.01 * (n + 1)), figures(task, row[-1]), row, kept=n == 0)
        for n, row in enumerate(rows)
    )
    return view_of(task=task, knobs=SILENT, rounds=rounds, kept=0)


def test_pruning_gives_up_a_bad_round_and_no_good_one() -> None:
    search = Search(lr=(0.001, 1.0), prune=True, startup=3, warm_up=2)
    view = curves((0.1, 0.4, 0.7), (0.2, 0.5, 0.8), (0.3, 0.6, 0.9))
    # Medians: 0.2, 0.5, 0.8 .
    assert not search.prune(view, (0.1,)), "within the warm-up"
    assert search.prune(view, (0.1, 0.45))
    assert not search.prune(view, (0.1, 0.55))
    assert not search.prune(view, (0.1, 0.5)), "at the median"
    assert search.prune(view, (0.1, 0.55, 0.79))
    assert not search.prune(view, (0.9, 0.1, 0.1)), "its best counts"
    assert not search.prune(replace(view, rounds=view.rounds[:2]), (0.0, 0.0)), "too few to compare with"
    assert not search.prune(replace(view, rounds=(), kept=None), (0.0, 0.0))
    assert search.prunes and not Search().prunes


def test_broken_off_rounds_do_not_count_as_ended_and_are_not_kept() -> None:
    search = Search(lr=(0.001, 1.0), prune=True, startup=3)
    view = curves((0.1, 0.4), (0.2, 0.5), (0.3, 0.6))
    broken = replace(view, rounds=(*view.rounds[:2], replace(view.rounds[2], pruned=True)))
    assert search.prune(view, (0.1,)) and not search.prune(broken, (0.1,))
    verdict = search.judge(broken)
    assert not verdict.keep and verdict.why == "broken off after 2 epochs, below the median"


def test_pruning_leaves_alone_what_the_new_accuracy_does_not_decide() -> None:
    view = curves((0.3, 0.9), (0.3, 0.9), task=1)
    for score, expected in (("new", True), ("average", False), ("balanced", False)):
        search = Search(lr=(0.001, 1.0), prune=True, startup=2, score=score)  # type: ignore[arg-type]
        assert search.prune(view, (0.1, 0.1)) is expected


def test_the_study_is_a_file_that_optuna_opens(tmp_path: Path) -> None:
    search = Search(trials=6, lr=(0.001, 1.0), score="new")
    folder = tmp_path / "studies"
    view = play(search, view_of(folder=folder), hill)
    study = open_study(folder / "task_1.journal", "task_1")
    assert [trial.value for trial in study.trials] == [one.figures.new() for one in view.rounds]
    assert study.best_trial.number == view.kept
    assert [trial.number for trial in study.trials if trial.user_attrs["kept"]] == [view.kept]
    assert view.best is not None
    assert study.best_params == {"lr": view.best.proposal.lr, "factor/kd": view.best.proposal.factors["kd"]}
    # What opened it leaves a lock's remains of its own at most; we leave nothing else.
    assert [path.name for path in folder.iterdir()] == ["task_1.journal"]


def test_the_study_follows_the_rounds_not_what_a_killed_process_left(tmp_path: Path) -> None:
    search = Search(trials=6, lr=(0.001, 1.0), score="new")
    view = play(search, view_of(folder=tmp_path), hill, stop=5)
    (tmp_path / ".task_1.journal.part").write_text("half a line", encoding="utf-8")
    (tmp_path / ".task_1.journal.part.lock").symlink_to(tmp_path / "nowhere")
    # Resumed from a checkpoint that knows three rounds, the third not yet judged.
    search.judge(replace(view, rounds=view.rounds[:3], kept=whole_kept(view, 2)))
    assert len(open_study(tmp_path / "task_1.journal", "task_1").trials) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["task_1.journal"]


def test_curves_and_broken_off_rounds_are_in_the_study(tmp_path: Path) -> None:
    view = replace(curves((0.1, 0.4), (0.2, 0.5)), folder=tmp_path)
    view = replace(view, rounds=(view.rounds[0], replace(view.rounds[1], pruned=True)))
    Search(lr=(0.001, 1.0), score="new").judge(view)
    whole, broken = open_study(tmp_path / "task_0.journal", "task_0").trials
    assert whole.state.name == "COMPLETE" and whole.intermediate_values == {1: 0.1, 2: 0.4}
    assert broken.state.name == "PRUNED" and broken.intermediate_values == {1: 0.2, 2: 0.5}


def test_a_study_that_cannot_be_written_fails_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunFailed, match=r"task_0.journal could not be written"):
        Search(lr=(0.001, 1.0)).judge(replace(curves((0.1,)), folder=tmp_path / "file"))


def test_optuna_is_quiet(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    before = optuna.logging.get_verbosity()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        play(Search(lr=(0.001, 1.0), startup=2), view_of(folder=tmp_path), hill)
        Search(lr=(0.001, 1.0), prune=True, startup=1).prune(curves((0.1,)), (0.0,))
    said = capfd.readouterr()
    assert said.out == said.err == "" and optuna.logging.get_verbosity() == before


def test_without_optuna(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(BadCall, match=r"pip install 'lifelong_kd\[search\]'"):
        Search()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 1}, "trials must be at least 2, found 1"),
        ({"startup": 0}, "startup must be at least 1"),
        ({"warm_up": 0}, "warm_up must be at least 1"),
        ({"lr": (0.1, 0.01)}, r"lr is two numbers above 0, the lower one first; found \[0.1, 0.01\]"),
        ({"lr": (0.0, 0.01)}, "lr is two numbers"),
        ({"factor": (1.0, math.inf)}, "factor is two numbers"),
        ({"epochs": (0, 3)}, "epochs is two numbers at least 1"),
        ({"temperature": (2.0, 2.0)}, "temperature is two numbers"),
        ({"factor": None}, "at least one of lr, factor, epochs and temperature"),
        ({"terms": []}, "terms is an empty list"),
        ({"score": "old"}, "found 'old'"),
        ({"tasks": "last"}, "and 'last'"),
    ],
)
def test_refuses(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadCall, match=message):
        Search(**options)


def test_check_refuses_a_strategy_with_nothing_to_search() -> None:
    with pytest.raises(BadCall, match="no term with a teacher"):
        Search().check({"replay": "rehearse"})
    with pytest.raises(BadCall, match="no term 'dk'"):
        Search(terms=["dk"]).check({"kd": "distill"})
    Search().check({"kd": "distill"})
    Search(terms=["replay"]).check({"replay": "rehearse"})
    Search(lr=(0.001, 1.0)).check({})


def test_a_learning_rate_of_zero_cannot_be_searched_around() -> None:
    with pytest.raises(BadCall, match="one above 0"):
        Search(lr=(0.001, 1.0)).first(view_of(lr=0.0))
