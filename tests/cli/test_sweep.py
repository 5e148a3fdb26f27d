"""What ``lifelong-kd sweep`` says before it runs anything, and where an agent's run goes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from lifelong_kd.cli import main
from lifelong_kd.cli.run import _own_place
from lifelong_kd.config.load import load_config

CONFIG = "stream: split_digits\nmodel: mlp\nstrategy: naive\n"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(CONFIG)
    return Path("c.yaml")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in ("sweep", *arguments)])


def failed_cell(config: Path, seed: int) -> Path:
    folder = Path("runs") / "sweep-c" / f"seed-{seed}"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(load_config(config, [f"seed={seed}"]).dump())
    (folder / "run.json").write_text('{"status": "failed"}')
    log = folder.parent / "logs" / f"seed-{seed}.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text(f"error: the loss is nan in {seed}.\n")
    return log


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["c.yaml", "seed=3..1"], "error: seed: the range 3..1 is empty"),
        (["c.yaml", "seed"], "found 'seed', allowed: key=a,b,c such as seed=0..4"),
        (["c.yaml", "--engine", "dask"], "'dask' is not one of 'processes', 'ray', 'slurm'"),
        (["c.yaml", "--slurm", "partition=a"], "--slurm is for --engine slurm, and the engine is processes"),
        (["c.yaml", "--engine", "slurm"], "the engine 'slurm' needs --slurm timeout_min=MINUTES"),
        (["here"], "here is a folder without study.json, so no study"),
        (["run"], "run is a run, not a study: `lifelong-kd resume run` goes on with it"),
        (["run", "--out", "x"], "leave --out away"),
        (["none.yaml", "seed=0,1"], "none.yaml: there is no such file"),
    ],
)
def test_bad_calls(config: Path, words: list[str], message: str) -> None:
    Path("here").mkdir()
    Path("run").mkdir()
    Path("run/config.yaml").write_text(CONFIG)
    result = call(*words)
    assert result.exit_code == 2 and message in result.output and "Traceback" not in result.output
    assert not Path("runs").exists()


def test_a_study_is_no_run(config: Path) -> None:
    Path("s").mkdir()
    Path("s/study.json").write_text("{}")
    result = CliRunner().invoke(main, ["resume", "s"])
    assert result.exit_code == 2
    assert result.stderr == "error: s is a study, not a run: `lifelong-kd sweep s` goes on with it\n"


def test_failures_are_summed_up(config: Path) -> None:
    logs = [failed_cell(config, seed) for seed in range(12)]
    result = call(config, "seed=0..11", "--no-retry")
    assert result.exit_code == 1
    assert result.stdout == "runs/sweep-c: 12 runs, 0 of them finished already, 12 failed before\n"
    lines = result.stderr.splitlines()
    assert lines[0] == "12 of 12 runs failed:"
    assert lines[1] == f"  seed-0: the loss is nan in 0 (in an earlier call); see {logs[0]}"
    assert len(lines) == 12 and lines[-1] == "  and 2 more; their logs are in runs/sweep-c/logs"
    # Nothing was left to do, so that nothing was written either.
    assert not Path("runs/sweep-c/study.json").exists()


def test_a_configuration_that_has_changed(config: Path) -> None:
    for seed in range(7):
        failed_cell(config, seed)
    config.write_text(CONFIG + "training: {epochs: 7}\n")
    result = call(config, "seed=0..8")
    assert result.exit_code == 2
    assert "seed-0 holds a run with other settings (training.epochs: 10 there, 7 here)" in result.stderr
    assert "so do seed-1, seed-2, seed-3, seed-4 and 2 more; give another --out" in result.stderr


def test_a_wandb_sweep_is_written_and_nothing_run(config: Path) -> None:
    config.write_text(CONFIG + "tracking: {wandb: {project: mine, entity: us}}\n")
    result = call(config, "strategy=lwf,naive", "seed=0..1", "--wandb-sweep", "deep/s.yaml")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "written: deep/s.yaml; go on with",
        "  wandb sweep deep/s.yaml",
        "and, on each machine, what that names:",
        "  wandb agent us/mine/SWEEP_ID",
    ]
    found = yaml.safe_load(Path("deep/s.yaml").read_text())
    assert found["name"] == "sweep-c" and found["project"] == "mine"
    assert found["parameters"] == {"strategy": {"values": ["lwf", "naive"]}, "seed": {"values": [0, 1]}}
    assert found["command"][3] == "c.yaml"
    assert not Path("runs").exists()
    assert call(config, "--wandb-sweep", "t.yaml").exit_code == 2
    result = call(config, "optimizer.lrr=1,2", "--wandb-sweep", "t.yaml")
    assert result.exit_code == 2 and "optimizer.lrr" in result.stderr and not Path("t.yaml").exists()


def test_each_run_of_an_agent_has_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _own_place("lwf-s0") == Path("runs/lwf-s0")
    monkeypatch.setenv("WANDB_RUN_ID", "x7")
    assert _own_place("lwf-s0") == Path("runs/lwf-s0")
    monkeypatch.setenv("WANDB_SWEEP_ID", "k3")
    assert _own_place("lwf-s0") == Path("runs/sweep-k3/lwf-s0-x7")


def test_a_damaged_study(config: Path) -> None:
    Path("study").mkdir()
    Path("study/study.json").write_text(json.dumps({"config": "c.yaml"}))
    for words in (["study"], [config, "seed=0,1", "--out", "study"]):
        result = call(*words)
        assert result.exit_code == 2 and "study.json is not the definition of a study" in result.stderr
