"""A comparison as a W&B report: the same tables, and live panels of the runs they came from."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from typing import Any

from lifelong_kd.comparison.render.markdown import (
    difference_tables,
    footnotes,
    remark_lists,
    score_table,
    setting_table,
)
from lifelong_kd.comparison.render.numbers import columns_of
from lifelong_kd.comparison.render.words import rows_of
from lifelong_kd.comparison.types import Comparison, Row
from lifelong_kd.core.errors import BadCall, nearest
from lifelong_kd.tracking.wandb.identity import default_group

__all__ = ["build_report", "parse_target", "write_report"]

EXTRA = "a W&B report needs wandb-workspaces: pip install 'lifelong_kd[reports]'"
# Characters of a title that the server takes.
TITLE = 128


def write_report(comparison: Comparison, target: str) -> str:
    """Save the comparison as a new report of the project ``ENTITY/PROJECT`` and return its address.

    Nothing is asked of the user, and a server that does not answer is given up.

    Raises:
        BadCall: if ``target`` is no project, wandb-workspaces is missing, W&B is set to offline, there is no key, or
            the server cannot be reached or refuses.
    """
    entity, project = parse_target(target)
    report = build_report(comparison, entity, project)
    import wandb
    from wandb.sdk.lib.service.service_connection import WandbApiFailedError

    from lifelong_kd.tracking.wandb.client import client

    try:
        _refuse_offline()
        _need_project(client(), entity, project)
        report.save()
    except BadCall:
        raise
    except (wandb.errors.Error, WandbApiFailedError, ValueError, TypeError, KeyError, OSError) as error:
        why = " ".join(str(error).split())[:300] or type(error).__name__
        raise BadCall(f"the report cannot be saved to W&B project {target}: {why}") from error
    return str(report.url)


def parse_target(target: str) -> tuple[str, str]:
    """Entity and project of ``ENTITY/PROJECT``.

    Raises:
        BadCall: if ``target`` is not of this form.
    """
    match = re.fullmatch(r"([^/\s:]+)/([^/\s:]+)", target)
    if match is None:
        raise BadCall(f"--wandb-report {target!r} is not ENTITY/PROJECT, as in my-team/lifelong-kd")
    return match[1], match[2]


def build_report(comparison: Comparison, entity: str, project: str) -> Any:
    """The report, a ``wandb_workspaces.reports.v2.Report`` that is not saved yet; no server is asked.

    Raises:
        BadCall: if wandb-workspaces is missing.
    """
    reports = _library()
    blocks: list[Any] = []
    for place in comparison.places:
        rows = rows_of(comparison, place)
        blocks += [reports.H1(place), reports.MarkdownBlock(score_table(comparison, place))]
        for title, table in difference_tables(comparison, place):
            blocks += [reports.H2(title), reports.MarkdownBlock(table)]
        settings = setting_table(comparison, place)
        if settings:
            blocks += [
                reports.H2("What differs between the configurations"),
                reports.MarkdownBlock(settings),
            ]
        blocks += [reports.H2("Runs"), _panels(comparison, place, rows)]
    for title, lines in remark_lists(comparison):
        blocks += [reports.H1(title), reports.MarkdownBlock(lines)]
    notes = "\n\n".join(footnotes(comparison))
    blocks += [reports.H1("What the numbers are"), reports.MarkdownBlock(notes)]
    title = "Comparison: " + ", ".join(comparison.places)
    return reports.Report(
        entity=entity,
        project=project,
        title=title if len(title) <= TITLE else title[: TITLE - 1] + "…",
        description=f"{len(comparison.rows)} rows, {sum(len(row.runs) for row in comparison.rows)} runs",
        blocks=blocks,
        width="fluid",
    )


def _library() -> Any:
    try:
        return importlib.import_module("wandb_workspaces.reports.v2")
    except ImportError as error:
        raise BadCall(EXTRA) from error


def _panels(comparison: Comparison, place: str, rows: Sequence[Row]) -> Any:
    """A line for each strategy over the tasks, its seeds as a band; accuracy against time at the end.

    The run set belongs to the report's own project: with a project of its own, a server would have to be asked for it.
    """
    reports = _library()
    options = dict.fromkeys(key for row in rows for key in row.options)
    runs = reports.Runset(
        name=place,
        filters=f"Metric('Group') in {_groups(rows)!r} and Metric('State') == 'finished'",
        groupby=["Group", *(f"config.{key}" for key in options)],
    )
    shown = columns_of(rows, comparison.scores)
    scores = [column.score for column in shown if not column.cost]
    costs = [column.score for column in shown if column.cost]
    lines = [
        reports.LinePlot(
            title=f"{score.label} so far",
            x="task",
            y=[f"score/{score.name}"],
            title_x="task",
            groupby_aggfunc="mean",
            groupby_rangefunc="stddev",
        )
        for score in scores
    ]
    clouds = [
        reports.ScatterPlot(
            title=f"{score.label} and {cost.label}",
            x=reports.SummaryMetric(cost.name),
            y=reports.SummaryMetric(score.name),
        )
        for score in scores[:1]
        for cost in costs
    ]
    return reports.PanelGrid(runsets=[runs], panels=[*lines, *clouds])


def _groups(rows: Sequence[Row]) -> list[str]:
    """The groups that these runs have on W&B: the one in their settings, else the default one."""
    found = []
    for row in rows:
        for run in row.runs:
            tracking = run.settings.get("tracking") or {}
            wandb = (tracking.get("wandb") if isinstance(tracking, dict) else None) or {}
            own = wandb.get("group") if isinstance(wandb, dict) else None
            found.append(str(own or default_group(run.stream, run.scenario, run.strategy)))
    return list(dict.fromkeys(found))


def _refuse_offline() -> None:
    from lifelong_kd.tracking.wandb.mode import resolve_mode, settled_mode

    if resolve_mode("auto", lambda: True, settled=settled_mode).mode != "online":
        raise BadCall(
            "a report is kept by the W&B server, and W&B is set to offline (WANDB_MODE, or `wandb offline`): unset it"
        )


def _need_project(api: Any, entity: str, project: str) -> None:
    """Saving would make a project of a name that was mistyped, and the panels of the report would stay empty."""
    there = [found.name for found in api.projects(entity)]
    if project not in there:
        hint = nearest(project, there)
        raise BadCall(
            f"--wandb-report: {entity} has no project {project!r}.{f' Did you mean {hint!r}?' if hint else ''}"
        )
