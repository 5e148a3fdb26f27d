"""What a run found out, as it is written to ``results.json``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lifelong_kd.evaluation.matrix import AccuracyMatrix
from lifelong_kd.evaluation.names import SCORES
from lifelong_kd.evaluation.scores import summarise

__all__ = ["Ledger", "Results"]


class Results(Mapping[str, Any]):
    """The content of ``results.json``, and the folder it lies in.

    ``results["average_accuracy"]`` and so on; ``scores`` are the numbers that are compared between runs.
    """

    def __init__(self, folder: Path, data: Mapping[str, Any]) -> None:
        self.folder = folder
        self._data = dict(data)

    def __getitem__(self, key: str) -> Any:
        return self._data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    @property
    def scores(self) -> dict[str, float | None]:
        """Average accuracy, forgetting and the other scores of the stream's own scenario."""
        return {name: self._data[name] for name in SCORES}

    def __repr__(self) -> str:
        accuracy = self._data["average_accuracy"]
        return f"Results({str(self.folder)!r}, average_accuracy={accuracy})"


@dataclass
class Ledger:
    """What has been measured so far: everything in ``results.json`` that a resumed run has to know.

    ``readings`` are the accuracy matrices by how predictions are read: ``own`` as the stream's scenario says, ``class``
    with all classes competing, ``task`` with those of a sample's own task. ``seconds`` of ``training`` and ``samples``
    are those of the rounds that were kept; what was rolled back, and measuring it, is ``rounds``. ``found`` is what
    each family of scores found after each task.
    ``evaluations`` counts those within tasks: each round's, and each of ``evaluation.every``.
    """

    tasks: int
    readings: dict[str, AccuracyMatrix] = field(default_factory=dict)
    per_task: list[dict[str, Any]] = field(default_factory=list)
    confusion: list[list[int]] = field(default_factory=list)
    seconds: dict[str, float] = field(
        default_factory=lambda: {"training": 0.0, "teaching": 0.0, "evaluation": 0.0, "rounds": 0.0}
    )
    samples: int = 0
    epochs: int = 0
    rounds: int = 0
    evaluations: int = 0
    task_seconds: float = 0.0
    found: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("own", "class", "task"):
            self.readings.setdefault(name, AccuracyMatrix(self.tasks))

    def state_dict(self) -> dict[str, Any]:
        return {
            "readings": {name: [m.before, m.to_list()] for name, m in self.readings.items()},
            "per_task": self.per_task,
            "confusion": self.confusion,
            "seconds": dict(self.seconds),
            "samples": self.samples,
            "epochs": self.epochs,
            "rounds": self.rounds,
            "evaluations": self.evaluations,
            "found": self.found,
            "task_seconds": self.task_seconds,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.readings = {
            name: AccuracyMatrix.from_list(rows, before, tasks=self.tasks)
            for name, (before, rows) in state["readings"].items()
        }
        self.per_task = list(state["per_task"])
        self.confusion = list(state["confusion"])
        self.seconds = dict(state["seconds"])
        self.samples = int(state["samples"])
        self.epochs = int(state["epochs"])
        self.rounds = int(state["rounds"])
        self.evaluations = int(state["evaluations"])
        self.found = {name: list(found) for name, found in state["found"].items()}
        self.task_seconds = float(state["task_seconds"])

    def scores(self, reading: str = "own") -> dict[str, float | None]:
        """Every score of one reading."""
        return summarise(self.readings[reading])

    def as_results(
        self,
        about: Mapping[str, Any],
        cost: Mapping[str, Any],
        status: str,
        summaries: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The content of ``results.json``; ``summaries`` are the scores of each family."""
        own = self.readings["own"]
        return {
            **about,
            "status": status,
            **self.scores(),
            "accuracy_matrix": own.to_list(),
            "accuracy_before": own.before,
            "per_task": self.per_task,
            "readings": {
                name: {"accuracy_matrix": matrix.to_list(), **summarise(matrix)}
                for name, matrix in self.readings.items()
                if name != "own"
            },
            "confusion_matrix": self.confusion,
            **{name: dict(scores) for name, scores in (summaries or {}).items()},
            "cost": {**dict((summaries or {}).get("cost", {})), **cost},
        }
