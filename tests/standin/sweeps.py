"""Sweeps, as far as an agent needs them to be handed its runs: a grid over lists of values."""

from __future__ import annotations

import itertools
import json
from typing import Any

import yaml

from tests.standin.state import ENTITY, WHEN, Answer, Run, State, Sweep, answers, project_info


@answers("UpsertSweep")
def upsert_sweep(state: State, variables: dict[str, Any]) -> Answer:
    config = yaml.safe_load(variables["config"])
    parameters = {
        name: given["values"] if "values" in given else [given["value"]]
        for name, given in config["parameters"].items()
    }
    waiting = [
        dict(zip(parameters, values, strict=True)) for values in itertools.product(*parameters.values())
    ]
    entity, project = variables.get("entityName") or ENTITY, variables["projectName"]
    name = f"sweep{len(state.sweeps) + 1}"
    state.sweeps.append(Sweep(entity, project, name, variables["config"], waiting))
    sweep = {"id": name, "name": name, "project": project_info(entity, project)}
    return {"upsertSweep": {"sweep": sweep, "configValidationWarnings": []}}


@answers("SweepWithRuns", "GetSweepState")
def sweep_with_runs(state: State, variables: dict[str, Any]) -> Answer:
    sweep = named(state, variables["sweep"])
    found = {
        "id": sweep.name,
        "name": sweep.name,
        "method": "grid",
        "state": "RUNNING",
        "config": sweep.config,
        "createdAt": WHEN,
        "runs": {"edges": [{"node": run_of(run)} for run in members(state, sweep)]},
    }
    return {"project": {"sweep": found}}


def run_of(run: Run) -> Answer:
    return {
        "name": run.name,
        "state": run.state,
        "config": json.dumps(run.raw_config),
        "exitcode": run.exit_code,
        "summaryMetrics": json.dumps(run.summary),
        "sampledHistory": [],
    }


def named(state: State, name: str) -> Sweep:
    (found,) = (sweep for sweep in state.sweeps if sweep.name == name)
    return found


def members(state: State, sweep: Sweep) -> list[Run]:
    return [run for run in state.runs if run.fields.get("sweep") == sweep.name]


@answers("CreateAgent")
def create_agent(state: State, variables: dict[str, Any]) -> Answer:
    sweep = named(state, variables["sweep"])
    agent = f"{sweep.name}-agent{len(sweep.agents)}"
    sweep.agents.append(agent)
    return {"createAgent": {"agent": {"id": agent}}}


@answers("Heartbeat")
def heartbeat(state: State, variables: dict[str, Any]) -> Answer:
    (sweep,) = (sweep for sweep in state.sweeps if variables["id"] in sweep.agents)
    commands: list[Answer] = []
    # A new run is handed out when the agent has none.
    if not json.loads(variables.get("runState") or "{}"):
        commands = [next_run(sweep)] if sweep.waiting else [{"type": "exit"}]
    return {"agentHeartbeat": {"agent": {"id": variables["id"]}, "commands": json.dumps(commands)}}


def next_run(sweep: Sweep) -> Answer:
    sweep.handed += 1
    program = (yaml.safe_load(sweep.config) or {}).get("program", "train.py")
    arguments = {name: {"value": value} for name, value in sweep.waiting.pop(0).items()}
    run_id = f"{sweep.name}-run{sweep.handed}"
    return {"type": "run", "run_id": run_id, "program": program, "args": arguments}
