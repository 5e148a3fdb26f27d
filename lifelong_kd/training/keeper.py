"""What is kept of a run in its folder: checkpoints, the model after each task, results and plots."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lifelong_kd.core.errors import RunFailed
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.model.freeze import digest
from lifelong_kd.model.network import Network
from lifelong_kd.model.saved import read_metadata
from lifelong_kd.stream.stream import Stream
from lifelong_kd.tracking.composite import Trackers
from lifelong_kd.tracking.jsonl import NAME as METRICS
from lifelong_kd.tracking.jsonl import JsonlTracker
from lifelong_kd.training import checkpoint
from lifelong_kd.training.cost import cost_of
from lifelong_kd.training.folder import RunFolder
from lifelong_kd.training.lineage import Lineage
from lifelong_kd.training.outside import corrected_by, view_of
from lifelong_kd.training.plots import draw
from lifelong_kd.training.plugin import DistillationPlugin
from lifelong_kd.training.results import Ledger, Results

__all__ = ["Keeper", "write_status"]

Summaries = Mapping[str, Mapping[str, float | None]]


class Keeper:
    """Writes the run folder.

    Args:
        folder: where.
        about: the run's name and id.
        settings: the resolved configuration.
        engine: the template.
        plugin: the strategy; ``None`` for Avalanche's own.
        stream: the tasks.
        seeds: named generators.
        ledger: what has been measured.
        trackers: asked how many lines of metrics there are.
        origin: name and digest of the model that the student began with, if that was read from elsewhere.
        controller: the name of what decided on the rounds.
        plots: whether the accuracy matrix and its like are drawn at the end.
    """

    def __init__(
        self,
        folder: RunFolder,
        about: Mapping[str, Any],
        *,
        settings: Mapping[str, Any],
        engine: Any,
        plugin: DistillationPlugin | None,
        stream: Stream,
        seeds: Seeds,
        ledger: Ledger,
        trackers: Trackers,
        controller: str,
        plots: bool = True,
        origin: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.about = dict(about)
        self.settings = settings
        self.engine = engine
        self.plugin = plugin
        self.stream = stream
        self.seeds = seeds
        self.ledger = ledger
        self.trackers = trackers
        self.controller = controller
        self.plots = plots
        self.origin = origin
        self.lineage = Lineage(folder, str(self.about["run_id"]))
        self._has_metrics = any(isinstance(tracker, JsonlTracker) for tracker in trackers)

    def check_log(self) -> int:
        """How many lines the metrics have; without them the folder would not be whole, so that it must not go on.

        Raises:
            RunFailed: if they cannot be written any more.
        """
        lines = [tracker.position() for tracker in self.trackers if isinstance(tracker, JsonlTracker)]
        if self._has_metrics and not lines:
            raise RunFailed(f"{self.folder.path / METRICS} can no longer be written: is the disk full?")
        return int(lines[0]) if lines else 0

    def save(self, state: Mapping[str, Any]) -> None:
        """Write a checkpoint: ``state`` with ``task`` and ``epoch``, where the metrics stand, and the ``origin``."""
        # A model that was there when the run began may be another by the time that it goes on.
        position = {"lines": self.check_log(), "origin": dict(self.origin) if self.origin else None}
        task, epoch = int(state["task"]), int(state["epoch"])
        number = len(state["rounds"]["rounds"]) if state["inside"] else 0
        checkpoint.save(self.folder, {**state, **position}, task=task, epoch=epoch, number=number)

    def keep_model(self, task: int) -> tuple[Path, dict[str, Any]]:
        """Write the model after ``task`` and who taught it; its file, and what is known of it."""
        model = self.engine.model
        about: dict[str, Any] = {
            "task": task,
            "classes": [str(name) for name in self.ledger.per_task[-1]["classes"]],
            "digest": digest(model),
            "config": self._config(task),
            "scores": self.ledger.scores(),
        }
        if self.plugin is not None and isinstance(model, Network):
            about["network"] = {
                "input_shape": list(self.stream.input_shape),
                "classes": self.stream.classes,
                "columns": [str(name) for name in self.stream.class_names],
                "tasks": [[list(done.new), done.label] for done in self.plugin.tasks],
                "view": view_of(self.stream),
                "corrected_by": corrected_by(self.plugin.strategy),
            }
        path = checkpoint.save_model(self.folder, model, task=task, about=about)
        teachers = self.plugin.strategy.teachers if self.plugin is not None else {}
        phases = self.plugin.strategy.phases if self.plugin is not None else ()
        succession = self.plugin.succession if self.plugin is not None else None
        anew = any(phase.begins_anew(task) for phase in phases)
        anew = anew or (succession is not None and succession.begins_anew(task))
        parents = self.lineage.parents(task, teachers, self.origin, anew=anew)
        file = str(path.relative_to(self.folder.path))
        self.lineage.add(task, file, about["digest"], about["classes"], parents)
        return path, self._known(about, parents)

    def _config(self, task: int) -> Mapping[str, Any]:
        """The configuration with the model that the student of ``task`` is."""
        succession = self.plugin.succession if self.plugin is not None else None
        model = succession.settings(task) if succession is not None else None
        return self.settings if model is None else {**self.settings, "model": dict(model)}

    def kept_models(self, tasks: int) -> Iterator[tuple[Path, int, dict[str, Any]]]:
        """The models after the first ``tasks`` tasks as :meth:`keep_model` told of them: file, task, what is known."""
        for entry in self.lineage.read()[:tasks]:
            path = self.folder.path / entry["file"]
            if path.is_file():
                yield path, entry["task"], self._known(read_metadata(path), entry["parents"])

    def _known(self, about: Mapping[str, Any], parents: list[dict[str, str]]) -> dict[str, Any]:
        short = {key: value for key, value in about.items() if key not in ("config", "network")}
        return {**short, "strategy": self._name("strategy"), "parents": parents}

    def _name(self, key: str) -> str | None:
        component = self.settings.get(key)
        return str(component["name"]) if isinstance(component, Mapping) else None

    def results(self, status: str, summaries: Summaries) -> dict[str, Any]:
        """The content of ``results.json``."""
        about = {
            "name": self.about["name"],
            "run_id": self.about["run_id"],
            "seed": self.seeds.root,
            "strategy": self.settings.get("strategy"),
            "stream": self.settings.get("stream"),
            "rounds": self.settings.get("rounds", {"name": "single"}),
            "chosen_by": self._chosen_by(),
            "scenario": self.stream.scenario,
            "class_order": list(self.stream.class_order),
            "data": self.stream.digest,
        }
        cost = cost_of(self.engine, self.stream, self.ledger, self._memory_bytes())
        return self.ledger.as_results(about, cost, status, summaries)

    def _memory_bytes(self) -> int | None:
        """Bytes of the memory and of the generator; ``None`` for Avalanche's own strategies, which do not tell."""
        if self.plugin is None:
            return None
        return self.plugin.strategy.nbytes

    def _chosen_by(self) -> str:
        """How the hyper-parameters were chosen, in words."""
        if self.controller == "single":
            return "the configuration, before the run"
        return (
            f"the configuration, and in each task by the rounds of {self.controller!r}, which see training, validation"
            " and memory data only: per_task[i].rounds says what was tried and kept"
        )

    def write_results(self, status: str, summaries: Summaries) -> None:
        """Write ``results.json`` as far as the run has come."""
        self.folder.write_json("results.json", self.results(status, summaries))

    def draw(
        self, summaries: Summaries, further: Callable[[Path], list[tuple[str, Path]]]
    ) -> list[tuple[str, Path]]:
        """Draw every plot; ``further`` draws those of the families."""
        names = [str(name) for name in self.stream.class_names]
        ours = draw(self.folder.plots, self.results("finished", summaries), names) if self.plots else []
        return [*ours, *further(self.folder.plots)]

    def finish(self, summaries: Summaries) -> Results:
        """Write that the run is over, and its results.

        Last of all: a run that is killed before is not finished, and resuming it draws the plots again.
        """
        data = self.results("finished", summaries)
        write_status(self.folder, "finished")
        self.folder.write_json("results.json", data)
        return Results(self.folder.path, data)


def write_status(folder: RunFolder, status: str, why: str | None = None) -> None:
    """Write how a run ended, and of one that failed why, or that it goes on."""
    about = folder.read_json("run.json")
    if about is not None:
        reason = {} if why is None else {"error": why}
        folder.write_json("run.json", {**about, "status": status, **reason})
