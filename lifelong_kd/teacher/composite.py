"""A teacher made of other teachers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Batch, Said
from lifelong_kd.teacher.base import Teacher

__all__ = ["Composite", "side_by_side"]


class Composite(Teacher):
    """Makes one answer of what its members say; it offers logits, on the sources on which all of them can.

    Ready as soon as every member is. It abstains where a member does. It has no state: the strategy keeps the members'.
    """

    def __init__(self, members: Sequence[Any], *, at_least: int = 1) -> None:
        called = type(self).__name__
        if isinstance(members, str) or len(members) < at_least:
            raise BadCall(f"{called} needs at least {at_least} teachers, got {members!r}")
        for member in members:
            if not isinstance(member, Teacher):
                raise BadCall(f"a member of {called} is a teacher, not {member!r}")
        self._members = tuple(cast(Sequence[Teacher], members))
        self.sources = frozenset.intersection(*(member.sources for member in self._members))
        self._known: Tensor | None = None
        self.needs_fields = frozenset().union(*(member.needs_fields for member in self._members))
        if not self.sources:
            raise BadCall(f"the members of {called} have no source on which all of them can teach")

    @property
    def members(self) -> tuple[Teacher, ...]:
        return self._members

    @property
    def adapts(self) -> bool:
        return any(member.adapts for member in self._members)

    @property
    def columns(self) -> tuple[int, ...] | None:
        known = [set(member.columns) for member in self._members if member.columns is not None]
        return tuple(sorted(set.intersection(*known))) if known else None

    @property
    def ready(self) -> bool:
        return all(member.ready for member in self._members)

    def logits(self, member: Teacher, batch: Batch) -> Tensor:
        """What a member says, shape (batch, columns).

        Raises:
            BadCall: for a network of Avalanche's with one head a task label.
        """
        said = member.teach(batch)
        if said.heads is not None:
            raise BadCall(
                f"{type(self).__name__} joins logits side by side, but the network has separate heads for the task"
                " labels; give a network of lifelong_kd with the head 'multihead'"
            )
        if said.known is not None:
            self._known = said.known if self._known is None else self._known & said.known
        return said.logits

    def said(self, logits: Tensor) -> Said:
        """The one answer, of those samples that every member asked since the last one knows."""
        known, self._known = self._known, None
        return Said(logits, known=known)


def side_by_side(said: Sequence[Tensor]) -> Tensor:
    """The columns that all of several teachers have, as one tensor (teachers, batch, columns).

    >>> side_by_side([torch.zeros(1, 2), torch.ones(1, 3)]).shape
    torch.Size([2, 1, 2])
    """
    width = min(logits.shape[1] for logits in said)
    return torch.stack([logits[:, :width] for logits in said])
