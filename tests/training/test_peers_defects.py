"""What other libraries get wrong, strategy by strategy: each row is a fault that was found in one of them.

The faults that one loss or one teacher can have are looked for beside it: softmax over the batch, ignored temperature
and negative divergence in tests/knowledge, teachers in training mode in tests/training/test_plugin.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lifelong_kd.model.network import Network
from lifelong_kd.stream.store import TensorStore
from lifelong_kd.stream.stream import Stream
from lifelong_kd.teacher.frozen import FrozenTeacher
from lifelong_kd.testing.small import small_experiment
from lifelong_kd.training.engine import Engine
from tests.conformance import table

MAKERS = {name: (scenario, make, how) for name, scenario, make, how in reversed(table.strategy_makers())}


class Reads:
    """Which rows of which store are read while a task is trained on."""

    def __init__(self) -> None:
        self.task: int | None = None
        self.rows: dict[tuple[int, int], set[int]] = {}

    def note(self, store: TensorStore, rows: Tensor) -> None:
        if self.task is not None:
            self.rows.setdefault((self.task, id(store)), set()).update(rows.tolist())


@contextmanager
def reading(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reads]:
    reads = Reads()
    gather, train = TensorStore.gather, Engine.train

    def noted(self: TensorStore, rows: Tensor) -> Tensor:
        reads.note(self, rows)
        return gather(self, rows)

    def training(self: Any, experiences: Any, *args: Any, **kwargs: Any) -> Any:
        reads.task = int(experiences.current_experience)
        try:
            return train(self, experiences, *args, **kwargs)
        finally:
            reads.task = None

    monkeypatch.setattr(TensorStore, "gather", noted)
    monkeypatch.setattr(Engine, "train", training)
    yield reads
    monkeypatch.undo()


def rows_of(stream: Stream, kind: str, task: int) -> tuple[int, set[int]]:
    assert stream.parts is not None
    part = stream.parts[kind][task]
    return id(part.store), set(part.rows.tolist())


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_training_reads_the_task_s_own_training_data_and_nothing_else(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """PyCIL's COIL reads the next task and all old data; cl-teacher-adaptation validates on test data."""
    scenario, make, how = MAKERS[name]
    strategy = make()
    experiment = small_experiment(strategy, scenario=scenario, epochs=1, **how)
    stream = experiment.stream
    with reading(monkeypatch) as reads:
        experiment.run(tmp_path / "run")
    store, _ = rows_of(stream, "train", 0)
    for task in range(len(stream.tasks)):
        allowed = rows_of(stream, "train", task)[1]
        if strategy.train_on == "everything":
            allowed = set().union(*(rows_of(stream, "train", t)[1] for t in range(task + 1)))
        read = reads.rows[task, store]
        assert read and read <= allowed
    test_store = rows_of(stream, "test", 0)[0]
    assert test_store != store
    assert not any(key[1] == test_store for key in reads.rows)


def marked(owner: Any, method: str, inside: list[str]) -> Any:
    """A method that says in ``inside`` that it is running."""
    plain = getattr(owner, method)

    def call(*args: Any, **kwargs: Any) -> Any:
        inside.append(method)
        try:
            return plain(*args, **kwargs)
        finally:
            inside.pop()

    return call


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_a_frozen_teacher_sees_the_very_view_that_its_student_sees(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """mammoth's LwF caches logits of images without augmentation; Avalanche's teachers stay in training mode."""
    scenario, make, how = MAKERS[name]
    strategy = make()
    experiment = small_experiment(strategy, scenario=scenario, epochs=1, augment=True, **how)
    ask = FrozenTeacher.ask
    asked = []
    apart = []

    def watched(self: FrozenTeacher, batch: Any, *args: Any) -> Any:
        assert self.module is not None
        modes = [part.training for part in self.module.modules()]
        said = ask(self, batch, *args)
        if making or batch.at is not None:
            # A generator works against the teacher, and has it label samples; one inside it never was an input.
            assert not any(modes)
            apart.append(batch)
            return said
        asked.append(
            (batch, any(modes) and not self.adapts, said.logits.requires_grad and not args[0].gradients)
        )
        return said

    making: list[str] = []
    generator = strategy.generator
    if generator is not None:
        parts = [(generator, method) for method in ("begin_task", "learn", "end_task")] + [
            (strategy.draws, "draw")
        ]
        for owner, method in parts:
            monkeypatch.setattr(owner, method, marked(owner, method, making))

    seen: list[Tensor] = []
    forward = torch.nn.Module.__call__

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        # An expert that is taught by another is a student, too.
        # Of a student whose head alone is fine-tuned only the head is in training mode.
        if isinstance(self, Network) and (self.training or self.head.training):
            seen.append(args[0])
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(FrozenTeacher, "ask", watched)
    monkeypatch.setattr(torch.nn.Module, "__call__", call)
    experiment.run(tmp_path / "run")
    assert not any(moving or leaking for _, moving, leaking in asked)
    shown = {row.numpy().tobytes() for x in seen for row in x}
    assert all(row.numpy().tobytes() in shown for batch, _, _ in asked for row in batch.x)
    if any(isinstance(teacher, FrozenTeacher) for teacher in strategy.teachers.values()):
        assert asked or apart
