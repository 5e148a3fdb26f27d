from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from lifelong_kd.comparison.groups import group_runs
from lifelong_kd.comparison.read import read_runs, state_of
from lifelong_kd.comparison.statistics import t_interval
from lifelong_kd.comparison.table import as_data, as_markdown, as_text
from lifelong_kd.core.errors import BadCall


def put(folder: Path, *, seed: int, accuracy: float, status: str = "finished", **strategy: Any) -> Path:
    folder.mkdir(parents=True)
    component = {"name": "lwf", "temperature": 2.0, **strategy}
    settings = {
        "seed": seed,
        "name": folder.name,
        "device": "cpu" if seed else "cuda",
        "stream": {"name": "digits", "scenario": "class"},
        "strategy": component,
        "training": {"epochs": 1, "threads": seed + 1},
        "tracking": {"log_every": seed + 1},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    results = {
        "status": status,
        "seed": seed,
        "strategy": component,
        "stream": settings["stream"],
        "scenario": "class",
        "average_accuracy": accuracy,
        "average_incremental_accuracy": accuracy,
        "learning_accuracy": accuracy,
        "forgetting": 0.25 if seed else None,
        "backward_transfer": None,
        "forward_transfer": None,
    }
    (folder / "results.json").write_text(json.dumps(results))
    return folder


def test_interval_by_hand() -> None:
    # s = 2, t(0.975, 3) = 3.1824463, so the half width is 3.1824463 * 2 / 2
    interval = t_interval([1.0, 1.0, 4.0, 4.0])
    assert interval.mean == 2.5 and interval.count == 4
    assert interval.half_width == pytest.approx(3.1824463 * 3**0.5 / 2, rel=1e-6)
    assert t_interval([0.5]).half_width is None
    with pytest.raises(ValueError, match="at least one"):
        t_interval([])


def test_seeds_are_one_row_and_settings_keep_apart(tmp_path: Path) -> None:
    put(tmp_path / "a0", seed=0, accuracy=0.4)
    put(tmp_path / "a1", seed=1, accuracy=0.6)
    put(tmp_path / "b0", seed=0, accuracy=0.9, temperature=4.0)
    put(tmp_path / "c0", seed=0, accuracy=0.1, name="naive")
    records, unfinished = read_runs([tmp_path])
    assert not unfinished
    rows = group_runs(records)
    assert [(row.strategy, row.seeds, row.options) for row in rows] == [
        ("lwf", (0, 1), {"strategy.temperature": 2.0}),
        ("lwf", (0,), {"strategy.temperature": 4.0}),
        ("naive", (0,), {}),
    ]
    score = rows[0].scores["average_accuracy"]
    assert score is not None and score.mean == pytest.approx(0.5)
    # s = 0.1414214, t(0.975, 1) = 12.7062047
    assert score.half_width == pytest.approx(12.7062047 * 0.1)
    assert rows[0].values["forgetting"] == (None, 0.25)
    assert rows[0].scores["backward_transfer"] is None
    text = as_text(rows)
    assert "50.00±127.06" in text and "\nlwf (temperatur… [2] " in text
    assert "\n[2] digits class: lwf (strategy.temperature=4.0)\n" in text
    assert max(len(line) for line in text.splitlines()) <= 100
    assert text.count("\ndigits class:\n") == 1
    assert as_markdown(rows).count("\n| ") == 4
    assert json.loads(json.dumps(as_data(rows)))[2]["scores"]["average_accuracy"]["mean"] == 0.1


def test_what_was_evaluated_is_no_setting_and_components_are_compared_by_name(tmp_path: Path) -> None:
    balance = {"name": "balance", "budget": 3, "noise": 1.0}
    for name, seed, rounds, evaluation in (
        ("a0", 0, {"name": "single"}, {"robustness": True}),
        ("a1", 1, {"name": "single"}, {"robustness": False}),
        ("b0", 0, balance, {}),
        ("b1", 0, {**balance, "budget": 5}, {}),
    ):
        file = put(tmp_path / name, seed=seed, accuracy=0.5) / "config.yaml"
        settings = yaml.safe_load(file.read_text())
        settings |= {"rounds": rounds, "evaluation": evaluation}
        file.write_text(yaml.safe_dump(settings, sort_keys=False))
    rows = group_runs(read_runs([tmp_path])[0])
    assert [(row.seeds, row.options) for row in rows] == [
        ((0,), {"rounds.name": "balance", "rounds.budget": 3}),
        ((0,), {"rounds.name": "balance", "rounds.budget": 5}),
        ((0, 1), {"rounds.name": "single"}),
    ]
    assert "lwf (rounds=balance, budget=3)" in as_markdown(rows)


def test_unfinished_and_repeated_runs_are_left_out(tmp_path: Path) -> None:
    first = put(tmp_path / "a0", seed=0, accuracy=0.4)
    again = put(tmp_path / "z0", seed=0, accuracy=0.4)
    going = put(tmp_path / "a1", seed=1, accuracy=0.5, status="running")
    killed = tmp_path / "killed"
    killed.mkdir()
    (killed / "config.yaml").write_text("seed: 0\n")
    records, unfinished = read_runs([tmp_path, first])
    assert [record.folder for record in records] == [first, again]
    assert {left.folder: left.reason for left in unfinished} == {
        going: "its status is running",
        killed: "it has no results.json yet",
    }
    for folder in (going, killed):
        (folder / "run.json").write_text('{"status": "failed"}')
    _, unfinished = read_runs([tmp_path])
    assert [left.reason for left in unfinished] == ["its status is failed"] * 2
    (row,) = group_runs(records)
    assert row.seeds == (0,) and row.repeated == (str(again),)


def test_states_of_a_folder(tmp_path: Path) -> None:
    assert state_of(tmp_path / "none") == "free"
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".lock").touch()
    assert state_of(tmp_path / "empty") == "free"
    (tmp_path / "empty" / "notes.txt").touch()
    assert state_of(tmp_path / "empty") == "foreign"
    assert state_of(tmp_path / "empty" / "notes.txt") == "foreign"
    assert state_of(put(tmp_path / "done", seed=0, accuracy=0.5)) == "finished"
    assert state_of(put(tmp_path / "going", seed=0, accuracy=0.5, status="failed")) == "unfinished"


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"status": "finished", "strategy": "x"}'])
def test_damaged_results(tmp_path: Path, content: str) -> None:
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(BadCall, match=r"results\.json: not the results of a run"):
        read_runs([tmp_path])


