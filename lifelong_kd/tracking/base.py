"""What a tracker is told during a run, and what it may do with it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

__all__ = ["Axis", "RunInfo", "Status", "Tracker", "Value", "number"]

Axis = Literal["task", "epoch", "iteration", "evaluation"]
Status = Literal["finished", "failed", "interrupted"]
Value = float | int | str | None


def number(value: object) -> object:
    """``value`` as a plain Python number where it is one of NumPy's or torch's, unchanged otherwise."""
    item = getattr(value, "item", None)
    return item() if callable(item) else value


@dataclass(frozen=True)
class RunInfo:
    """What a run is, as its trackers see it.

    ``folder`` is the run folder, ``config`` the resolved configuration as plain data, ``tasks`` how many
    tasks the stream has. ``run_id`` is the run's identity for life: a resumed run has the same one, and
    ``resumed`` is true, and ``logged`` says how many calls of ``log`` belong to what it goes on from. ``about`` is
    what it runs on: ``data`` (digest), ``class_order``, ``environment`` (versions, machine, code).
    """

    name: str
    folder: Path
    config: Mapping[str, Any]
    run_id: str
    stream: str
    strategy: str
    scenario: str
    seed: int
    tasks: int
    group: str | None = None
    job_type: str | None = "train"
    tags: Sequence[str] = ()
    notes: str | None = None
    resumed: bool = False
    logged: int = 0
    about: Mapping[str, Any] = field(default_factory=dict)


class Tracker(ABC):
    """Receives what a run measures; a subclass needs ``start``, ``log`` and ``finish``.

    A tracker may raise whatever it likes: ``Trackers`` reports it once and the run goes on. ``step`` holds
    the counters the values belong to: ``task`` (from 0), ``epoch`` and ``iteration`` (both counted over the
    whole run); a counter that means nothing for an axis is left out.

    >>> class Loudest(Tracker):
    ...     def start(self, run): self.loss = 0.0
    ...     def log(self, values, axis, step): self.loss = max(self.loss, values.get("train/loss", 0.0))
    ...     def finish(self, status): print(f"{status}, largest loss {self.loss}")
    >>> tracker = Loudest()
    >>> tracker.start(None)
    >>> tracker.log({"train/loss": 2.5}, "iteration", {"task": 0, "iteration": 10})
    >>> tracker.finish("finished")
    finished, largest loss 2.5
    """

    @abstractmethod
    def start(self, run: RunInfo) -> None:
        """The run begins, or goes on if ``run.resumed``."""

    @abstractmethod
    def log(self, values: Mapping[str, Value], axis: Axis, step: Mapping[str, int]) -> None:
        """Numbers measured at ``step``; ``axis`` says along which counter they are to be drawn.

        What is known of a task when it is done comes in one call with ``axis="task"``.
        """

    @abstractmethod
    def finish(self, status: Status) -> None:
        """The run is over: write and close all. Must be harmless before ``start`` and when repeated."""

    def progress(self, task: int, epoch: int, epochs: int, done: int, total: int) -> None:
        """``done`` of the ``total`` iterations of ``task`` are trained.

        ``epoch`` (from 0) of the task's ``epochs`` is going on. Called after every iteration, so it has to
        return at once most of the time.
        """

    @property
    def wants_figures(self) -> bool:
        """Whether pictures are worth drawing for this tracker; asked after ``start``."""
        return type(self).figure is not Tracker.figure

    def figure(self, key: str, path: Path, step: Mapping[str, int]) -> None:
        """A picture (PNG or JPEG) was written to ``path``, where it stays as it is."""

    def table(
        self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Value]], step: Mapping[str, int]
    ) -> None:
        """A table, one sequence of cells a row."""

    def artifact(
        self, path: Path | Sequence[Path], name: str, kind: str, metadata: Mapping[str, Any]
    ) -> None:
        """A file, a folder or several files to keep, such as the model after a task (``kind="model"``).

        A resumed run tells once more of every model so far: it is known by its name and ``metadata["digest"]``.
        ``metadata["parents"]``, where there are any, are the models it was made from: ``{"name", "digest", "role"}``.
        """

    def summary(self, values: Mapping[str, Value]) -> None:
        """The run's final scores under flat names, such as ``average_accuracy``."""

    def message(self, text: str) -> None:
        """A sentence for whoever watches the run."""

    def closing(self) -> Sequence[tuple[str, str]]:
        """What the user should know when all is over, as (label, text); asked after ``finish``."""
        return ()

    def farewell(self, lines: Sequence[tuple[str, str]]) -> None:
        """The closing lines of all trackers, to be shown; comes after every ``finish``."""
