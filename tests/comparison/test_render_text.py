from __future__ import annotations

from dataclasses import replace

import pytest

from lifelong_kd.comparison.render import as_text
from lifelong_kd.comparison.render.grid import fold_name
from lifelong_kd.comparison.render.numbers import columns_of, p_value, signed
from lifelong_kd.comparison.types import Comparison, LeftOut, Row, Score, Summary
from tests.comparison.made import SHOWN, made_comparison, made_row, made_run, mark_best

TIME = Score("cost/training_seconds", "training time", "less", 1.0, "s")
PLACE = "split_mnist class"


def only(*rows: Row) -> Comparison:
    return Comparison(scores=SHOWN, rows=tuple(mark_best(rows)))


def timed(seconds: float | None) -> Row:
    row = made_row(PLACE, "lwf", [made_run(PLACE, "lwf", 0)])
    half = None if seconds is None else seconds / 100
    return replace(row, scores={TIME.name: Summary((seconds,), seconds, half)})


def times(*seconds: float | None) -> list[str]:
    from lifelong_kd.comparison.render.numbers import cell_of

    rows = [timed(value) for value in seconds]
    (column,) = columns_of(rows, [TIME])
    return [column.heading, *(cell_of(column, row).join() for row in rows)]


def line(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(start))


def test_scores_in_percent_with_the_best_starred() -> None:
    text = as_text(made_comparison(), 140)
    assert " ".join(line(text, "derpp").split()) == (
        "derpp 5 91.23 ± 0.98* 95.43 ± 0.70* 97.64 ± 0.91 9.62 ± 0.16* -9.62 ± 0.16* 2.58 ± 0.07"
    )
    assert "training\n" in text.replace("  ", "") and "time (min)" in text
    # No class-incremental run has it: a column of dashes says nothing.
    assert "forward" not in text.split("permuted_mnist")[0]
    assert "\x1b" not in text


