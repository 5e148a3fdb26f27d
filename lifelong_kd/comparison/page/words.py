"""The page's sentences about what was compared and what the scores are."""

from __future__ import annotations

from lifelong_kd.comparison.types import Comparison

__all__ = ["glossary", "summary", "versions"]

SCORES = {
    "average_accuracy": "the accuracy on all tasks after the last, each task weighing the same",
    "average_incremental_accuracy": "the mean over tasks of the accuracy on what had been learned by then",
    "learning_accuracy": "the accuracy on each task right after it was learned, averaged: plasticity",
    "forgetting": "how far each task fell from its best by the end, averaged over all but the last: stability",
    "backward_transfer": "the change of each task from right after it was learned to the end, averaged; below zero "
    "where tasks are forgotten",
    "forward_transfer": "the accuracy on a task just before it is learned minus that of an untrained model, averaged",
    "cost/training_seconds": "the time of the training itself, without evaluation",
}


def summary(comparison: Comparison) -> str:
    """What is compared, in one line: runs, strategies, streams.

    Configurations of one strategy count each.
    """
    runs = sum(len(row.runs) for row in comparison.rows)
    labels = len({row.label for row in comparison.rows})
    parts = [_count(runs, "run"), _count(labels, "configuration"), _count(len(comparison.places), "stream")]
    return f"{parts[0]} of {parts[1]} on {parts[2]}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def glossary(comparison: Comparison) -> list[tuple[str, str]]:
    """The shown scores and what they measure, those that have a sentence."""
    return [(score.label, SCORES[score.name]) for score in comparison.scores if score.name in SCORES]


def versions(comparison: Comparison) -> list[tuple[str, str]]:
    """What the runs were made with, each version that there is."""
    found: dict[str, dict[str, None]] = {}
    for row in comparison.rows:
        for run in row.runs:
            for name, version in run.versions.items():
                if version is not None:
                    found.setdefault(name, {})[version] = None
    return [(name, ", ".join(known)) for name, known in found.items()]
