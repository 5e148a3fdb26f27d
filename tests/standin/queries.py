"""What ``wandb.Api`` asks of finished and running runs."""

from __future__ import annotations

import json
from typing import Any

from tests.standin.filters import fits, look_up
from tests.standin.state import ENTITY, WHEN, Answer, Run, State, answers, project_info


def described(run: Run) -> Answer:
    """All that the Api asks of a run."""
    return {
        "__typename": "Run",
        "id": run.id,
        "projectId": "1",
        "name": run.name,
        "displayName": run.display_name,
        "sweepName": run.fields.get("sweep"),
        "state": run.state,
        "config": json.dumps(run.raw_config),
        "tags": run.tags,
        "group": run.group,
        "jobType": run.job_type,
        "commit": None,
        "readOnly": False,
        "createdAt": WHEN,
        "heartbeatAt": WHEN,
        "description": run.fields.get("notes"),
        "notes": run.fields.get("notes"),
        "systemMetrics": "{}",
        "summaryMetrics": json.dumps(run.summary),
        "historyLineCount": len(run.history),
        "user": {"name": ENTITY, "username": ENTITY},
        "historyKeys": history_keys(run),
    }


def history_keys(run: Run) -> Answer:
    kinds = {
        key: "number" if isinstance(value, int | float) else "string"
        for line in run.history
        for key, value in line.items()
    }
    keys = {
        key: {"typeCounts": [{"type": kind, "count": 1}], "monotonic": True} for key, kind in kinds.items()
    }
    steps = [line.get("_step", -1) for line in run.history]
    return {"lastStep": max(steps, default=-1), "sets": [], "keys": keys}


def in_project(state: State, variables: dict[str, Any]) -> list[Run]:
    entity, project = variables.get("entity") or ENTITY, variables["project"]
    return [run for run in state.runs if (run.entity, run.project) == (entity, project)]


@answers("Runs")
def runs(state: State, variables: dict[str, Any]) -> Answer:
    there = in_project(state, variables)
    if not there:
        return {"project": None}
    wanted = json.loads(variables.get("filters") or "{}")
    found = [run for run in there if fits(run, wanted)]
    order = variables.get("order") or "+created_at"
    found.sort(
        key=lambda run: (look_up(run, order.lstrip("+-")) or 0, run.number), reverse=order.startswith("-")
    )
    start, size = int(variables.get("cursor") or 0), variables.get("perPage") or 50
    page = found[start : start + size]
    end = start + len(page)
    return {
        "project": {
            "internalId": "1",
            "runCount": len(found),
            "readOnly": False,
            "runs": {
                "edges": [
                    {"node": described(run), "cursor": str(start + i + 1)} for i, run in enumerate(page)
                ],
                "pageInfo": {"endCursor": str(end), "hasNextPage": end < len(found)},
            },
        }
    }


@answers("Run", "RunState", "RunHistoryKeys", "QueryRunInfo")
def one_run(state: State, variables: dict[str, Any]) -> Answer:
    run = asked_for(state, variables)
    return {"project": {"run": None if run is None else described(run)}}


def asked_for(state: State, variables: dict[str, Any]) -> Run | None:
    name = variables.get("name") or variables.get("run") or variables.get("runName")
    return state.find_run(variables.get("entity"), variables.get("project"), name)


@answers("RunParquetHistory")
def parquet_history(state: State, variables: dict[str, Any]) -> Answer:
    # Nothing is exported yet, as with a run that is new: the client goes on with pages.
    return {"project": {"run": {"parquetHistory": {"parquetUrls": [], "liveData": []}}}}


@answers("HistoryPage", "RunFullHistory")
def history_page(state: State, variables: dict[str, Any]) -> Answer:
    run = asked_for(state, variables)
    if run is None:
        return {"project": {"run": None}}
    low, high = variables.get("minStep", 0), variables.get("maxStep", 2**62)
    lines = [json.dumps(line) for line in run.history if low <= line.get("_step", 0) < high]
    return {"project": {"run": {"history": lines[: variables.get("pageSize") or variables.get("samples")]}}}


@answers("RunSampledHistory", "SampledHistoryPage")
def sampled_history(state: State, variables: dict[str, Any]) -> Answer:
    run = asked_for(state, variables)
    if run is None:
        return {"project": {"run": None}}
    specs = [json.loads(spec) for spec in variables.get("specs") or [variables["spec"]]]
    sampled = [
        [
            {key: line[key] for key in spec["keys"]}
            for line in run.history
            if all(key in line for key in spec["keys"])
        ]
        for spec in specs
    ]
    return {"project": {"run": {"sampledHistory": sampled}}}


@answers("IsProjectReadOnly")
def read_only(state: State, variables: dict[str, Any]) -> Answer:
    return {"project": {"readOnly": False}}


@answers("GetProject")
def project(state: State, variables: dict[str, Any]) -> Answer:
    entity = variables.get("entity") or ENTITY
    name = variables.get("name") or variables.get("project") or ""
    there = in_project(state, {"entity": entity, "project": name})
    more = {
        "__typename": "Project",
        "entityName": entity,
        "createdAt": WHEN,
        "isBenchmark": False,
        "user": None,
    }
    return {"project": {**project_info(entity, name), **more} if there else None}
