"""Comparisons made by hand, for what shows them: nothing here reads, groups or tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean, stdev
from typing import Any

from lifelong_kd.comparison.types import (
    Comparison,
    Difference,
    LeftOut,
    Remark,
    Row,
    RunRecord,
    Score,
    Summary,
)

SHOWN = (
    Score("average_accuracy", "average accuracy", "more", 100.0, "%"),
    Score("average_incremental_accuracy", "average incremental accuracy", "more", 100.0, "%"),
    Score("learning_accuracy", "learning accuracy", "more", 100.0, "%"),
    Score("forgetting", "forgetting", "less", 100.0, "%"),
    Score("backward_transfer", "backward transfer", "more", 100.0, "%"),
    Score("forward_transfer", "forward transfer", "more", 100.0, "%"),
    Score("cost/training_seconds", "training time", "less", 1.0, "s"),
)

# Accuracy on each of three tasks after each of them, in thousandths, at seed 0.
MATRICES: Mapping[tuple[str, str], tuple[tuple[int, int, int], ...]] = {
    ("split_mnist class", "derpp"): ((990, 0, 0), (950, 980, 0), (880, 900, 970)),
    ("split_mnist class", "finetune"): ((995, 0, 0), (10, 985, 0), (0, 0, 992)),
    ("split_mnist class", "lwf"): ((995, 0, 0), (420, 960, 0), (180, 310, 930)),
    ("permuted_mnist domain", "finetune"): ((960, 110, 98), (905, 958, 105), (820, 890, 955)),
    ("permuted_mnist domain", "lwf (temperature=2)"): ((960, 112, 98), (930, 950, 104), (900, 915, 948)),
    ("permuted_mnist domain", "lwf (temperature=4)"): ((960, 112, 98), (934, 949, 104), (904, 917, 946)),
}
SECONDS = {"derpp": 151.0, "finetune": 61.0, "lwf": 83.0}
# Quantiles 0.975 of Student's t by the number of values.
T_QUANTILE = {2: 12.706205, 3: 4.302653, 4: 3.182446, 5: 2.776445}
NOISE = (0, 2, -4, 1, -6)


def made_comparison() -> Comparison:
    """Two places, three strategies, five seeds, with something of everything that can be shown."""
    rows = [
        made_row(place, label, [made_run(place, label, seed) for seed in range(5)])
        for place, label in MATRICES
    ]
    rows = mark_best(rows)
    derpp, base, lwf, other, warm, hot = rows
    differences = (
        made_difference(derpp, base, "average_accuracy", 0.0004, 0.0032),
        made_difference(derpp, base, "forgetting", 0.0011, 0.0077),
        made_difference(lwf, base, "average_accuracy", 0.021, 0.042),
        made_difference(lwf, base, "forgetting", 0.08, 0.16),
        made_difference(warm, other, "average_accuracy", 0.0121, 0.0484),
        made_difference(warm, other, "forgetting", 0.3, 0.6),
        replace(
            made_difference(hot, other, "average_accuracy", None, None),
            low=None,
            high=None,
            note="every difference is the same",
        ),
        made_difference(hot, other, "forgetting", 0.31, 0.6),
    )
    return Comparison(
        scores=SHOWN,
        rows=tuple(rows),
        differences=differences,
        varying={
            "strategy.temperature": (None, None, 2.0, None, 2.0, 4.0),
            "strategy.memory.capacity": (200, None, None, None, None, None),
            "training.lr": (0.1, 0.1, 0.1, 0.1, 0.05, 0.05),
        },
        remarks=(
            Remark("data", "split_mnist class: lwf seed 3 saw other data than finetune seed 3"),
            Remark("pairs", "permuted_mnist domain: one row has a seed that finetune does not have"),
        ),
        left_out=(
            LeftOut("runs/derpp-5", "its status is failed"),
            LeftOut("runs/lwf-5", "it has no results.json yet"),
        ),
    )


def made_run(place: str, label: str, seed: int, matrix: Sequence[Sequence[int]] | None = None) -> RunRecord:
    """A run whose scores follow from its matrix; a seed moves every cell by a few thousandths."""
    stream, scenario = place.split()
    strategy, options = options_of(label)
    matrix = MATRICES[place, label] if matrix is None else matrix
    moved = NOISE[(seed + len(strategy)) % 5]
    seen = [
        [
            (cell + moved * (1 + later) - after * (seed % 3)) / 1000 if cell else 0.0
            for later, cell in enumerate(line)
        ]
        for after, line in enumerate(matrix)
    ]
    last = len(seen) - 1
    ahead = [seen[task - 1][task] - 0.1 for task in range(1, last + 1)]
    return RunRecord(
        name=f"{strategy}-{seed}",
        source=f"runs/{strategy}-{seed}",
        strategy=strategy,
        stream=stream,
        scenario=scenario,
        seed=seed,
        scores={
            "average_accuracy": fmean(seen[last]),
            "average_incremental_accuracy": fmean(fmean(seen[task][: task + 1]) for task in range(last + 1)),
            "learning_accuracy": fmean(seen[task][task] for task in range(last + 1)),
            "forgetting": fmean(
                max(seen[after][task] for after in range(task, last)) - seen[last][task]
                for task in range(last)
            ),
            "backward_transfer": fmean(seen[last][task] - seen[task][task] for task in range(last)),
            # With class-incremental heads the classes to come cannot be answered.
            "forward_transfer": None if scenario == "class" else fmean(ahead),
        },
        settings={
            "seed": seed,
            "stream": {"name": stream, "scenario": scenario},
            "strategy": {"name": strategy, **options},
        },
        cost={
            "training_seconds": SECONDS.get(strategy, 70.0) + 2 * seed,
            "parameters": 89_610,
            "peak_memory_bytes": 212_000_000 + 1_000_000 * seed,
        },
        matrix=tuple(tuple(line) for line in seen),
        class_order=tuple(range(10)) if scenario == "class" else None,
        data="5e1f",
        versions={"lifelong_kd": "0.4.0", "torch": "2.15.0"},
    )


def options_of(label: str) -> tuple[str, dict[str, Any]]:
    """``lwf (temperature=2)`` is a strategy and its options."""
    strategy, _, inside = label.partition(" (")
    pairs = [pair.split("=") for pair in inside.rstrip(")").split(", ") if pair]
    return strategy, {f"strategy.{key}": float(value) for key, value in pairs}


def made_row(
    place: str, label: str, runs: Sequence[RunRecord], scores: Sequence[Score] = SHOWN, *, best: bool = False
) -> Row:
    """A row with the mean and the 95 % t-interval of each score."""
    stream, scenario = place.split()
    strategy, options = options_of(label)
    row = Row(label, stream, scenario, strategy, options, tuple(runs))
    summaries = {score.name: made_summary([run.value(score.name) for run in runs], best) for score in scores}
    return replace(row, scores=summaries)


def made_summary(values: Sequence[float | None], best: bool = False) -> Summary:
    """Mean and half width of up to five values."""
    there = [value for value in values if value is not None]
    count = len(there)
    half = T_QUANTILE[count] * stdev(there) / count**0.5 if count > 1 else None
    return Summary(tuple(values), fmean(there) if there else None, half, best)


def mark_best(rows: Sequence[Row], scores: Sequence[Score] = SHOWN) -> list[Row]:
    """The rows, the best mean of each place marked."""
    marked = list(rows)
    for place in {row.place for row in rows}:
        for score in scores:
            inside = [index for index, row in enumerate(marked) if row.place == place]
            means = {index: marked[index].scores[score.name].mean for index in inside}
            known = [index for index in inside if means[index] is not None]
            if not known or score.better is None:
                continue
            choose = max if score.better == "more" else min
            best = choose(known, key=lambda index: means[index] or 0.0)
            summaries = dict(marked[best].scores)
            summaries[score.name] = replace(summaries[score.name], best=True)
            marked[best] = replace(marked[best], scores=summaries)
    return marked


def made_difference(
    row: Row, baseline: Row, score: str, p: float | None, adjusted: float | None
) -> Difference:
    """Of all seeds that both have; an interval of one hundredth to each side, claimed below 0.05."""
    pairs = sorted(set(row.seeds) & set(baseline.seeds))
    values = [
        row.runs[row.seeds.index(seed)].scores[score]
        - baseline.runs[baseline.seeds.index(seed)].scores[score]
        for seed in pairs
    ]
    mean = fmean(values)
    claimed = adjusted is not None and adjusted < 0.05
    return Difference(score, row, baseline, len(pairs), mean, mean - 0.01, mean + 0.01, p, adjusted, claimed)
