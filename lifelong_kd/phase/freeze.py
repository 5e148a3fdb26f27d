"""A part of the network that is no longer trained."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import nn
from torch.utils.hooks import RemovableHandle

from lifelong_kd.core.errors import BadCall
from lifelong_kd.phase.base import Phase, Stage, When
from lifelong_kd.phase.head import head_of, rest_of

__all__ = ["Freeze"]


class Freeze(Phase):
    """Freezing: from the second task on the head, or all but the head, keeps its values.

    Less-forgetful learning freezes the head, so that features keep their meaning for it (Jung et al. 2016,
    arXiv 1607.00122). A frozen backbone is in evaluation mode whatever the loop asks for, so that BatchNorm
    keeps its statistics; rows of new classes in a frozen head are frozen, too.

    Args:
        part: ``head``, or ``backbone``: everything before it.
        first_task: whether it is frozen in the first task already, with the weights that the run began with.

    Raises:
        BadCall: for another part.

    Example:
        >>> Freeze(part="head").when
        'before'
    """

    when: ClassVar[When] = "before"

    def __init__(self, *, part: Literal["head", "backbone"] = "head", first_task: bool = False) -> None:
        if part not in ("head", "backbone"):
            raise BadCall(f"what is frozen is 'head' or 'backbone', not {part!r}")
        self.part = part
        self.first_task = first_task
        self._handles: list[RemovableHandle] = []

    def prepare(self, stage: Stage) -> None:
        if stage.task.index == 0 and not self.first_task:
            return
        head = head_of(stage.model)
        mine = set(head.parameters())
        for parameter in stage.model.parameters():
            if (parameter in mine) == (self.part == "head"):
                parameter.requires_grad_(False)
                parameter.grad = None
        for handle in self._handles:
            handle.remove()
        frozen = [head] if self.part == "head" else list(rest_of(stage.model, head))
        self._handles = [module.register_forward_pre_hook(_stay) for module in frozen]

    def run(self, stage: Stage) -> None:
        """Nothing: what is frozen was frozen in :meth:`prepare`, which a resumed task calls, too."""


def _stay(module: nn.Module, inputs: object) -> None:
    # The loop calls train() on the whole network each epoch.
    if module.training:
        module.eval()
