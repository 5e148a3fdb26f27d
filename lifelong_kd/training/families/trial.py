"""A training step tried out: its losses and gradients as in training, and nothing left of it afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lifelong_kd.core.types import Batch
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.lesson import Lesson
from lifelong_kd.teacher.base import networks
from lifelong_kd.training.families.base import Look
from lifelong_kd.training.loader import BatchLoader
from lifelong_kd.training.randomness import undisturbed
from lifelong_kd.training.stopwatch import Stopwatch

if TYPE_CHECKING:
    # A configuration asks for a family's options without loading Avalanche.
    from lifelong_kd.training.plugin import DistillationPlugin

__all__ = ["batches", "lesson_on", "losses", "task_loss", "terms", "without_trace"]


@contextmanager
def without_trace(engine: Any, plugin: DistillationPlugin) -> Iterator[None]:
    """Inside, student and teachers can be asked and terms computed; afterwards the run is as it was.

    Everybody is in evaluation mode: no dropout, and BatchNorm normalises by its running statistics, also that of a
    teacher that adapts to each batch in training. Put back are the random generators, the modes of all modules, what
    the terms note, the weights of teachers that adapt and the time that teachers took. Gradients have to be taken with
    ``torch.autograd.grad``, which leaves those of the parameters alone.
    """
    strategy, adapter = plugin.strategy, plugin.adapter
    held = [(teacher, network) for teacher in strategy.teachers.values() for network in networks(teacher)]
    modules = {part for network in (engine.model, *(one for _, one in held)) for part in network.modules()}
    modes = [(part, part.training) for part in modules]
    adapting = [network for teacher, network in held if teacher.adapts]
    weights = [(value, value.clone()) for network in adapting for value in network.state_dict().values()]
    notes = [(part, dict(vars(part))) for part in _noting(strategy)]
    gradients = [
        (value, value.grad) for _, kept in notes for value in kept.values() if isinstance(value, nn.Parameter)
    ]
    drawn, teaching = plugin.seeds.state_dict(), adapter.teaching
    adapter.teaching = Stopwatch(engine.device)
    try:
        with undisturbed():
            for part in modules:
                # A frozen network does not listen to eval().
                part.training = False
            yield
    finally:
        for part, training in modes:
            part.training = training
        with torch.no_grad():
            for value, before in weights:
                value.copy_(before)
        for noting, kept in notes:
            vars(noting).clear()
            vars(noting).update(kept)
        for parameter, gradient in gradients:
            parameter.grad = gradient
        plugin.seeds.load_state_dict(drawn)
        adapter.teaching = teaching


def _noting(strategy: Strategy) -> Iterator[Any]:
    """Whatever may note something while a term is computed: the term, its knowledge and what learns beside it."""
    for term in strategy.terms.values():
        found = (term, term.learner, getattr(term, "knowledge", None))
        yield from (one for one in found if one is not None)


def batches(look: Look, count: int) -> Iterator[Batch]:
    """At most ``count`` batches of the set that the task was trained on, in the training view, always the same ones.

    Where Avalanche's own loader was used, of the task's new data alone.
    """
    engine = look.engine
    loader = engine.dataloader
    data = loader.data if isinstance(loader, BatchLoader) else engine.task_data()
    generator = torch.Generator().manual_seed(look.seeds.derive(f"look/steps/{look.task}"))
    order = torch.randperm(len(data.targets), generator=generator)
    for rows in order.split(engine.train_mb_size)[:count]:
        raw = data.raw(rows)
        x = data.augmented(raw, generator)
        if engine.options.channels_last and x.dim() == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        yield Batch(
            x=x, y=data.targets[rows].to(engine.device), label=data.labels[rows].to(engine.device), raw=raw
        )


def lesson_on(look: Look, plugin: DistillationPlugin, batch: Batch) -> Lesson:
    """A step of the strategy on ``batch`` as it is at the end of the task; draws from memory are made as usual.

    The batch has no index, so that teachers are asked rather than what is cached of them.
    """
    adapter = plugin.adapter
    steps = max(int(look.engine.clock.train_exp_iterations), 1)
    return plugin.strategy.lesson(batch, None, adapter.student, adapter.heads, progress=1 - 1 / steps)


def task_loss(strategy: Strategy, lesson: Lesson) -> tuple[float, Tensor]:
    """The weight of the task loss on the new batch, and the unweighted loss."""
    batch = lesson.batch("new")
    if batch is None:
        raise RuntimeError("a step has a new batch")
    loss = strategy.task_loss(lesson.student("new").logits, batch.y, batch.label, lesson.task)
    return strategy.task_weight(lesson.moment), loss


def terms(strategy: Strategy, lesson: Lesson) -> Iterator[tuple[str, float, Tensor]]:
    """Name, weight and unweighted loss of each term that is not silent in this step."""
    for name, term in strategy.terms.items():
        weight = strategy.knobs.weight(name, lesson.moment)
        value = term.value(lesson.again() if term.separate else lesson) if weight else None
        if value is not None:
            yield name, weight, value


def losses(strategy: Strategy, lesson: Lesson) -> Iterator[Tensor]:
    """What a step differentiates: the weighted sum, then each term that has an optimiser step of its own."""
    weight, loss = task_loss(strategy, lesson)
    total, apart = weight * loss, []
    for name, weight, value in terms(strategy, lesson):
        if strategy.terms[name].separate:
            apart.append(weight * value)
        else:
            total = total + weight * value
    yield total
    yield from apart
