"""The keys that W&B is given: what each means, what it is drawn on, and whether more of it is better."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any

from lifelong_kd.core.direction import better
from lifelong_kd.tracking.base import Axis

__all__ = ["COUNTERS", "KEYS", "LINE", "Key", "best_of", "definition", "find", "is_detail"]

LINE = "line"
"""The number of the call of ``log`` in the run, which is that of the line in metrics.jsonl."""

COUNTERS = ("task", "epoch", "iteration", "evaluation", LINE)


@dataclass(frozen=True)
class Key:
    """A family of keys: ``<name>`` stands for one part, ``<...>`` for any number of them.

    ``best`` says that the run's summary has the last value and the best one. ``detail`` keys are left out unless
    they are asked for.
    """

    pattern: str
    axis: Axis
    meaning: str
    best: bool = False
    detail: bool = False

    def matches(self, key: str) -> bool:
        """Whether ``key`` is one of the family.

        >>> Key("score/<name>", "task", "").matches("score/forgetting")
        True
        """
        parts = re.split(r"<.*?>", self.pattern)
        holes = [".+" if hole == "<...>" else "[^/]+" for hole in re.findall(r"<.*?>", self.pattern)]
        pattern = "".join(re.escape(part) + hole for part, hole in zip(parts, [*holes, ""], strict=True))
        return re.fullmatch(pattern, key) is not None


KEYS: tuple[Key, ...] = (
    Key("train/loss", "iteration", "loss, mean over the steps since the last record"),
    Key(
        "train/loss/<term>",
        "iteration",
        "a term of the loss before its weight; `<term>_weighted` as it was added",
    ),
    Key(
        "validation/accuracy/<task>",
        "epoch",
        "accuracy on a task's validation data while a later one is learned",
    ),
    Key("round/<...>", "evaluation", "what a round of a task reached, tried and took"),
    Key("phase/<...>", "task", "what a phase of the strategy says of itself"),
    Key("score/<name>", "task", "a score of the whole run so far, such as `average_accuracy`", best=True),
    Key("score/<family>/<name>", "task", "a score of a family, such as `calibration/nll`", best=True),
    Key("task/accuracy/<task>", "task", "test accuracy on each task so far", best=True),
    Key("task/accuracy_matrix", "task", "picture: accuracy after each task on each"),
    Key("task/<name>", "task", "a value of the task just learned, such as `train_accuracy` or `seconds`"),
    Key("task/<family>/<...>", "task", "details of a family, with `details: true`", detail=True),
    Key("accuracy_matrix", "task", "table: after task, test task, accuracy"),
    Key("rounds", "task", "table: what each round tried, and what was decided"),
    Key("report/<family>", "task", "table: what a family ends the run with, such as `compression`"),
    Key("plots/<name>", "task", "pictures of the whole run, at its end"),
    Key("examples/<name>", "task", "pictures: examples of what the model was shown"),
)
"""Every key of a run, the first match counts. Scores at the end stand in the summary under their flat names."""


@functools.cache
def find(key: str) -> Key | None:
    """What is known of ``key``; ``None`` for a key of someone's own.

    >>> find("task/accuracy/3").pattern
    'task/accuracy/<task>'
    """
    return next((known for known in KEYS if known.matches(key)), None)


def is_detail(key: str) -> bool:
    """Whether ``key`` is a detail that is left out unless it is asked for.

    >>> is_detail("task/teacher/kd/held_out/agreement"), is_detail("task/seconds")
    (True, False)
    """
    known = find(key)
    return known is not None and known.detail


def best_of(key: str) -> str | None:
    """Which of the SDK's summaries is the best value of a score; ``None`` where neither more nor less is better.

    >>> best_of("score/calibration/nll"), best_of("task/accuracy/3"), best_of("score/teacher/kl_train")
    ('min', 'max', None)
    """
    name = "accuracy" if key.startswith("task/accuracy/") else key.removeprefix("score/")
    return {"less": "min", "more": "max", None: None}[better(name)]


def definition(key: str, axis: str) -> dict[str, Any]:
    """The options of ``define_metric`` for ``key``, drawn along ``axis``.

    >>> definition("score/forgetting", "task")
    {'step_metric': 'task', 'summary': 'last,min'}
    """
    known = find(key)
    if known is None or not known.best:
        return {"step_metric": axis}
    best = best_of(key)
    return {"step_metric": axis, "summary": "last" if best is None else f"last,{best}"}
