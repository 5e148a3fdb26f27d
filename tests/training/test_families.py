"""What a family of scores finds is plain data, and what it raises names it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lifelong_kd.core.errors import Diverged, RunFailed
from lifelong_kd.phase.base import Phase, Stage
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.naive import naive
from lifelong_kd.testing.small import small_experiment
from lifelong_kd.testing.stopping import Stop
from lifelong_kd.training.families.base import Family, Found, Look
from lifelong_kd.training.families.plain import plain
from lifelong_kd.training.interrupt import Interrupted


class Gives(Family):
    """Finds at each of its times what it was made with."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def interval(self, steps: int) -> int | None:
        return 2

    def during(self, look: Look, step: int) -> Found:
        return {"during": self.value}

    def before_end(self, look: Look) -> Found:
        return {"end": self.value}

    def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
        return {"after": {"all": self.value}}

    def summary(self, found: Sequence[Found]) -> dict[str, float | None]:
        return {"score": self.value}


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.array([1.5, np.nan]), [1.5, None]),
        (torch.tensor(2.0), 2.0),
        (torch.tensor([True, False]), [True, False]),
        (float("nan"), None),
        (float("-inf"), None),
        ((1, "a", None), [1, "a", None]),
        ({"deep": {"er": np.float64(1.0)}}, {"deep": {"er": 1.0}}),
    ],
)
def test_what_is_found_is_pythons_own(value: Any, kept: Any) -> None:
    assert plain(value) == kept and type(plain(value)) is type(kept)


def test_a_run_with_a_family_that_reckons_with_numpy_is_resumed(tmp_path: Path) -> None:
    """A number of NumPy's in a checkpoint would make it unreadable, and NaN the results unwritable."""
    for name, value, kept in (("number", np.float64(0.5), 0.5), ("nan", np.float32("nan"), None)):
        folder = tmp_path / name
        with pytest.raises(Interrupted):
            small_experiment(naive(), families={"mine": Gives(value)}, trackers=[Stop("iteration")]).run(
                folder
            )
        results = small_experiment(naive(), families={"mine": Gives(value)}).run(folder, resume=True)
        assert [entry["mine"] for entry in results["per_task"]] == [{"end": kept, "after": {"all": kept}}] * 3
        assert results["mine"] == {"score": kept}


def test_what_cannot_be_kept_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(
        RunFailed, match=r"family of scores 'mine' failed: TypeError: it found set as 'during'"
    ):
        small_experiment(naive(), families={"mine": Gives({1})}).run(tmp_path / "run")


class Raises(Family):
    def __init__(self, error: Exception) -> None:
        self.error = error

    def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
        raise self.error


def test_a_family_that_raises_ends_the_run_by_name(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match=r"'mine' failed: ZeroDivisionError: no luck.*resumed") as caught:
        small_experiment(naive(), families={"mine": Raises(ZeroDivisionError("no luck"))}).run(
            tmp_path / "run"
        )
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_family_that_finds_nothing_at_all_is_refused_by_name(tmp_path: Path) -> None:
    class Forgets(Family):
        def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
            return None  # type: ignore[return-value]

    with pytest.raises(RunFailed, match="'mine' failed: its after_task returned NoneType, not a dict"):
        small_experiment(naive(), families={"mine": Forgets()}).run(tmp_path)


def test_an_error_that_is_ours_already_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"^gone$"):
        small_experiment(naive(), families={"mine": Raises(Diverged("gone"))}).run(tmp_path / "run")


class Notes(Phase):
    def __init__(self, value: Any) -> None:
        self.value = value

    def run(self, stage: Stage) -> None:
        stage.note("mine", self.value)


def test_so_are_the_notes_of_a_phase(tmp_path: Path) -> None:
    for name, value, kept in (("number", np.float64(0.5), 0.5), ("nan", torch.tensor(torch.nan), None)):
        folder = tmp_path / name
        with pytest.raises(Interrupted):
            small_experiment(Strategy(phases=[Notes(value)]), trackers=[Stop("iteration")]).run(folder)
        results = small_experiment(Strategy(phases=[Notes(value)])).run(folder, resume=True)
        assert [entry["phases"] for entry in results["per_task"]] == [{"mine": kept}] * 3
