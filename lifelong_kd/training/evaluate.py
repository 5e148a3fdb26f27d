"""Evaluation after each task: everything that goes into the accuracy matrix and the per-task record."""

from __future__ import annotations

from typing import Any

from lifelong_kd.core.seeds import Seeds
from lifelong_kd.evaluation.confusion import confusion_matrix
from lifelong_kd.stream.stream import Stream
from lifelong_kd.training.ask import Answers, Asker, drawn
from lifelong_kd.training.families.base import Split
from lifelong_kd.training.measure import Measured, answered, measure
from lifelong_kd.training.options import EvaluationOptions
from lifelong_kd.training.recorder import Outputs, Recorder
from lifelong_kd.training.results import Ledger

__all__ = ["Evaluator"]

BINS = 15
"""Of the calibration error in the per-task record; as many as Guo et al. (2017, arXiv:1706.04599) have."""


class Evaluator:
    """Asks the engine about the streams; it changes neither the model nor any random draw of training.

    Args:
        engine: an Avalanche template with a :class:`Recorder` as its evaluator.
        recorder: that recorder.
        stream: whose test, validation and training data are asked about.
        options: how.
        asker: asks about a part of the training data.
        seeds: decide which part.
    """

    def __init__(
        self,
        engine: Any,
        recorder: Recorder,
        stream: Stream,
        options: EvaluationOptions,
        asker: Asker,
        seeds: Seeds,
    ) -> None:
        self.asker = asker
        self.seeds = seeds
        self.engine = engine
        self.recorder = recorder
        self.stream = stream
        self.options = options

    def _measure(self, experiences: Any, first: int) -> list[Measured]:
        self.engine.eval(experiences)
        tasks = self.stream.tasks[first:]
        return [
            answered(outputs, task.classes, self.stream.scenario, BINS)
            for outputs, task in zip(self.recorder.outputs, tasks, strict=False)
        ]

    def test(self) -> list[Measured]:
        """The test stream, all tasks."""
        return self._measure(self.stream.benchmark.test_stream, 0)

    def validation(self, task: int) -> Measured | None:
        """One task's validation data; ``None`` if the stream has none."""
        if not self.stream.has_validation:
            return None
        return self._measure(self.stream.benchmark.valid_stream[task], task)[0]

    def training(self, task: int) -> Answers:
        """What the student says of a task's training data without augmentation, at most ``train_samples`` of them."""
        data = self.asker.data("train", task)
        seed = self.seeds.derive(f"look/train/{task}")
        return self.asker.ask(data, drawn(len(data.targets), self.options.train_samples, seed))

    def before_first(self, ledger: Ledger) -> None:
        """The row of the untrained model, which forward transfer needs."""
        rows = self.test()
        ledger.readings["own"].before = [row.accuracy for row in rows]
        ledger.readings["class"].before = [row.any_class for row in rows]
        ledger.readings["task"].before = [row.own_task for row in rows]

    def after_task(
        self, task: int, ledger: Ledger
    ) -> tuple[dict[str, Any], dict[tuple[Split, int], Answers]]:
        """Add a row to the matrices and an entry to the per-task record.

        Returns:
            The entry, and everything that the student was asked for it.
        """
        rows = self.test()
        heard: dict[tuple[Split, int], Answers] = {
            ("test", number): said for number, said in enumerate(self._heard())
        }
        ledger.readings["own"].add_row(row.accuracy for row in rows)
        ledger.readings["class"].add_row(row.any_class for row in rows)
        ledger.readings["task"].add_row(row.own_task for row in rows)
        classes = self.stream.classes
        total = sum(
            confusion_matrix(row.predicted.clamp_min(0), row.targets, classes) for row in rows[: task + 1]
        )
        ledger.confusion = total.tolist()  # type: ignore[union-attr]
        asked = heard["train", task] = self.training(task)
        classes_of = self.stream.tasks[task].classes
        training = measure(Outputs(asked.logits, asked.targets), classes_of, self.stream.scenario, BINS)
        validation = self.validation(task)
        if validation is not None:
            heard["valid", task] = self._heard()[0]
        entry: dict[str, Any] = {
            "task": task,
            "classes": list(self.stream.tasks[task].class_names),
            "train_accuracy": training.accuracy,
            "validation_accuracy": validation.accuracy if validation is not None else None,
            "test_accuracy": rows[task].accuracy,
            "generalisation_gap": training.accuracy - rows[task].accuracy,
            "calibration_error": rows[task].calibration_error,
            "test_loss": rows[task].loss,
        }
        ledger.per_task.append(entry)
        return entry, heard

    def _heard(self) -> list[Answers]:
        """What the student said when it was last asked."""
        return [Answers(said.logits.float().cpu(), said.targets.cpu()) for said in self.recorder.outputs]
