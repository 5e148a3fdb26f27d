from __future__ import annotations

import pytest

from lifelong_kd.study.estimate import estimate, in_words

LWF, ICARL, NEW = ("lwf", "lwf lr=1"), ("icarl", "icarl lr=1"), ("derpp", "derpp lr=1")


def test_nothing_to_judge_by() -> None:
    assert estimate([], [(LWF, 3.0)], [LWF], 1) is None
    assert estimate([], [], [LWF], 1) is None
    assert estimate([], [], [], 2) == 0.0
    assert estimate([(LWF, 5.0)], [], [], 2) == 0.0


def test_one_slot_adds_up() -> None:
    # 10 - 4 left of the one that runs, then 10 and 10.
    assert estimate([(LWF, 10.0)], [(LWF, 4.0)], [LWF, LWF], 1) == 26.0


def test_slots_share_the_cells() -> None:
    # Slots are free after 6 and 8: 6 + 10 = 16, 8 + 10 = 18, 16 + 10 = 26.
    assert estimate([(LWF, 10.0)], [(LWF, 4.0), (LWF, 2.0)], [LWF] * 3, 2) == 26.0
    # A third slot is free now: 10, then 6 + 10 = 16 and 8 + 10 = 18.
    assert estimate([(LWF, 10.0)], [(LWF, 4.0), (LWF, 2.0)], [LWF] * 3, 3) == 18.0


def test_the_median_of_the_smallest_group_that_is_known() -> None:
    ended = [(LWF, 1.0), (LWF, 2.0), (LWF, 90.0), (("lwf", "lwf lr=2"), 40.0), (ICARL, 10.0)]
    assert estimate(ended, [], [LWF], 1) == 2.0
    assert estimate(ended, [], [("lwf", "lwf lr=3")], 1) == (2 + 40) / 2
    assert estimate(ended, [], [NEW], 1) == 10.0


def test_a_cell_that_takes_longer_than_expected_is_about_to_end() -> None:
    assert estimate([(LWF, 10.0)], [(LWF, 50.0)], [], 1) == 0.0
    assert estimate([(LWF, 10.0)], [(LWF, 50.0)], [LWF], 1) == 10.0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "-"),
        (0, "less than a minute"),
        (59.9, "less than a minute"),
        (60, "about 1 min"),
        (725, "about 12 min"),
        (3570, "about 1 h"),
        (7500, "about 2 h 5 min"),
        (86_400, "about 1 day"),
        (100_000, "about 1 day 4 h"),
    ],
)
def test_words(seconds: float | None, words: str) -> None:
    assert in_words(seconds) == words
