"""Maps: every channel counts as much as it mattered to the old tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.geometry import length, unit
from lifelong_kd.knowledge.stages import as_map, need_places, paired

__all__ = ["Afc", "afc_loss", "channel_importance"]


def channel_importance(gradients: Sequence[Tensor]) -> list[Tensor]:
    """How much the loss of a batch depends on each channel of each stage.

    ``I_c = mean_i sum_hw (dL / dA_ichw)^2`` (Kang et al. 2022, arXiv 2204.00895; the authors' code). Add up
    over the batches of a task and hand the sums to ``Afc.set_importance``, which takes care of their scale.

    Args:
        gradients: of the task's loss with respect to the map of each stage.

    Returns:
        One tensor a stage, shape (channels,).

    >>> channel_importance([torch.tensor([[1.0, 2.0], [3.0, 0.0]])])
    [tensor([5., 2.])]
    """
    return [as_map(each).square().sum(dim=(2, 3)).mean(dim=0) for each in gradients]


def afc_loss(
    student: Sequence[Tensor], teacher: Sequence[Tensor], importance: Sequence[Tensor] | None = None
) -> Tensor:
    """Distance between the student's and the teacher's map of every channel, weighted by its importance.

    Of each stage ``(1 / C) sum_c I_c || a_c - A_c ||_2``, where ``a_c`` and ``A_c`` are the squares of the
    student's and the teacher's channel c, laid out as a vector of length 1; then the mean over the stages
    (Kang et al. 2022, arXiv 2204.00895; squares, length 1 and means as in the authors' code, whose weight of
    4 times sqrt(classes / new classes) on CIFAR-100 holds one to one). A stage of one place adds 0.

    Args:
        student: one map a stage, (batch, channels, height, width).
        teacher: one map a stage, of the same shapes; no gradient flows into them.
        importance: one tensor (channels,) a stage; ``None``: every channel counts 1.

    Returns:
        One value a sample, shape (batch,), in at least single precision. The gradient where the two agree is
        0.

    Raises:
        ValueError: if stages or shapes differ, or no stage has more than one place.

    >>> student, teacher = torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([[[[0.0, 5.0]]]])
    >>> afc_loss([student], [teacher])
    tensor([1.4142])
    """
    pairs = paired(student, teacher)
    need_places(pairs, "afc")
    if importance is not None and [len(each) for each in importance] != [s.shape[1] for s, _ in pairs]:
        raise ValueError(
            f"importance is of stages with {[len(each) for each in importance]} channels, but the maps have"
            f" {[s.shape[1] for s, _ in pairs]}"
        )
    found = []
    for number, (s, t) in enumerate(pairs):
        distance = length(_profile(s) - _profile(t), dim=2)
        if importance is not None:
            distance = distance * importance[number].to(distance)
        found.append(distance.sum(dim=1) / max(distance.shape[1], 1))
    return torch.stack(found).mean(dim=0)


def _profile(values: Tensor) -> Tensor:
    """The squares of each channel at length 1, shape (batch, channels, places)."""
    return unit(values.square().flatten(2), dim=2)


class Afc(Knowledge):
    """Maps: the distance of every channel, weighted by its importance to the old tasks (AFC, CVPR 2022).

    Until ``set_importance`` has been called, every channel counts 1.
    """

    needs = frozenset({"maps"})

    def __init__(self) -> None:
        self.importance: list[Tensor] | None = None

    def set_importance(self, importance: Sequence[Tensor]) -> None:
        """Take the importance of each stage's channels, scaled to mean 1 in every stage.

        Args:
            importance: one tensor (channels,) a stage, at least 0; a stage of zeros counts 1 everywhere. The
                scale is that of the authors' code.

        Raises:
            BadCall: if a value is negative or not finite, or a tensor has another shape.
        """
        taken = []
        for number, each in enumerate(importance):
            each = each.detach().float().clone()
            if each.dim() != 1 or not bool((each.isfinite() & (each >= 0)).all()):
                raise BadCall(
                    f"importance of stage {number} must be finite values of at least 0, shape (channels,);"
                    f" got shape {tuple(each.shape)}"
                )
            mean = each.mean()
            taken.append(each / mean if mean > 0 else torch.ones_like(each))
        self.importance = taken

    def state_dict(self) -> dict[str, Tensor]:
        """The importance of each stage, by its number."""
        return {str(number): each for number, each in enumerate(self.importance or [])}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take over what ``state_dict`` gave."""
        self.importance = [state[str(number)].clone() for number in range(len(state))] or None

    def __call__(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
        if self.importance is not None and student and self.importance[0].device != student[0].device:
            self.importance = [each.to(student[0].device) for each in self.importance]
        return afc_loss(student, teacher, self.importance)
