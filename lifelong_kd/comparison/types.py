"""What a comparison is made of: runs, scores, rows, differences, remarks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Comparison", "Difference", "LeftOut", "Remark", "Row", "RunRecord", "Score", "Summary"]


@dataclass(frozen=True)
class RunRecord:
    """One finished run, wherever it was read.

    ``source`` is where: a folder as it was typed, or ``entity/project/id`` on W&B. ``scores`` are flat (``forgetting``,
    ``calibration/nll``; None where undefined), shares and not percent; ``cost`` likewise (``training_seconds``, ...).
    ``matrix`` is R[i][j], the accuracy on task j after task i; empty where it is not known. ``settings`` is the
    resolved configuration, ``data`` the digest of the stream's data, ``versions`` what the run was made with.
    """

    name: str
    source: str
    strategy: str
    stream: str
    scenario: str
    seed: int
    scores: Mapping[str, float | None]
    settings: Mapping[str, Any] = field(default_factory=dict)
    cost: Mapping[str, float | None] = field(default_factory=dict)
    matrix: tuple[tuple[float | None, ...], ...] = ()
    class_order: tuple[int, ...] | None = None
    data: str | None = None
    versions: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Every score and, as ``cost/...``, every cost that `value` knows."""
        return (*self.scores, *(f"cost/{name}" for name in self.cost))

    def value(self, score: str) -> float | None:
        """A score or, as ``cost/training_seconds``, a cost; ``None`` where the run has none that is finite."""
        cost = score.startswith("cost/") and score not in self.scores
        value = self.cost.get(score.removeprefix("cost/")) if cost else self.scores.get(score)
        return None if value is None or not math.isfinite(value) else float(value)


@dataclass(frozen=True)
class LeftOut:
    """A run that cannot be compared, and why."""

    source: str
    reason: str


@dataclass(frozen=True)
class Score:
    """How a score is called, shown and ranked: ``better`` is None for one of which neither more nor less is better.

    A share is shown in percent: ``scale`` is 100 and ``unit`` ``"%"``.
    """

    name: str
    label: str
    better: Literal["more", "less"] | None
    scale: float = 1.0
    unit: str = ""
    digits: int = 2


@dataclass(frozen=True)
class Summary:
    """A score over the seeds of a row: each value in the order of the row's runs, mean, half of the interval's width.

    ``half_width`` is None for less than two values, ``mean`` for none. ``best`` is true for the best mean of its place.
    """

    values: tuple[float | None, ...]
    mean: float | None
    half_width: float | None
    best: bool = False

    @property
    def count(self) -> int:
        """How many values there are."""
        return sum(value is not None for value in self.values)


@dataclass(frozen=True)
class Row:
    """One strategy on one stream: ``runs`` differ in nothing but their seed and are sorted by it.

    ``options`` are the settings that tell it from rows of the same strategy and place; ``label`` names it in its place.
    """

    label: str
    stream: str
    scenario: str
    strategy: str
    options: Mapping[str, Any]
    runs: tuple[RunRecord, ...]
    scores: Mapping[str, Summary] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """The stream and its scenario: rows of one place can be compared."""
        return f"{self.stream} {self.scenario}".strip()

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each run."""
        return tuple(run.seed for run in self.runs)


@dataclass(frozen=True)
class Difference:
    """A row minus the baseline of its place in one score, over the runs of the same seed, class order and data.

    ``low`` and ``high`` are the ends of the interval: the bootstrap's, Student's where there are too few pairs for one,
    None below two. ``p`` is the paired test's, ``adjusted`` the same after Holm's correction; None below three pairs.
    ``note`` says what is odd, such as no spread.
    """

    score: str
    row: Row
    baseline: Row
    pairs: int
    mean: float | None
    low: float | None
    high: float | None
    p: float | None
    adjusted: float | None
    claimed: bool
    note: str = ""


@dataclass(frozen=True)
class Remark:
    """A warning about what is compared: few seeds, one name for several configurations, other data."""

    kind: Literal["seeds", "configuration", "data", "pairs", "versions", "repeated"]
    text: str


@dataclass(frozen=True)
class Comparison:
    """Everything that is shown of a set of runs.

    ``scores`` in the order of their columns, ``rows`` sorted by place; ``varying`` has, for each setting that is not
    the same in all rows, its value in each row (None where the row has no such setting), in the order of ``rows``.
    ``confidence`` is the level of every interval, ``test`` the paired test, ``level`` the rate of false claims.
    """

    scores: tuple[Score, ...]
    rows: tuple[Row, ...]
    differences: tuple[Difference, ...] = ()
    varying: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    remarks: tuple[Remark, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    confidence: float = 0.95
    test: str = "t"
    level: float = 0.05

    @property
    def places(self) -> tuple[str, ...]:
        """The streams, each once, in order."""
        return tuple(dict.fromkeys(row.place for row in self.rows))
