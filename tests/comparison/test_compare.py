from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from scipy import stats

from lifelong_kd.comparison.compare import compare_runs
from lifelong_kd.comparison.ranking import rank_rows
from lifelong_kd.comparison.scores import SHOWN
from lifelong_kd.comparison.types import Comparison, Difference, LeftOut, Row, RunRecord, Summary
from lifelong_kd.core.errors import BadCall

# Seed by seed these are 0.10, 0.14, 0.12, 0.16, 0.08 apart.
NAIVE = [0.20, 0.30, 0.25, 0.40, 0.22]
LWF = [0.30, 0.44, 0.37, 0.56, 0.30]


def runs(
    strategy: str,
    accuracies: Sequence[float | None],
    forgetting: Sequence[float | None] | None = None,
    *,
    stream: str = "digits",
    first: int = 0,
    options: dict[str, Any] | None = None,
    **about: Any,
) -> list[RunRecord]:
    """A run a value, with seeds from ``first`` on."""
    return [
        RunRecord(
            name=f"{strategy}-{seed}",
            source=f"runs/{stream}/{strategy}-{seed}",
            strategy=strategy,
            stream=stream,
            scenario="class",
            seed=seed,
            scores={
                "average_accuracy": value,
                "forgetting": forgetting[seed - first] if forgetting else None,
            },
            cost={"training_seconds": 2.0 + seed},
            settings={
                "seed": seed,
                "stream": {"name": stream},
                "strategy": {"name": strategy, **(options or {})},
            },
            **about,
        )
        for seed, value in enumerate(accuracies, start=first)
    ]


def row(comparison: Comparison, label: str) -> Row:
    return next(one for one in comparison.rows if one.label == label)


def only(comparison: Comparison) -> Difference:
    (difference,) = comparison.differences
    return difference


def told(comparison: Comparison, kind: str) -> list[str]:
    return [remark.text for remark in comparison.remarks if remark.kind == kind]


def test_summaries_and_the_best_of_a_place() -> None:
    loss = [0.5, 0.4, 0.3, 0.2, 0.6]
    records = [
        *runs("naive", NAIVE, [0.5] * 5),
        *runs("lwf", LWF, loss),
        *runs("lwf", [0.99], [0.0], stream="cifar"),
    ]
    left = LeftOut("runs/broken", "its status is failed")
    comparison = compare_runs(records, [left])
    assert [score.name for score in comparison.scores] == list(SHOWN)
    assert comparison.left_out == (left,) and comparison.places == ("cifar class", "digits class")
    alone, lwf, naive = comparison.rows
    expected = stats.ttest_1samp(LWF, 0).confidence_interval(0.95)
    found = lwf.scores["average_accuracy"]
    assert found.values == tuple(LWF) and found.best and found.count == 5
    assert found.mean == pytest.approx(math.fsum(LWF) / 5)
    assert found.half_width == pytest.approx((expected.high - expected.low) / 2)
    assert not naive.scores["average_accuracy"].best
    # Less forgetting is better, times are the same, and what no run has is neither.
    assert lwf.scores["forgetting"].best and not naive.scores["forgetting"].best
    assert lwf.scores["cost/training_seconds"].best and naive.scores["cost/training_seconds"].best
    assert lwf.scores["learning_accuracy"] == Summary((None,) * 5, None, None)
    # A row alone in its place is not the best of anything, a single seed has no width.
    assert alone.scores["average_accuracy"] == Summary((0.99,), 0.99, None)


def test_best_without_a_direction_or_a_rival_is_not_marked() -> None:
    comparison = compare_runs(
        [*runs("naive", [0.3, math.nan]), *runs("lwf", [None, math.inf])],
        scores=["average_accuracy", "forgetting"],
    )
    assert row(comparison, "naive").scores["average_accuracy"] == Summary((0.3, None), 0.3, None)
    assert row(comparison, "lwf").scores["average_accuracy"] == Summary((None, None), None, None)
    assert comparison.differences == ()


