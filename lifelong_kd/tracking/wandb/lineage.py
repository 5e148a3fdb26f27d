"""Which models a run's models were made from, drawn in W&B while the run goes on."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lifelong_kd.tracking.composite import one_line
from lifelong_kd.tracking.wandb.media import artifact_name

if TYPE_CHECKING:
    import wandb

__all__ = ["Lineage"]

# Seconds: the parent was logged a task ago, and is there unless the server has trouble.
COMMITTED = 60


class Lineage:
    """Tells the server which artifacts an online run has used.

    That takes the server's answer, so that a thread does it: training never waits, and what fails is said once.
    Offline the SDK cannot do it, and ``parents`` in the metadata of a model are all there is.
    """

    def __init__(self, run: wandb.Run) -> None:
        self._run = run
        self._own: dict[str, wandb.Artifact] = {}
        self._seen: set[str] = set()
        self._waiting: queue.Queue[str | None] = queue.Queue()
        self._thread: threading.Thread | None = None

    def made(self, name: str, artifact: wandb.Artifact) -> None:
        """The run has logged ``artifact`` under ``name``."""
        self._own[name] = artifact

    def use(self, parents: Sequence[Mapping[str, Any]]) -> None:
        """``parents`` are ``{"name", ...}``: the run's own artifacts, or ``entity/project/name:alias``."""
        for parent in parents:
            name = str(parent["name"])
            if name in self._seen:
                continue
            self._seen.add(name)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="wandb-lineage", daemon=True)
                self._thread.start()
            self._waiting.put(name)

    def finish(self, seconds: float) -> None:
        """Wait for what is under way, ``seconds`` at the longest."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join(seconds)

    def _work(self) -> None:
        said = False
        while (name := self._waiting.get()) is not None:
            # Whatever the SDK raises here (a server's error, an artifact that is not there) costs an arrow in a graph.
            try:
                self._use(name)
            except Exception as error:
                if not said:
                    sys.stderr.write(
                        f"lifelong-kd: W&B does not show that {name} was used ({one_line(error)})\n"
                    )
                    sys.stderr.flush()
                said = True

    def _use(self, name: str) -> None:
        own = self._own.get(name)
        if own is not None:
            own.wait(timeout=COMMITTED)
            self._run.use_artifact(own)
            return
        path, _, alias = name.partition(":")
        if "/" not in path:
            path = f"{self._run.entity}/{self._run.project}/{artifact_name(path)}"
        self._run.use_artifact(f"{path}:{alias or 'latest'}")
