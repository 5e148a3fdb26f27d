"""Which columns are compared, in each scenario."""

from __future__ import annotations

import pytest
import torch

from lifelong_kd.core.types import Scenario
from lifelong_kd.strategy.columns import Over, groups, pick, within
from tests.strategy.driver import tasks_of

SPLIT = [(0, 1), (2, 3), (4, 5)]
SHUFFLED = [(5, 0), (3, 1), (4, 2)]
SHARED = [(0, 1), (0, 1), (0, 1)]

CASES: list[tuple[Scenario, list[tuple[int, ...]], Over, list[tuple[int, ...]]]] = [
    ("class", SPLIT, "old", [(0, 1, 2, 3)]),
    ("class", SPLIT, "new", [(4, 5)]),
    ("class", SPLIT, "seen", [(0, 1, 2, 3, 4, 5)]),
    ("class", SPLIT, "all", [(0, 1, 2, 3, 4, 5, 6)]),
    ("class", SPLIT, "per_task", [(0, 1), (2, 3)]),
    ("class", SHUFFLED, "old", [(0, 1, 3, 5)]),
    ("class", SHUFFLED, "per_task", [(0, 5), (1, 3)]),
    ("domain", SHARED, "old", [(0, 1)]),
    ("domain", SHARED, "seen", [(0, 1)]),
    ("domain", SHARED, "per_task", [(0, 1)]),
    ("task", SPLIT, "old", [(0, 1), (2, 3)]),
    ("task", SPLIT, "seen", [(0, 1), (2, 3), (4, 5)]),
    ("task", SPLIT, "per_task", [(0, 1), (2, 3)]),
    ("task", SPLIT, "new", [(4, 5)]),
    ("task", SHUFFLED, "old", [(0, 5), (1, 3)]),
]


@pytest.mark.parametrize(("scenario", "split", "over", "expected"), CASES)
def test_groups_by_hand(
    scenario: Scenario, split: list[tuple[int, ...]], over: Over, expected: list[tuple[int, ...]]
) -> None:
    assert groups(tasks_of(split, scenario)[2], over, width=7) == expected


@pytest.mark.parametrize("over", ["old", "per_task"])
@pytest.mark.parametrize("scenario", ["class", "task", "domain"])
def test_the_first_task_has_nothing_old(scenario: Scenario, over: Over) -> None:
    assert groups(tasks_of(SPLIT, scenario)[0], over, width=7) == []


def test_pick_takes_the_named_columns() -> None:
    logits = torch.arange(12.0).reshape(2, 6).requires_grad_()
    assert pick(logits, (1, 2, 3)).tolist() == [[1, 2, 3], [7, 8, 9]]
    assert pick(logits, (0, 1, 2, 3, 4, 5)) is logits
    assert pick(logits, (0, 3, 5)).tolist() == [[0, 3, 5], [6, 9, 11]]
    assert pick(logits, (4, 1)).tolist() == [[4, 1], [10, 7]]
    assert pick(logits, (2,)).tolist() == [[2], [8]]
    nothing = pick(logits, ())
    assert nothing.shape == (2, 0)
    (pick(logits, (0, 3, 5)).sum() + nothing.sum()).backward()
    assert logits.grad is not None
    assert logits.grad.tolist() == [[1, 0, 0, 1, 0, 1]] * 2


def test_within_shows_each_sample_the_columns_of_its_own_label() -> None:
    task = tasks_of(SHUFFLED, "task")[1]
    mask = within(torch.tensor([1, 0, 1]), task, 6)
    assert mask.int().tolist() == [[0, 1, 0, 1, 0, 0], [1, 0, 0, 0, 0, 1], [0, 1, 0, 1, 0, 0]]