def test_difference_to_naive_by_hand() -> None:
    comparison = compare_runs([*runs("naive", NAIVE), *runs("lwf", LWF)])
    found = only(comparison)
    assert (found.score, found.row.label, found.baseline.label) == ("average_accuracy", "lwf", "naive")
    assert found.row is row(comparison, "lwf") and found.pairs == 5
    assert found.mean == pytest.approx(0.12)
    # s = sqrt(0.001), t = 0.12 / (s / sqrt(5)) = 8.485281
    assert found.p == pytest.approx(2 * stats.t.sf(8.485281, 4), rel=1e-6)
    assert found.adjusted == found.p and found.claimed and found.note == ""
    # Five pairs are too few for a bootstrap, which is said once: 2.776445 * s / sqrt(5)
    assert (found.low, found.high) == pytest.approx((0.12 - 0.0392649, 0.12 + 0.0392649), abs=1e-6)
    assert any("less than 6 pairs are Student's" in text for text in told(comparison, "seeds"))


def test_all_differences_are_one_family() -> None:
    forgotten = [0.50, 0.52, 0.47, 0.55, 0.51]
    records = [
        *runs("naive", NAIVE, forgotten),
        *runs("lwf", LWF, [0.48, 0.53, 0.43, 0.52, 0.50]),
        *runs("naive", NAIVE, forgotten, stream="cifar"),
        *runs("ewc", [0.22, 0.31, 0.24, 0.43, 0.25], [0.49, 0.54, 0.49, 0.53, 0.50], stream="cifar"),
    ]
    comparison = compare_runs(records)
    found = {(one.row.label, one.score): one for one in comparison.differences}
    assert len(found) == len(comparison.differences) == 4
    ordered = sorted(one.p for one in comparison.differences if one.p is not None)
    best = found["lwf", "average_accuracy"]
    assert best.p == ordered[0] and best.adjusted == pytest.approx(4 * ordered[0])
    second = next(one for one in comparison.differences if one.p == ordered[1])
    assert second.adjusted == pytest.approx(3 * ordered[1])
    # Costs are shown and not tested; other scores are tested when they are asked for.
    assert {one.score for one in comparison.differences} == {"average_accuracy", "forgetting"}
    fewer = compare_runs(records, scores=["forgetting", "cost/training_seconds"])
    assert {one.score for one in fewer.differences} == {"forgetting"}
    others = compare_runs(
        records, scores=["average_accuracy", "cost/training_seconds"], tested=("forgetting",)
    )
    assert {one.score for one in others.differences} == {"average_accuracy"}
    assert compare_runs(records, tested=()).differences == ()


def test_level_decides_and_tests_differ() -> None:
    records = [*runs("naive", NAIVE), *runs("lwf", LWF)]
    p = only(compare_runs(records)).p
    assert p is not None and not only(compare_runs(records, level=p / 2)).claimed
    for test in ("wilcoxon", "permutation"):
        comparison = compare_runs(records, test=test)
        assert only(comparison).p == 0.0625 and not only(comparison).claimed
        (text,) = [text for text in told(comparison, "seeds") if test in text]
        assert "cannot give a p below 0.062" in text and "6 pairs each would do, or the t test" in text
        assert only(compare_runs(records, test=test, level=0.07)).claimed
    # One sentence, however many numbers of pairs there are.
    fewer = compare_runs([*records, *runs("ewc", LWF[:4])], test="wilcoxon")
    (text,) = [text for text in told(fewer, "seeds") if "wilcoxon" in text]
    assert text.startswith("5 pairs of runs or fewer are too few") and "below 0.062" in text
    six = [*runs("naive", [*NAIVE, 0.3]), *runs("lwf", [*LWF, 0.4])]
    comparison = compare_runs(six, test="permutation")
    assert only(comparison).claimed and not told(comparison, "seeds")
    # With six pairs the interval is the bootstrap's, within the values.
    assert 0.08 <= (only(comparison).low or 0) < 0.1 < 0.13 < (only(comparison).high or 1) <= 0.16


