"""What every knowledge promises."""

from __future__ import annotations

import torch

from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.testing.expect import expect

__all__ = ["check_knowledge"]


def check_knowledge(knowledge: Knowledge, *, samples: int = 7, columns: int = 5) -> None:
    """Check that a logit knowledge is 0 at agreement, positive elsewhere, per sample, finite and one-sided.

    Raises:
        AssertionError: saying which promise is broken.
    """
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(samples, columns, generator=generator, requires_grad=True)
    teacher = torch.randn(samples, columns, generator=generator, requires_grad=True)
    name = type(knowledge).__name__
    values = knowledge(student, teacher)
    expect(
        values.shape == (samples,),
        f"{name} gives shape {tuple(values.shape)}, not one value a sample ({samples},)",
    )
    expect((values > 0).all(), f"{name} is not positive where student and teacher differ: {values.tolist()}")
    same = knowledge(student, student.detach().clone())
    expect(same.abs().max() < 1e-5, f"{name} is {same.tolist()} at student = teacher, not 0")
    values.sum().backward()
    expect(student.grad is not None and student.grad.abs().sum() > 0, f"{name} gives the student no gradient")
    expect(teacher.grad is None, f"{name} gives the teacher a gradient")
    order = torch.randperm(samples, generator=generator)
    moved = knowledge(student[order], teacher[order])
    expect(torch.allclose(moved, values[order], atol=1e-6), f"{name} mixes samples of a batch")
    for dtype in (torch.float64, torch.bfloat16, torch.float16):
        cast = knowledge(student.detach().to(dtype), teacher.detach().to(dtype))
        expect(
            torch.allclose(cast.float(), values.detach(), rtol=0.1, atol=0.05), f"{name} is wrong in {dtype}"
        )
    extreme = knowledge(torch.full((1, columns), 1e4).index_fill(1, torch.tensor([0]), -1e4), teacher[:1])
    expect(extreme.isfinite().all(), f"{name} is not finite at logits of 1e4")
    empty = torch.zeros(0, columns, requires_grad=True)
    nothing = knowledge(empty, torch.zeros(0, columns)).sum()
    nothing.backward()
    expect(
        float(nothing.detach()) == 0.0 and empty.grad is not None,
        f"{name} of an empty batch is not an exact 0",
    )
