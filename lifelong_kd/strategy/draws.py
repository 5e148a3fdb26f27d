"""Where the batches of a step come from beside the new one: memory, a pool of unlabelled samples, a generator."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Batch, Said, Task, TaskData
from lifelong_kd.generator.base import Generator
from lifelong_kd.memory.base import Memory
from lifelong_kd.phase.base import Stage
from lifelong_kd.strategy.columns import label_of, pick
from lifelong_kd.strategy.lesson import Lesson
from lifelong_kd.stream.pool import Pool
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["Draws"]


class Draws:
    """Draws a batch from a source, in a training view of its own; each source has its own random generators.

    Args:
        memory: what is kept of earlier tasks.
        memory_batch: samples drawn from it a step; as many as the new batch if ``None``.
        pool: unlabelled samples from elsewhere.
        pool_batch: samples drawn from it a step; as many as the new batch if ``None``.
        generator: makes samples of earlier tasks.
        generator_batch: samples that it makes a step; as many as the new batch if ``None``.

    Raises:
        BadCall: if a size is below 1, or the generator is none.
    """

    def __init__(
        self,
        *,
        memory: Memory | None = None,
        memory_batch: int | None = None,
        pool: Pool | None = None,
        pool_batch: int | None = None,
        generator: Generator | None = None,
        generator_batch: int | None = None,
    ) -> None:
        sizes = {"memory_batch": memory_batch, "pool_batch": pool_batch, "generator_batch": generator_batch}
        for name, size in sizes.items():
            if size is not None and size < 1:
                raise BadCall(f"{name} must be at least 1, got {size}")
        if generator is not None and not isinstance(generator, Generator):
            raise BadCall(f"a generator is an object such as Vae(latent=20), not {type(generator).__name__}")
        self.memory = memory
        self.memory_batch = memory_batch
        self.pool = pool
        self.pool_batch = pool_batch
        self.generator = generator
        self.generator_batch = generator_batch
        self._seeds = Seeds(0)
        self._device = torch.device("cpu")

    def begin(self, seeds: Seeds, device: torch.device) -> None:
        """Told once, before the first task."""
        self._seeds, self._device = seeds, device
        if self.generator is not None:
            self.generator.begin(seeds, device)

    def begin_task(self, stage: Stage, solver: Snapshot, *, resumed: bool) -> None:
        """Told when a task begins: pool and generator look whether its data suit them.

        Args:
            stage: the task.
            solver: the previous model.
            resumed: whether a state saved inside this task is put back afterwards.
        """
        if self.pool is not None:
            self.pool.check(stage.data)
        if self.generator is not None:
            self.generator.check(stage.task, stage.data, stage.model)
            self.generator.begin_task(stage.task, stage.data, solver, resumed=resumed)

    def after_step(self, lesson: Lesson) -> None:
        """Told after the student's step: a generator that learns makes one of its own, on the same batches."""
        batch = lesson.batch("new")
        if self.generator is not None and self.generator.trained and batch is not None:
            share = 1.0 - 1.0 / (lesson.task.index + 1)
            self.generator.learn(batch, lesson.batch("generated"), share)

    def end_task(self, stage: Stage) -> None:
        """Told at the end of a task, before the solver becomes what the student is now."""
        if self.generator is not None:
            self.generator.end_task(stage.task, stage.data, stage.model)
            for name, value in self.generator.values.items():
                stage.note(f"generator/{name}", value)

    def replayed(self, batch: int) -> int:
        """How many samples of earlier tasks stand beside a new batch of ``batch``, kept or made."""
        kept = made = 0
        if self.memory is not None:
            kept = min(self.memory_batch if self.memory_batch is not None else batch, len(self.memory))
        if self.generator is not None and self.generator.ready:
            made = self.generator_batch if self.generator_batch is not None else batch
        return kept + made

    def draw(
        self,
        source: str,
        batch: int,
        task: Task,
        data: TaskData,
        solver: Snapshot,
        ask: Callable[[Batch], Said] | None = None,
    ) -> Batch | None:
        """A batch of ``source``; ``None`` while there is nothing to draw from.

        Args:
            source: ``memory``, ``memory2``, ``external`` or ``generated``.
            batch: how many samples, where no other size was given.
            task: the task that is being learned.
            data: its training data, which make the views.
            solver: the previous model, which says of which class a generated sample is.
            ask: asks the solver in its place, where others want to hear the same answer.
        """
        if source == "generated":
            asked = (ask or solver.ask) if solver.ready else None
            return self._from_generator(batch, task, data, asked)
        if source == "external":
            return self._from_pool(batch, task, data)
        return self._from_memory(source, batch, data)

    def _from_memory(self, source: str, batch: int, data: TaskData) -> Batch | None:
        if self.memory is None or len(self.memory) == 0:
            return None
        count = self.memory_batch if self.memory_batch is not None else batch
        samples = self.memory.draw(count, self._seeds.generator(f"draw/{source}"))
        raw = samples["raw"].to(self._device)
        return Batch(
            x=data.augmented(raw, self._seeds.generator(f"augment/{source}")),
            y=samples["y"].to(self._device),
            label=samples["label"].to(self._device),
            raw=raw,
            fields={
                name: field.to(self._device)
                for name, field in samples.items()
                if name not in ("raw", "y", "label")
            },
        )

    def _from_pool(self, batch: int, task: Task, data: TaskData) -> Batch | None:
        if self.pool is None:
            return None
        count = self.pool_batch if self.pool_batch is not None else batch
        raw = self.pool.draw(count, self._seeds.generator("draw/external"), data).to(self._device)
        unknown = torch.full((len(raw),), -1, dtype=torch.int64, device=self._device)
        return Batch(
            x=data.augmented(raw, self._seeds.generator("augment/external")),
            y=unknown,
            label=torch.full_like(unknown, task.label),
            raw=raw,
        )

    def _from_generator(
        self, batch: int, task: Task, data: TaskData, ask: Callable[[Batch], Said] | None
    ) -> Batch | None:
        generator = self.generator
        if generator is None or not generator.ready:
            return None
        count = self.generator_batch if self.generator_batch is not None else batch
        made = generator.draw(count, self._seeds.generator("draw/generated"))
        raw = made.raw.to(self._device)
        label = torch.full((len(raw),), task.label, dtype=torch.int64, device=self._device)
        # Inside the network there is nothing to augment or to normalise.
        inside = generator.level is not None
        x = raw if inside else data.augmented(raw, self._seeds.generator("augment/generated"))
        drawn = Batch(x=x, y=label, label=label, raw=raw, at=generator.level)
        drawn.y = made.y.to(self._device) if made.y is not None else _hard(ask, drawn, task)
        if task.scenario == "task":
            # A sample of an earlier task is one of that task's: its own head answers for it.
            drawn.label = label_of(drawn.y, task)
        return drawn


def _hard(ask: Callable[[Batch], Said] | None, batch: Batch, task: Task) -> Tensor:
    """The class among those of earlier tasks that the previous model finds most likely, shape (batch,)."""
    if ask is None or not task.old:
        return torch.full_like(batch.label, -1)
    said = ask(batch)
    heads = [said.logits] if said.heads is None else list(said.heads.values())
    of_head = [task.old] if said.heads is None else [_old(task, label) for label in said.heads]
    old = torch.tensor([column for columns in of_head for column in columns], device=batch.label.device)
    logits = torch.cat([pick(head, columns) for head, columns in zip(heads, of_head, strict=True)], dim=1)
    return old[logits.argmax(dim=1)]


def _old(task: Task, label: int) -> tuple[int, ...]:
    """The columns of earlier tasks under one task label."""
    return tuple(column for column in task.by_label.get(label, ()) if column in task.old)