def test_runs_are_paired_by_seed_order_and_data() -> None:
    about: dict[str, Any] = {"class_order": (0, 1, 2), "data": "aa"}
    base = [*runs("naive", NAIVE, **about), *runs("naive", [0.5], first=9, **about)]
    other = [
        *runs("lwf", [0.3], class_order=(2, 1, 0), data="aa"),
        *runs("lwf", [0.4], first=1, class_order=(0, 1, 2), data="bb"),
        *runs("lwf", [0.35], first=2, **about),
        *runs("lwf", [0.6], first=3),
        *runs("lwf", [0.3, 0.7], first=4, **about),
    ]
    comparison = compare_runs([*base, *other], scores=["average_accuracy"])
    found = only(comparison)
    # Seeds 2, 3 (which tells neither order nor data) and 4: 0.10, 0.20, 0.08
    assert found.pairs == 3 and found.mean == pytest.approx(0.38 / 3)
    expected = (
        "digits class: not paired with naive: lwf seed 0 (another class order), seed 1 (other data),"
        " seed 5 (only in lwf), seed 9 (only in naive)"
    )
    assert expected in told(comparison, "pairs")


def test_too_few_pairs_and_values_that_are_not_defined() -> None:
    records = [*runs("naive", NAIVE), *runs("lwf", [0.3, None, 0.37, math.nan, None])]
    found = only(compare_runs(records, scores=["average_accuracy"]))
    assert (found.pairs, found.p, found.adjusted, found.claimed) == (2, None, None, False)
    assert found.note == "2 pairs: a test needs 3; 3 pairs without a value"
    apart = only(
        compare_runs([*runs("naive", NAIVE), *runs("lwf", LWF, first=10)], scores=["average_accuracy"])
    )
    assert (apart.pairs, apart.mean, apart.low, apart.high, apart.p) == (0, None, None, None, None)
    assert apart.note == "0 pairs: a test needs 3"
    single = only(compare_runs([*runs("naive", [0.5]), *runs("lwf", [0.75])], scores=["average_accuracy"]))
    assert (single.mean, single.low, single.p) == (0.25, None, None)


def test_no_spread_is_said_and_not_claimed_by_t() -> None:
    # 0.1 each time, but for binary rounding.
    same = only(compare_runs([*runs("naive", NAIVE), *runs("lwf", [value + 0.1 for value in NAIVE])]))
    assert (same.p, same.claimed, same.note) == (0.0625, False, "no spread")
    assert (same.low, same.high) == pytest.approx((0.1, 0.1))
    none = only(compare_runs([*runs("naive", NAIVE), *runs("lwf", NAIVE)]))
    assert (none.mean, none.p, none.adjusted, none.claimed, none.note) == (0.0, 1.0, 1.0, False, "identical")


def test_which_row_is_the_baseline() -> None:
    lwf, ewc, naive = runs("lwf", LWF), runs("ewc", NAIVE), runs("naive", NAIVE)
    # Naive wherever it stands; else the first of two; else none.
    assert {one.baseline.label for one in compare_runs([*lwf, *ewc, *naive]).differences} == {"naive"}
    assert only(compare_runs([*lwf, *ewc])).baseline.label == "ewc"
    three = compare_runs([*lwf, *ewc, *runs("si", LWF)])
    assert three.differences == () and any("--baseline NAME" in text for text in told(three, "pairs"))
    assert len(compare_runs([*lwf, *ewc, *runs("si", LWF)], baseline="si").differences) == 2
    alone = compare_runs(lwf)
    assert alone.differences == () and not told(alone, "pairs")
    assert compare_runs([]).rows == ()
    # A place without the baseline that was named has no differences.
    elsewhere = [*runs("si", LWF, stream="cifar"), *runs("ewc", NAIVE, stream="cifar")]
    comparison = compare_runs([*lwf, *naive, *elsewhere], baseline="naive")
    assert {one.row.place for one in comparison.differences} == {"digits class"}
    assert "cifar class: no row is called naive: it has no differences" in told(comparison, "pairs")


