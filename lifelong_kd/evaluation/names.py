"""The names of the scores that every run has; kept apart from what computes them, which needs NumPy."""

from __future__ import annotations

__all__ = ["SCORES"]

SCORES = (
    "average_accuracy",
    "average_incremental_accuracy",
    "learning_accuracy",
    "forgetting",
    "backward_transfer",
    "forward_transfer",
)
