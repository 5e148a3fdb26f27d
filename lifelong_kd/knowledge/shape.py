"""What every loss makes sure of before it compares its two inputs."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["precise", "same_batch", "same_shape"]


def precise(values: Tensor) -> Tensor:
    """The values in at least single precision.

    A divergence is a small difference of large numbers: in half precision nothing but rounding is left of it,
    of either sign, and squares of logits overflow.
    """
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def same_shape(student: Tensor, teacher: Tensor, what: str = "logits", second: str = "columns") -> None:
    """Raise ``ValueError`` naming both shapes unless they are equal and of the form (batch, columns)."""
    if student.shape != teacher.shape or student.dim() != 2:
        raise ValueError(
            f"student and teacher {what} must both have shape (batch, {second});"
            f" got {tuple(student.shape)} and {tuple(teacher.shape)}"
        )


def same_batch(student: Tensor, teacher: Tensor) -> None:
    """Raise ``ValueError`` naming both shapes unless they are features, of any two sizes, of one batch."""
    if student.dim() != 2 or teacher.dim() != 2 or len(student) != len(teacher):
        raise ValueError(
            "student and teacher features must have shapes (batch, dimensions) of one batch;"
            f" got {tuple(student.shape)} and {tuple(teacher.shape)}"
        )
