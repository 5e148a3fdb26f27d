"""How scores and costs are called, shown and ranked."""

from __future__ import annotations

import re

from lifelong_kd.comparison.types import Score
from lifelong_kd.core.direction import better
from lifelong_kd.evaluation.names import SCORES

__all__ = ["SHOWN", "score_of"]

SHOWN = (*SCORES, "cost/training_seconds")
"""The columns of a table unless others are asked for."""

# Scores that are shares of one, shown in percent.
_SHARES = re.compile(
    r".*forgetting(_.*)?|intransigence|(.*[/_])?(backward|forward)_transfer|transfer_from_past"
    r"|calibration/.*calibration_error.*|generalisation/.*_gap|outliers/ood_auroc_.*|robustness/relative_robustness"
    r"|stability/(stability_gap_(recovered|rebound|depth)|windowed_plasticity)|cost/.*_share"
    r"|(?!cost/accuracy_per_|teacher/)(.*/)?([a-z]+_)*accuracy(_.*)?"
)
_UNITS = (
    (r"cost/(.*_)?seconds", "s"),
    (r"cost/.*bytes", "B"),
    (r"cost/.*gflops", "GFLOP"),
    (r"stability/stability_gap_recovery", "iterations"),
)
_LABELS = {
    "cost/training_seconds": "training time",
    "cost/seconds": "time",
    "cost/memory_bytes": "memory",
    "cost/peak_memory_bytes": "peak memory",
}
_LETTERS = re.compile(r"\b(nll|auroc|ood)\b")


def score_of(name: str) -> Score:
    """How a score is shown: ``average_accuracy``, a family's ``calibration/nll``, a cost ``cost/training_seconds``.

    A score that no rule knows, such as that of a family of one's own, is shown as it is and not ranked.

    >>> score_of("forgetting")
    Score(name='forgetting', label='forgetting', better='less', scale=100.0, unit='%', digits=2)
    """
    share = _SHARES.fullmatch(name) is not None
    unit = next((unit for pattern, unit in _UNITS if re.fullmatch(pattern, name)), "%" if share else "")
    scale = 100.0 if share else 1.0
    whole = name in ("cost/parameters", "cost/samples", "cost/rounds", "cost/flops")
    digits = 0 if whole else 2 if share or unit else 4
    return Score(name, _label(name), better(name), scale, unit, digits)


def _label(name: str) -> str:
    words = _LABELS.get(name) or name.rpartition("/")[2].replace("_", " ")
    return _LETTERS.sub(lambda found: found[0].upper(), words)
