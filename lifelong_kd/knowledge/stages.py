"""The outputs of a network's stages, brought into one form and paired."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from lifelong_kd.knowledge.shape import precise

__all__ = ["as_map", "need_places", "paired"]


def as_map(values: Tensor) -> Tensor:
    """A stage's output as (batch, channels, height, width), in at least single precision; a vector is 1 x 1.

    Raises:
        ValueError: for any other number of dimensions.
    """
    if values.dim() not in (2, 4):
        raise ValueError(
            "a stage's output must have shape (batch, channels, height, width) or (batch, channels);"
            f" got {tuple(values.shape)}"
        )
    return precise(values if values.dim() == 4 else values[:, :, None, None])


def paired(
    student: Sequence[Tensor], teacher: Sequence[Tensor], *, channels: bool = True
) -> list[tuple[Tensor, Tensor]]:
    """Student's and teacher's map of each stage; no gradient flows into the teacher's.

    Args:
        student: one map a stage.
        teacher: one map a stage.
        channels: whether their channels have to match as well.

    Raises:
        ValueError: unless there is a stage, and each has the same shape on both sides.
    """
    if len(student) != len(teacher) or not student:
        raise ValueError(
            f"student and teacher must give the maps of the same stages, at least one; got {len(student)} and"
            f" {len(teacher)}"
        )
    pairs = [(as_map(s), as_map(t.detach())) for s, t in zip(student, teacher, strict=True)]
    for number, (s, t) in enumerate(pairs):
        alike = s.shape == t.shape if channels else (len(s), *s.shape[2:]) == (len(t), *t.shape[2:])
        if not alike:
            what = "the same shape" if channels else "the same batch, height and width"
            raise ValueError(
                f"maps of stage {number} must have {what}; got {tuple(s.shape)} and {tuple(t.shape)}"
            )
    return pairs


def need_places(pairs: Sequence[tuple[Tensor, Tensor]], name: str) -> None:
    """Raise ``ValueError`` if no map has more than one place: comparing places could only ever say 0."""
    if all(s.shape[2] * s.shape[3] < 2 for s, _ in pairs):
        raise ValueError(
            f"{name} compares places of a map, but no stage has more than one; got"
            f" {', '.join(str(tuple(s.shape)) for s, _ in pairs)}"
        )