def test_baseline_by_label_and_by_strategy() -> None:
    records = [
        *runs("lwf", LWF, options={"temperature": 2.0}),
        *runs("lwf", NAIVE, options={"temperature": 4.0}),
        *runs("ewc", NAIVE),
    ]
    labels = [one.label for one in compare_runs(records).rows if one.strategy == "lwf"]
    assert len(set(labels)) == 2
    by_label = compare_runs(records, baseline=labels[1])
    assert {one.baseline.label for one in by_label.differences} == {labels[1]}
    assert len(by_label.differences) == 2
    with pytest.raises(BadCall, match="digits class has several rows of 'lwf'") as several:
        compare_runs(records, baseline="lwf")
    assert all(label in str(several.value) for label in labels)
    with pytest.raises(BadCall, match=r"no row 'ewcc': there are .*Did you mean 'ewc'\?"):
        compare_runs(records, baseline="ewcc")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"test": "wilcoxen"}, r"there are t, wilcoxon, permutation. Did you mean 'wilcoxon'\?"),
        ({"level": 0.0}, "level: 0.0 is not between 0 and 1"),
        ({"confidence": 95}, "confidence: 95 is not between 0 and 1"),
        ({"scores": ["forgeting"]}, r"no run has 'forgeting': they have .*Did you mean 'forgetting'\?"),
        ({"scores": ["cost/training_second"]}, r"Did you mean 'cost/training_seconds'\?"),
    ],
)
def test_wrong_calls(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(BadCall, match=message):
        compare_runs([*runs("naive", NAIVE), *runs("lwf", LWF)], **wrong)


def test_ranks_of_rows() -> None:
    records = [
        *runs("naive", NAIVE),
        *runs("lwf", LWF),
        *runs("ewc", [0.25, 0.35, 0.30, 0.39, None]),
        *runs("lwf", [0.8, 0.9], stream="cifar"),
        *runs("ewc", [0.7, 0.95], stream="cifar"),
        *runs("naive", [0.1, 0.2], stream="cifar"),
        *runs("si", [0.1, 0.2], stream="cifar"),
    ]
    comparison = compare_runs(records)
    # Seeds 0 to 3; in the fourth, naive is before ewc, which has no fifth.
    found = rank_rows(comparison, "average_accuracy", "digits class")
    assert found is not None
    labels, ranks = found
    assert labels == ("ewc", "lwf", "naive") and ranks.blocks == 4
    assert ranks.means == (2.25, 1.0, 2.75)
    found = rank_rows(comparison, "average_accuracy", "cifar class")
    assert found is not None and found[0] == ("ewc", "lwf", "naive", "si") and found[1].blocks == 2
    assert found[1].means == (1.5, 1.5, 3.5, 3.5)
    # Less time is better, and here all have the same.
    found = rank_rows(comparison, "cost/training_seconds", "digits class")
    assert found is not None and found[1].means == (2.0, 2.0, 2.0) and found[1].p == 1.0
    more = [*runs("naive", NAIVE, NAIVE), *runs("lwf", LWF, LWF), *runs("si", [0.1] * 5, [0.1] * 5)]
    found = rank_rows(compare_runs(more), "forgetting", "digits class")
    assert found is not None and found[0] == ("lwf", "naive", "si") and found[1].means == (3.0, 2.0, 1.0)
    assert rank_rows(comparison, "forgetting", "digits class") is None
    assert rank_rows(comparison, "cost/samples", "digits class") is None
    assert rank_rows(compare_runs([]), "average_accuracy", "digits class") is None
