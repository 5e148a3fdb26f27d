"""Tracking with Weights & Biases, online or offline."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lifelong_kd.core.errors import BadCall
from lifelong_kd.tracking.base import Axis, RunInfo, Status, Tracker, Value, number
from lifelong_kd.tracking.composite import one_line
from lifelong_kd.tracking.jsonl import NAME as METRICS
from lifelong_kd.tracking.jsonl import read
from lifelong_kd.tracking.wandb.best import Best
from lifelong_kd.tracking.wandb.files import (
    complete_command,
    fragments,
    short,
    staged_in,
    sync_command,
)
from lifelong_kd.tracking.wandb.flat import config_of
from lifelong_kd.tracking.wandb.held import Held
from lifelong_kd.tracking.wandb.history import Part, read_part
from lifelong_kd.tracking.wandb.identity import DEFAULT_PROJECT, PLACE, arguments, id_of, keep_id
from lifelong_kd.tracking.wandb.keys import COUNTERS, LINE, definition, is_detail
from lifelong_kd.tracking.wandb.lineage import Lineage
from lifelong_kd.tracking.wandb.media import artifact_name, make_artifact, make_picture, make_table
from lifelong_kd.tracking.wandb.mode import Asked, Mode, decide
from lifelong_kd.tracking.wandb.open import open_run
from lifelong_kd.tracking.wandb.sender import Sender

if TYPE_CHECKING:
    import wandb

__all__ = ["WandbTracker"]

# 255 is what W&B records for a run that was stopped from outside.
EXIT_CODES: dict[Status, int] = {"finished": 0, "failed": 1, "interrupted": 255}
# Seconds that the end of a run waits for the last arrows of the lineage.
LINEAGE_TIMEOUT = 10.0


class WandbTracker(Tracker):
    """Logs to Weights & Biases, offline where there is no key; never asks, never hangs.

    The run lies in ``wandb/`` in the run folder and is written to disk every second. It is one W&B run for life: a
    resumed run goes on in the same one, logs what a kill lost of it, and does not log again what W&B has, also if its
    parts were made offline and are uploaded later. Every value has its own axis (``task``, ``epoch``, ``iteration`` or
    ``evaluation``), fixed when its key is first logged. If the server cannot be reached within ``init_timeout``, the
    run is logged offline.

    The environment variables of the SDK (``WANDB_ENTITY``, ``WANDB_RUN_GROUP``, ``WANDB_TAGS``, ...) hold where the
    configuration does not say otherwise.

    Args:
        mode: ``auto`` is what ``WANDB_MODE`` says, else online if there is an API key, else offline.
        project: W&B project; ``WANDB_PROJECT`` takes the place of the default name.
        entity: W&B user or team; null leaves it to ``WANDB_ENTITY`` and the account's default.
        group: Group of the run; null takes ``WANDB_RUN_GROUP`` or stream, scenario and strategy.
        job_type: Kind of run; ``WANDB_JOB_TYPE`` takes the place of the default.
        tags: Tags, added to the run's own; ``WANDB_TAGS`` if there are none.
        notes: Notes; null takes the run's own or ``WANDB_NOTES``.
        details: Whether W&B also gets the details of every family, ``task/<family>/...``: metrics.jsonl has them.
        init_timeout: Seconds to wait for the server at the start.
        finish_timeout: Seconds to wait for the upload at the end; what is not uploaded stays on disk.

    Example:
        >>> tracker = WandbTracker(mode="offline", tags=["first try"])
    """

    def __init__(
        self,
        *,
        mode: Asked = "auto",
        project: str = DEFAULT_PROJECT,
        entity: str | None = None,
        group: str | None = None,
        job_type: str | None = None,
        tags: list[str] | None = None,
        notes: str | None = None,
        details: bool = False,
        init_timeout: float = 20.0,
        finish_timeout: float = 300.0,
    ) -> None:
        self._asked: Asked = mode
        self._named: dict[str, Any] = {
            "project": project,
            "entity": entity,
            "group": group,
            "job_type": job_type,
            "tags": tags or [],
            "notes": notes,
        }
        self._details = details
        self._timeouts = {"init_timeout": init_timeout, "finish_timeout": finish_timeout}
        self._run: wandb.Run | None = None
        self._defined: set[str] = set()
        self._calls = 0
        self._resumed = False
        self._held, self._best = Held(), Best()
        self._lineage: Lineage | None = None
        self._sender = Sender()
        self._parts: list[Part] = []
        self.mode: Mode | None = None
        self.url: str | None = None
        self.path: Path | None = None

    def start(self, run: RunInfo) -> None:
        resolved = decide(self._asked)
        self.mode = resolved.mode
        if resolved.mode == "disabled":
            return
        if resolved.warning:
            _warn(resolved.warning)
        identity = id_of(run)
        self._parts = [read_part(folder) for folder in fragments(run.folder, identity)]
        told = {**arguments(run, **self._named), "config": config_of(run)}
        self._run, self.mode, failure = open_run(run.folder, identity, resolved.mode, told, **self._timeouts)
        if failure is not None:
            _warn(f"W&B cannot be reached, so the run is logged offline ({one_line(failure)})")
        keep_id(run.folder, self._run.id, **{key: getattr(self._run, key) for key in PLACE})
        self.path = Path(self._run.settings.sync_dir)
        if self.mode == "online":
            self.url = self._run.url
            self._lineage = Lineage(self._run)
        for counter in COUNTERS:
            self._run.define_metric(counter, hidden=True)
        self._catch_up(self._run, run)

    def _catch_up(self, wandb_run: wandb.Run, run: RunInfo) -> None:
        """Find out what W&B has of the run, and log what it lacks of what the run goes on from."""
        # What the server had before is in the summary of a run that goes on.
        summary: Any = wandb_run.summary
        server = int(summary.get(LINE) or 0) if wandb_run.resumed else 0
        self._resumed = wandb_run.resumed or bool(self._parts)
        if self.mode == "online":
            held = Held.online(self._parts, server, wandb_run.starting_step)
        else:
            held = Held.offline(self._parts)
        self._calls = run.logged
        if not (run.folder / METRICS).is_file():
            # Without it nobody has counted the calls of earlier starts: go on behind them.
            self._calls = max(held.lines, default=0)
        self._held = held
        try:
            lines = read(run.folder)[: run.logged]
        except BadCall as error:
            _warn(f"what W&B lacks of the run so far cannot be logged ({error})")
            return
        for index, line in enumerate(lines, start=1):
            step = {name: line.get(name) for name in COUNTERS}
            self._sender.drain(partial(self._send, line["values"], line["axis"], step, index))

    def log(self, values: Mapping[str, Value], axis: Axis, step: Mapping[str, int]) -> None:
        if self._run is not None:
            self._calls += 1
            # As they are now: a tensor may be another number by the time that the row is sent.
            now = {key: number(value) for key, value in values.items()}
            self._sender.put(partial(self._send, now, axis, dict(step), self._calls))

    def _send(self, values: Mapping[str, Any], axis: Axis, step: Mapping[str, int | None], line: int) -> None:
        assert self._run is not None
        self._best.see(values)
        if line in self._held.lines:
            return
        kept = {k: v for k, v in values.items() if v is not None and (self._details or not is_detail(k))}
        # An evaluation that is not counted is drawn where in the training it took place.
        uncounted = axis == "evaluation" and step.get("evaluation") is None
        self._define(kept, "iteration" if uncounted else axis)
        # Never wandb's own step: it only goes up, and drops what a resumed run logs below it.
        self._run.log({**kept, **_counters(step), LINE: line})

    def _define(self, keys: Iterable[str], axis: str) -> None:
        assert self._run is not None
        for key in keys:
            if key not in self._defined:
                self._defined.add(key)
                self._run.define_metric(key, **definition(key, axis))

    def _is_held(self, key: str, step: Mapping[str, int]) -> bool:
        return (key, step.get("task", -1)) in self._held.media

    @property
    def wants_figures(self) -> bool:
        return self._run is not None

    def figure(self, key: str, path: Path, step: Mapping[str, int]) -> None:
        if self._run is not None and not self._is_held(key, step):
            self._sender.put(partial(self._send_figure, key, path, dict(step)))

    def _send_figure(self, key: str, path: Path, step: Mapping[str, int]) -> None:
        assert self._run is not None
        self._define([key], "task")
        self._run.log({key: make_picture(path), **_counters(step)})

    def table(
        self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Value]], step: Mapping[str, int]
    ) -> None:
        if self._run is not None and not self._is_held(key, step):
            # In this thread: where the SDK keeps its files is said in the environment of the process.
            self._sender.drain(partial(self._send_table, key, columns, rows, step))

    def _send_table(
        self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Value]], step: Mapping[str, int]
    ) -> None:
        assert self._run is not None
        self._define([key], "task")
        with staged_in(self._run.settings.wandb_dir):
            self._run.log({key: make_table(columns, rows), **_counters(step)})

    def artifact(
        self, path: Path | Sequence[Path], name: str, kind: str, metadata: Mapping[str, Any]
    ) -> None:
        if self._run is None or (artifact_name(name), str(metadata.get("digest"))) in self._held.artifacts:
            return
        self._sender.drain(partial(self._send_artifact, path, name, kind, metadata))

    def _send_artifact(
        self, path: Path | Sequence[Path], name: str, kind: str, metadata: Mapping[str, Any]
    ) -> None:
        assert self._run is not None
        task = [f"task-{metadata['task']}"] if "task" in metadata else []
        with staged_in(self._run.settings.wandb_dir):
            made = make_artifact(path, name, kind, metadata)
        logged = self._run.log_artifact(made, aliases=["latest", *task])
        if self._lineage is not None:
            self._lineage.use(metadata.get("parents", ()))
            self._lineage.made(name, logged)

    def summary(self, values: Mapping[str, Value]) -> None:
        run = self._run
        if run is not None:
            scores = {key: number(value) for key, value in values.items()}
            self._sender.drain(lambda: run.summary.update(scores))

    def finish(self, status: Status) -> None:
        run = self._run
        if run is None:
            return
        try:
            self._sender.close()
        finally:
            self._run = None
            self._end(run, status)

    def _end(self, run: wandb.Run, status: Status) -> None:
        if self._lineage is not None:
            self._lineage.finish(min(LINEAGE_TIMEOUT, self._timeouts["finish_timeout"]))
        if self._resumed:
            run.summary.update(self._best.summary())
        try:
            run.finish(exit_code=EXIT_CODES[status])
            # A row that was lost is in metrics.jsonl, and `lifelong-kd wandb sync` is to look for it.
            if self.mode == "online" and not self._sender.failed:
                # What earlier online parts did not get through, this one has logged.
                for part in self._all_parts():
                    if not part.offline:
                        part.mark_uploaded()
        except TimeoutError:
            seconds = f"{self._timeouts['finish_timeout']:g} s"
            _warn(f"W&B did not take the whole run within {seconds}; what is missing is on disk")

    @property
    def sync_command(self) -> str | None:
        """The command that uploads what is only on disk, every part of a resumed run, or ``None``."""
        return sync_command(self._all_parts())

    def _all_parts(self) -> list[Part]:
        return self._parts if self.path is None else [*self._parts, Part(self.path)]

    def closing(self) -> Sequence[tuple[str, str]]:
        if self.path is None:
            return ()
        lines = [("W&B", self.url) if self.url else ("W&B offline", short(self.path))]
        if self.sync_command:
            lines.append(("to upload", self.sync_command))
        further = complete_command(self.path.parent.parent, self._all_parts())
        if further:
            lines.append(("to complete", further))
        return lines


def _counters(step: Mapping[str, int | None]) -> dict[str, Any]:
    return {key: number(value) for key, value in step.items() if value is not None}


def _warn(text: str) -> None:
    sys.stderr.write(f"lifelong-kd: {text}\n")
    sys.stderr.flush()
