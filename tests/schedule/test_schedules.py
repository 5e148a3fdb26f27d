"""Schedules on moments whose weights are worked out by hand."""

from __future__ import annotations

import math

import pytest

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Moment
from lifelong_kd.schedule import as_schedule, registry
from lifelong_kd.schedule.base import Schedule
from lifelong_kd.schedule.constant import Constant
from lifelong_kd.schedule.per_task import PerTask
from lifelong_kd.schedule.ratio import Complement, OldAll, SampleShare, SqrtOldNew, TaskRatio

FIRST = Moment(task=0, old=0, new=2, batch=32, replayed=0)
FOURTH = Moment(task=3, old=6, new=2, batch=30, replayed=10)

CASES: list[tuple[Schedule, float, float]] = [
    (Constant(weight=0.7), 0.7, 0.7),
    (PerTask(weights=[0.0, 1.0, 2.0, 5.0]), 0.0, 5.0),
    (OldAll(), 0.0, 6 / 8),
    (OldAll(scale=4.0), 0.0, 3.0),
    (SqrtOldNew(scale=5.0), 0.0, 5 * math.sqrt(3)),
    (TaskRatio(), 0.0, 3 / 4),
    (TaskRatio(scale=2.0), 0.0, 1.5),
    (SampleShare(), 0.0, 10 / 40),
    (SampleShare(scale=2.0), 0.0, 0.5),
    (Complement(of=OldAll()), 1.0, 2 / 8),
    (Complement(of=0.25), 0.75, 0.75),
]


@pytest.mark.parametrize(("schedule", "first", "fourth"), CASES)
def test_weights_by_hand(schedule: Schedule, first: float, fourth: float) -> None:
    assert schedule(FIRST) == pytest.approx(first)
    assert schedule(FOURTH) == pytest.approx(fourth)


def test_every_registered_schedule_is_tested_here() -> None:
    assert {type(schedule) for schedule, _, _ in CASES} == {registry.get(name) for name in registry.names()}


def test_a_moment_without_anything_divides_by_nothing() -> None:
    empty = Moment(task=0, old=0, new=0)
    assert [OldAll()(empty), SqrtOldNew()(empty), SampleShare()(empty)] == [0.0, 0.0, 0.0]


def test_sample_share_and_its_complement_are_one_mean_over_both_batches() -> None:
    share = SampleShare()
    new, old = [1.0, 5.0, 3.0], [10.0, 20.0]
    moment = Moment(task=1, old=2, new=2, batch=3, replayed=2)
    weighed = Complement(of=share)(moment) * sum(new) / 3 + share(moment) * sum(old) / 2
    assert weighed == pytest.approx(sum(new + old) / 5)


def test_plain_values_stand_for_schedules() -> None:
    own = OldAll()
    assert as_schedule(own) is own
    assert isinstance(as_schedule(2), Constant)
    assert as_schedule(2)(FOURTH) == 2.0
    assert isinstance(as_schedule([1, 2.5, 3, 4]), PerTask)
    assert as_schedule([1, 2.5, 3, 4])(FOURTH) == 4.0
    for value in (None, True, "2", {"name": "constant"}):
        with pytest.raises(TypeError, match="a number, a list of numbers or a schedule"):
            as_schedule(value)


@pytest.mark.parametrize("bad", [-0.1, math.nan, math.inf])
@pytest.mark.parametrize("kind", [OldAll, SqrtOldNew, TaskRatio, SampleShare])
def test_a_scale_that_means_nothing_is_refused(kind: type, bad: float) -> None:
    with pytest.raises(BadCall, match="scale must be"):
        kind(scale=bad)


@pytest.mark.parametrize("bad", [-0.1, math.nan, math.inf])
def test_a_weight_that_means_nothing_is_refused(bad: float) -> None:
    with pytest.raises(BadCall, match="a weight must be"):
        Constant(weight=bad)
    with pytest.raises(BadCall, match="weights must be"):
        PerTask(weights=[1.0, bad])


def test_an_empty_list_and_a_list_too_short_are_refused() -> None:
    with pytest.raises(BadCall, match="one a task"):
        PerTask(weights=[])
    with pytest.raises(BadCall, match="has 2 entries and task 3 needs one more"):
        PerTask(weights=[1.0, 2.0])(FOURTH)


def test_a_complement_is_never_negative() -> None:
    with pytest.raises(BadCall, match="would be negative; the other weight is 3"):
        Complement(of=OldAll(scale=4.0))(FOURTH)


def test_a_list_given_is_not_shared() -> None:
    weights = [1.0, 2.0, 3.0, 4.0]
    schedule = PerTask(weights=weights)
    weights[3] = 0.0
    assert schedule(FOURTH) == 4.0
