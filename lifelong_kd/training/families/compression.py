"""The family about compression: teachers that are networks and the student, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Batch
from lifelong_kd.evaluation.compression import (
    COSTS,
    Measured,
    compression_table,
    falls,
    latest_accuracies,
    ratio,
    write_markdown,
)
from lifelong_kd.evaluation.cost import forward_flops, parameter_count
from lifelong_kd.evaluation.latency import LEAST, cpu_latency, network_bytes
from lifelong_kd.evaluation.plots_compression import plot_compression
from lifelong_kd.model.freeze import frozen_copy
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.teacher.base import Teacher, networks
from lifelong_kd.training.families.accuracy import accuracy_on
from lifelong_kd.training.families.base import Family, Found, Look, Table
from lifelong_kd.training.families.reliability import known_classes, unaskable
from lifelong_kd.training.families.trial import without_trace
from lifelong_kd.training.reading import only, predicted

if TYPE_CHECKING:
    # A configuration asks for a family's options without loading Avalanche.
    from lifelong_kd.training.plugin import DistillationPlugin

__all__ = ["Compression"]

BATCHES = (1, 64)
TITLE = "Compression: student and teachers"


class Compression(Family):
    """What student and teachers cost and reach: parameters, operations, bytes, latency, accuracy and forgetting.

    Teachers are those of the strategy that are networks: an expert or an assistant of another architecture, an external
    one, a snapshot. Each is measured when it has taught a task, on the test data of the tasks so far that it knows all
    classes of; those that it does not know do not compete in its answers. Its accuracy on a task is the last that there
    is: of an expert that knows one task, that of the expert of that task. Beside it stands that of the student as it is
    now on the same samples, among the same classes: ``accuracy_ratio`` compares these two, as an expert that has two
    classes to choose from has an easier task than a student with all of them. Its forgetting is the fall from its best
    accuracy, and not defined for a task that was measured once. What cannot be asked is named under ``left_out``.

    Operations are those of one sample, a multiply-add as two. The latency is the median of repeated passes on one
    thread of the CPU, of a copy there, in milliseconds for a batch of 1 and one of 64. An ensemble costs what its
    members cost together. The scores compare the student with its largest teacher, ``_ratio`` being the student's
    share of it.

    The run ends with a table of it all, also in ``plots/compression.md``.

    Args:
        repeats: passes that are timed, at least 3; fewer once they took a second.

    Raises:
        BadCall: if an option is out of range.
    """

    varies = frozenset(
        name
        for batch in BATCHES
        for name in (
            f"latency_{batch}_ms",
            f"teacher_latency_{batch}_ms",
            f"latency_{batch}_ms_ratio",
        )
    )

    def __init__(self, *, repeats: int = 30) -> None:
        if repeats < LEAST:
            raise BadCall(f"repeats must be at least {LEAST}, got {repeats}")
        self.repeats = repeats

    def before_end(self, look: Look) -> Found:
        """The teachers, before they look at what the student has become."""
        plugin = look.plugin
        found: Found = {"teachers": {}, "left_out": {}}
        if plugin is None:
            return found
        for name, teacher in _teachers(plugin.strategy).items():
            held = list(_held(teacher))
            why = unaskable(teacher, multitask=plugin.adapter.multitask) if held else "is no network"
            if why is None:
                with without_trace(look.engine, plugin):
                    costs = self._costs(look, held)
                known = known_classes(teacher, plugin.tasks[-1])
                reached = _reached(look, plugin, teacher, known)
                found["teachers"][name] = {**costs, "accuracy": reached, "classes": list(known)}
            else:
                found["left_out"][name] = why
        return found

    def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
        tasks = range(look.task + 1)
        accuracy = [accuracy_on(look, task, look.answers("test", task)) for task in tasks]
        beside = _beside(
            look, [*(one.get("teachers", {}) for one in earlier), look.pending.get("teachers", {})]
        )
        costs = self._costs(look, [look.engine.model])
        return {"student": {**costs, "accuracy": accuracy, "beside": beside}}

    def _costs(self, look: Look, held: Sequence[nn.Module]) -> dict[str, float]:
        """What these networks cost together."""
        data = look.data("test", 0)
        count = min(len(data.targets), max(BATCHES))
        x = data.plain(data.raw(torch.arange(count)))
        costs: dict[str, float] = {
            "parameters": sum(parameter_count(network) for network in held),
            "flops": sum(forward_flops(network, x[:1]) for network in held),
            "bytes": sum(network_bytes(network) for network in held),
        }
        copies = [frozen_copy(network).cpu() for network in held]
        for batch in BATCHES:
            rows = x[torch.arange(batch) % count].cpu()
            costs[f"latency_{batch}_ms"] = sum(
                cpu_latency(network, rows, repeats=self.repeats) for network in copies
            )
        return costs

    def summary(self, found: Sequence[Found]) -> dict[str, float | None]:
        """What the student costs and reaches, its largest teacher, and the student's share of that."""
        if not found:
            return {}
        student, teachers = _measured(found)
        teacher = max(teachers, key=lambda one: one.costs["parameters"], default=None)
        scores: dict[str, float | None] = dict(student.costs)
        scores |= {"accuracy": student.average, "forgetting": student.forgetting}
        for name in COSTS:
            theirs = teacher.costs[name] if teacher is not None else None
            scores[f"teacher_{name}"] = theirs
            scores[f"{name}_ratio"] = ratio(student.costs[name], theirs)
        there = teacher.student_average if teacher is not None else None
        scores["teacher_accuracy"] = teacher.average if teacher is not None else None
        scores["accuracy_ratio"] = ratio(there, scores["teacher_accuracy"])
        scores["teacher_forgetting"] = teacher.forgetting if teacher is not None else None
        return scores

    def table(self, found: Sequence[Found]) -> Table:
        student, teachers = _measured(found)
        return Table(*compression_table(student, teachers))

    def draw(self, folder: Path, found: Sequence[Found]) -> list[tuple[str, Path]]:
        """The picture, and the table as ``compression.md`` beside it."""
        student, teachers = _measured(found)
        table = self.table(found)
        write_markdown(folder / "compression.md", TITLE, table.columns, table.rows)
        return [("plots/compression", plot_compression([student, *teachers], folder / "compression.png"))]


