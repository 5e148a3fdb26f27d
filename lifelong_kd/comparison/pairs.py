"""Which rows and which runs are compared: the baseline of each place, and runs that are a pair."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lifelong_kd.comparison.types import Remark, Row, RunRecord
from lifelong_kd.core.errors import BadCall, nearest

__all__ = ["NAIVE", "find_baselines", "pair_runs"]

NAIVE = "naive"


def find_baselines(rows: Sequence[Row], baseline: str | None) -> tuple[dict[str, Row], list[Remark]]:
    """The row that the others of its place are compared to, by place.

    ``baseline`` is a label or, where a place has one row of it, a strategy. For ``None`` it is the one row whose
    strategy is ``naive``, else the first of exactly two rows; a place may have none, which is remarked.

    Raises:
        BadCall: if no place has such a row, or one has several of that strategy.
    """
    places: dict[str, list[Row]] = {}
    for row in rows:
        places.setdefault(row.place, []).append(row)
    if baseline is None:
        found = {place: _usual(inside) for place, inside in places.items()}
        missing = (
            f"no differences are tested, as there is not exactly one row of {NAIVE} to take them from:"
            " choose a row with --baseline NAME"
        )
    else:
        found = {place: _named(inside, baseline) for place, inside in places.items()}
        missing = f"no row is called {baseline}: it has no differences"
        if rows and not any(found.values()):
            names = list(dict.fromkeys(name for row in rows for name in (row.label, row.strategy)))
            near = nearest(baseline, names)
            hint = f" Did you mean {near!r}?" if near else ""
            labels = ", ".join(dict.fromkeys(row.label for row in rows))
            raise BadCall(f"baseline: there is no row {baseline!r}: there are {labels}.{hint}")
    remarks = [
        Remark("pairs", f"{place}: {missing}")
        for place, row in found.items()
        if row is None and len(places[place]) > 1
    ]
    return {place: row for place, row in found.items() if row is not None}, remarks


def _usual(inside: Sequence[Row]) -> Row | None:
    naive = [row for row in inside if row.strategy == NAIVE]
    if len(naive) == 1:
        return naive[0]
    return inside[0] if len(inside) == 2 else None


def _named(inside: Sequence[Row], name: str) -> Row | None:
    labelled = [row for row in inside if row.label == name]
    found = labelled or [row for row in inside if row.strategy == name]
    if len(found) > 1:
        labels = ", ".join(repr(row.label) for row in found)
        raise BadCall(f"baseline: {inside[0].place} has several rows of {name!r}: say which of {labels}")
    return found[0] if found else None


def pair_runs(row: Row, baseline: Row) -> tuple[list[tuple[RunRecord, RunRecord]], dict[str, list[int]]]:
    """The runs of both that share a seed, a class order and the data, by seed; and the other seeds, by the reason.

    An order or a digest that one of two runs does not tell is taken to be the other's.
    """
    first = {run.seed: run for run in row.runs}
    second = {run.seed: run for run in baseline.runs}
    pairs: list[tuple[RunRecord, RunRecord]] = []
    unpaired: dict[str, list[int]] = {}
    for seed in sorted(first.keys() | second.keys()):
        if seed not in first or seed not in second:
            unpaired.setdefault(f"only in {(row if seed in first else baseline).label}", []).append(seed)
        elif _differ(first[seed], second[seed], lambda run: run.class_order):
            unpaired.setdefault("another class order", []).append(seed)
        elif _differ(first[seed], second[seed], lambda run: run.data):
            unpaired.setdefault("other data", []).append(seed)
        else:
            pairs.append((first[seed], second[seed]))
    return pairs, unpaired


def _differ(one: RunRecord, other: RunRecord, of: Callable[[RunRecord], object]) -> bool:
    return of(one) is not None and of(other) is not None and of(one) != of(other)
