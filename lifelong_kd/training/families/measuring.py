"""The families of a run: told what happens, and what they found kept in the run's record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from lifelong_kd.core.errors import BadCall, LifelongError, RunFailed
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.stream.stream import Stream
from lifelong_kd.training.ask import Answers, Asker
from lifelong_kd.training.families.base import Family, Found, Look, Split, Table
from lifelong_kd.training.families.plain import plain
from lifelong_kd.training.families.reserved import RESERVED
from lifelong_kd.training.plugin import DistillationPlugin
from lifelong_kd.training.results import Ledger

__all__ = ["Families"]


class Families:
    """Asks each family at its times.

    What a family raises becomes a :class:`RunFailed` that names it, and what it finds becomes plain data; one that
    finds what cannot be kept is told of before it is in any file.

    ``pending`` is what was found in the task that is going on, by family; it is part of a checkpoint.

    Args:
        families: by name.
        stream: the tasks.
        engine: the template.
        plugin: the strategy, ``None`` for Avalanche's own.
        asker: asks the student.
        seeds: the run's, of which only derived numbers are used.
        ledger: where it is kept.
    """

    def __init__(
        self,
        families: Mapping[str, Family],
        *,
        stream: Stream,
        engine: Any,
        plugin: DistillationPlugin | None,
        asker: Asker,
        seeds: Seeds,
        ledger: Ledger,
    ) -> None:
        self._families = dict(families)
        self._stream = stream
        self._engine = engine
        self._plugin = plugin
        self._asker = asker
        self._seeds = seeds
        self._ledger = ledger
        self._intervals: dict[str, int] = {}
        self.pending: dict[str, dict[str, Any]] = {}
        for name, family in self._families.items():
            if name in RESERVED:
                raise BadCall(
                    f"a family of scores cannot be called {name!r}, as the results have something else there"
                )
            family.check(stream)

    def _look(self, task: int, name: str, heard: Mapping[tuple[Split, int], Answers] | None = None) -> Look:
        seconds = {"training_seconds": self._ledger.seconds["training"]}
        return Look(
            task=task,
            stream=self._stream,
            engine=self._engine,
            plugin=self._plugin,
            asker=self._asker,
            seeds=self._seeds,
            heard=heard or {},
            pending={**seconds, **self.pending.get(name, {})},
        )

    def _asked(self, name: str, question: Callable[[], Any]) -> Any:
        return self._tried(name, lambda: plain(question()))

    def _tried(self, name: str, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except LifelongError:
            raise
        except Exception as error:
            raise RunFailed(
                f"the family of scores {name!r} failed: {type(error).__name__}: {error}. The folder can be resumed,"
                " once that is mended."
            ) from error

    def begin(self, task: int, steps: int, *, resumed: bool) -> None:
        """The training of a task, or of a round of it, is about to begin, or to go on."""
        intervals = {name: family.interval(steps) for name, family in self._families.items()}
        self._intervals = {name: max(int(every), 1) for name, every in intervals.items() if every is not None}
        if not resumed:
            self.pending = {}
            for name in self._intervals:
                self._trace(task, name, 0)

    def wanted(self, step: int) -> bool:
        """Whether any family is to be asked after ``step`` iterations of the task."""
        return any(step % every == 0 for every in self._intervals.values())

    def during(self, task: int, step: int) -> None:
        """``step`` iterations of the task are done."""
        for name, every in self._intervals.items():
            if step % every == 0:
                self._trace(task, name, step)

    def _trace(self, task: int, name: str, step: int) -> None:
        found = self._asked(name, partial(self._families[name].during, self._look(task, name), step))
        if found:
            self.pending.setdefault(name, {}).setdefault("trace", []).append(found)

    def before_end(self, task: int) -> None:
        """The training is over, before memory, corrections and teachers look at the student."""
        for name, family in self._families.items():
            found = self._asked(name, partial(family.before_end, self._look(task, name)))
            if found:
                self.pending.setdefault(name, {}).update(found)

    def after_task(self, task: int, heard: Mapping[tuple[Split, int], Answers]) -> dict[str, Found]:
        """What each family found in this task, also added to the ledger."""
        entry: dict[str, Found] = {}
        for name, family in self._families.items():
            earlier = self._ledger.found.setdefault(name, [])
            look = self._look(task, name, heard)
            found = self._asked(name, partial(family.after_task, look, list(earlier)))
            if not isinstance(found, Mapping):
                raise RunFailed(
                    f"the family of scores {name!r} failed: its after_task returned {type(found).__name__}, not a dict."
                    " The folder can be resumed, once that is mended."
                )
            kept = {key: value for key, value in self.pending.get(name, {}).items() if key != "trace"}
            earlier.append({**kept, **found})
            # What has nothing to say of this run, such as of a generator that it does not have, is not in the record.
            if earlier[-1]:
                entry[name] = earlier[-1]
        self.pending = {}
        return entry

    def show(
        self, task: int, heard: Mapping[tuple[Split, int], Answers], folder: Path
    ) -> list[tuple[str, Path]]:
        """What the families have to show of this task."""
        pictures: list[tuple[str, Path]] = []
        for name, family in self._families.items():
            if type(family).show is not Family.show:
                look = self._look(task, name, heard)
                pictures += self._tried(
                    name, partial(family.show, look, self._ledger.found[name][-1], folder)
                )
        return pictures

    def summaries(self) -> dict[str, dict[str, float | None]]:
        """Each family's scores so far."""
        found = self._ledger.found
        return {
            name: self._asked(name, partial(family.summary, found[name]))
            for name, family in self._families.items()
            if any(found.get(name, ()))
        }

    def tables(self) -> dict[str, Table]:
        """The tables that the run ends with, by family."""
        found = self._ledger.found
        tables = {
            name: self._tried(name, partial(family.table, found[name]))
            for name, family in self._families.items()
            if found.get(name)
        }
        return {name: table for name, table in tables.items() if table is not None}

    def draw(self, folder: Path) -> list[tuple[str, Path]]:
        """Every family's plots."""
        found = self._ledger.found
        return [
            plot
            for name, family in self._families.items()
            if found.get(name)
            for plot in family.draw(folder, found[name])
        ]
