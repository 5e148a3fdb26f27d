"""The samples on which student and teachers are compared, and what the student says about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from lifelong_kd.core.types import Batch, Task, TaskData
from lifelong_kd.memory.base import Memory, Samples
from lifelong_kd.training.families.base import Look

__all__ = ["AskedSamples", "exemplars_of", "sources"]


@dataclass(frozen=True)
class AskedSamples:
    """Samples, and the student's logits (N, columns) of them: ``y``, ``label`` and ``logits`` on the CPU.

    ``stored`` are the logits that a memory kept with them, NaN in columns that did not exist then.
    """

    raw: Tensor
    y: Tensor
    label: Tensor
    data: TaskData
    logits: Tensor
    stored: Tensor | None = None

    def batches(self, size: int, device: torch.device) -> Iterator[Batch]:
        """The samples as evaluation shows them; without an index, so that nobody answers from a cache."""
        for rows in torch.arange(len(self.y)).split(size):
            raw = self.raw[rows.to(self.raw.device)].to(device)
            yield Batch(self.data.plain(raw), self.y[rows].to(device), self.label[rows].to(device), raw)


def exemplars_of(memory: Memory | None, task: Task) -> list[tuple[tuple[int, ...], Samples]]:
    """What a memory holds, by where it comes from: (numbers of the tasks, samples), in the order of the tasks.

    By the task that was noted with a sample; else by its task label or class, where tasks differ in these. A reservoir
    in a domain-incremental stream notes neither: there all samples are one group, of all tasks so far.
    """
    if memory is None or not len(memory):
        return []
    samples = memory.take(torch.arange(len(memory)))
    tasks = (*task.history, task.new)
    if "task" in samples:
        number = samples["task"].cpu()
    elif task.scenario == "task" and len(task.by_label) == len(tasks):
        # Labels are met in the order of the tasks.
        place = {label: number for number, label in enumerate(task.by_label)}
        number = torch.tensor([place[label] for label in samples["label"].tolist()])
    elif len({column for classes in tasks for column in classes}) == sum(
        len(set(classes)) for classes in tasks
    ):
        place = {column: number for number, classes in enumerate(tasks) for column in classes}
        number = torch.tensor([place[column] for column in samples["y"].tolist()])
    else:
        return [(tuple(range(len(tasks))), samples)]
    groups: list[tuple[tuple[int, ...], Samples]] = []
    for found in number.unique().tolist():
        rows = (number == found).nonzero().squeeze(1)
        group = {name: field.index_select(0, rows.to(field.device)) for name, field in samples.items()}
        groups.append(((int(found),), group))
    return groups


def sources(
    look: Look, limit: int, data: TaskData, task: Task, memory: Memory | None
) -> dict[str, AskedSamples]:
    """At most ``limit`` samples of each source that there is, always the same ones.

    ``train``: the task's training data. ``held_out``: its validation data if there are any, else its test data.
    ``held_out_old``: those of the earlier tasks, as many of each. ``memory``: exemplars of earlier tasks.

    Args:
        look: the student at the end of the task's training.
        limit: samples a source.
        data: makes the view of what is in the memory.
        task: the task.
        memory: the strategy's.
    """
    split = "valid" if look.stream.has_validation else "test"
    found = {
        "train": _of_tasks(look, "train", [look.task], limit),
        "held_out": _of_tasks(look, split, [look.task], limit),
    }
    if look.task:
        each = max(limit // look.task, 1)
        found["held_out_old"] = _of_tasks(look, split, list(range(look.task)), each)
        earlier = [group for numbers, group in exemplars_of(memory, task) if numbers != (task.index,)]
        found["memory"] = _of_memory(look, earlier, limit, data)
    return {name: samples for name, samples in found.items() if samples is not None and len(samples.y)}


def _of_tasks(look: Look, split: str, tasks: list[int], limit: int) -> AskedSamples | None:
    parts = []
    for number in tasks:
        data, rows = look.asker.data(split, number), look.pick(split, number, limit)  # type: ignore[arg-type]
        parts.append((data.raw(rows), data.targets[rows], data.labels[rows]))
    raw, y, label = (torch.cat(pieces) for pieces in zip(*parts, strict=True))
    return _heard(look, raw, y, label, look.asker.data(split, tasks[0]))


def _of_memory(look: Look, groups: list[Samples], limit: int, data: TaskData) -> AskedSamples | None:
    if not groups:
        return None
    raw, y, label = (torch.cat([group[name] for group in groups]) for name in ("raw", "y", "label"))
    generator = torch.Generator().manual_seed(look.seeds.derive(f"look/memory/{look.task}"))
    rows = torch.randperm(len(y), generator=generator)[:limit].sort().values
    raw, y, label = (field[rows.to(field.device)] for field in (raw, y, label))
    stored = None
    if all("logits" in group for group in groups):
        stored = torch.cat([group["logits"] for group in groups]).cpu()[rows].float()
    return _heard(look, raw, y, label, data, stored)


def _heard(
    look: Look, raw: Tensor, y: Tensor, label: Tensor, data: TaskData, stored: Tensor | None = None
) -> AskedSamples:
    logits = look.asker.ask_raw(raw, y, label, data).logits
    return AskedSamples(raw, y.cpu(), label.cpu(), data, logits, stored)
