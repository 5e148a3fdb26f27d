"""What every logit loss makes sure of before it compares its two inputs."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["precise", "same_shape"]


def precise(logits: Tensor) -> Tensor:
    """The logits in at least single precision.

    A divergence is a small difference of large numbers: in half precision nothing but rounding is left of it, of either
    sign, and squares of logits overflow.
    """
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


def same_shape(student: Tensor, teacher: Tensor) -> None:
    """Raise ``ValueError`` naming both shapes unless they are equal and of the form (batch, columns)."""
    if student.shape != teacher.shape or student.dim() != 2:
        raise ValueError(
            "student and teacher logits must both have shape (batch, columns);"
            f" got {tuple(student.shape)} and {tuple(teacher.shape)}"
        )
