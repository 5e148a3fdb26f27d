"""A step in the third task of a small stream, and losses of it written out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lifelong_kd.core.types import Batch, Task
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.lesson import Lesson
from lifelong_kd.teacher.frozen import FrozenTeacher
from tests.strategy.driver import Driver, batch_of, tasks_of

GROUPS = [(5, 0), (3, 1), (4, 2)]
FIRST, SECOND, NEW = (0, 5), (1, 3), (2, 4)
OLD = (0, 1, 3, 5)
SEEN = (0, 1, 2, 3, 4, 5)


@dataclass
class Step:
    """The step: its whole loss, its batches by source, and where it was made."""

    driver: Driver
    lesson: Lesson
    total: Tensor
    batch: Batch

    def drawn(self, source: str) -> Batch:
        found = self.lesson.batch(source)  # type: ignore[arg-type]
        assert found is not None
        return found

    def student(self, source: str = "new") -> Tensor:
        return self.lesson.student(source).logits.detach()  # type: ignore[arg-type]

    def taught(self, term: str, source: str = "new") -> Tensor:
        """What the network of a term's teacher says in evaluation, asked directly."""
        teacher = self.driver.strategy.terms[term].teacher
        assert isinstance(teacher, FrozenTeacher) and teacher.module is not None
        with torch.no_grad():
            said: Tensor = teacher.module(self.drawn(source).x)
        return said

    def parts(self) -> dict[str, tuple[float, float]]:
        """Raw value and weight of each summand."""
        return {name: (float(part.raw), part.weight) for name, part in self.driver.strategy.parts.items()}


def student() -> nn.Module:
    """Old logits move with the new ones; nothing is random."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 6)).double()


def third_task(strategy: Strategy, model: nn.Module | None = None, *, exemplars: bool = False) -> Step:
    """After two tasks and one step: the next step of the third, on new data or on those and ``exemplars``."""
    driver = Driver(strategy, model or student())
    first, second, third = tasks_of(GROUPS)
    for task in (first, second):
        begin(driver, task)
        driver.end()
    data = driver.begin(third, _double(third))
    driver.step(batch_of(data, range(3)))
    batch = batch_of(data, range(3, 12))
    memory = strategy.memory
    if exemplars and memory is not None:
        kept = memory.take(torch.arange(0, len(memory), 2))
        batch = Batch(
            torch.cat([batch.x, kept["raw"]]),
            torch.cat([batch.y, kept["y"]]),
            torch.cat([batch.label, kept["label"]]),
            torch.cat([batch.raw, kept["raw"]]),
        )
    loss, lesson = driver.lesson(batch)
    return Step(driver, lesson, driver.strategy.loss(loss, lesson), batch)


def begin(driver: Driver, task: Task) -> None:
    """A task and three steps of it."""
    data = driver.begin(task, _double(task))
    for start in (0, 5, 10):
        driver.step(batch_of(data, range(start, start + 5)))


def _double(task: Task):  # type: ignore[no-untyped-def]
    from tests.strategy.driver import data_of

    data = data_of(task)
    data.x = data.x.double()
    return data


def log_softmax(logits: Tensor, columns: Sequence[int], temperature: float = 1.0) -> Tensor:
    z = logits[:, list(columns)] / temperature
    return z - z.exp().sum(dim=1, keepdim=True).log()


def ce(logits: Tensor, y: Tensor, columns: Sequence[int]) -> float:
    """Mean of - log softmax at the right class, over ``columns``."""
    place = torch.tensor([list(columns).index(int(c)) for c in y])
    return float(-log_softmax(logits, columns)[torch.arange(len(y)), place].mean())


def kl(
    said: Tensor, taught: Tensor, columns: Sequence[int], temperature: float = 2.0, mean: bool = True
) -> float:
    """Sum over classes of p (log p - log q), mean over samples; without T^2."""
    log_q, log_p = (log_softmax(each, columns, temperature) for each in (said, taught))
    values = (log_p.exp() * (log_p - log_q)).sum(dim=1)
    return float(values.mean() if mean else values.sum())
