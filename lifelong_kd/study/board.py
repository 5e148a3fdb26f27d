"""Where a study stands: what waits, runs, has ended and why."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from lifelong_kd.study.estimate import Groups, estimate
from lifelong_kd.study.going import Looker
from lifelong_kd.study.plan import Job

__all__ = ["Board", "Running"]


@dataclass(frozen=True)
class Running:
    """A job under way: what its engine knows it by, when it was started, and whether it was begun anew.

    ``before`` tasks were done when it was started.
    """

    job: Job
    handle: Any
    since: float
    fresh: bool
    before: int = 0


@dataclass
class Board:
    """The cells of a study by what has become of them.

    ``elsewhere`` are those that another process has: a second sweep of the same study, or a run resumed by hand.
    ``failed`` has the reason for each name. ``lasted`` has the seconds of each cell that was run from beginning to end.
    """

    waiting: deque[Job]
    finished: list[Job] = field(default_factory=list)
    running: dict[str, Running] = field(default_factory=dict)
    elsewhere: list[Job] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    lasted: list[tuple[Groups, float]] = field(default_factory=list)
    slots: int = 1
    looker: Looker = field(default_factory=Looker)

    @classmethod
    def of(cls, jobs: Iterable[Job], slots: int = 1) -> Board:
        """A board on which the jobs that have a command wait and the others are finished."""
        jobs = list(jobs)
        waiting = deque(job for job in jobs if job.command is not None)
        return cls(waiting, [job for job in jobs if job.command is None], slots=slots)

    @property
    def total(self) -> int:
        """How many cells there are."""
        return sum(map(len, (self.waiting, self.finished, self.running, self.elsewhere, self.failed)))

    def counts(self) -> str:
        """How many cells there are of each kind, in words."""
        kinds = {
            "finished": len(self.finished),
            "running": len(self.running),
            "running elsewhere": len(self.elsewhere),
            "failed": len(self.failed),
            "waiting": len(self.waiting),
        }
        shown = [f"{count} {kind}" for kind, count in kinds.items() if count or kind != "running elsewhere"]
        return f"{self.total} cells: {', '.join(shown)}"

    def seconds_left(self, now: float | None = None) -> float | None:
        """An estimate of the time until the last cell ends, ``None`` while there is nothing to judge by.

        Until a cell has been run from beginning to end it is judged by the tasks that the running ones have done.
        """
        now = time.monotonic() if now is None else now
        running = [(run.job.groups, now - run.since) for run in self.running.values()]
        known = self.lasted or self._projected(now)
        return estimate(known, running, [job.groups for job in self.waiting], self.slots)

    def _projected(self, now: float) -> list[tuple[Groups, float]]:
        """The seconds that running cells would take from beginning to end, for those that have done a task here."""
        found: list[tuple[Groups, float]] = []
        for run in self.running.values():
            going = self.looker.look(run.job.folder)
            if going.tasks and going.done > run.before:
                whole = going.tasks / (going.done - run.before)
                found.append((run.job.groups, whole * (now - run.since)))
        return found

    def put_back(self) -> None:
        """Have the running cells wait again, the first of all: they were stopped."""
        self.waiting.extendleft(run.job for run in reversed(self.running.values()))
        self.running.clear()
