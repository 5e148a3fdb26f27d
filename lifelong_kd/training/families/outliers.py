"""Telling what was never learned, after each task."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.generalisation import mean_of
from lifelong_kd.evaluation.outliers import energy_score, outlier_auroc, softmax_score
from lifelong_kd.training.families.base import Family, Found, Look
from lifelong_kd.training.families.picked import picked
from lifelong_kd.training.reading import only

__all__ = ["Outliers"]


class Outliers(Family):
    """How well the student tells the classes it has learned from those to come: AUROC of its confidence.

    Inliers are test samples of the tasks seen so far, outliers those of later tasks; the columns of the classes seen
    compete, also where samples carry their task's label, which would give the answer away. There is nothing to tell
    after the last task, in a domain-incremental stream, where no class is new, and with a model that needs the label
    to answer at all: ``None``. Scores: the largest softmax (Hendrycks and Gimpel 2017, arXiv:1610.02136) and the energy
    (Liu et al. 2020, arXiv:2010.03759).

    Args:
        samples: at most so many of each test task, drawn by the run's seed.

    Raises:
        BadCall: for less than one sample.
    """

    def __init__(self, *, samples: int = 1000) -> None:
        if samples < 1:
            raise BadCall(f"samples must be at least 1, found {samples}")
        self.samples = samples

    def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
        inliers, outliers = self._sides(look)
        return {
            "softmax": _auroc(softmax_score, inliers, outliers),
            "energy": _auroc(energy_score, inliers, outliers),
            "inliers": sum(map(len, inliers)),
            "outliers": sum(map(len, outliers)),
        }

    def summary(self, found: Sequence[Found]) -> dict[str, float | None]:
        return {
            f"ood_auroc_{score}": mean_of([entry[score] for entry in found])
            for score in ("softmax", "energy")
        }

    def _sides(self, look: Look) -> tuple[list[Tensor], list[Tensor]]:
        """Logits of inliers and of outliers, task by task; of a class seen that comes again no sample is an outlier."""
        from avalanche.models import MultiTaskModule

        tasks = look.stream.tasks
        if look.stream.scenario == "domain" or isinstance(look.engine.model, MultiTaskModule):
            return [], []
        seen = sorted({column for task in tasks[: look.task + 1] for column in task.classes})
        inliers, outliers = [], []
        for task in tasks:
            answers = picked(look, "test", task.index, self.samples)
            logits = only(answers.logits, seen)
            if task.index <= look.task:
                inliers.append(logits)
            else:
                outliers.append(logits[~torch.isin(answers.targets, torch.tensor(seen))])
        return inliers, outliers


def _auroc(score: Callable[[Tensor], Tensor], inliers: list[Tensor], outliers: list[Tensor]) -> float | None:
    # One score at a time and task: answers about different labels may differ in their columns.
    sides = [
        torch.cat([score(z) for z in side if len(z)] or [torch.zeros(0)]) for side in (inliers, outliers)
    ]
    return outlier_auroc(*sides)
