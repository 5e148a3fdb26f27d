"""Whether more or less of a score is better, by its name."""

from __future__ import annotations

import functools
import re
from typing import Literal

__all__ = ["Better", "better"]

Better = Literal["more", "less"] | None

# The first pattern that fits the whole name counts.
_RULES: tuple[tuple[str, Better], ...] = (
    (r"compression/teacher_.*", None),
    (r"compression/(parameters|flops|bytes|latency_.*)", "less"),
    (r".*forgetting(_.*)?|intransigence", "less"),
    (r"(.*[/_])?(backward|forward)_transfer|transfer_from_past", "more"),
    (r"calibration/.*", "less"),
    (r"(.*/)?generalisation_gap|generalisation/.*_gap", "less"),
    (r"outliers/.*|robustness/relative_robustness", "more"),
    (r"samples/score(_old)?", "less"),
    (r"samples/(class_entropy|confidence|agreement)", "more"),
    (r"stability/stability_gap_(recovered|rebound)", "more"),
    (r"stability/stability_gap_(depth|area|recovery)", "less"),
    (r"stability/windowed_plasticity", "more"),
    (r"cost/accuracy_per_.*|cost/samples_per_second", "more"),
    (r"cost/(.*_share|samples|rounds|epochs)", None),
    (r"cost/.*", "less"),
    (r"teacher/.*", None),
    (r"(.*/)?([a-z]+_)*accuracy(_.*)?", "more"),
)


@functools.cache
def better(name: str) -> Better:
    """What is better of a score: ``forgetting``, a family's ``calibration/nll``, a cost ``cost/training_seconds``.

    ``None`` for one that is neither, and for one that no rule knows, such as that of a family of one's own.

    >>> better("forgetting"), better("calibration/nll"), better("average_accuracy"), better("cost/samples")
    ('less', 'less', 'more', None)
    """
    return next((what for pattern, what in _RULES if re.fullmatch(pattern, name)), None)
