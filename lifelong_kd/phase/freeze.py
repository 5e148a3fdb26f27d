"""A part of the network that is no longer trained."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import nn
from torch.utils.hooks import RemovableHandle

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.inside import modules_upto
from lifelong_kd.phase.base import Phase, Stage, When
from lifelong_kd.phase.head import head_of, rest_of

__all__ = ["Freeze"]


class Freeze(Phase):
    """Freezing: from the second task on the head, all but the head, or the stages up to one, keep their values.

    Less-forgetful learning freezes the head, so that features keep their meaning for it (Jung et al. 2016,
    arXiv 1607.00122). A frozen backbone is in evaluation mode whatever the loop asks for, so that BatchNorm
    keeps its statistics; rows of new classes in a frozen head are frozen, too. What is replayed inside the
    network stays what it was only if the stages below it are frozen (Pellegrini et al. 2020, arXiv
    1912.01100).

    Args:
        part: ``head``, or ``backbone``: everything before it.
        upto: of the backbone only the stages up to this one, such as ``layer1``; all of it if null.
        first_task: whether it is frozen in the first task already, with the weights that the run began with.

    Raises:
        BadCall: for another part, a stage of the head, and when a task begins, for a stage that is not there.

    Example:
        >>> Freeze(part="head").when
        'before'
    """

    when: ClassVar[When] = "before"

    def __init__(
        self, *, part: Literal["head", "backbone"] = "head", upto: str | None = None, first_task: bool = False
    ) -> None:
        if part not in ("head", "backbone"):
            raise BadCall(f"what is frozen is 'head' or 'backbone', not {part!r}")
        if upto is not None and part == "head":
            raise BadCall("'upto' names a stage of the backbone: set part to 'backbone'")
        self.part = part
        self.upto = upto
        self.first_task = first_task
        self._handles: list[RemovableHandle] = []

    def prepare(self, stage: Stage) -> None:
        if stage.task.index == 0 and not self.first_task:
            return
        head = head_of(stage.model)
        if self.upto is not None:
            frozen = modules_upto(stage.model, self.upto)
        else:
            frozen = [head] if self.part == "head" else list(rest_of(stage.model, head))
        mine = set(head.parameters())
        below = {parameter for module in frozen for parameter in module.parameters()}
        for parameter in stage.model.parameters():
            # Parameters that stand in no module of their own are the backbone's, too.
            whole = self.upto is None and (parameter in mine) == (self.part == "head")
            if whole or parameter in below:
                parameter.requires_grad_(False)
                parameter.grad = None
        for handle in self._handles:
            handle.remove()
        self._handles = [module.register_forward_pre_hook(_stay) for module in frozen]

    def run(self, stage: Stage) -> None:
        """Nothing: what is frozen was frozen in :meth:`prepare`, which a resumed task calls, too."""


def _stay(module: nn.Module, inputs: object) -> None:
    # The loop calls train() on the whole network each epoch.
    if module.training:
        module.eval()
