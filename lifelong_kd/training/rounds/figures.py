"""What a controller is told of a student, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Collection

import torch
from torch import Tensor

from lifelong_kd.core.errors import Diverged
from lifelong_kd.rounds.base import Figures, Reading
from lifelong_kd.stream.stream import Stream
from lifelong_kd.training.ask import Answers, Asker
from lifelong_kd.training.measure import answered
from lifelong_kd.training.recorder import Outputs
from lifelong_kd.training.samples import score_of

__all__ = ["Sight"]


class Sight:
    """Measures the student on what is there at the time: training data of the current task, validation data, memory.

    Args:
        asker: asks the student.
        stream: whose tasks these are.
    """

    def __init__(self, asker: Asker, stream: Stream) -> None:
        self._asker = asker
        self._stream = stream

    def figures(self, task: int, looks: Collection[str]) -> Figures:
        """The student on the sources that are looked at.

        Args:
            task: the current task.
            looks: of ``train``, ``validation``, ``memory`` and ``generator``.

        Raises:
            Diverged: if the student's answers are no longer finite.
        """
        train = None
        if "train" in looks:
            train = self._reading(self._asker.ask(self._asker.data("train", task)), task)
        validation = {}
        if "validation" in looks and self._stream.has_validation:
            validation = {
                number: self._reading(self._asker.ask(self._asker.data("valid", number)), number)
                for number in range(task + 1)
            }
        memory = self._memory(task) if "memory" in looks else {}
        return Figures(task, train, validation, memory, self._generator(task, looks))

    def nothing(self, task: int, looks: Collection[str]) -> Figures:
        """The same of a student that diverged, without asking it: wrong about every sample, the loss infinite."""
        train = _wrong(self._size("train", task)) if "train" in looks else None
        validation = {}
        if "validation" in looks and self._stream.has_validation:
            validation = {number: _wrong(self._size("valid", number)) for number in range(task + 1)}
        rows = self._memory_rows(task) if "memory" in looks else {}
        memory = {number: _wrong(len(mine)) for number, mine in rows.items()}
        return Figures(task, train, validation, memory, math.inf if "generator" in looks else None)

    def _size(self, split: str, task: int) -> int:
        return len(self._asker.data(split, task).targets)

    def validation(self, task: int) -> Reading:
        """The student on the current task's validation data.

        Raises:
            Diverged: if its answers are no longer finite.
        """
        return self._reading(self._asker.ask(self._asker.data("valid", task)), task)

    def _reading(self, answers: Answers, task: int) -> Reading:
        said = answered(
            Outputs(answers.logits, answers.targets),
            self._stream.tasks[task].classes,
            self._stream.scenario,
            bins=1,
        )
        return Reading(said.accuracy, said.loss, said.predicted == said.targets)

    def _generator(self, task: int, looks: Collection[str]) -> float | None:
        """The generator's own score on the current task's validation data.

        Raises:
            Diverged: if it is not finite.
        """
        plugin = self._asker.plugin
        generator = plugin.strategy.generator if plugin is not None else None
        if "generator" not in looks or generator is None:
            return None
        score = score_of(generator, self._asker.data("valid", task))
        if score is not None and not math.isfinite(score):
            raise Diverged(f"the generator's score on the validation data of task {task} is {score}")
        return score

    def _memory(self, upto: int) -> dict[int, Reading]:
        """Exemplars by the task they come from."""
        plugin = self._asker.plugin
        memory = plugin.strategy.memory if plugin is not None else None
        readings = {}
        for number, rows in self._memory_rows(upto).items():
            if plugin is not None and memory is not None:
                samples = memory.rows(rows)
                answers = self._asker.ask_raw(
                    samples["raw"], samples["y"], samples["label"], plugin.strategy.data
                )
                readings[number] = self._reading(answers, number)
        return readings

    def _memory_rows(self, upto: int) -> dict[int, Tensor]:
        """Which exemplars come from which task.

        By the task that was noted with them, else by label or class. A reservoir in a stream of domains notes none:
        there all of them, the current task's among them, count as of task 0.
        """
        plugin = self._asker.plugin
        memory = plugin.strategy.memory if plugin is not None else None
        if memory is None or not len(memory):
            return {}
        count = len(memory)
        found = {}
        for number in range(upto + 1):
            task = self._stream.tasks[number]
            if "task" in memory.samples:
                mine = memory.samples["task"][:count].cpu() == number
            elif self._stream.scenario == "domain":
                mine = torch.full((count,), number == 0)
            elif self._stream.scenario == "task":
                mine = memory.samples["label"][:count].cpu() == task.label
            else:
                mine = torch.isin(memory.samples["y"][:count].cpu(), torch.tensor(task.classes))
            rows = mine.nonzero().squeeze(1)
            if len(rows):
                found[number] = rows
        return found


def _wrong(samples: int) -> Reading:
    return Reading(0.0, math.inf, torch.zeros(samples, dtype=torch.bool))
