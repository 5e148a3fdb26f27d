"""What every teacher promises."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lifelong_kd.core.types import Batch, Task
from lifelong_kd.model.freeze import digest
from lifelong_kd.teacher.base import Teacher
from lifelong_kd.testing.expect import expect

__all__ = ["check_teacher"]


def _forward(module: nn.Module, x: Tensor, label: Tensor) -> Tensor:
    out: Tensor = module(x)
    return out


def check_teacher(teacher: Teacher) -> None:
    """Check that a teacher stays as it is while the student trains, answers alike twice and is no part of the student.

    Raises:
        AssertionError: saying which promise is broken.
    """
    name = type(teacher).__name__
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        student = nn.Sequential(
            nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3)
        )
        x = torch.randn(16, 4)
    teacher.begin(_forward, torch.device("cpu"))
    student.train()
    teacher.observe(student, Task(0, "class", (0, 1, 2)))
    expect(teacher.ready, f"{name} is not ready after its first task")
    fields = {field: torch.randn(16, 3) for field in teacher.needs_fields}
    batch = Batch(
        x=x,
        y=torch.zeros(16, dtype=torch.int64),
        label=torch.zeros(16, dtype=torch.int64),
        raw=x,
        fields=fields,
    )
    first = teacher.teach(batch)
    module = getattr(teacher, "module", None)
    before = digest(module) if isinstance(module, nn.Module) else None
    optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
    for _ in range(5):
        optimizer.zero_grad()
        student(x).square().sum().backward()
        optimizer.step()
        student.train()
        second = teacher.teach(batch)
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        expect(not first.requires_grad, f"what {name} says carries a gradient")
        expect(
            teacher.adapts or torch.equal(first, second),
            f"{name} answers differently after the student trained",
        )
    if isinstance(module, nn.Module):
        expect(
            teacher.adapts or digest(module) == before,
            f"parameters or buffers of {name} moved while it taught",
        )
        mine = {id(parameter) for parameter in student.parameters()}
        expect(
            not mine & {id(parameter) for parameter in module.parameters()},
            f"{name} shares parameters with the student",
        )
        expect(
            not any(parameter.requires_grad for parameter in module.parameters()),
            f"{name} asks for gradients",
        )
        expect(not any(part.training for part in module.modules()), f"{name} is in training mode")
        expect(not any(part is module for part in student.modules()), f"{name} is a part of the student")
