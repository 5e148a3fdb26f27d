"""The family about cost: what the student, its teachers and its memory take, and what accuracy that buys."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.core.types import Batch
from lifelong_kd.evaluation.cost import (
    FlopClock,
    StepFlops,
    accuracy_per_unit,
    parameter_count,
    peak_memory,
    training_flops,
)
from lifelong_kd.evaluation.generalisation import mean_of
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.base import networks
from lifelong_kd.training.families.accuracy import accuracy_on
from lifelong_kd.training.families.base import Family, Found, Look
from lifelong_kd.training.families.trial import batches, lesson_on, losses, without_trace
from lifelong_kd.training.loader import BatchLoader
from lifelong_kd.training.randomness import undisturbed

if TYPE_CHECKING:
    # A configuration asks for a family's options without loading Avalanche.
    from lifelong_kd.training.plugin import DistillationPlugin

__all__ = ["Cost"]


class Cost(Family):
    """Parameters, bytes, operations and peak memory after each task, and the accuracy by the unit of each.

    The operations of a training step are counted, forward and backward of the student and forward of its teachers, on a
    batch of the size of the training and at the end of it, a multiply-add as two; ``training_flops`` are those of all
    steps of the task, of which a teacher whose answers are kept for the task (training.teacher_cache) takes the first
    epoch's only. Left out are what a generator learns and makes, phases beside the main training, rounds that were not
    kept, and, for a strategy of Avalanche's own or a model that is told task labels, everything but one pass of the
    student forward and back.

    Accuracy is the average over the test tasks learned so far.
    """

    by_default = True
    varies = frozenset({"training_seconds", "peak_memory_bytes", "accuracy_per_second"})

    def before_end(self, look: Look) -> Found:
        step = _step(look)
        if step is None:
            return {}
        flops, size = step
        steps = int(look.engine.clock.train_exp_iterations)
        loader = look.engine.dataloader
        taught = steps
        if _is_kept(look.plugin) and isinstance(loader, BatchLoader):
            taught = min(steps, math.ceil(len(loader.data) / loader.batch_size))
        teachers = [] if look.plugin is None else [*look.plugin.strategy.teachers.values()]
        return {
            "batch": size,
            "steps": steps,
            "step_flops": flops.total,
            "teacher_step_flops": flops.teacher,
            "training_flops": (flops.total - flops.teacher) * steps + flops.teacher * taught,
            "teacher_flops": flops.teacher * taught,
            "teacher_parameters": sum(
                parameter_count(network) for teacher in teachers for network in networks(teacher)
            ),
        }

    def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
        """What is there after the task; seconds of the training so far if ``pending`` has ``training_seconds``."""
        model, tasks = look.engine.model, range(look.task + 1)
        return {
            "parameters": parameter_count(model),
            "trainable_parameters": parameter_count(model, trainable=True),
            "memory_bytes": _stored(look.plugin),
            "peak_memory_bytes": peak_memory(look.engine.device),
            "average_accuracy": mean_of(
                [accuracy_on(look, task, look.answers("test", task)) for task in tasks]
            ),
            "training_seconds": look.pending.get("training_seconds"),
        }

    def summary(self, found: Sequence[Found]) -> dict[str, float | None]:
        """The last average accuracy by seconds and operations of the whole training, by memory and by parameters.

        Also ``training_gflops``, and the share of them that teachers took.
        """
        if not found:
            return {}
        last, known = found[-1], all("training_flops" in one for one in found)
        flops = sum(one["training_flops"] for one in found) if known else None
        teacher = sum(one["teacher_flops"] for one in found) if known else None
        return {
            **accuracy_per_unit(
                last["average_accuracy"],
                seconds=last["training_seconds"],
                flops=flops,
                stored_bytes=last["memory_bytes"],
                parameters=last["parameters"],
            ),
            "training_gflops": None if flops is None else flops / 1e9,
            "teacher_flops_share": teacher / flops if flops and teacher is not None else None,
        }


def _stored(plugin: DistillationPlugin | None) -> int | None:
    """Bytes of memory and generator; ``None`` for Avalanche's own strategies, whose buffers are not known."""
    return plugin.strategy.nbytes if plugin is not None else None


def _is_kept(plugin: DistillationPlugin | None) -> bool:
    """Whether every answer that terms ask of teachers was computed once for the task."""
    if plugin is None:
        return False
    asking = [
        term for term in plugin.strategy.terms.values() if term.teacher is not None and term.teacher.ready
    ]
    return bool(asking) and all(
        isinstance(term, Distill)
        and term.source == "new"
        and term.view == "same"
        and getattr(term.teacher, "cache", None) is not None
        for term in asking
    )


def _step(look: Look) -> tuple[StepFlops, int] | None:
    """The operations of a step, and its number of new samples."""
    batch = next(batches(look, 1), None)
    if batch is None:
        return None
    plugin, parameters = look.plugin, [one for one in look.engine.model.parameters() if one.requires_grad]
    if plugin is None or plugin.adapter.multitask:
        return _plain(look.engine, batch, parameters), len(batch)
    with without_trace(look.engine, plugin):
        lesson = lesson_on(look, plugin, batch)
        parameters += [one for learner in plugin.strategy.learners for one in learner.owner.parameters()]

        def all_losses(clock: FlopClock) -> Iterator[Tensor]:
            # Every question to a teacher passes this stopwatch.
            plugin.adapter.teaching = clock  # type: ignore[assignment]
            yield from losses(strategy, lesson)

        strategy: Strategy = plugin.strategy
        return training_flops(all_losses, parameters), len(batch)


def _plain(engine: Any, batch: Batch, parameters: Sequence[Tensor]) -> StepFlops:
    """One pass of the student forward and back, in evaluation mode."""
    from avalanche.models.utils import avalanche_forward

    model = engine.model
    modes = [(part, part.training) for part in model.modules()]

    def loss(clock: FlopClock) -> Iterator[Tensor]:
        with engine.precision_context():
            logits = avalanche_forward(model, batch.x, batch.label)
        yield F.cross_entropy(logits.float(), logits.argmax(dim=1))

    try:
        with undisturbed():
            model.eval()
            return training_flops(loss, parameters)
    finally:
        for part, training in modes:
            part.training = training
