"""The definition of a W&B sweep, read by W&B's own code and by ours."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args, load_sweep_config

from lifelong_kd.config.grid import parse_grid
from lifelong_kd.config.overrides import parse_overrides
from lifelong_kd.core.errors import BadCall
from lifelong_kd.study.wandb_sweep import sweep_definition, write_definition
from tests.standin.server import Server

GRID = [
    "strategy=lwf,derpp",
    "seed=0..2",
    "optimizer.lr=1e-5,0.1",
    "training.shuffle=true,false",
    "model.hidden=[400,400],[100]",
    "rounds=off",
    "name=null",
    "optimizer.tag='1e-3',on",
    "strategy.phases=[{a: null}],[{name: main}]",
]


def written(tmp_path: Path, grid: list[str]) -> dict[str, Any]:
    path = tmp_path / "deep" / "sweep.yaml"
    write_definition(path, sweep_definition("c.yaml", grid, name="n", project="p", imports=["x.py"]))
    found = load_sweep_config(str(path))
    assert found is not None
    return found


def test_values_have_their_types(tmp_path: Path) -> None:
    found = written(tmp_path, GRID)
    assert found["parameters"] == {
        "strategy": {"values": ["lwf", "derpp"]},
        "seed": {"values": [0, 1, 2]},
        "optimizer.lr": {"values": [1e-5, 0.1]},
        "training.shuffle": {"values": [True, False]},
        "model.hidden": {"values": [[400, 400], [100]]},
        "rounds": {"value": "off"},
        "name": {"value": None},
        # What Python's spelling would not be read back as stands as it was typed.
        "optimizer.tag": {"values": ["'1e-3'", "on"]},
        "strategy.phases": {"values": ["[{a: null}]", [{"name": "main"}]]},
    }
    assert found["method"] == "grid" and found["program"] == "lifelong-kd"
    assert found["metric"] == {"name": "average_accuracy", "goal": "maximize"}
    assert (found["name"], found["project"]) == ("n", "p")


def test_the_agent_s_command_means_the_cell(tmp_path: Path) -> None:
    """Every cell of the grid, as the agent would start it, is read as the same values."""
    found = written(tmp_path, GRID)
    command = create_sweep_command(list(found["command"]))
    assert command == ["${env}", "${program}", "run", "c.yaml", "${args_no_hyphens}", "--import", "x.py"]
    cells = parse_grid(GRID)
    axes = {key: entry.get("values", [entry.get("value")]) for key, entry in found["parameters"].items()}
    assert len(cells) == 2 * 3 * 2 * 2 * 2 * 2 * 2
    chosen: list[dict[str, Any]] = [{}]
    for key, values in axes.items():
        chosen = [{**one, key: value} for one in chosen for value in values]
    for cell, values in zip(cells, chosen, strict=True):
        told = create_sweep_command_args({"args": {key: {"value": value} for key, value in values.items()}})
        meant, problems = parse_overrides(cell.overrides)
        assert parse_overrides(told["args_no_hyphens"]) == (meant, problems) and not problems


def test_python_s_words_are_read() -> None:
    given = ["a=True", "b=False", "c=None", "d=1e-05", "e=[True, 'x', 1.0]", "f={'name': 'lwf'}", "g='None'"]
    values, problems = parse_overrides(given)
    assert not problems and values == {
        "a": True, "b": False, "c": None, "d": 1e-5, "e": [True, "x", 1.0], "f": {"name": "lwf"}, "g": "None",
    }  # fmt: skip


def test_it_is_yaml_1_1(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    write_definition(path, sweep_definition("c.yaml", ["rounds=off"], name="n", project="p"))
    assert yaml.safe_load(path.read_text())["parameters"] == {"rounds": {"value": "off"}}
    with pytest.raises(BadCall, match="at least one KEY=A,B,C"):
        sweep_definition("c.yaml", [], name="n", project="p")
    with pytest.raises(BadCall, match="cannot be written"):
        write_definition(path / "below", {})


STUB = """#!{python} -S
import json, os, sys
with open({log!r}, "a") as file:
    file.write(json.dumps([sys.argv[1:], os.environ["WANDB_SWEEP_ID"], os.environ["WANDB_RUN_ID"]]) + "\\n")
"""


def test_an_agent_runs_every_cell(
    tmp_path: Path, wandb_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W&B's own agent, told by a server; it starts a stub in place of our command."""
    import wandb
    from wandb import wandb_agent

    log, stub = tmp_path / "calls.jsonl", tmp_path / "bin" / "lifelong-kd"
    stub.parent.mkdir()
    stub.write_text(STUB.format(python=sys.executable, log=str(log)))
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stub.parent}:{os.environ['PATH']}")
    for name in ("WANDB_SWEEP_ID", "WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH", "WANDB_PROJECT", "WANDB_ENTITY"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(wandb_agent.Agent, "POLL_INTERVAL", 0.05)
    grid = ["training.shuffle=true,false", "optimizer.lr=1e-5", "name=null"]
    name = wandb.sweep(sweep_definition("c.yaml", grid, name="n", project="p"))
    wandb_agent.run_agent(name, project="p")
    calls = [json.loads(line) for line in log.read_text().splitlines()]
    for words, sweep, _ in calls:
        assert words[:2] == ["run", "c.yaml"] and sweep == name
    assert len({run_id for *_, run_id in calls}) == 2
    meant = [parse_overrides(cell.overrides)[0] for cell in parse_grid(grid)]
    assert [parse_overrides(words[2:])[0] for words, *_ in calls] == meant
