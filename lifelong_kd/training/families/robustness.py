"""Robustness to corruption after each task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from lifelong_kd.core.errors import BadCall, nearest
from lifelong_kd.evaluation.corruption import CORRUPTIONS, SEVERITIES
from lifelong_kd.evaluation.plots_robustness import plot_corruptions
from lifelong_kd.evaluation.robustness import corruption_scores
from lifelong_kd.training.families.accuracy import accuracy_on
from lifelong_kd.training.families.base import Family, Found, Look
from lifelong_kd.training.families.images import check_images, corrupted_by
from lifelong_kd.training.families.picked import picked

if TYPE_CHECKING:
    from lifelong_kd.stream.stream import Stream
    from lifelong_kd.training.ask import Answers

__all__ = ["Robustness"]


class Robustness(Family):
    """Accuracy on corrupted test images of the tasks seen, by family of corruptions and severity.

    The images are corrupted as they are asked about, with the same draws after every task, so that a fall in
    accuracy is the student's. It costs families x severities x samples predictions for every task seen, after every
    task. The corruptions are of the kind of Hendrycks and Dietterich 2019 (arXiv:1903.12261) at levels of our own:
    not CIFAR-C.

    Args:
        families: which of noise, blur, contrast, jpeg and shift; all if not given.
        severities: which of 1 to 5; all if not given.
        samples: at most so many of each test task, drawn by the run's seed.

    Raises:
        BadCall: for an unknown family or severity, one given twice, none, or less than one sample.
    """

    def __init__(
        self,
        *,
        families: list[str] | None = None,
        severities: list[int] | None = None,
        samples: int = 200,
    ) -> None:
        self.families = tuple(CORRUPTIONS) if families is None else tuple(families)
        self.severities = SEVERITIES if severities is None else tuple(severities)
        for name in self.families:
            if name not in CORRUPTIONS:
                near = nearest(str(name), CORRUPTIONS)
                hint = f" Did you mean {near!r}?" if near else ""
                raise BadCall(
                    f"there is no family {name!r} of corruptions, but {', '.join(CORRUPTIONS)}.{hint}"
                )
        for severity in self.severities:
            if isinstance(severity, bool) or severity not in SEVERITIES:
                raise BadCall(f"severities are 1 to 5, found {severity!r}")
        for option, values in (("families", self.families), ("severities", self.severities)):
            if not values or len(set(values)) < len(values):
                raise BadCall(f"{option} must name at least one, each once, found {list(values)}")
        if samples < 1:
            raise BadCall(f"samples must be at least 1, found {samples}")
        self.samples = samples

    def check(self, stream: Stream) -> None:
        """Refuse a stream whose samples cannot be corrupted.

        Raises:
            BadCall: if the samples are no images in [0, 1], or a benchmark of one's own makes them.
        """
        check_images(stream, "robustness")

    def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
        seen = range(look.task + 1)
        tables = [
            [
                [self._corrupted(look, task, name, severity) for severity in self.severities]
                for name in self.families
            ]
            for task in seen
        ]
        accuracy = torch.tensor(tables, dtype=torch.float64)
        return {
            "families": list(self.families),
            "severities": list(self.severities),
            "accuracy": accuracy.mean(dim=0).tolist(),
            "per_task": accuracy.mean(dim=(1, 2)).tolist(),
            "clean": [_accuracy(look, task, picked(look, "test", task, self.samples)) for task in seen],
        }

    def summary(self, found: Sequence[Found]) -> dict[str, float | None]:
        if not found:
            return {}
        last = found[-1]
        return corruption_scores([entry["per_task"] for entry in found], last["clean"]) | {
            f"corruption_accuracy_{name}": sum(row) / len(row)
            for name, row in zip(last["families"], last["accuracy"], strict=True)
        }

    def draw(self, folder: Path, found: Sequence[Found]) -> list[tuple[str, Path]]:
        if not found:
            return []
        last = found[-1]
        path = plot_corruptions(
            last["accuracy"],
            folder / "corruptions.png",
            families=last["families"],
            severities=last["severities"],
            clean=sum(last["clean"]) / len(last["clean"]),
            title=f"Accuracy under corruption after task {len(found) - 1}",
        )
        return [("plots/corruptions", path)]

    def _corrupted(self, look: Look, task: int, name: str, severity: int) -> float:
        change = corrupted_by(look.seeds, task, name, severity)
        return _accuracy(look, task, look.answers("test", task, limit=self.samples, change=change))


def _accuracy(look: Look, task: int, answers: Answers) -> float:
    # A test task without samples has accuracy 0 in the accuracy matrix too.
    return accuracy_on(look, task, answers) or 0.0
