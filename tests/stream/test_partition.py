from __future__ import annotations

import pytest

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.stream.partition import cut, order_of

ORDER = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]


def test_a_remainder_goes_to_the_first_tasks() -> None:
    assert cut(10, 3, ORDER, Seeds(0)) == [[9, 8, 7, 6], [5, 4, 3], [2, 1, 0]]


def test_counts_and_lists_of_classes() -> None:
    assert cut(10, [5, 1, 4], ORDER, Seeds(0)) == [[9, 8, 7, 6, 5], [4], [3, 2, 1, 0]]
    assert cut(4, [[2, 0], [3, 1]], None, Seeds(0)) == [[2, 0], [3, 1]]


def test_the_order_is_a_permutation_and_depends_on_the_seed() -> None:
    drawn = order_of(100, None, Seeds(0))
    assert sorted(drawn) == list(range(100))
    assert drawn != list(range(100))
    assert drawn == order_of(100, None, Seeds(0)) != order_of(100, None, Seeds(1))
    assert order_of(100, 5, Seeds(0)) == order_of(100, 5, Seeds(1)) != order_of(100, 6, Seeds(0))


@pytest.mark.parametrize(
    ("experiences", "order", "message"),
    [
        (0, None, "can fill 1 to 10 tasks"),
        ([5, 0, 5], None, "no class for task 1"),
        ([[*range(10)], []], None, "no class for task 1"),
        ([], None, "no class for task 0"),
        ([5, 4], None, "1 classes are in no task"),
        ([5, 6], None, "1 more than there are"),
        ([12, -2], None, "no class for task 1"),
        ([[0, 1, 2], [3, 4, 5, 6, 7, 8]], None, r"in no task: class: \[9\]"),
        ([[0, 1, 2], [2, 3, 4, 5, 6, 7, 8, 9]], None, r"more than once: \[2\]"),
        ([[0, 1, 2], 7], None, "mixes counts and lists"),
        ([[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]], 3, "must not be given"),
        (2, [*range(9), 12], r"not a class \(there are classes 0 to 9\): \[12\]"),
        (2, [*range(9)], r"in no task: class: \[9\]"),
    ],
)
def test_wrong_partitions_say_what_is_wrong(experiences: object, order: object, message: str) -> None:
    with pytest.raises(BadCall, match=message):
        cut(10, experiences, order, Seeds(0))  # type: ignore[arg-type]
