from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from typing import Any

import pytest

from lifelong_kd.comparison.report import build_report, write_report
from lifelong_kd.core.errors import BadCall
from tests.comparison.made import made_comparison
from tests.standin.state import OPERATIONS

pytest.importorskip("wandb_workspaces")


def spec(report: Any) -> Any:
    """What W&B is sent, made without a server."""
    return json.loads(report._to_model().spec.model_dump_json(by_alias=True, exclude_none=True))


def blocks(kind: str) -> list[Any]:
    found = spec(build_report(made_comparison(), "me", "mine"))["blocks"]
    return [block for block in found if block["type"] == kind]


def test_headings_and_tables() -> None:
    headings = [(block["level"], block["children"][0]["text"]) for block in blocks("heading")]
    assert headings[:2] == [
        (1, "split_mnist class"),
        (2, "Difference to finetune in average accuracy, percentage points (more is better)"),
    ]
    assert headings[-3:] == [(1, "Warnings"), (1, "Left out"), (1, "What the numbers are")]
    tables = [block["content"] for block in blocks("markdown-block")]
    assert "| derpp | 5 | **91.23 ± 0.98** |" in tables[0]
    assert "| lwf | **+14.02** | [+13.02, +15.02] | 0.021 | 0.042 | 5 | **better** |" in tables[1]
    assert "lwf seed 3 saw other data" in tables[-3] and "paired t-test" in tables[-1]


def test_live_panels_of_the_runs_of_a_place() -> None:
    first, second = [block["metadata"] for block in blocks("panel-grid")]
    (runs,) = first["runSets"]
    assert [(one["key"]["name"], one["op"], one["value"]) for one in runs["filters"]["filters"]] == [
        ("group", "IN", ["split_mnist-class-derpp", "split_mnist-class-finetune", "split_mnist-class-lwf"]),
        ("state", "=", "finished"),
    ]
    # Two configurations of lwf are two lines.
    assert [one["name"] for one in second["runSets"][0]["grouping"]] == [
        "group",
        "strategy.value.temperature",
    ]
    panels = [panel["config"] for panel in first["panelBankSectionConfig"]["panels"]]
    assert (panels[0]["xAxis"], panels[0]["metrics"]) == ("task", ["score/average_accuracy"])
    # Forward transfer is defined in the other place only.
    assert len(panels) == 6 and ["score/forward_transfer"] not in [panel.get("metrics") for panel in panels]
    assert (panels[-1]["xAxis"], panels[-1]["yAxis"]) == (
        "summary:cost/training_seconds",
        "summary:average_accuracy",
    )


def test_a_group_of_ones_own_and_a_long_title() -> None:
    comparison = made_comparison()
    runs = [
        replace(run, settings={"tracking": {"wandb": {"group": "it's mine"}}})
        for run in comparison.rows[0].runs
    ]
    row = replace(comparison.rows[0], runs=tuple(runs), stream="s" * 200)
    report = build_report(replace(comparison, rows=(row,), differences=(), varying={"a": (1,)}), "me", "mine")
    grid = next(block for block in spec(report)["blocks"] if block["type"] == "panel-grid")
    assert grid["metadata"]["runSets"][0]["filters"]["filters"][0]["value"] == ["it's mine"]
    assert len(report.title) == 128


@pytest.mark.parametrize("target", ["mine", "a/b/c", "/b", "a b/c", "a/b:c"])
def test_a_target_that_is_no_project(target: str) -> None:
    with pytest.raises(BadCall, match="is not ENTITY/PROJECT"):
        write_report(made_comparison(), target)


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb_workspaces.reports.v2", None)
    with pytest.raises(BadCall, match=r"pip install 'lifelong_kd\[reports\]'"):
        build_report(made_comparison(), "me", "mine")


def test_without_a_key(wandb_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with pytest.raises(BadCall, match="there is no W&B API key: run `wandb login`"):
        write_report(made_comparison(), "someone/mine")
    assert not wandb_server.state.runs


def test_set_to_offline(wandb_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    with pytest.raises(BadCall, match="W&B is set to offline"):
        write_report(made_comparison(), "someone/mine")


def test_a_server_that_is_not_there_is_given_up(wandb_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("lifelong_kd.tracking.wandb.client.TIMEOUT", 1)
    began = time.monotonic()
    with pytest.raises(BadCall, match="cannot be saved to W&B project someone/mine"):
        write_report(made_comparison(), "someone/mine")
    assert time.monotonic() - began < 30


@pytest.fixture
def saved(wandb_server: Any, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the stand-in is sent to be kept: it has a project ``mine`` and takes reports."""
    kept: list[dict[str, Any]] = []

    def projects(state: Any, variables: dict[str, Any]) -> dict[str, Any]:
        node = {
            "__typename": "Project",
            "id": "1",
            "name": "mine",
            "entityName": "someone",
            "createdAt": "2026-01-01T00:00:00Z",
            "isBenchmark": False,
            "user": None,
        }
        page = {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}
        return {"models": {"pageInfo": page, "edges": [{"node": node}]}}

    def keep(state: Any, variables: dict[str, Any]) -> dict[str, Any]:
        kept.append(variables)
        view = {
            "id": "Vmlldzox",
            "type": "runs",
            "name": variables["name"],
            "displayName": variables["displayName"],
            "description": variables["description"],
            "project": {"id": "1", "name": "mine", "entityName": "someone"},
            "spec": variables["spec"],
            "updatedAt": "2026-01-01T00:00:00Z",
        }
        return {"upsertView": {"view": view, "inserted": True}}

    monkeypatch.setitem(OPERATIONS, "GetProjects", projects)
    monkeypatch.setitem(OPERATIONS, "upsertView", keep)
    return kept


def test_a_report_is_saved_in_its_project(saved: list[dict[str, Any]]) -> None:
    address = write_report(made_comparison(), "someone/mine")
    (kept,) = saved
    assert (kept["entityName"], kept["projectName"], kept["type"]) == ("someone", "mine", "runs")
    assert "91.23 ± 0.98" in kept["spec"]
    assert "/someone/mine/reports/" in address and "Vmlldzox" in address


def test_no_project_is_made_by_a_slip(saved: list[dict[str, Any]]) -> None:
    with pytest.raises(BadCall, match=r"someone has no project 'mien'\. Did you mean 'mine'\?"):
        write_report(made_comparison(), "someone/mien")
    assert saved == []


@pytest.mark.parametrize("fault", ["forbidden", "unauthorized"])
def test_a_server_that_refuses(wandb_server: Any, fault: Any) -> None:
    wandb_server.fault = fault
    with pytest.raises(BadCall, match="cannot be saved to W&B project someone/mine"):
        write_report(made_comparison(), "someone/mine")


def test_a_server_that_never_answers_is_given_up(wandb_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb_server.fault = "stall"
    monkeypatch.setattr("lifelong_kd.tracking.wandb.client.TIMEOUT", 1)
    began = time.monotonic()
    with pytest.raises(BadCall, match="cannot be saved to W&B project someone/mine"):
        write_report(made_comparison(), "someone/mine")
    assert time.monotonic() - began < 30
