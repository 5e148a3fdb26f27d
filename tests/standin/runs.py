"""What a run sends while it lasts: itself, its history, its files, its end."""

from __future__ import annotations

import json
from typing import Any

from tests.standin.state import ENTITY, WHEN, Answer, Run, State, answers, project_info

# Variables of UpsertBucket that are kept as they come.
KEPT = ("displayName", "groupName", "jobType", "tags", "notes", "sweep", "host", "program")


@answers("Viewer")
def viewer(state: State, variables: dict[str, Any]) -> Answer:
    teams = {"edges": [{"node": {"name": ENTITY}}]}
    person = {"id": "V", "entity": ENTITY, "username": ENTITY, "email": "", "flags": "{}", "teams": teams}
    more = {"name": ENTITY, "admin": False, "apiKeys": {"edges": []}, "teams": teams, "deletedAt": None}
    return {"viewer": {**person, **more}}


@answers("GetDefaultEntity")
def default_entity(state: State, variables: dict[str, Any]) -> Answer:
    return {"viewer": {"id": "V", "entity": ENTITY}}


@answers("ServerFeaturesQuery", "ServerFeatures")
def features(state: State, variables: dict[str, Any]) -> Answer:
    return {"serverInfo": {"features": []}}


@answers("RunResumeStatus")
def resume_status(state: State, variables: dict[str, Any]) -> Answer:
    entity, project = variables.get("entity") or ENTITY, variables.get("project") or "uncategorized"
    run = state.find_run(entity, project, variables["name"])
    bucket = None if run is None else resumable(run)
    return {"model": {**project_info(entity, project), "bucket": bucket}}


def resumable(run: Run) -> Answer:
    return {
        "id": run.id,
        "name": run.name,
        "displayName": run.display_name,
        "summaryMetrics": json.dumps(run.summary),
        "config": json.dumps(run.raw_config),
        "historyTail": json.dumps([json.dumps(line) for line in run.history[-1:]]),
        "historyLineCount": len(run.history),
        "eventsTail": "[]",
        "eventsLineCount": 0,
        "logLineCount": 0,
        "tags": run.tags,
        "notes": run.fields.get("notes"),
        "wandbConfig": json.dumps({"t": 1}),
    }


@answers("UpsertBucket")
def upsert_bucket(state: State, variables: dict[str, Any]) -> Answer:
    entity, project = variables.get("entity"), variables.get("project")
    run = next((one for one in state.runs if one.id == variables.get("id")), None)
    run = run or state.find_run(entity, project, variables.get("name"))
    inserted = run is None
    if run is None:
        number = len(state.runs) + 1
        name = variables.get("name") or f"made{number}"
        run = Run(entity or ENTITY, project or "uncategorized", name, number)
        state.runs.append(run)
    if variables.get("state"):
        run.state = variables["state"]
    elif not inserted and run.exit_code is not None and variables.get("name"):
        run.state, run.exit_code = "running", None
    run.fields.update({key: variables[key] for key in KEPT if variables.get(key) is not None})
    run.raw_config.update(json.loads(variables.get("config") or "{}"))
    run.summary.update(json.loads(variables.get("summaryMetrics") or "{}"))
    return {"upsertBucket": {"bucket": bucket_of(run), "inserted": inserted}}


def bucket_of(run: Run) -> Answer:
    return {
        "id": run.id,
        "name": run.name,
        "displayName": run.display_name,
        "description": None,
        "config": json.dumps(run.raw_config),
        "sweepName": run.fields.get("sweep"),
        "project": project_info(run.entity, run.project),
        "historyLineCount": len(run.history),
        "createdAt": WHEN,
    }


@answers("CreateRunFiles")
def create_run_files(state: State, variables: dict[str, Any]) -> Answer:
    run = state.find_run(variables.get("entity"), variables.get("project"), variables["run"])
    assert run is not None, "files for a run that is not there"
    files = [
        {"name": name, "uploadUrl": state.place(f"runs/{run.path}/{name}")}
        for name in variables.get("files") or []
    ]
    return {"createRunFiles": {"runID": run.id, "uploadHeaders": [], "files": files}}


@answers("MarkRunFilesUploaded")
def mark_uploaded(state: State, variables: dict[str, Any]) -> Answer:
    return {"markRunFilesUploaded": {"success": True}}


@answers("RunStopped", "RunStoppedStatus")
def stopped(state: State, variables: dict[str, Any]) -> Answer:
    return {"project": {"run": {"stopped": False}}}


def take_stream(state: State, path: str, body: dict[str, Any]) -> Answer:
    """A packet of the file stream: ``/files/ENTITY/PROJECT/RUN/file_stream``."""
    _, entity, project, name, _ = path.strip("/").split("/")
    run = state.find_run(entity, project, name)
    assert run is not None, f"a stream for {path}, which is not there"
    files = body.get("files") or {}
    if history := files.get("wandb-history.jsonl"):
        lines = [json.loads(line) for line in history["content"]]
        # A packet that is sent again replaces what it brought before.
        run.history[history["offset"] : history["offset"] + len(lines)] = lines
    if summary := files.get("wandb-summary.json"):
        run.summary = json.loads(summary["content"][-1])
    if body.get("complete"):
        run.exit_code = body.get("exitcode")
        run.state = "finished" if run.exit_code == 0 else "failed"
    return {"exitcode": None, "limits": {}}
