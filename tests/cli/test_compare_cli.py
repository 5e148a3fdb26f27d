"""``lifelong-kd compare`` on run folders made by hand."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lifelong_kd.cli import main
from lifelong_kd.comparison import output
from lifelong_kd.comparison.output import PARTIAL, write_all
from tests.comparison.folders import put
from tests.comparison.made import made_comparison


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["compare", *(str(argument) for argument in arguments)])


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two strategies, three seeds each."""
    for seed in range(3):
        put(tmp_path / "study" / f"lwf-{seed}", seed=seed, accuracy=0.5 + seed / 10)
        put(tmp_path / "study" / f"naive-{seed}", seed=seed, accuracy=0.25 + seed / 5, name="naive")
    return tmp_path / "study"


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page and the plots, which have tests of their own and take seconds, as short files."""

    def page(comparison: Any, path: Path, command: str | None = None, *, pictures: Any = None) -> None:
        path.write_text("<html></html>")

    def plots(comparison: Any, folder: Path, *, pictures: Any = None) -> dict[str, Path]:
        (folder / "curves.png").write_bytes(b"png")
        return {"curves": folder / "curves.png"}

    monkeypatch.setattr("lifelong_kd.comparison.page.write_page", page)
    monkeypatch.setattr("lifelong_kd.comparison.plots.draw_all", plots)
    monkeypatch.setattr("lifelong_kd.comparison.plots.draw", lambda comparison: [])


def test_the_table_alone_is_printed(study: Path) -> None:
    before = sorted(study.rglob("*"))
    result = call(study)
    assert result.exit_code == 0 and result.stderr == ""
    assert result.stdout.startswith("digits class\n============\n")
    assert "lwf           3  60.00 ± 24.84*" in result.stdout
    assert "Difference to naive in average accuracy" in result.stdout
    assert "paired t-test" in " ".join(result.stdout.split())
    assert max(map(len, result.stdout.splitlines())) <= 100 and "\x1b" not in result.stdout
    assert sorted(study.rglob("*")) == before


def test_each_format_alone_on_stdout(study: Path) -> None:
    assert call(study, "--format", "markdown").stdout.startswith("# Comparison\n\n## digits class\n")
    lines = list(csv.DictReader(io.StringIO(call(study, "--format", "csv").stdout)))
    assert [(line["strategy"], line["seed"]) for line in lines[:3]] == [
        ("lwf", "0"),
        ("lwf", "1"),
        ("lwf", "2"),
    ]
    assert call(study, "--format", "latex").stdout.rstrip().endswith(r"\end{table}")
    data = json.loads(call(study, "--format", "json").stdout)
    assert [row["label"] for row in data["rows"]] == ["lwf", "naive"]
    assert call(study, "--format", "html").exit_code == 2


def test_scores_baseline_and_test(study: Path) -> None:
    words = ("--scores", "average_accuracy, calibration/nll", "--baseline", "lwf", "--test", "permutation")
    data = json.loads(call(study, *words, "--format", "json").stdout)
    assert [score["name"] for score in data["scores"]] == ["average_accuracy", "calibration/nll"]
    assert {(one["row"], one["baseline"]) for one in data["differences"]} == {("naive", "lwf")}
    assert data["test"] == "permutation"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--scores", "averge_accuracy"), "'average_accuracy'"),
        (("--scores", " , "), "names no score"),
        (("--baseline", "niave"), "'naive'"),
        (("--test", "anova"), "wilcoxon"),
        (("--wandb", "nothing"), "is not ENTITY/PROJECT"),
        (("--wandb-report", "nothing"), "is not ENTITY/PROJECT"),
    ],
)
def test_a_name_that_does_not_exist(study: Path, words: tuple[str, ...], told: str) -> None:
    result = call(study, *words)
    assert result.exit_code == 2 and told in result.stderr and result.stdout == ""
    assert "Traceback" not in result.output


def test_nothing_to_compare(tmp_path: Path) -> None:
    result = call()
    assert result.exit_code == 2 and "nothing to compare: give a run" in result.stderr
    result = call(tmp_path / "nope")
    assert result.exit_code == 2 and "there is no such folder" in result.stderr
    put(tmp_path / "a", status="failed")
    result = call(tmp_path)
    assert result.exit_code == 2 and result.stdout == ""
    assert "left out: " in result.stderr and "none of these runs is finished" in result.stderr


def test_what_is_left_out_is_said_where_the_format_has_no_place_for_it(study: Path) -> None:
    put(study / "lwf-9", seed=9, status="failed")
    assert "left out: " in call(study).stdout and call(study).stderr == ""
    result = call(study, "--format", "csv")
    assert "left out: " in result.stderr and "left out" not in result.stdout
    assert "warning: " in call(study / "lwf-0", "--format", "latex").stderr


def test_out_has_every_format(study: Path, tmp_path: Path, no_pictures: None) -> None:
    out = tmp_path / "new" / "table"
    result = call(study, "--out", out)
    assert result.exit_code == 0
    names = [
        "compare.csv",
        "compare.html",
        "compare.json",
        "compare.md",
        "compare.tex",
        "compare_summary.csv",
    ]
    assert sorted(path.name for path in out.iterdir()) == [*names, "plots"]
    assert [path.name for path in (out / "plots").iterdir()] == ["curves.png"]
    assert result.stderr == f"written to {out}: {', '.join(names)}, plots/ (1 file)\n"
    assert "written" not in result.stdout and result.stdout == call(study).stdout
    assert (out / "compare.md").read_text() == call(study, "--format", "markdown").stdout
    # Once more, into a folder with things of one's own.
    (out / "notes.txt").write_text("mine")
    (out / "compare.md").write_text("old")
    assert call(study, "--out", out).exit_code == 0
    assert (out / "compare.md").read_text().startswith("# Comparison") and (
        out / "notes.txt"
    ).read_text() == "mine"


def test_a_run_folder_and_a_file_are_no_place_for_it(study: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for out, told in ((study / "lwf-0", "is the folder of a run"), (tmp_path / "file", "is a file")):
        result = call(study, "--out", out)
        assert result.exit_code == 2 and told in result.stderr and result.stdout == ""
    assert not (study / "lwf-0" / "compare.md").exists()
    result = call(study, "--out", tmp_path / "file" / "inside")
    assert result.exit_code == 2 and "cannot be written" in result.stderr


def test_an_end_half_way_leaves_the_old_files_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_pictures: None
) -> None:
    write_all(made_comparison(), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def killed(comparison: Any) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(output, "as_json", killed)
        with pytest.raises(KeyboardInterrupt):
            write_all(made_comparison(), tmp_path)
    now = {
        path: path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file() and PARTIAL not in path.parts
    }
    assert now == before
    (tmp_path / PARTIAL / "plots").mkdir(parents=True, exist_ok=True)
    (tmp_path / PARTIAL / "plots" / "half.png").write_bytes(b"")
    written = write_all(made_comparison(), tmp_path)
    assert sorted(before) == sorted(written) and not (tmp_path / PARTIAL).exists()


def test_a_server_that_is_not_there_does_not_stop_the_rest(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lifelong_kd.comparison.read import Unreachable

    def read_project(selection: str) -> Any:
        raise Unreachable(f"W&B project {selection} cannot be read: no network")

    monkeypatch.setattr("lifelong_kd.comparison.read.read_project", read_project)
    result = call(study, "--wandb", "me/mine")
    assert result.exit_code == 0
    assert (
        "warning: W&B project me/mine cannot be read: no network; the other runs are compared"
        in result.stderr
    )
    assert result.stdout == call(study).stdout
    result = call("--wandb", "me/mine")
    assert result.exit_code == 2 and "error: W&B project me/mine cannot be read" in result.stderr


def test_runs_of_a_project_stand_beside_local_ones(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = list(made_comparison().rows[0].runs)
    monkeypatch.setattr("lifelong_kd.comparison.read.read_project", lambda selection: (runs, []))
    stdout = call(study, "--wandb", "me/mine").stdout
    assert "split_mnist class\n" in stdout and "digits class\n" in stdout
    # A folder that was mistyped does not stop the project.
    result = call(study / "none", "--wandb", "me/mine")
    assert result.exit_code == 0 and "split_mnist class\n" in result.stdout
    assert "none: there is no such folder; the other runs are compared" in result.stderr


def test_the_address_of_the_report_is_said(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "lifelong_kd.comparison.report.write_report", lambda comparison, target: f"https://w/{target}"
    )
    result = call(study, "--wandb-report", "me/mine")
    assert result.exit_code == 0 and result.stderr == "W&B report: https://w/me/mine\n"


def test_the_table_of_a_sweep(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from lifelong_kd.cli.compare import echo_table

    echo_table([study])
    assert capsys.readouterr().out.startswith("digits class\n")
