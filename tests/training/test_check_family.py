"""The conformance check finds what is wrong with a family of scores, and nothing with one that is sound."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.rounds.balance import Balance
from lifelong_kd.strategy.naive import naive
from lifelong_kd.testing import check_family
from lifelong_kd.testing.small import small_experiment
from lifelong_kd.training.families import registry
from lifelong_kd.training.families.base import Family, Found, Look
from lifelong_kd.training.families.reserved import RESERVED


class Sound(Family):
    """How sure the student is, on the way and at the end."""

    def interval(self, steps: int) -> int | None:
        return 2

    def during(self, look: Look, step: int) -> Found:
        return {"step": step, "sure": self.sure(look)}

    def before_end(self, look: Look) -> Found:
        return {"way": [one["sure"] for one in look.pending["trace"]]}

    def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
        return {"sure": self.sure(look), "before": earlier[-1]["sure"] if earlier else None}

    def summary(self, found: Sequence[Found]) -> dict[str, float | None]:
        return {"sure": found[-1]["sure"], "before": found[-1]["before"]}

    def draw(self, folder: Path, found: Sequence[Found]) -> list[tuple[str, Path]]:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "sure.txt"
        path.write_text(str(found))
        return [("plots/sure", path)]

    def sure(self, look: Look) -> float:
        logits = look.answers("test", look.task).logits
        return float(logits.softmax(dim=1).max(dim=1).values.mean())


class Timed(Sound):
    varies = frozenset({"seconds"})

    def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
        return {**super().after_task(look, earlier), "about": [{"seconds": time.perf_counter()}]}


@pytest.mark.parametrize("scenario", ["class", "task", "domain"])
def test_a_sound_one_passes(scenario: Any) -> None:
    check_family(Sound, scenario=scenario)


def test_other_strategies_and_streams() -> None:
    check_family(Timed, strategy=naive, validation=0.0)


def test_one_that_wants_validation_data_may_say_so() -> None:
    class Wants(Sound):
        def check(self, stream: Any) -> None:
            if not stream.has_validation:
                raise BadCall("no validation data")

    check_family(Wants)
    with pytest.raises(BadCall, match="no validation data"):
        check_family(Wants, validation=0.0)

    class Silent(Sound):
        def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
            return {"samples": len(look.answers("valid", look.task)), **super().after_task(look, earlier)}

    fails(Silent, "Silent fails after task 0: ")


def fails(family: Any, message: str, **how: Any) -> None:
    with pytest.raises(AssertionError, match=message):
        check_family(family, **how)


class Kicks(Sound):
    def before_end(self, look: Look) -> Found:
        with torch.no_grad():
            next(look.engine.model.parameters()).mul_(1.001)
        return {}


class Draws(Sound):
    def during(self, look: Look, step: int) -> Found:
        torch.rand(3)
        return super().during(look, step)


class LeavesItsMode(Sound):
    def during(self, look: Look, step: int) -> Found:
        look.engine.model.eval()
        return super().during(look, step)


class Warms(Sound):
    """BatchNorm follows what it is shown."""

    def during(self, look: Look, step: int) -> Found:
        data = look.data("valid", look.task)
        look.engine.model.train()
        look.engine.model(data.plain(data.raw(torch.arange(4))))
        return super().during(look, step)


@pytest.mark.parametrize("family", [Kicks, Draws, LeavesItsMode, Warms])
def test_one_that_disturbs(family: type[Family]) -> None:
    fails(
        family, f"a run that {family.__name__} measures ends with other weights or accuracies", strategy=naive
    )


def test_one_that_disturbs_nothing_but_avalanches_own() -> None:
    class Foreign(Sound):
        def before_end(self, look: Look) -> Found:
            return {} if look.plugin is not None else Kicks.before_end(self, look)  # type: ignore[arg-type]

    fails(Foreign, "a run of Avalanche's Naive that Foreign measures ends otherwise")


def test_one_that_needs_a_strategy_of_ours() -> None:
    class Ours(Sound):
        def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
            return {"terms": len(look.plugin.strategy.terms), "sure": 0.0, "before": None}  # type: ignore[union-attr]

    fails(Ours, "Ours fails after task 0: AttributeError: 'NoneType' object has no attribute 'strategy'")


def test_one_that_needs_a_second_task() -> None:
    class Second(Sound):
        def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
            return {"fell": earlier[-1]["sure"], "sure": 0.0}

    fails(Second, "Second fails after task 0: IndexError")


def test_one_that_a_clock_decides() -> None:
    class Undeclared(Timed):
        varies = frozenset()

    fails(
        Undeclared,
        "two runs with the same seed Undeclared finds something else after the tasks, at /0/about/0/seconds",
    )

    class Misspelt(Timed):
        varies = frozenset({"seconds", "secons"})

    fails(Misspelt, "Misspelt.varies names secons, which it never finds")


def test_one_with_a_state() -> None:
    class Counts(Sound):
        def __init__(self) -> None:
            self.tasks = 0

        def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
            self.tasks += 1
            return {**super().after_task(look, earlier), "tasks": self.tasks}

    fails(
        Counts, "stopped inside a task and resumed Counts finds something else after the tasks, at /1/tasks"
    )

    class Adds(Sound):
        def __init__(self) -> None:
            self.asked = 0

        def during(self, look: Look, step: int) -> Found:
            self.asked += 1
            return {**super().during(look, step), "asked": self.asked}

    fails(Adds, "resumed Adds finds something else during training, at /1/")


def test_one_that_remembers_a_round_that_was_rolled_back() -> None:
    class Rounds(Sound):
        """What it said in the last round of a task is its answer, whichever round is kept."""

        kept: ClassVar[dict[int, float]] = {}

        def before_end(self, look: Look) -> Found:
            self.kept[look.task] = self.sure(look)
            return {}

        def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
            return {"sure": self.kept[look.task], "before": None}

    fails(Rounds, "rounds that were rolled back Rounds finds something else after the tasks, at /0/sure")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "nan at deep.er"),
        (float("inf"), "inf at deep.er"),
        ([1, (2, 3)], r"a tuple at deep.er\[1\]"),
        (np.float64(0.5), "a float64 at deep.er"),
        (torch.tensor(1.0), "a Tensor at deep.er"),
        ({0: 1.0}, "the name 0 of type int in .deep.er"),
        (Path("file"), "a PosixPath at deep.er"),
    ],
)
def test_one_that_finds_no_plain_data(value: Any, message: str) -> None:
    class Odd(Sound):
        def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
            return {**super().after_task(look, earlier), "deep": {"er": value}}

    fails(Odd, f"Odd after task 0 finds {message}; allowed is plain data")


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ({"sure": float("nan")}, "the score 'sure' of Odd is nan, no number"),
        ({"sure": True}, "the score 'sure' of Odd is True, no number"),
        ({"sure": [0.5]}, r"the score 'sure' of Odd is \[0.5\], no number"),
        ({"sure": np.float64(0.5)}, "the score 'sure' of Odd is"),
        ({"a/b": 0.5}, "a score called 'a/b'"),
        ({1: 0.5}, "a score called 1"),
        ([0.5], "are \\[0.5\\], no mapping"),
    ],
)
def test_one_whose_scores_are_not_flat_numbers(scores: Any, message: str) -> None:
    class Odd(Sound):
        def summary(self, found: Sequence[Found]) -> dict[str, float | None]:
            return scores  # type: ignore[no-any-return]

    fails(Odd, message)


def test_one_that_changes_what_is_not_its_own() -> None:
    class Earlier(Sound):
        def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
            if earlier:
                earlier[0]["sure"] = 0.0
            return super().after_task(look, earlier)

    fails(Earlier, "Earlier changes what it found after earlier tasks")

    class Heard(Sound):
        def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
            look.answers("test", 0).logits.sub_(1.0)
            return super().after_task(look, earlier)

    fails(Heard, "Heard after task 0 changes answers that other families hear, too")

    class Pending(Sound):
        def before_end(self, look: Look) -> Found:
            return {"way": [look.pending["trace"].pop()]}

    fails(Pending, "Pending at the end of task 0 changes what it found before")

    class Summing(Sound):
        def summary(self, found: Sequence[Found]) -> dict[str, float | None]:
            return {"sure": found[-1].pop("sure")}

    fails(Summing, "Summing changes what it found when asked for its scores")

    class Drawing(Sound):
        def draw(self, folder: Path, found: Sequence[Found]) -> list[tuple[str, Path]]:
            found[0].clear()
            return []

    fails(Drawing, "Drawing changes what it found when it draws it")


def test_one_that_draws_elsewhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "plot.png"
    elsewhere.touch()

    class Draws(Sound):
        def draw(self, folder: Path, found: Sequence[Found]) -> list[tuple[str, Path]]:
            return [("plots/plot", elsewhere)]

    fails(Draws, "is its plot 'plots/plot': no file in its folder")


@pytest.mark.parametrize("every", [0, -1, 2.0, True])
def test_an_interval_is_a_number_of_steps(every: Any) -> None:
    class Odd(Sound):
        def interval(self, steps: int) -> int | None:
            return every  # type: ignore[no-any-return]

    fails(Odd, r"Odd.interval\(6\) is .*: none, or at least 1")


def test_one_that_asks_to_be_told_for_nothing() -> None:
    class Silent(Sound):
        def during(self, look: Look, step: int) -> Found:
            return {}

        def before_end(self, look: Look) -> Found:
            return {}

    fails(Silent, "Silent wants to be told during training, and finds nothing then")


def test_something_else() -> None:
    fails(dict, "{} is not a Family")
    fails(lambda: Nothing(), "Nothing after task 0 finds None, no dict")


class Nothing(Sound):
    def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
        return None  # type: ignore[return-value]


def test_a_family_takes_no_name_that_the_results_have(tmp_path: Path) -> None:
    results = small_experiment(naive(), controller=Balance(budget=2)).run(tmp_path / "run")
    # The family about cost adds to what the results say of it.
    assert {*results, *results["per_task"][-1]} - {"cost"} <= RESERVED
    with pytest.raises(BadCall, match="a family of scores cannot be called 'forgetting'"):
        small_experiment(naive(), families={"forgetting": Sound()})
    assert not RESERVED & set(registry.names())
