"""What a controller is told of a student, and nothing else."""

from __future__ import annotations

from collections.abc import Collection

import torch

from lifelong_kd.rounds.base import Figures, Reading
from lifelong_kd.stream.stream import Stream
from lifelong_kd.training.ask import Answers, Asker
from lifelong_kd.training.measure import measure
from lifelong_kd.training.recorder import Outputs

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

    def figures(self, task: int, looks: Collection[str], *, last: int | None = None) -> Figures:
        """The student on the sources that are looked at.

        Args:
            task: the current task.
            looks: of ``train``, ``validation`` and ``memory``.
            last: the last task of which validation data are asked; the current one if ``None``.
        """
        upto = task if last is None else last
        train = None
        if "train" in looks and upto == task:
            train = self._reading(self._asker.ask(self._asker.data("train", task)), task)
        validation = {}
        if "validation" in looks and self._stream.has_validation:
            validation = {
                number: self._reading(self._asker.ask(self._asker.data("valid", number)), number)
                for number in range(upto + 1)
            }
        memory = self._memory(upto) if "memory" in looks else {}
        return Figures(task, train, validation, memory)

    def validation(self, task: int) -> Reading:
        """The student on the current task's validation data."""
        return self._reading(self._asker.ask(self._asker.data("valid", task)), task)

    def _reading(self, answers: Answers, task: int) -> Reading:
        said = measure(
            Outputs(answers.logits, answers.targets),
            self._stream.tasks[task].classes,
            self._stream.scenario,
            bins=1,
        )
        return Reading(said.accuracy, said.loss, said.predicted == said.targets)

    def _memory(self, upto: int) -> dict[int, Reading]:
        """Exemplars by the task they come from; in a stream of domains, where a memory cannot tell, all as of 0."""
        plugin = self._asker.plugin
        memory = plugin.strategy.memory if plugin is not None else None
        if plugin is None or memory is None or not len(memory):
            return {}
        samples = memory.take(torch.arange(len(memory)))
        readings = {}
        for number in range(upto + 1):
            task = self._stream.tasks[number]
            if self._stream.scenario == "domain":
                mine = torch.full((len(memory),), number == 0)
            elif self._stream.scenario == "task":
                mine = samples["label"].cpu() == task.label
            else:
                mine = torch.isin(samples["y"].cpu(), torch.tensor(task.classes))
            rows = mine.nonzero().squeeze(1)
            if len(rows):
                fields = {
                    name: samples[name][rows.to(samples[name].device)] for name in ("raw", "y", "label")
                }
                answers = self._asker.ask_raw(
                    fields["raw"], fields["y"], fields["label"], plugin.strategy.data
                )
                readings[number] = self._reading(answers, number)
        return readings
