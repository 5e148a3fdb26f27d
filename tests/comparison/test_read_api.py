"""Runs of a W&B project, from a server on this machine."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from lifelong_kd.comparison.read import Unreachable, read_project
from lifelong_kd.comparison.read.api import parse_selection
from lifelong_kd.core.errors import BadCall
from lifelong_kd.tracking.wandb import client
from tests.standin.server import Server
from tests.standin.state import Run


def add(server: Server, name: str, seed: int = 0, *, state: str = "finished", **more: Any) -> Run:
    config = {
        "seed": seed,
        "stream": {"name": "digits", "scenario": "class"},
        "strategy": {"name": "lwf"},
        "training": {"epochs": 1 + seed},
        "data": "digest",
        **more.pop("config", {}),
    }
    run = Run("someone", "mine", name, len(server.state.runs) + 1, state=state, **more)
    run.raw_config = {key: {"value": value} for key, value in config.items()}
    run.fields |= {
        "displayName": f"{name} run",
        "groupName": f"g{seed}",
        "jobType": "train",
        "tags": ["a", name],
    }
    run.summary = {
        "average_accuracy": 0.5,
        "cost/training_seconds": 2.0,
        "task/accuracy/0": {"last": 0.25, "max": 0.5},
        "task/accuracy/1": {"last": 0.75, "max": 0.75},
    }
    run.history = [
        {"_step": 0, "train/loss": 1.0, "task": 0},
        {"_step": 1, "task": 0, "task/accuracy/0": 0.5, "task/accuracy/1": 0.1},
        {"_step": 2, "task": 1, "task/accuracy/0": 0.25, "task/accuracy/1": 0.75},
    ]
    server.state.runs.append(run)
    return run


def names(selection: str) -> list[str]:
    records, left = read_project(selection)
    assert left == []
    return [record.name for record in records]


def test_runs_of_a_project(wandb_server: Server) -> None:
    add(wandb_server, "x")
    add(wandb_server, "y", 1)
    add(wandb_server, "going", 2, state="running")
    add(wandb_server, "crashed", 3, state="crashed")
    add(wandb_server, "other", config={"seed": None})
    records, left = read_project("someone/mine")
    assert [(record.source, record.name, record.seed) for record in records] == [
        ("someone/mine/x", "x run", 0),
        ("someone/mine/y", "y run", 1),
    ]
    assert records[0].matrix == ((0.5, 0.1), (0.25, 0.75)) and records[0].data == "digest"
    assert records[0].scores["average_accuracy"] == 0.5 and records[0].cost == {"training_seconds": 2.0}
    assert {one.source: one.reason for one in left} == {
        "someone/mine/going": "is still running",
        "someone/mine/crashed": "its state is crashed",
        "someone/mine/other": "was not logged by lifelong_kd: its config lacks seed, strategy.name or stream.name",
    }


def test_filters(wandb_server: Server) -> None:
    for seed, name in enumerate("xyz"):
        add(wandb_server, name, seed)
    assert names("someone/mine:group=g1") == ["y run"]
    assert names("someone/mine:tags=z") == ["z run"]
    assert names("someone/mine:name=x run") == ["x run"]
    assert names("someone/mine:job_type=train, config.training.epochs=2") == ["y run"]
    assert names("someone/mine:config.strategy.name=lwf,state=finished") == ["x run", "y run", "z run"]
    assert names('someone/mine:{"config.seed": {"$gte": 1}}') == ["y run", "z run"]
    with pytest.raises(Unreachable, match="someone/mine has no run that fits 'group=none'"):
        read_project("someone/mine:group=none")


def test_more_runs_than_a_page(wandb_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lifelong_kd.comparison.read.api.PER_PAGE", 2)
    for seed in range(5):
        add(wandb_server, f"r{seed}", seed)
    assert len(names("someone/mine")) == 5


@pytest.mark.parametrize("fault", ["forbidden", "unauthorized", "missing"])
def test_a_server_that_refuses(wandb_server: Server, fault: Any) -> None:
    add(wandb_server, "x")
    wandb_server.fault = fault
    with pytest.raises(Unreachable, match="W&B project someone/mine cannot be read: "):
        read_project("someone/mine")


def test_an_unknown_project(wandb_server: Server) -> None:
    add(wandb_server, "x")
    with pytest.raises(Unreachable, match="someone/none cannot be read: "):
        read_project("someone/none")


def test_a_dead_server_is_given_up(wandb_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "RETRIES", 1)
    monkeypatch.setattr(client, "PAUSE", 0.2)
    wandb_server.die()
    begun = time.monotonic()
    with pytest.raises(Unreachable, match="refused"):
        read_project("someone/mine")
    assert time.monotonic() - begun < 10


def test_a_server_that_never_answers_is_given_up(
    wandb_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "TIMEOUT", 1)
    wandb_server.fault = "stall"
    begun = time.monotonic()
    with pytest.raises(Unreachable, match="cannot be read"):
        read_project("someone/mine")
    assert time.monotonic() - begun < 15


def test_no_key_is_no_question(wandb_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    with pytest.raises(Unreachable, match="no W&B API key: run `wandb login`, or set WANDB_API_KEY"):
        read_project("someone/mine")
    assert wandb_server.operations == []


def test_selection() -> None:
    assert parse_selection("a/b") == ("a", "b", {})
    assert parse_selection("a/b:") == ("a", "b", {})
    assert parse_selection("a/b:group=g") == ("a", "b", {"group": "g"})
    assert parse_selection("a/b:config.x=null,config.y=[1],config.z=1e-3,name=n") == (
        "a",
        "b",
        {"$and": [{"config.x": None}, {"config.y": "[1]"}, {"config.z": 0.001}, {"displayName": "n"}]},
    )
    wanted = {"$or": [{"group": "a"}, {"tags": {"$in": ["b"]}}]}
    assert parse_selection(f"a/b:{json.dumps(wanted)}") == ("a", "b", wanted)


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        ("mine", "'mine' is not ENTITY/PROJECT"),
        ("a/b/c", "'a/b/c' is not ENTITY/PROJECT"),
        ("", "'' is not ENTITY/PROJECT"),
        ("a/b:group", "'group' in the filter is not key=value"),
        ("a/b:group=", "'group=' in the filter is not key=value"),
        (
            "a/b:grop=x",
            "nothing can be filtered by 'grop'; it must be one of group, tags, state, job_type, name or",
        ),
        ("a/b:grop=x", "Did you mean 'group'?"),
        ("a/b:config.=x", "nothing can be filtered by 'config.'"),
        ("a/b:{group", "the filter is not JSON"),
    ],
)
def test_bad_selections(selection: str, said: str) -> None:
    with pytest.raises(BadCall) as error:
        read_project(selection)
    assert said in str(error.value)