def _teachers(strategy: Strategy) -> dict[str, Teacher]:
    """The teachers by the names that the configuration gave them, where it did."""
    called = {id(teacher): name for name, teacher in strategy.called.items()}
    return {called.get(id(teacher), name): teacher for name, teacher in strategy.teachers.items()}


def _held(teacher: Teacher) -> Iterator[nn.Module]:
    """The networks that a teacher answers with, those of its members included, each once."""
    seen: set[int] = set()
    for one in (teacher, *teacher.members):
        for network in networks(one) if one is teacher else _held(one):
            if id(network) not in seen:
                seen.add(id(network))
                yield network


def _reached(
    look: Look, plugin: DistillationPlugin, teacher: Teacher, known: Sequence[int]
) -> list[float | None]:
    """A teacher's accuracy on the test data of each task so far; ``None`` of one that it does not know."""
    reached: list[float | None] = []
    for number in range(look.task + 1):
        classes = look.stream.tasks[number].classes
        if not set(classes) <= set(known):
            reached.append(None)
            continue
        competing = classes if look.stream.scenario == "task" else known
        with without_trace(look.engine, plugin), torch.no_grad():
            right = [
                predicted(only(teacher.teach(batch).logits.float(), competing)) == batch.y
                for batch in _batches(look, number)
            ]
        reached.append(float(torch.cat(right).double().mean()))
    return reached


def _beside(look: Look, taught: Sequence[Mapping[str, Any]]) -> dict[str, list[float | None]]:
    """The student's accuracy on each task so far, by teacher, among the classes that this had when it taught it last.

    ``taught`` is what was found of the teachers in each task.
    """
    beside: dict[str, list[float | None]] = {}
    for name in dict.fromkeys(name for one in taught for name in one):
        beside[name] = []
        for number in range(look.task + 1):
            there = [one[name] for one in taught if name in one]
            of = [one for one in there if dict(enumerate(one["accuracy"])).get(number) is not None]
            answers = look.answers("test", number)
            if of:
                answers = replace(answers, logits=only(answers.logits, of[-1]["classes"]))
            beside[name].append(accuracy_on(look, number, answers) if of else None)
    return beside


def _batches(look: Look, task: int) -> Iterator[Batch]:
    """The test data of a task as evaluation shows them; without an index, so that nobody answers from a cache."""
    data, device = look.data("test", task), look.engine.device
    for rows in torch.arange(len(data.targets)).split(look.engine.eval_mb_size):
        raw: Tensor = data.raw(rows)
        yield Batch(data.plain(raw), data.targets[rows].to(device), data.labels[rows].to(device), raw)


def _measured(found: Sequence[Found]) -> tuple[Measured, list[Measured]]:
    """Student and teachers after the last of these tasks; a teacher costs what it cost when it taught last."""
    beside = found[-1]["student"]["beside"]
    student = _one("student", [one["student"] for one in found])
    names = dict.fromkeys(name for one in found for name in one.get("teachers", {}))
    teachers = []
    for name in names:
        taught = [one.get("teachers", {}).get(name, {"accuracy": []}) for one in found]
        teachers.append(_one(name, taught, beside[name]))
    return student, teachers


def _one(name: str, found: Sequence[Mapping[str, Any]], beside: Sequence[float | None] = ()) -> Measured:
    last = next(one for one in reversed(found) if "parameters" in one)
    rows = [one["accuracy"] for one in found]
    width = len(found)
    accuracy = [*latest_accuracies(rows), *[None] * width][:width]
    fallen = [*falls(rows), *[None] * width][:width]
    return Measured(name, {cost: last[cost] for cost in COSTS}, accuracy, fallen, beside)