def test_folders_without_runs(tmp_path: Path) -> None:
    with pytest.raises(BadCall, match="there is no such folder"):
        read_runs([tmp_path / "none"])
    with pytest.raises(BadCall, match="neither a run folder nor a folder of runs"):
        read_runs([tmp_path])


def test_many_differing_settings_stand_below_the_table(tmp_path: Path) -> None:
    put(tmp_path / "plain", seed=0, accuracy=0.4)
    extra = {f"option_{letter}": "long " * 5 for letter in "abcdefgh"}
    for seed, accuracy in enumerate([0.41, 0.42, 0.44]):
        put(tmp_path / f"long{seed}", seed=seed, accuracy=accuracy, **extra)
    rows = group_runs(read_runs([tmp_path])[0])
    text = as_text(rows)
    assert max(len(line) for line in text.splitlines()) <= 100
    lines = text.splitlines()
    (shortened,) = [line for line in lines if line.startswith("lwf (opt")]
    assert "… [1]" in shortened
    below = " ".join(line.strip() for line in lines[lines.index("") :])
    assert "[1] digits class: lwf (strategy.option_a=long" in below and "strategy.option_h=long" in below
    markdown = as_markdown(rows)
    label = next(line for line in markdown.splitlines() if "… [1]" in line).split(" | ")[1]
    assert len(label) <= 40 and "\n[1] digits class: lwf (strategy.option_a" in markdown
