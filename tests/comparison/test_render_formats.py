from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lifelong_kd.comparison.render import as_csv, as_data, as_latex, as_markdown, as_summary_csv
from lifelong_kd.comparison.types import Comparison, LeftOut, Remark, Summary
from tests.comparison.made import made_comparison

ODD = r"a_b&c%d$e#f{g}h~i^j\k<l>m|n*[o]`"


def odd(comparison: Comparison) -> Comparison:
    """Its first row has every sign that means something somewhere."""
    rows = (replace(comparison.rows[0], label=ODD), *comparison.rows[1:])
    moved = replace(comparison.differences[0], row=rows[0])
    return replace(comparison, rows=rows, differences=(moved, *comparison.differences[1:]))


def cells(markdown: str, label: str) -> list[str]:
    found = next(line for line in markdown.splitlines() if line.startswith(f"| {label} "))
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", found)[1:-1]]


def test_markdown_bold_best_and_columns_as_in_the_heading() -> None:
    text = as_markdown(made_comparison())
    assert cells(text, "derpp")[:3] == ["derpp", "5", "**91.23 ± 0.98**"]
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert len(tables) == 8
    for table in tables:
        assert len({len(re.split(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
        assert re.fullmatch(r"(\| -+:? )+\|", table.splitlines()[1])


def test_markdown_differences_settings_remarks_and_notes() -> None:
    text = as_markdown(made_comparison())
    assert "### Difference to finetune in forgetting, percentage points (less is better)" in text
    assert "| derpp | **-89.13** | [-90.13, -88.13] | 0.001 | 0.008 | 5 | **better** |" in text
    assert "| lwf (temperature=4) | +3.40 | - | - | - | 5 | every difference is the same |" in text
    assert "| `training.lr` | 0.1 | finetune |" in text
    assert "## Warnings\n\n- split_mnist class: lwf seed 3" in text
    assert "## Left out\n\n- runs/derpp-5: its status is failed" in text
    assert "95 % t-interval over seeds" in text and "paired t-test" in text


def test_markdown_shows_every_sign_as_it_is() -> None:
    text = as_markdown(odd(made_comparison()))
    (label,) = {
        re.split(r"(?<!\\)\|", line)[1].strip() for line in text.splitlines() if line.startswith("| a_b")
    }
    assert re.sub(r"\\(?=[\\`*|<>\[\]_])", "", label) == ODD
    assert re.search(r"(?<!\\)[*`|<\[]", label) is None
    remark = replace(made_comparison(), remarks=(Remark("data", "one\n# two _three_"),))
    assert r"- one # two \_three\_" in as_markdown(remark)


def test_csv_has_a_line_a_run_with_full_precision() -> None:
    comparison = odd(made_comparison())
    lines = list(csv.DictReader(io.StringIO(as_csv(comparison))))
    assert len(lines) == 30
    for line, run in zip(lines, [run for row in comparison.rows for run in row.runs], strict=True):
        assert float(line["average_accuracy"]) == run.scores["average_accuracy"]
        assert float(line["cost/training_seconds"]) == run.cost["training_seconds"]
        assert (line["name"], line["source"], int(line["seed"])) == (run.name, run.source, run.seed)
    assert lines[0]["label"] == ODD and lines[0]["forward_transfer"] == ""
    assert json.loads(lines[-1]["options"]) == {"strategy.temperature": 4.0}
    assert list(lines[0])[9:16] == [score.name for score in comparison.scores]


def test_csv_of_runs_with_other_scores() -> None:
    comparison = made_comparison()
    first = comparison.rows[0].runs[0]
    other = replace(first, scores={"calibration/nll": 0.25, "average_accuracy": float("nan")}, cost={})
    row = replace(comparison.rows[0], runs=(other, *comparison.rows[0].runs[1:]))
    lines = list(csv.DictReader(io.StringIO(as_csv(replace(comparison, rows=(row,))))))
    assert lines[0]["calibration/nll"] == "0.25" and lines[0]["average_accuracy"] == ""
    assert lines[1]["calibration/nll"] == "" and lines[0]["cost/parameters"] == ""


def test_summary_csv() -> None:
    lines = list(csv.DictReader(io.StringIO(as_summary_csv(made_comparison()))))
    assert len(lines) == 6 * 7
    first = lines[0]
    assert (first["label"], first["score"], first["values"], first["seeds"], first["best"]) == (
        "derpp",
        "average_accuracy",
        "5",
        "5",
        "true",
    )
    assert float(first["mean"]) == made_comparison().rows[0].scores["average_accuracy"].mean
    (missing,) = [line for line in lines if line["label"] == "lwf" and line["score"] == "forward_transfer"]
    assert (missing["mean"], missing["half_width"], missing["values"]) == ("", "", "0")


def unescaped(text: str) -> str:
    """The tables without what has a backslash before it."""
    return re.sub(r"\\[&%$#_{}\\]", "", re.sub(r"(?m)^%.*$", "", text))


def test_latex_is_balanced_and_escaped() -> None:
    text = as_latex(odd(made_comparison()))
    left = unescaped(text)
    assert left.count("{") == left.count("}") and left.count("$") % 2 == 0
    assert "%" not in left and "#" not in left and "_" not in re.sub(r"\\label\{.*\}", "", left)
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 6
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}")
    assert r"\textbackslash{}k\textless{}l\textgreater{}m\textbar{}n*" in text
    labels = re.findall(r"\\label\{(.*)\}", text)
    assert len(set(labels)) == 6 and "tab:split-mnist-class-average-accuracy" in labels
    for block in re.findall(r"\\midrule\n(.*?)\\bottomrule", text, re.DOTALL):
        assert len({re.sub(r"\\&", "", line).count("&") for line in block.strip().splitlines()}) == 1


def test_latex_cells_and_captions() -> None:
    text = as_latex(made_comparison())
    assert r"derpp & 5 & \textbf{91.23 $\pm$ 0.98} & \textbf{95.43 $\pm$ 0.70} & 97.64 $\pm$ 0.91 \\" in text
    assert r"\textbf{$-$9.62 $\pm$ 0.16}" in text
    assert r"over 5 seeds. The best is bold." in text and r"95 \% t-interval" in text
    assert r"derpp & \textbf{$-$89.13} & {[$-$90.13, $-$88.13]} & 0.001 & 0.008 & 5 \\" in text
    assert r"lwf (temperature=4) & +3.40 & -- & -- & -- & 5 \\" in text
    rows = made_comparison().rows
    single = (replace(rows[0], runs=rows[0].runs[:1]), rows[1])
    assert "over 1 to 5 seeds" in as_latex(Comparison(scores=made_comparison().scores, rows=single))


def test_data_is_json_and_has_everything() -> None:
    comparison = made_comparison()
    broken = replace(
        comparison.rows[0],
        options={"path": Path("x"), "many": (1, 2)},
        scores={**comparison.rows[0].scores, "forgetting": Summary((float("nan"),), float("inf"), None)},
    )
    comparison = replace(comparison, rows=(broken, *comparison.rows[1:]), left_out=(LeftOut("a", "b"),))
    data: dict[str, Any] = json.loads(json.dumps(as_data(comparison), allow_nan=False))
    assert data == as_data(comparison)
    row = data["rows"][0]
    assert row["options"] == {"path": "x", "many": [1, 2]} and row["seeds"] == [0, 1, 2, 3, 4]
    assert row["scores"]["forgetting"] == {
        "mean": None, "half_width": None, "count": 1, "best": False, "values": [None]
    }  # fmt: skip
    assert row["runs"][2]["matrix"] == [list(line) for line in comparison.rows[0].runs[2].matrix]
    assert row["runs"][0]["settings"]["strategy"] == {"name": "derpp"}
    assert data["differences"][1] == {
        "place": "split_mnist class", "score": "forgetting", "row": "derpp", "baseline": "finetune", "pairs": 5,
        "mean": comparison.differences[1].mean, "low": comparison.differences[1].low,
        "high": comparison.differences[1].high, "p": 0.0011, "adjusted": 0.0077, "claimed": True, "note": "",
    }  # fmt: skip
    assert data["scores"][3] == {
        "name": "forgetting", "label": "forgetting", "better": "less", "scale": 100.0, "unit": "%"
    }  # fmt: skip
    assert data["varying"]["strategy.temperature"] == [None, None, 2.0, None, 2.0, 4.0]
    assert data["left_out"] == [{"source": "a", "reason": "b"}] and data["test"] == "t"
    assert data["remarks"][0]["kind"] == "data"


@pytest.mark.parametrize("render", [as_csv, as_latex, as_markdown, as_summary_csv])
def test_nothing_in_it(render: Any) -> None:
    assert isinstance(render(Comparison(scores=(), rows=())), str)
