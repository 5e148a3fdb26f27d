"""Calibration after each task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.calibration import (
    calibration_error,
    calibration_forgetting,
    calibration_sums,
    reliability_bins,
)
from lifelong_kd.evaluation.likelihood import brier_score, negative_log_likelihood
from lifelong_kd.evaluation.plots_calibration import plot_reliability
from lifelong_kd.training.families.base import Family, Found, Look
from lifelong_kd.training.reading import own, scored

__all__ = ["Calibration"]


class Calibration(Family):
    """How far the student's confidence can be trusted: ECE, negative log-likelihood and Brier score.

    Read are the test tasks seen so far; where samples carry their task's label only its columns compete, and a sample
    whose class has no score is left out. Each score is found for every task, over all tasks seen (every sample weighs
    the same), over the earlier ones (``old``) and over the one just learned (``new``): in class- and task-incremental
    streams those are old and new classes. ``average_calibration_error`` is the mean of the tasks' errors: over all
    samples, old classes that are trusted too much can make up for new ones trusted too little. Papers: Guo et al. 2017
    (arXiv:1706.04599) for ECE, Brier 1950.

    Args:
        bins: bins of confidence, of equal width.

    Raises:
        BadCall: for less than one bin.
    """

    # It asks nothing that the evaluation did not hear.
    by_default: ClassVar[bool] = True

    def __init__(self, *, bins: int = 15) -> None:
        if bins < 1:
            raise BadCall(f"bins must be at least 1, found {bins}")
        self.bins = bins

    def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
        tasks = [self._read(look, task) for task in range(look.task + 1)]
        apart = [self._scores([task]) for task in tasks]
        sums = sum(self._sums(logits, targets) for logits, targets in tasks)
        bins = reliability_bins(torch.as_tensor(sums))
        return {
            **{name: [scores[name] for scores in apart] for name in ("error", "nll", "brier")},
            "all": self._scores(tasks),
            "old": self._scores(tasks[:-1]),
            "new": self._scores(tasks[-1:]),
            "bins": {
                "samples": list(bins.samples),
                "accuracy": list(bins.accuracy),
                "confidence": list(bins.confidence),
            },
        }

    def summary(self, found: Sequence[Found]) -> dict[str, float | None]:
        if not found:
            return {}
        last = found[-1]
        errors = [error for error in last["error"] if error is not None]
        return {
            "calibration_error": last["all"]["error"],
            "average_calibration_error": sum(errors) / len(errors) if errors else None,
            "calibration_error_old": last["old"]["error"],
            "calibration_error_new": last["new"]["error"],
            "calibration_forgetting": calibration_forgetting([entry["error"] for entry in found]),
            "nll": last["all"]["nll"],
            "nll_old": last["old"]["nll"],
            "nll_new": last["new"]["nll"],
            "brier": last["all"]["brier"],
            "brier_old": last["old"]["brier"],
            "brier_new": last["new"]["brier"],
        }

    def draw(self, folder: Path, found: Sequence[Found]) -> list[tuple[str, Path]]:
        if not found or not found[-1]["all"]["samples"]:
            return []
        title = f"Reliability after task {len(found) - 1}"
        return [
            (
                "plots/reliability",
                plot_reliability(**found[-1]["bins"], path=folder / "reliability.png", title=title),
            )
        ]

    def _read(self, look: Look, task: int) -> tuple[Tensor, Tensor]:
        """Logits (N, width) and classes (N) of the samples of a test task that have a probability of their class."""
        answers = look.answers("test", task)
        logits = own(answers.logits, look.stream.tasks[task].classes, look.stream.scenario)
        known = scored(logits, answers.targets)
        return logits[known], answers.targets[known]

    def _sums(self, logits: Tensor, targets: Tensor) -> Tensor:
        if not len(targets):
            return torch.zeros(3, self.bins, dtype=torch.float64)
        return calibration_sums(logits.softmax(dim=1), targets, self.bins)

    def _scores(self, tasks: Sequence[tuple[Tensor, Tensor]]) -> dict[str, Any]:
        tasks = [(logits, targets) for logits, targets in tasks if len(targets)]
        if not tasks:
            return {"samples": 0, "error": None, "nll": None, "brier": None}
        # A head that is asked about one label at a time may answer with fewer columns for an earlier one.
        width = max(logits.shape[1] for logits, _ in tasks)
        together = torch.cat([F.pad(z, (0, width - z.shape[1]), value=-torch.inf) for z, _ in tasks])
        targets = torch.cat([targets for _, targets in tasks])
        return {
            "samples": len(targets),
            "error": calibration_error(self._sums(together, targets)),
            "nll": negative_log_likelihood(together, targets),
            "brier": brier_score(together.softmax(dim=1), targets),
        }
