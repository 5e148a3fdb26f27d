"""Schedules on moments whose weights are worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Moment
from lifelong_kd.schedule import as_schedule, registry
from lifelong_kd.schedule.base import Schedule
from lifelong_kd.schedule.combined import PerOldClass, Product, Sum
from lifelong_kd.schedule.constant import Constant
from lifelong_kd.schedule.gradient_ratio import GradientRatio
from lifelong_kd.schedule.per_task import PerTask
from lifelong_kd.schedule.ramp import Cosine, Linear, WarmUp
from lifelong_kd.schedule.ratio import (
    Complement,
    InverseTask,
    OldAll,
    PowerRatio,
    SampleShare,
    SqrtAllNew,
    SqrtOldNew,
    TaskRatio,
)
from lifelong_kd.schedule.relation import LogSqrt, PerLogSqrt
from lifelong_kd.testing.schedule import check_schedule

FIRST = Moment(task=0, old=0, new=2, batch=32, replayed=0)
FOURTH = Moment(task=3, old=6, new=2, batch=30, replayed=10, progress=0.25)

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
    (SqrtAllNew(), 1.0, 2.0),
    (SqrtAllNew(scale=3.0), 3.0, 6.0),
    (PowerRatio(scale=5.0), 5.0, 5 * 4**0.66),
    (PowerRatio(scale=2.0, power=2.0), 2.0, 32.0),
    (PowerRatio(power=0.0), 1.0, 1.0),
    (InverseTask(), 1.0, 1 / 4),
    (InverseTask(scale=2.0), 2.0, 0.5),
    (LogSqrt(), 0.0, math.sqrt(3)),
    (LogSqrt(scale=0.5), 0.0, 0.5 * math.sqrt(3)),
    (PerLogSqrt(), 1.0, 2 / math.sqrt(3)),
    (PerLogSqrt(scale=0.5), 1.0, 1 / math.sqrt(3)),
    (Linear(), 0.0, 0.25),
    (Linear(of=OldAll(), start=1.0, stop=3.0, share=0.5), 0.0, 6 / 8 * 2.0),
    (Cosine(of=2.0), 0.0, 1 - math.sqrt(0.5)),
    (Cosine(of=2.0, start=1.0, stop=0.0, share=0.5), 2.0, 1.0),
    (WarmUp(of=[1.0, 0.0, 0.0, 8.0], share=0.5), 0.0, 4.0),
    (WarmUp(share=0.2), 0.0, 1.0),
    (GradientRatio(of=[2.0, 0.0, 0.0, 3.0]), 2.0, 3.0),
]


@pytest.mark.parametrize(("schedule", "first", "fourth"), CASES)
def test_weights_by_hand(schedule: Schedule, first: float, fourth: float) -> None:
    assert schedule(FIRST) == pytest.approx(first)
    assert schedule(FOURTH) == pytest.approx(fourth)


def test_every_registered_schedule_is_tested() -> None:
    elsewhere = {Product, Sum, PerOldClass}  # test_combined.py
    assert {type(schedule) for schedule, _, _ in CASES} == {
        registry.get(name) for name in registry.names()
    } - elsewhere


def test_a_moment_without_anything_divides_by_nothing() -> None:
    empty = Moment(task=0, old=0, new=0)
    kinds = (OldAll, SqrtOldNew, SampleShare, SqrtAllNew, PowerRatio)
    assert [kind()(empty) for kind in kinds] == [0.0] * len(kinds)


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
@pytest.mark.parametrize(
    "kind",
    [OldAll, SqrtOldNew, TaskRatio, SampleShare, SqrtAllNew, PowerRatio, InverseTask, GradientRatio],
)
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


def test_the_shares_of_van_de_ven_are_one_whole() -> None:
    for task in range(6):
        moment = Moment(task=task, old=2 * task, new=2)
        assert InverseTask()(moment) + TaskRatio()(moment) == pytest.approx(1.0)


@pytest.mark.parametrize("kind", [Linear, Cosine])
def test_a_ramp_starts_and_stops_where_it_is_told_and_never_turns(kind: type) -> None:
    for start, stop in ((0.0, 1.0), (2.0, 0.5)):
        ramp = kind(of=3.0, start=start, stop=stop, share=0.4)
        weights = [ramp(Moment(task=1, old=2, new=2, progress=step / 100)) for step in range(100)]
        assert weights[0] == pytest.approx(3 * start)
        assert weights[40:] == pytest.approx([3 * stop] * 60)
        assert weights == sorted(weights, reverse=start > stop)
        assert len(set(weights[:40])) == 40


def test_a_warm_up_is_a_straight_ramp_from_nothing() -> None:
    for progress in (0.0, 0.1, 0.3, 0.9):
        moment = Moment(task=2, old=4, new=2, progress=progress)
        assert WarmUp(of=OldAll(), share=0.3)(moment) == Linear(of=OldAll(), share=0.3)(moment)


@pytest.mark.parametrize("kind", [Linear, Cosine, WarmUp])
@pytest.mark.parametrize("bad", [0.0, -0.1, 1.1, math.nan])
def test_a_share_that_means_nothing_is_refused(kind: type, bad: float) -> None:
    with pytest.raises(BadCall, match="share must lie in"):
        kind(share=bad)


@pytest.mark.parametrize("kind", [Linear, Cosine])
@pytest.mark.parametrize("end", ["start", "stop"])
@pytest.mark.parametrize("bad", [-0.1, math.inf, math.nan])
def test_a_factor_that_means_nothing_is_refused(kind: type, end: str, bad: float) -> None:
    with pytest.raises(BadCall, match=f"{end} must be at least 0"):
        kind(**{end: bad})


def test_the_ratio_of_gradients_by_hand() -> None:
    schedule = GradientRatio(of=2.0, scale=0.5, maximum=10.0, momentum=0.75, every=3)
    assert schedule(FOURTH) == 2.0
    assert [step for step in range(9) if schedule.wants(step)] == [0, 3, 6]
    schedule.observe(8.0, 1.0)
    assert schedule(FOURTH) == pytest.approx(2 * 4.0)
    schedule.observe(1.0, 0.25)
    assert schedule(FOURTH) == pytest.approx(2 * (0.75 * 4.0 + 0.25 * 2.0))
    # 0.5 * 1e9 is cut to 10 before it enters the mean.
    schedule.observe(1e9, 1.0)
    assert schedule(FOURTH) == pytest.approx(2 * (0.75 * 3.5 + 0.25 * 10.0))


def test_the_weighted_gradient_is_as_large_as_the_task_loss() -> None:
    schedule = GradientRatio(scale=1.0, maximum=1e4, momentum=0.0)
    for task, term in ((3.0, 7.0), (0.5, 0.001), (0.0, 2.0)):
        schedule.observe(task, term)
        assert schedule(FOURTH) * term == pytest.approx(task)


@pytest.mark.parametrize(
    "norms", [(1.0, 0.0), (math.nan, 1.0), (1.0, math.nan), (math.inf, 1.0), (1.0, math.inf)]
)
def test_a_measurement_that_says_nothing_is_left_out(norms: tuple[float, float]) -> None:
    schedule = GradientRatio()
    schedule.observe(*norms)
    assert schedule.ratio is None
    schedule.observe(3.0, 1.0)
    schedule.observe(*norms)
    assert schedule.ratio == 3.0


def test_a_quotient_beyond_all_numbers_is_cut_too() -> None:
    schedule = GradientRatio(maximum=5.0)
    schedule.observe(1e300, 1e-300)
    assert schedule.ratio == 5.0
    nothing = GradientRatio(scale=0.0)
    nothing.observe(1e300, 1e-300)
    assert nothing.ratio == 0.0


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"maximum": 0.0}, "maximum"),
        ({"momentum": 1.0}, "momentum"),
        ({"momentum": -0.1}, "momentum"),
        ({"every": 0}, "every"),
    ],
)
def test_options_of_the_ratio_that_mean_nothing_are_refused(options: dict[str, float], word: str) -> None:
    with pytest.raises(BadCall, match=word):
        GradientRatio(**options)  # type: ignore[arg-type]


def test_an_adaptive_schedule_is_found_inside_others_and_acts_there() -> None:
    ratio = GradientRatio(of=WarmUp(of=[1.0, 1.0, 1.0, 0.5], share=0.25), momentum=0.0)
    outer = Complement(of=Linear(of=ratio, stop=1.0))
    assert [type(part) for part in outer.parts()] == [Complement, Linear, GradientRatio, WarmUp, PerTask]
    assert [part for part in outer.parts() if part.adaptive] == [ratio]
    assert outer(FOURTH) == pytest.approx(1 - 0.25 * 0.5)
    ratio.observe(2.0, 1.0)
    assert outer(FOURTH) == pytest.approx(1 - 0.25 * 0.5 * 2.0)


def test_the_state_of_an_adaptive_schedule_is_its_own() -> None:
    first = GradientRatio()
    assert first.state_dict() == {"ratio": None}
    first.observe(3.0, 2.0)
    second = GradientRatio()
    second.load_state_dict(first.state_dict())
    first.observe(1.0, 1.0)
    assert second(FOURTH) == pytest.approx(1.5)
    second.load_state_dict({"ratio": None})
    assert second(FOURTH) == 1.0
    assert OldAll().state_dict() == {}


NESTED = [
    Linear(of=Cosine(of=OldAll(), share=0.5), stop=2.0),
    WarmUp(of=GradientRatio(of=SqrtOldNew(), maximum=3.0)),
    Cosine(of=Linear(of=GradientRatio())),
    Complement(of=GradientRatio(of=0.0)),
]


@pytest.mark.parametrize("schedule", NESTED, ids=lambda schedule: type(schedule).__name__)
def test_schedules_within_schedules_keep_the_promises(schedule: Schedule) -> None:
    check_schedule(schedule)


class Forgetful(GradientRatio):
    def state_dict(self) -> dict[str, Any]:
        return {"ratio": None}


class Boundless(GradientRatio):
    def observe(self, task_norm: float, term_norm: float) -> None:
        self.ratio = math.inf if term_norm == 0 else task_norm / term_norm


class Late(Constant):
    def __call__(self, moment: Moment) -> float:
        return -1.0 if moment.progress > 0.9 else 1.0


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Forgetful(), "other weights after a restart"),
        (Boundless(), "at least 0 is needed"),
        (Linear(of=Forgetful()), "other weights after a restart"),
        (Late(), "gives -1.0"),
    ],
)
def test_the_check_sees_what_is_broken(broken: Schedule, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_schedule(broken)
