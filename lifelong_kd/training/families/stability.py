"""The stability gap: validation accuracy of earlier tasks, taken while a task is learned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.plots_stability import plot_stability_gap
from lifelong_kd.evaluation.stability import (
    dip_area,
    dip_depth,
    dip_rebound,
    dip_recovery,
    minimum_accuracy,
    windowed_forgetting,
    windowed_plasticity,
    worst_case_accuracy,
)
from lifelong_kd.training.families.accuracy import accuracy_on
from lifelong_kd.training.families.base import Family, Found, Look

if TYPE_CHECKING:
    from lifelong_kd.stream.stream import Stream

__all__ = ["StabilityGap"]


class StabilityGap(Family):
    """Continual evaluation (De Lange et al., ICLR 2023, arXiv:2205.13452): min-ACC, WC-ACC and the stability gap.

    The validation data of earlier tasks are asked about before a task's first iteration, every few iterations, and at
    the end of its training. The accuracies are read as the stream's scenario says. What is not evaluated is not seen:
    a dip between two evaluations is missed, so ``min_accuracy`` is an upper bound of the paper's, which evaluates after
    every iteration (``every: 1``, and ``most`` at least 2 more than a task's iterations).

    Args:
        every: iterations between two evaluations, at least.
        samples: at most so many validation samples of each task.
        most: at most so many evaluations a task, the first and the last included; the interval grows accordingly.
        share: of the accuracy at the end of a task, at which an earlier task counts as recovered.
        window: evaluations in a window of windowed forgetting and plasticity.

    Raises:
        BadCall: for a value out of its range.
    """

    needs_validation = True

    def __init__(
        self, *, every: int = 10, samples: int = 100, most: int = 50, share: float = 0.95, window: int = 10
    ) -> None:
        for name, value, least in (
            ("every", every, 1),
            ("samples", samples, 1),
            ("most", most, 3),
            ("window", window, 2),
        ):
            if value < least:
                raise BadCall(f"stability gap: {name} must be at least {least}, found {value}")
        if not 0 < share <= 1:
            raise BadCall(f"stability gap: share lies in (0, 1], found {share}")
        self.every = every
        self.samples = samples
        self.most = most
        self.share = share
        self.window = window

    def check(self, stream: Stream) -> None:
        """Refuse a stream without validation data for every task.

        Raises:
            BadCall: saying what is missing.
        """
        if not stream.has_validation:
            raise BadCall(
                "evaluation.stability is measured on validation data, and this stream has none: set stream.validation"
                " to a share such as 0.1, or leave this family out"
            )
        sizes = [len(experience.dataset) for experience in stream.benchmark.valid_stream]
        if 0 in sizes:
            raise BadCall(
                f"the stability gap needs validation data of every task, but task {sizes.index(0)} has none:"
                " raise stream.validation"
            )

    def interval(self, steps: int) -> int:
        # One evaluation before the first step and one at the end leave most - 2 for those in between.
        return max(self.every, steps // (self.most - 1) + 1)

    def during(self, look: Look, step: int) -> Found:
        """``accuracy`` of each earlier task after ``step`` of the task's ``steps`` iterations, 0 before the first."""
        steps = int(look.engine.steps_of_task())
        return {"step": step, "steps": steps, "accuracy": self._earlier(look)}

    def before_end(self, look: Look) -> Found:
        """The whole trace: ``steps`` of the task, ``at`` which of them, and ``accuracy`` by earlier task."""
        trace = list(look.pending["trace"])
        last = int(trace[-1]["step"])
        # Early stopping and a controller may end a task before its time.
        end = int(look.engine.clock.train_exp_iterations)
        point = {"step": end, "accuracy": self._earlier(look)}
        # The student that the task ends with may be that of an earlier epoch.
        trace = [*trace, point] if end > last else [*trace[:-1], point]
        return {
            "steps": end,
            "at": [int(point["step"]) for point in trace],
            "accuracy": [[point["accuracy"][task] for point in trace] for task in range(look.task)],
        }

    def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
        """``depth``, ``rebound``, ``recovery`` and ``area`` of each earlier task's dip; min-ACC and WC-ACC so far."""
        at, traces = look.pending["at"], look.pending["accuracy"]
        whole = [*earlier, {"at": at, "accuracy": traces}]
        current = self._accuracy(look, look.task)
        minimum = minimum_accuracy([_after(whole, task) for task in range(look.task)])
        return {
            "current": current,
            "min_accuracy": minimum,
            "worst_case_accuracy": worst_case_accuracy(current, minimum, look.task + 1),
            "depth": [dip_depth(trace) for trace in traces],
            "rebound": [dip_rebound(trace) for trace in traces],
            "recovery": [dip_recovery(at, trace, self.share) for trace in traces],
            "area": [dip_area(at, trace) for trace in traces],
        }

    def _earlier(self, look: Look) -> list[float]:
        return [self._accuracy(look, task) for task in range(look.task)]

    def _accuracy(self, look: Look, task: int) -> float:
        value = accuracy_on(look, task, look.answers("valid", task, limit=self.samples))
        if value is None:
            raise RuntimeError(f"task {task} has no validation data, which check refuses")
        return value

    def summary(self, found: Sequence[Found]) -> dict[str, float | None]:
        """min-ACC and WC-ACC after the last task; means over each task and each earlier one of the dips.

        ``stability_gap_recovery`` is the mean number of iterations of those that recovered, whose share is
        ``stability_gap_recovered``. The windowed scores are means over the earlier tasks, each from when it was learned
        on, so that plasticity is what came back; the paper counts the learning of the task itself as well.
        """
        last: Found = found[-1] if found else {}
        recovery = [value for one in found for value in one["recovery"]]
        traces = [_whole(found, task) for task in range(len(found) - 1)]
        return {
            "min_accuracy": last.get("min_accuracy"),
            "worst_case_accuracy": last.get("worst_case_accuracy"),
            "stability_gap_depth": _mean(value for one in found for value in one["depth"]),
            "stability_gap_rebound": _mean(value for one in found for value in one["rebound"]),
            "stability_gap_area": _mean(value for one in found for value in one["area"]),
            "stability_gap_recovery": _mean(value for value in recovery if value is not None),
            "stability_gap_recovered": _mean(float(value is not None) for value in recovery),
            "windowed_forgetting": _mean(windowed_forgetting(trace, self.window) for trace in traces),
            "windowed_plasticity": _mean(windowed_plasticity(trace, self.window) for trace in traces),
        }

    def draw(self, folder: Path, found: Sequence[Found]) -> list[tuple[str, Path]]:
        if len(found) < 2:
            return []
        begins = [sum(int(one["steps"]) for one in found[:task]) for task in range(len(found))]
        traces: dict[int, tuple[Sequence[float], Sequence[float]]] = {}
        for task in range(len(found) - 1):
            later = range(task + 1, len(found))
            steps = [begins[other] + at for other in later for at in found[other]["at"]]
            traces[task] = (steps, _whole(found, task))
        return [("plots/stability_gap", plot_stability_gap(traces, begins, folder / "stability_gap.png"))]


def _whole(found: Sequence[Found], task: int) -> list[float]:
    """The accuracies of a task over all tasks after it."""
    return [value for one in found[task + 1 :] for value in one["accuracy"][task]]


def _after(found: Sequence[Found], task: int) -> list[float]:
    """The same without those taken before a task's first iteration, if it has any iteration."""
    traces = [one["accuracy"][task] for one in found[task + 1 :]]
    return [value for trace in traces for value in (trace[1:] or trace)]


def _mean(values: Iterable[Any]) -> float | None:
    known = [float(value) for value in values]
    return sum(known) / len(known) if known else None
