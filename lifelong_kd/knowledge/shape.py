"""The check that every logit loss makes of its two inputs."""

from __future__ import annotations

from torch import Tensor

__all__ = ["same_shape"]


def same_shape(student: Tensor, teacher: Tensor) -> None:
    """Raise ``ValueError`` naming both shapes unless they are equal and of the form (batch, columns)."""
    if student.shape != teacher.shape or student.dim() != 2:
        raise ValueError(
            "student and teacher logits must both have shape (batch, columns);"
            f" got {tuple(student.shape)} and {tuple(teacher.shape)}"
        )
