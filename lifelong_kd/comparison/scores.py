"""How scores and costs are called, shown and ranked."""

from __future__ import annotations

import re
from typing import Literal

from lifelong_kd.comparison.types import Score

__all__ = ["SHOWN", "score_of"]

SHOWN = (
    "average_accuracy",
    "average_incremental_accuracy",
    "learning_accuracy",
    "forgetting",
    "backward_transfer",
    "forward_transfer",
    "cost/training_seconds",
)
"""The columns of a table unless others are asked for."""

Better = Literal["more", "less"] | None
# (pattern of the name, what is better, whether it is a share and shown in percent); the first that fits is taken.
_RULES: tuple[tuple[str, Better, bool], ...] = (
    (r".*forgetting(_.*)?", "less", True),
    (r"intransigence", "less", True),
    (r"(.*[/_])?(backward|forward)_transfer|transfer_from_past", "more", True),
    (r"calibration/.*calibration_error.*", "less", True),
    (r"calibration/(nll|brier)(_.*)?", "less", False),
    (r"generalisation/.*_gap", "less", True),
    (r"outliers/ood_auroc_.*|robustness/relative_robustness", "more", True),
    (r"stability/stability_gap_(recovered|rebound)", "more", True),
    (r"stability/stability_gap_depth", "less", True),
    (r"stability/stability_gap_(area|recovery)", "less", False),
    (r"stability/windowed_plasticity", "more", True),
    (r"cost/accuracy_per_.*|cost/samples_per_second", "more", False),
    (r"cost/.*_share", None, True),
    (r"cost/(samples|rounds|epochs)", None, False),
    (r"cost/.*", "less", False),
    (r"teacher/.*", None, False),
    (r"(.*/)?([a-z]+_)*accuracy(_.*)?", "more", True),
)
_UNITS = (
    (r"cost/(.*_)?seconds", "s"),
    (r"cost/.*bytes", "MB"),
    (r"cost/.*gflops", "GFLOP"),
    (r"stability/stability_gap_recovery", "iterations"),
)
_LABELS = {"cost/training_seconds": "training time", "cost/seconds": "time"}
_LETTERS = re.compile(r"\b(nll|auroc|ood)\b")


def score_of(name: str) -> Score:
    """How a score is shown: ``average_accuracy``, a family's ``calibration/nll``, a cost ``cost/training_seconds``.

    A score that no rule knows, such as that of a family of one's own, is shown as it is and not ranked.

    >>> score_of("forgetting")
    Score(name='forgetting', label='forgetting', better='less', scale=100.0, unit='%', digits=2)
    """
    better, share = next(
        ((better, share) for pattern, better, share in _RULES if re.fullmatch(pattern, name)), (None, False)
    )
    unit = next((unit for pattern, unit in _UNITS if re.fullmatch(pattern, name)), "%" if share else "")
    scale = 100.0 if share else 1e-6 if unit == "MB" else 1.0
    whole = name in ("cost/parameters", "cost/samples", "cost/rounds", "cost/flops")
    digits = 0 if whole else 2 if share or unit else 4
    return Score(name, _label(name), better, scale, unit, digits)


def _label(name: str) -> str:
    words = _LABELS.get(name) or name.rpartition("/")[2].replace("_", " ")
    return _LETTERS.sub(lambda found: found[0].upper(), words)
