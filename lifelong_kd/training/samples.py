"""What a generator makes and how well it models data, looked at without a trace on the run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from lifelong_kd.core.types import Batch, TaskData
from lifelong_kd.generator.base import Generator
from lifelong_kd.training.plugin import DistillationPlugin
from lifelong_kd.training.randomness import undisturbed
from lifelong_kd.training.stopwatch import Stopwatch

__all__ = ["Replayed", "replayed", "score_of"]

BATCH = 512


@dataclass(frozen=True)
class Replayed:
    """Samples as the generator would make them for the next task, and what its solver says about them.

    ``raw`` are the samples; ``said`` the class of each among those seen (int64), ``confidence`` the probability of that
    class among those seen (float32), ``asked`` the class that each was made for, if the generator is asked for one. All
    of shape (samples, ...), on the CPU.
    """

    raw: Tensor
    said: Tensor
    confidence: Tensor
    asked: Tensor | None


def replayed(plugin: DistillationPlugin, count: int, seed: int) -> Replayed | None:
    """``count`` samples of the strategy's generator with the answers of its solver; ``None`` if it cannot make any.

    Args:
        plugin: whose generator and solver are asked, between two tasks.
        count: how many samples.
        seed: of the draw; those of the run stay where they are.
    """
    strategy = plugin.strategy
    generator, solver, task = strategy.generator, strategy.solver, plugin.tasks[-1]
    if generator is None or not generator.ready or not solver.ready:
        return None
    device = plugin.adapter.template.device
    seen = torch.tensor(task.seen, device=device)
    with undisturbed(), _not_teaching(plugin), torch.no_grad():
        made = generator.draw(count, torch.Generator().manual_seed(seed))
        raw = made.raw.to(device)
        x = raw if generator.level is not None else strategy.data.plain(raw)
        label = torch.full((len(raw),), task.label, dtype=torch.int64, device=device)
        pieces = [
            solver.ask(Batch(x=x[rows], y=label[rows], label=label[rows], raw=raw[rows], at=generator.level))
            for rows in torch.arange(len(raw), device=device).split(BATCH)
        ]
        likely = torch.cat([said.logits[:, seen] for said in pieces]).float().softmax(dim=1)
    confidence, column = likely.max(dim=1)
    return Replayed(
        raw=raw.float().cpu(),
        said=seen[column].cpu(),
        confidence=confidence.cpu(),
        asked=made.y.cpu() if made.y is not None else None,
    )


@contextmanager
def _not_teaching(plugin: DistillationPlugin) -> Iterator[None]:
    """Inside, what is asked of teachers does not count as time that they took of the training."""
    adapter, teaching = plugin.adapter, plugin.adapter.teaching
    adapter.teaching = Stopwatch(adapter.template.device)
    try:
        yield
    finally:
        adapter.teaching = teaching


def score_of(generator: Generator, data: TaskData) -> float | None:
    """The generator's own score on ``data``, a mean over its samples; ``None`` if it has none, or there are no data."""
    total, count = 0.0, len(data.targets)
    with undisturbed(), torch.no_grad():
        for rows in torch.arange(count).split(BATCH):
            score = generator.score(data.raw(rows))
            if score is None:
                return None
            total += float(score) * len(rows)
    return total / count if count else None
