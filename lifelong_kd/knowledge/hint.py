"""Features: the squared distance, through a learned map where the sizes differ."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from lifelong_kd.knowledge.options import chosen
from lifelong_kd.knowledge.shape import precise, same_batch, same_shape
from lifelong_kd.knowledge.trainable import Trainable

__all__ = ["Hint", "hint_loss"]


def hint_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean over the dimensions of the squared difference of features.

    ``(1 / D) ||r(student) - teacher||^2`` (FitNets: Romero et al. 2015, arXiv 1412.6550, equation 3, with r
    the projector). The paper writes 1/2 times the sum over the dimensions: its weight w is w D / 2 here.
    Peers take the mean over all elements, as here: mdistiller's weight is 100.

    Args:
        student: features, projected if need be, shape (batch, dimensions).
        teacher: features, the same shape; no gradient flows into them.

    Returns:
        One value a sample, shape (batch,), in at least single precision, 0 where the two agree.

    Raises:
        ValueError: if the shapes differ.

    >>> import torch
    >>> hint_loss(torch.tensor([[1.0, 3.0]]), torch.tensor([[0.0, 1.0]]))
    tensor([2.5000])
    """
    same_shape(student, teacher, "features", "dimensions")
    difference = precise(student) - precise(teacher.detach())
    return difference.square().sum(dim=1) / max(difference.shape[1], 1)


class Hint(Trainable):
    """Features: mean squared difference, through a learned linear projector if sizes differ (FitNets).

    The projector learns beside the student. With one, the two agree where the *projected* features of the
    student are the teacher's.

    Args:
        projector: "auto": a linear map from the student's to the teacher's features if their sizes differ;
            "linear": always one; "none": never, and features of different sizes are an error.
        projector_lr: learning rate of the projector, which has an optimiser of its own.
    """

    needs = frozenset({"features"})

    def __init__(
        self, *, projector: Literal["auto", "linear", "none"] = "auto", projector_lr: float = 0.01
    ) -> None:
        super().__init__(projector_lr=projector_lr)
        self.projector = chosen("projector", projector, ("auto", "linear", "none"))

    def build(self, student: int, teacher: int) -> nn.Module | None:
        if self.projector == "none" or (self.projector == "auto" and student == teacher):
            return None
        return nn.Linear(student, teacher)

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        same_batch(student, teacher)
        self.prepare(student, teacher)
        if self.module is None:
            return hint_loss(student, teacher)
        weight = next(self.module.parameters())
        with torch.autocast(student.device.type, enabled=False):
            return hint_loss(self.module(student.to(weight.dtype)), teacher)
