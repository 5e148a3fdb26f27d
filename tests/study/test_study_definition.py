"""What a study is, kept in its folder; what its cells are as jobs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stub_jobs import CONFIG, pretend

from lifelong_kd.config.grid import Cell, parse_grid
from lifelong_kd.core.errors import BadCall, ConfigError
from lifelong_kd.study.definition import Study, extended, merged, need_study, read_study, write_study
from lifelong_kd.study.plan import plan
from lifelong_kd.study.prepare import prepare, prepare_again


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG)
    return path


def test_plan_skips_resumes_and_begins(tmp_path: Path, config: Path) -> None:
    study = tmp_path / "study"
    cells = parse_grid(["seed=0..2", "training.epochs=1"])
    pretend(study / "seed-0", "finished", config, ["seed=0", "training.epochs=1"])
    pretend(study / "seed-1", "running", config, ["seed=1", "training.epochs=1"])
    finished, resumed, fresh = plan(config, cells, study, [])
    assert finished.command is None
    for job, seed in ((resumed, 1), (fresh, 2)):  # the cell itself finds out what is left
        folder = str(study / f"seed-{seed}")
        words = ("run", str(config), f"seed={seed}", "training.epochs=1", "--out", folder)
        assert job.command is not None and job.command[1:] == ("-m", "lifelong_kd.study.cell", folder, *words)
    assert fresh.groups == ("naive", "naive ")
    assert not (study / "logs").exists()
    message = (
        r"seed-0 holds a run with other settings \(training.epochs: 1 there, 2 here\); so do seed-1; give"
    )
    with pytest.raises(BadCall, match=message):
        plan(config, parse_grid(["seed=0..2", "training.epochs=2"]), study, [])


def test_cells_that_the_default_name_does_not_tell_apart_get_their_own(tmp_path: Path, config: Path) -> None:
    jobs = plan(config, parse_grid(["optimizer.lr=0.1,0.2"]), tmp_path / "study", [])
    commands = [job.command for job in jobs if job.command is not None]
    assert [command[7] for command in commands] == [
        "name=split_digits-class-naive-s0-lr-0.1",
        "name=split_digits-class-naive-s0-lr-0.2",
    ]
    assert jobs[1].groups == ("naive", "naive optimizer.lr=0.2")


def test_folders_that_cannot_be_had(tmp_path: Path, config: Path) -> None:
    cells = parse_grid(["seed=0,1"])
    (tmp_path / "study" / "seed-1").mkdir(parents=True)
    (tmp_path / "study" / "seed-1" / "file").touch()
    with pytest.raises(BadCall, match="seed-1 is not empty and holds no run"):
        plan(config, cells, tmp_path / "study", [])
    pretend(tmp_path / "run", "running")
    with pytest.raises(BadCall, match="is itself a run folder"):
        plan(config, cells, tmp_path / "run", [])
    with pytest.raises(BadCall, match=r"run is a run, not a study: `lifelong-kd resume"):
        need_study(tmp_path / "run")
    with pytest.raises(BadCall, match=r"is a folder without study.json, so no study"):
        need_study(tmp_path / "study")
    with pytest.raises(ConfigError, match=r"command line: optimizer\.lrr"):
        plan(config, parse_grid(["optimizer.lrr=1,2"]), tmp_path / "new", [])


def test_a_cell_keeps_the_name_of_its_folder(tmp_path: Path) -> None:
    known = parse_grid(["optimizer.lr=1,2", "seed=0"])
    names = [cell.name for cell in merged(known, parse_grid(["seed=0..1", "optimizer.lr=1..3"]))]
    assert names == ["lr-1", "lr-2", "seed-0_lr-3", "seed-1_lr-1", "seed-1_lr-2", "seed-1_lr-3"]
    # A new cell that would have the name of another that stays gets one of its own.
    found = merged([Cell("seed-1", ("seed=0", "a=1"), ())], parse_grid(["seed=0..1", "a=1"]))
    assert found[0].name == "seed-1" and found[1].name.startswith("seed-1_")


def test_a_grid_gets_further_values() -> None:
    grid = ["strategy=lwf,{name: derpp, alpha: 0.1}", "seed=0..2"]
    more = extended(grid, ["seed=2..4", "strategy=icarl"])
    assert more == ["strategy=lwf,{name: derpp, alpha: 0.1},icarl", "seed=0,1,2,3,4"]
    assert len(parse_grid(more)) == 15
    with pytest.raises(
        BadCall, match=r"sed is no key of the study's grid; its keys are strategy, seed\. Did you"
    ):
        extended(grid, ["sed=5"])
    with pytest.raises(BadCall, match=r"the range 5\.\.1 is empty"):
        extended(grid, ["seed=5..1"])
    with pytest.raises(BadCall, match="it has no keys"):
        extended([], ["seed=5"])


def test_a_study_is_read_back(tmp_path: Path) -> None:
    assert read_study(tmp_path) is None
    study = Study("c.yaml", CONFIG, (("seed=0..1",),), tuple(parse_grid(["seed=0..1"])), ("/x.py",), 7.0)
    write_study(tmp_path, study)
    assert read_study(tmp_path) == study
    assert (tmp_path / "study.yaml").read_text() == CONFIG
    before = (tmp_path / "study.json").stat().st_mtime_ns
    write_study(tmp_path, study)
    assert (tmp_path / "study.json").stat().st_mtime_ns == before
    with pytest.raises(BadCall, match="cannot be written: Not a directory"):
        write_study(tmp_path / "study.json" / "below", study)
    for damaged in ("{", "[]", '{"config": "c"}'):
        (tmp_path / "study.json").write_text(damaged)
        with pytest.raises(BadCall, match="is not the definition of a study"):
            read_study(tmp_path)


def test_what_another_sweep_added_meanwhile_stays(tmp_path: Path) -> None:
    def with_seeds(text: str) -> Study:
        return Study("c.yaml", CONFIG, ((text,),), tuple(parse_grid([text])), (), 7.0)

    write_study(tmp_path, with_seeds("seed=0..1"))
    write_study(tmp_path, with_seeds("seed=1..2"))
    found = need_study(tmp_path)
    assert found.grids == (("seed=0..1",), ("seed=1..2",))
    assert [cell.name for cell in found.cells] == ["seed-0", "seed-1", "seed-2"]


def test_a_study_goes_on_without_its_configuration(tmp_path: Path, config: Path) -> None:
    folder = tmp_path / "study"
    first = prepare(config, ["seed=0,1", "strategy=naive"], folder, [])
    assert not folder.exists()
    write_study(folder, first.study)
    config.unlink()
    (folder / "study.yaml").unlink()
    again = prepare_again(folder, [], [])
    assert [job.command for job in again.jobs] == [job.command for job in first.jobs]
    assert again.study.config == str(config) and (folder / "study.yaml").read_text() == CONFIG
    more = prepare_again(folder, ["strategy=joint"], [])
    names = [job.name for job in more.jobs]
    # What is there keeps its name, though there is more to tell apart now.
    assert names == ["seed-0", "seed-1", "seed-0_strategy-joint", "seed-1_strategy-joint"]
    assert more.grid == ("seed=0,1", "strategy=naive,joint")
    with pytest.raises(BadCall, match="--import goes with a configuration"):
        prepare_again(folder, [], [Path("x.py")])


def test_imports_are_found_from_anywhere(
    tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one.py", "two.py"):
        (tmp_path / name).write_text("")
    config.write_text(CONFIG + "imports: [one.py]\n")
    monkeypatch.chdir(tmp_path)
    first = prepare(config, ["seed=0,1"], tmp_path / "study", [Path("two.py")])
    command = first.jobs[0].command
    files = [str(tmp_path / name) for name in ("one.py", "two.py")]
    assert command is not None and command[4:] == (
        "run", str(tmp_path / "study" / "study.yaml"), "seed=0", "imports=[]",
        "--out", str(tmp_path / "study" / "seed-0"), "--import", files[0], "--import", files[1],
    )  # fmt: skip
    write_study(tmp_path / "study", first.study)
    again = prepare_again(tmp_path / "study", [], [])
    assert again.jobs == first.jobs and list(again.study.imports) == files
    pretend(tmp_path / "study" / "seed-0", "finished")
    loaded = {**json.loads(json.dumps(first.settings)), "imports": files}
    (tmp_path / "study" / "seed-0" / "config.yaml").write_text(json.dumps(loaded))
    assert prepare_again(tmp_path / "study", [], []).jobs[0].command is None
    with pytest.raises(BadCall, match="imports are the same for all cells"):
        prepare(config, ["imports=[],[one.py]"], tmp_path / "other", [])


def test_what_failed_before_is_tried_again_unless_told_not_to(tmp_path: Path, config: Path) -> None:
    folder = tmp_path / "study"
    for seed, status in enumerate(("finished", "failed", "running")):
        pretend(folder / f"seed-{seed}", status, config, [f"seed={seed}"])
    (folder / "logs").mkdir()
    (folder / "logs" / "seed-1.log").write_text("error: the loss is nan.\n")
    found = prepare(config, ["seed=0..3"], folder, [])
    assert [job.name for job in found.board().waiting] == ["seed-1", "seed-2", "seed-3"]
    board = found.board(retry=False)
    assert [job.name for job in board.waiting] == ["seed-2", "seed-3"]
    assert board.failed == {"seed-1": "the loss is nan (in an earlier call)"} and board.total == 4
    # Seed 3 failed before it had a run folder.
    (folder / "logs" / "seed-3.log").write_text("error: there is no such file\n")
    assert found.board(retry=False).failed["seed-3"] == "there is no such file (in an earlier call)"
    (folder / "logs" / "seed-3.log").write_text("error: there is no such file\nwarning: killed soon after\n")
    assert [job.name for job in found.board(retry=False).waiting] == ["seed-2", "seed-3"]