def test_bold_on_a_terminal_that_has_it() -> None:
    text = as_text(made_comparison(), 140, color=True)
    assert (
        text.count("\x1b[1m") == 2 + 13 + 2 * 4
        and "\x1b[1m91.23 ± 0.98\x1b[0m" in text
        and "0.98*" not in text
        and "* is the best" not in text
    )


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_no_line_is_wider_and_no_label_is_cut(width: int) -> None:
    long = (
        "my_own_strategy_of_many_words (temperature=2.0, memory.capacity=2000, terms.kd.weight.name=old_all)"
    )
    rows = [
        replace(made_row(PLACE, "lwf", [made_run(PLACE, "lwf", s) for s in range(5)]), label=f"{long} {n}")
        for n in range(12)
    ]
    text = as_text(replace(made_comparison(), rows=tuple(rows), varying={}, differences=()), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    first = text.split("\n\n")[1]
    body = first.partition("──\n")[2].splitlines()
    labels = "".join(row[: width // 3].strip() for row in body)
    assert labels.replace(" ", "").count(long.replace(" ", "")) == 12


def test_the_time_stays_beside_the_accuracy_in_a_narrow_table() -> None:
    heading = as_text(made_comparison(), 60).split("\n\n")[1]
    assert "accuracy" in heading and "time (min)" in heading and "forgetting" not in heading
    wide = as_text(made_comparison(), 140).split("\n\n")[1]
    assert wide.index("forgetting") < wide.index("time (min)")


def test_differences_and_what_is_claimed_of_them() -> None:
    text = as_text(made_comparison(), 100)
    assert "Difference to finetune in average accuracy, percentage points (more is better)" in text
    assert ["derpp", "+58.35", "[+57.35,", "+59.35]", "<0.001", "0.003", "5", "better"] in [
        one.split() for one in text.splitlines()
    ]
    assert ["lwf", "-25.38", "[-26.38,", "-24.38]", "0.080", "0.160", "5"] in [
        one.split() for one in text.splitlines()
    ]
    # Less forgetting is better; without an interval or a test there is a dash and the reason.
    assert ["lwf", "(temperature=4)", "+3.40", "-", "-", "-", "5"] in [
        one.split() for one in text.splitlines()
    ]
    assert "lwf (temperature=4): every difference is the same" in text
    said = " ".join(text.split())
    assert (
        "its 95 % interval: bootstrap, or" in said
        and "p is of the paired t-test" in said
        and "Holm p is at most 0.05" in said
    )


def test_what_differs_stands_once_a_value() -> None:
    text = as_text(made_comparison(), 100)
    first, second = text.split("permuted_mnist domain\n")[:2]
    assert "training.lr" not in first and "strategy.memory.capacity  200    derpp" in first
    assert "0.05   lwf (temperature=2); lwf (temperature=4)" in second


def test_a_setting_of_nearly_all_rows_names_the_few() -> None:
    comparison = made_comparison()
    rows = tuple(
        replace(row, stream="split_mnist", scenario="class", label=f"row {n}")
        for n, row in enumerate(comparison.rows)
    )
    text = as_text(
        replace(comparison, rows=rows, differences=(), varying={"training.lr": (0.1,) * 5 + (0.2,)}), 100
    )
    assert "0.1    all others" in text and "0.2    row 5" in text
    # A row that has no such setting is not one of the others.
    text = as_text(
        replace(comparison, rows=rows, differences=(), varying={"a": (1, 1, 1, None, None, 2)}), 100
    )
    assert "row 0; row 1; row 2" in text


def test_what_differs_between_streams_only() -> None:
    text = as_text(replace(made_comparison(), varying={"training.epochs": (1, 1, 1, 5, 5, 5)}), 100)
    assert "What differs between the streams" in text and "configurations" not in text
    assert "5      permuted_mnist domain" in text


def test_warnings_and_runs_left_out() -> None:
    comparison = made_comparison()
    text = as_text(comparison, 100)
    assert "warning: split_mnist class: lwf seed 3 saw other data" in text
    assert "left out: runs/derpp-5: its status is failed" in text
    many = [LeftOut(f"runs/{n}", "failed" if n < 4 else f"resume runs/{n}") for n in range(6)]
    broken = [LeftOut(f"my runs/{n}", f"line {n}") for n in range(12)]
    told = as_text(replace(comparison, left_out=(*many, LeftOut("a", "damaged"), *broken)), 100).splitlines()
    left = [line.removeprefix("left out: ") for line in told if line.startswith("left out: ")]
    assert left[:3] == [
        "4 runs (runs/0 and others): failed",
        "2 runs (runs/4 and others): resume RUN",
        "a: damaged",
    ]
    assert left[3:] == [
        *(f"my runs/{n}: line {n}" for n in range(7)),
        "5 more, for other reasons: --out FOLDER names all in its compare.html",
    ]


def test_rows_with_one_note_share_a_line() -> None:
    comparison = made_comparison()
    noted = tuple(replace(one, note="identical") for one in comparison.differences)
    text = as_text(replace(comparison, differences=noted), 100)
    assert "derpp; lwf: identical" in text and text.count("identical") == 4


def test_one_seed_has_no_half_width_and_missing_values_are_counted() -> None:
    single = made_row(PLACE, "lwf", [made_run(PLACE, "lwf", 0)])
    assert "47.53" in line(as_text(only(single), 140), "lwf") and "±" not in line(
        as_text(only(single), 140), "lwf"
    )
    row = made_row(PLACE, "lwf", [made_run(PLACE, "lwf", s) for s in range(5)])
    few = Summary((0.5, None, 0.7, None, None), 0.6, 0.1)
    none = Summary((None,) * 5, None, None)
    nan = Summary((float("nan"),) * 5, float("nan"), float("nan"))
    row = replace(
        row, scores={**row.scores, "average_accuracy": few, "forgetting": none, "learning_accuracy": nan}
    )
    whole = made_row(PLACE, "finetune", [made_run(PLACE, "finetune", s) for s in range(5)])
    text = line(as_text(only(row, whole), 140), "lwf")
    assert "60.00 ± 10.00 (2 of 5)" in text and text.split().count("-") == 2 and "nan" not in text


def test_sizes_in_a_unit_that_fits() -> None:
    from lifelong_kd.comparison.render.numbers import cell_of, columns_of
    from lifelong_kd.comparison.scores import score_of

    memory = score_of("cost/memory_bytes")
    few, many, none = (
        made_row(PLACE, "lwf", [replace(made_run(PLACE, "lwf", 0), cost={"memory_bytes": size})], [memory])
        for size in (20_480.0, 1_310_720.0, 0.0)
    )
    # Twenty kilobytes are not "0.02 MB", which two of them that differ would be.
    (column,) = columns_of([few, many, none], [memory])
    assert column.heading == "memory (kB)"
    assert [cell_of(column, row).mean for row in (few, many, none)] == ["20.5", "1310.7", "0.0"]


def test_times_in_a_unit_that_fits() -> None:
    assert times(65.0, 155.0) == ["training time (min)", "1.08 ± 0.01", "2.58 ± 0.03"]
    assert times(0.00042) == ["training time (ms)", "0.420 ± 0.004"]
    assert times(0.764, 4.239) == ["training time (s)", "0.764 ± 0.008", "4.239 ± 0.042"]
    assert times(7200.0, None) == ["training time (h)", "2.00 ± 0.02", "-"]
    # Too far apart for one unit: each has its own.
    assert times(0.002, 90000.0) == ["training time", "2.00 ± 0.02 ms", "1.04 ± 0.01 d"]
    assert times(0.0) == ["training time (s)", "0.00 ± 0.00"]
    mixed = columns_of([timed(0.002), timed(90000.0)], [TIME])[0]
    assert signed(mixed, -7200.0) == "-2.00 h"
    assert columns_of([timed(None)], [TIME]) == []


def test_signs_of_differences() -> None:
    (column,) = columns_of(made_comparison().rows, SHOWN[:1])
    assert signed(column, 0.01234) == "+1.23" and signed(column, -0.01234) == "-1.23"
    assert (
        signed(column, -0.00001) == "0.00"
        and signed(column, None) == "-"
        and signed(column, float("nan")) == "-"
    )
    assert p_value(1.0) == "1.000" and p_value(0.0009999) == "<0.001"


def test_labels_break_between_words_then_after_signs() -> None:
    assert fold_name("lwf", 12) == "lwf"
    assert fold_name("lwf (strategy.temperature=2)", 16) == "lwf (strategy.\n  temperature=2)"
    assert fold_name("a" * 20, 12) == "a" * 10 + "\n  " + "a" * 10
    assert fold_name("", 12) == ""
