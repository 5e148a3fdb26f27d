"""What the trackers are told when a round, a task or the run is over, beside its numbers: tables, pictures, models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lifelong_kd.evaluation.thumbnail import draw_matrix
from lifelong_kd.tracking.composite import Trackers
from lifelong_kd.training.families.base import Table
from lifelong_kd.training.folder import RunFolder
from lifelong_kd.training.lineage import artifact_name
from lifelong_kd.training.logged import logged
from lifelong_kd.training.results import Ledger
from lifelong_kd.training.rounds.record import reached

__all__ = ["Teller"]

Summaries = Mapping[str, Mapping[str, float | None]]
Pictures = list[tuple[str, Path]]

MATRIX_COLUMNS = ("after task", "test task", "accuracy")
ROUND_COLUMNS = (
    "task",
    "round",
    "decision",
    "reason",
    "tried",
    "new task",
    "old tasks",
    "generator",
    "verdict",
)


class Teller:
    """Tells the trackers.

    Args:
        trackers: who is told.
        folder: the run folder.
        ledger: what has been measured.
        run_id: the run's identity for life.
        plots: whether pictures are drawn.
    """

    def __init__(
        self, trackers: Trackers, folder: RunFolder, ledger: Ledger, run_id: str, plots: bool = True
    ) -> None:
        self._trackers = trackers
        self._folder = folder
        self._ledger = ledger
        self._run_id = run_id
        self._plots = plots

    def task(
        self,
        entry: Mapping[str, Any],
        found: Mapping[str, Any],
        summaries: Summaries,
        step: Mapping[str, int],
        pictures: Pictures,
    ) -> None:
        """A task is learned: its record, the accuracy matrix so far, its rounds.

        Args:
            entry: the record of the task.
            found: what each family found in it.
            summaries: the scores so far of each family.
            step: where the run is.
            pictures: what the families have to show of this task.
        """
        self._trackers.log(logged(entry, self._ledger, found, summaries), "task", step)
        if self._plots and self._trackers.wants_figures:
            name = f"task_{step['task']}.png"
            picture = draw_matrix(self._matrix(), self._folder.plots / "accuracy_matrix" / name)
            self._trackers.figure("task/accuracy_matrix", picture, step)
        for key, path in pictures:
            self._trackers.figure(key, path, step)
        self._trackers.table("accuracy_matrix", MATRIX_COLUMNS, self._matrix_rows(), step)
        rounds = self._round_rows()
        if len(rounds) > len(self._ledger.per_task):
            self._trackers.table("rounds", ROUND_COLUMNS, rounds, step)

    def model(self, path: Path, task: int, metadata: Mapping[str, Any]) -> None:
        """The student after ``task`` lies in ``path``."""
        self._trackers.artifact(path, artifact_name(self._run_id, task), "model", metadata)

    def end(
        self,
        results: Mapping[str, Any],
        summaries: Summaries,
        pictures: Pictures,
        step: Mapping[str, int],
        tables: Mapping[str, Table] | None = None,
    ) -> None:
        """Every task is learned: the last pictures and the scores.

        Args:
            results: what will stand in ``results.json``.
            summaries: the scores of each family.
            pictures: what was drawn of the whole run.
            step: where the run is.
            tables: what the families end with.
        """
        for key, path in pictures:
            self._trackers.figure(key, path, step)
        for name, table in (tables or {}).items():
            self._trackers.table(f"report/{name}", table.columns, table.rows, step)
        scores: dict[str, Any] = dict(self._ledger.scores())
        for name, family in {**summaries, "cost": results["cost"]}.items():
            scores |= {f"{name}/{key}": value for key, value in family.items()}
        self._trackers.summary({name: value for name, value in scores.items() if value is not None})

    def results(self) -> None:
        """``results.json`` is written and says that the run is over."""
        files = [self._folder.path / name for name in ("config.yaml", "results.json", "lineage.json")]
        there = [file for file in files if file.is_file()]
        self._trackers.artifact(there, f"{self._run_id}-results", "results", self._ledger.scores())

    def _matrix(self) -> list[list[float]]:
        return self._ledger.readings["own"].to_list()

    def _matrix_rows(self) -> Sequence[Sequence[Any]]:
        return [[i, j, value] for i, row in enumerate(self._matrix()) for j, value in enumerate(row)]

    def _round_rows(self) -> list[list[Any]]:
        rows = []
        for entry in self._ledger.per_task:
            for done in entry.get("rounds", []):
                rows.append(_round_row(entry, done))
        return rows


def _round_row(entry: Mapping[str, Any], done: Mapping[str, Any]) -> list[Any]:
    decision = "taken" if done["round"] == entry["kept_round"] else "kept" if done["kept"] else "rolled back"
    tried = ", ".join(f"{name}={value}" for name, value in done["tried"].items())
    new, old = reached(entry["task"], done)
    score = done.get("generator")
    return [entry["task"], done["round"], decision, done["reason"], tried, new, old, score, done["verdict"]]
