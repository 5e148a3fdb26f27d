"""What is odd about runs that are compared, in a sentence each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from lifelong_kd.comparison.types import Remark, Row, RunRecord

__all__ = ["remarks_on"]

# Fewer seeds have no interval worth its name; a paired test can find something from ENOUGH on.
FEWEST, ENOUGH = 3, 5
# How many of a kind are named before the rest is counted.
FEW = 4
_VERSIONS = ("lifelong_kd", "code", "torch", "python")


def remarks_on(rows: Sequence[Row], repeated: Sequence[tuple[RunRecord, RunRecord]]) -> list[Remark]:
    """Everything a reader should know of rows before the numbers are believed.

    Args:
        rows: what is compared.
        repeated: runs left out, each with the one of its row that has its seed.
    """
    remarks = [
        Remark(
            "repeated",
            f"{run.source} is left out: {first.source} has the same configuration and seed {run.seed}",
        )
        for run, first in repeated[:FEW]
    ]
    if len(repeated) > FEW:
        remarks.append(
            Remark("repeated", f"{len(repeated) - FEW} more runs of a seed that is there are left out")
        )
    by_place: dict[str, list[Row]] = {}
    for row in rows:
        by_place.setdefault(row.place, []).append(row)
    for place, there in by_place.items():
        remarks += [*_seeds(place, there), *_configurations(place, there), *_data(place, there)]
        remarks += _versions(place, there)
    return [*remarks, *_names(rows)]


def _seeds(place: str, rows: Sequence[Row]) -> Iterable[Remark]:
    few = [f"{row.label} ({len(row.runs)})" for row in rows if len(row.runs) < FEWEST]
    if few:
        yield Remark(
            "seeds",
            f"{place}: fewer than {FEWEST} seeds in {_listed(few)}: a test needs {ENOUGH} or more to mean anything",
        )
    sets = [row.seeds for row in rows]
    usual = max(dict.fromkeys(sets), key=sets.count)
    if others := [f"{row.label} has {_range(row.seeds)}" for row in rows if row.seeds != usual]:
        each = [*others[:FEW], *([f"{len(others) - FEW} more have others"] if len(others) > FEW else [])]
        yield Remark("seeds", f"{place}: not all rows have {_range(usual)}: {', '.join(each)}")


def _configurations(place: str, rows: Sequence[Row]) -> Iterable[Remark]:
    """Strategies of several rows, those that differ in the same settings together."""
    count = Counter(row.strategy for row in rows)
    alike: dict[tuple[str, ...], list[str]] = {}
    for strategy in (strategy for strategy in count if count[strategy] > 1):
        there = [row for row in rows if row.strategy == strategy]
        keys = tuple(dict.fromkeys(key for row in there for key in row.options))
        alike.setdefault(keys, []).append(f"{strategy} ({len(there)})")
    for keys, strategies in alike.items():
        yield Remark(
            "configuration",
            f"{place}: several configurations of {_listed(strategies)}, which differ in {_listed(keys)}",
        )


def _names(rows: Sequence[Row]) -> Iterable[Remark]:
    """One name for runs of several rows, but for those of one strategy, whose configurations are told already."""
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        for name in dict.fromkeys(_without_seed(run) for run in row.runs):
            by_name.setdefault(name, []).append(row)
    for name, there in by_name.items():
        if len({(row.place, row.strategy) for row in there}) > 1:
            which = [f"{row.label} on {row.place}" for row in there]
            yield Remark(
                "configuration", f"runs of different configurations are all called {name!r}: {_listed(which)}"
            )


def _without_seed(run: RunRecord) -> str:
    """A run's name without its seed at the end.

    >>> _without_seed(RunRecord("digits-lwf-s3", "", "lwf", "digits", "class", 3, {}))
    'digits-lwf'
    """
    return re.sub(rf"[-_ .]?(?:seed|s)?[-_=]?{run.seed}$", "", run.name) or run.name


def _data(place: str, rows: Sequence[Row]) -> Iterable[Remark]:
    """Runs of one seed that did not see the same: another order of the classes, or with the same order other data."""
    orders = _differing(rows, lambda run: run.class_order)
    if orders:
        yield Remark(
            "pairs",
            f"{place}: the classes come in another order in {_listed(orders)}: such runs of one seed are no pair",
        )
    others = _differing(rows, lambda run: run.data, lambda run: run.class_order)
    if others:
        yield Remark(
            "data",
            f"{place}: the data, or how they were split, are not the same in {_listed(others)}: their scores say little"
            " about the strategies",
        )


def _differing(
    rows: Sequence[Row],
    what: Callable[[RunRecord], object],
    given: Callable[[RunRecord], object] = lambda run: None,
) -> list[str]:
    """Rows in which ``what`` is not as in the first row that has the seed (and the same ``given``)."""
    first: dict[object, object] = {}
    found = []
    for row in rows:
        seeds = []
        for run in row.runs:
            value = what(run)
            if value is not None and first.setdefault((run.seed, given(run)), value) != value:
                seeds.append(run.seed)
        if seeds:
            found.append(f"{row.label} ({_range(seeds)})")
    return found


def _versions(place: str, rows: Sequence[Row]) -> Iterable[Remark]:
    runs = [run for row in rows for run in row.runs]
    differing = []
    for name in _VERSIONS:
        known = dict.fromkeys(run.versions.get(name) for run in runs)
        values = [_brief(name, value) for value in known if value is not None]
        if len(values) > 1:
            differing.append(f"{name} {_listed(values)}")
    if differing:
        yield Remark("versions", f"{place}: made with different versions: {'; '.join(differing)}")


def _brief(name: str, value: str) -> str:
    """A commit by its first characters; ``+`` is for files that were changed since."""
    return value[:7] + ("+" if value.endswith("+") else "") if name == "code" else value


def _range(seeds: Sequence[int]) -> str:
    """Seeds in words.

    >>> _range([0, 1, 2]), _range([1, 4]), _range([7])
    ('seeds 0-2', 'seeds 1, 4', 'seed 7')
    """
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"seeds {seeds[0]}-{seeds[-1]}"
    return f"seeds {', '.join(str(seed) for seed in seeds)}"


def _listed(texts: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = len(texts) - FEW
    return ", ".join(texts[:FEW]) + (f" and {more} more" if more > 0 else "")
