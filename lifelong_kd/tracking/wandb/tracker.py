"""Weights & Biases through its own SDK: online where there is a key, offline where there is none."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lifelong_kd.tracking.base import Axis, RunInfo, Status, Tracker, Value, number
from lifelong_kd.tracking.composite import one_line
from lifelong_kd.tracking.wandb.files import plain, short, staged_in, sync_command
from lifelong_kd.tracking.wandb.mode import Asked, Mode, Resolved, has_key, resolve_mode, settled_mode
from lifelong_kd.tracking.wandb.open import open_run

if TYPE_CHECKING:
    import wandb

__all__ = ["WandbTracker"]

DEFAULT_PROJECT = "lifelong-kd"
AXES = ("task", "epoch", "iteration")
# An evaluation within a task has no counter of its own: it is drawn where in the training it took place.
STEP_METRIC: dict[Axis, str] = {
    "task": "task",
    "epoch": "epoch",
    "iteration": "iteration",
    "evaluation": "iteration",
}
# 255 is what W&B records for a run that was stopped from outside.
EXIT_CODES: dict[Status, int] = {"finished": 0, "failed": 1, "interrupted": 255}


class WandbTracker(Tracker):
    """Logs to Weights & Biases, offline where there is no key; never asks, never hangs.

    The run lies in ``wandb/`` in the run folder and is written to disk every second. ``run.run_id`` is its id
    for life: a resumed run goes on in the same W&B run, also if both parts were made offline and are uploaded
    later. Every value has its own axis (``task``, ``epoch`` or ``iteration``), fixed when its key is first
    logged. If the server cannot be reached within ``init_timeout``, the run is logged offline.

    Args:
        mode: ``auto`` is what ``WANDB_MODE`` says, else online if there is an API key, else offline.
        project: W&B project; ``WANDB_PROJECT`` takes the place of the default name.
        entity: W&B user or team; null leaves it to ``WANDB_ENTITY`` and the account's default.
        group: Group of the run; null takes the run's own, stream and strategy, so that a group holds the
            seeds.
        job_type: Job type; null takes the run's own.
        tags: Tags, added to the run's own.
        notes: Notes; null takes the run's own.
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
        init_timeout: float = 20.0,
        finish_timeout: float = 300.0,
    ) -> None:
        self._asked: Asked = mode
        self._project, self._entity = project, entity
        self._group, self._job_type, self._tags, self._notes = group, job_type, tags or [], notes
        self._init_timeout, self._finish_timeout = init_timeout, finish_timeout
        self._run: wandb.Run | None = None
        self._info: RunInfo | None = None
        self._defined: set[str] = set()
        self.mode: Mode | None = None
        self.url: str | None = None
        self.path: Path | None = None
        self._uploaded = False

    def start(self, run: RunInfo) -> None:
        self._info = run
        resolved = self._resolve()
        self.mode = resolved.mode
        if resolved.mode == "disabled":
            return
        if resolved.warning:
            _warn(resolved.warning)
        self._run, self.mode, failure = open_run(
            run, resolved.mode, self._arguments(run), self._init_timeout, self._finish_timeout
        )
        if failure is not None:
            _warn(f"W&B cannot be reached, so the run is logged offline ({one_line(failure)})")
        self.path = Path(self._run.settings.sync_dir)
        self.url = self._run.url if self.mode == "online" else None
        for axis in AXES:
            self._run.define_metric(axis)

    def _resolve(self) -> Resolved:
        if self._asked == "disabled" or (
            self._asked == "auto" and os.environ.get("WANDB_MODE") == "disabled"
        ):
            # The SDK is not even imported.
            return Resolved("disabled")
        import wandb

        try:
            return resolve_mode(self._asked, has_key, settled=settled_mode)
        except wandb.errors.AuthenticationError as error:
            return Resolved("offline", f"the W&B key cannot be used, so the run is logged offline ({error})")

    def _arguments(self, run: RunInfo) -> dict[str, Any]:
        project = self._project
        if project == DEFAULT_PROJECT:
            project = os.environ.get("WANDB_PROJECT") or DEFAULT_PROJECT
        return {
            "name": run.name,
            "project": project,
            "entity": self._entity,
            "group": self._group or run.group,
            "job_type": self._job_type or run.job_type,
            "tags": list(dict.fromkeys([*run.tags, *self._tags])),
            "notes": self._notes or run.notes,
            "config": plain(run.config),
        }

    def log(self, values: Mapping[str, Value], axis: Axis, step: Mapping[str, int]) -> None:
        if self._run is None:
            return
        self._define(values, axis)
        payload = {key: value for key, value in values.items() if value is not None}
        if not payload:
            return
        # Never wandb's own step: it only goes up, and drops what a resumed run logs below it.
        self._run.log({**payload, **_counters(step)})

    def _define(self, keys: Mapping[str, object] | Sequence[str], axis: Axis) -> None:
        assert self._run is not None
        for key in keys:
            if key not in self._defined:
                self._defined.add(key)
                self._run.define_metric(key, step_metric=STEP_METRIC[axis])

    def figure(self, key: str, path: Path, step: Mapping[str, int]) -> None:
        if self._run is not None:
            import wandb

            self._run.log({key: wandb.Image(str(path)), **_counters(step)})

    def table(
        self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Value]], step: Mapping[str, int]
    ) -> None:
        if self._run is not None:
            import wandb

            data: list[Any] = [[number(cell) for cell in row] for row in rows]
            with staged_in(self._run.settings.wandb_dir):
                self._run.log({key: wandb.Table(columns=list(columns), data=data), **_counters(step)})

    def artifact(self, path: Path, name: str, kind: str, metadata: Mapping[str, Any]) -> None:
        if self._run is None:
            return
        import wandb

        # W&B allows letters, digits, dash, underscore and dot in the name of an artifact.
        artifact = wandb.Artifact(re.sub(r"[^\w.-]", "-", name), type=kind, metadata=plain(metadata))
        # No copy to a staging folder outside the run folder: the file stays where it is until it is uploaded.
        if path.is_dir():
            artifact.add_dir(str(path.resolve()), policy="immutable", skip_cache=True)
        else:
            artifact.add_file(str(path.resolve()), policy="immutable", skip_cache=True)
        self._run.log_artifact(artifact)

    def summary(self, values: Mapping[str, Value]) -> None:
        if self._run is not None:
            self._run.summary.update({key: number(value) for key, value in values.items()})

    def finish(self, status: Status) -> None:
        run, self._run = self._run, None
        if run is None:
            return
        try:
            run.finish(exit_code=EXIT_CODES[status])
            self._uploaded = self.mode == "online"
        except TimeoutError:
            seconds = f"{self._finish_timeout:g} s"
            _warn(f"W&B did not take the whole run within {seconds}; what is missing is on disk")

    @property
    def sync_command(self) -> str | None:
        """The command that uploads what is only on disk, every part of a resumed run, or ``None``."""
        if self._info is None or self.path is None:
            return None
        left = None if self._uploaded else self.path
        return sync_command(self._info, left)

    def closing(self) -> Sequence[tuple[str, str]]:
        if self.path is None:
            return ()
        lines = [("W&B", self.url) if self.url else ("W&B offline", short(self.path))]
        if self.sync_command:
            lines.append(("to upload", self.sync_command))
        return lines


def _counters(step: Mapping[str, int]) -> dict[str, Any]:
    return {key: number(value) for key, value in step.items()}


def _warn(text: str) -> None:
    sys.stderr.write(f"lifelong-kd: {text}\n")
    sys.stderr.flush()
