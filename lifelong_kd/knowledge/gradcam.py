"""Maps and logits: which places speak for a class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from lifelong_kd.core.types import Said
from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.geometry import unit
from lifelong_kd.knowledge.options import chosen
from lifelong_kd.knowledge.shape import precise
from lifelong_kd.knowledge.stages import need_places, paired

__all__ = ["GradCam", "grad_cam", "gradcam_loss"]


def grad_cam(values: Tensor, logits: Tensor, classes: Tensor, create_graph: bool = False) -> Tensor:
    """The class activation map of one class a sample: where the channels that speak for it are active.

    ``ReLU(sum_k alpha_k A_k)`` with ``alpha_k = (1 / HW) sum_hw d logit_class / d A_khw``, the mean gradient of
    channel k (Grad-CAM, as in LwM: Dhar et al. 2019, arXiv 1811.08051).

    Args:
        values: a stage's map A, shape (batch, channels, height, width), on the way to the logits.
        logits: shape (batch, columns), computed from that map with gradient enabled.
        classes: one column a sample, shape (batch,), int64.
        create_graph: whether the result can be differentiated, through the gradient as well.

    Returns:
        Shape (batch, height, width), in at least single precision, at least 0.

    Raises:
        ValueError: if the logits do not depend on the map.

    >>> values = torch.tensor([[[[1.0, 2.0]], [[3.0, 0.0]]]], requires_grad=True)
    >>> logits = values.sum(dim=(2, 3)) @ torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    >>> grad_cam(values, logits, torch.tensor([0]))
    tensor([[[0., 2.]]])
    """
    if values.dim() != 4:
        raise ValueError(
            f"a class activation map is made of (batch, channels, height, width), got {tuple(values.shape)}"
        )
    if not (values.requires_grad and logits.requires_grad):
        raise ValueError(
            "a class activation map needs logits that can be differentiated with respect to the map:"
            " compute both in one forward pass with gradient enabled"
        )
    score = logits.gather(1, classes[:, None]).sum()
    (slope,) = torch.autograd.grad(
        score, values, create_graph=create_graph, retain_graph=True, allow_unused=True
    )
    if slope is None:
        raise ValueError("the logits do not depend on this map; name a stage that lies before the head")
    if not create_graph:
        values = values.detach()
    alpha = precise(slope).mean(dim=(2, 3), keepdim=True)
    return (alpha * precise(values)).sum(dim=1).relu()


def gradcam_loss(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """Sum of absolute differences of class activation maps at length 1, mean over the stages.

    Of each stage ``|| Q_t / ||Q_t||_2 - Q_s / ||Q_s||_2 ||_1`` with Q a map laid out as a vector (Dhar et al.
    2019, arXiv 1811.08051, whose weight holds one to one).

    Args:
        student: one class activation map a stage, shape (batch, height, width).
        teacher: one a stage, of the same shapes; no gradient flows into them.

    Returns:
        One value a sample, shape (batch,). A map of zeros (no place speaks for the class) stays 0, with
        gradient 0.

    Raises:
        ValueError: if stages or shapes differ, or no map has more than one place.

    >>> gradcam_loss([torch.tensor([[[1.0, 0.0]]])], [torch.tensor([[[0.0, 5.0]]])])
    tensor([2.])
    """
    pairs = paired([each[:, None] for each in student], [each[:, None] for each in teacher])
    need_places(pairs, "gradcam")
    return torch.stack([(unit(s.flatten(1)) - unit(t.flatten(1))).abs().sum(dim=1) for s, t in pairs]).mean(
        dim=0
    )


class GradCam(Knowledge):
    """Attention: the places that speak for the teacher's most probable class (LwM, CVPR 2019).

    The class is the teacher's top column, for both. The student's map is differentiated through its own
    gradient, so a step takes a backward pass through the head twice; the teacher's is a constant.

    Args:
        stages: "last" (LwM): the last of the given maps; "all": the mean over all of them.
    """

    needs = frozenset({"logits", "maps", "gradients"})

    def __init__(self, *, stages: Literal["last", "all"] = "last") -> None:
        self.stages = chosen("stages", stages, ("last", "all"))

    def __call__(self, student: Said, teacher: Said) -> Tensor:
        ours, theirs = list(student.maps.values()), list(teacher.maps.values())
        if len(ours) != len(theirs) or not ours:
            raise ValueError(
                "student and teacher must give the maps of the same stages, at least one;"
                f" got {list(student.maps)} and {list(teacher.maps)}"
            )
        first = -1 if self.stages == "last" else 0
        top = teacher.logits.detach().nan_to_num(nan=-math.inf, neginf=-math.inf).argmax(dim=1)
        with torch.enable_grad():
            seen = [grad_cam(each, teacher.logits, top) for each in theirs[first:]]
        shown = [grad_cam(each, student.logits, top, create_graph=True) for each in ours[first:]]
        return gradcam_loss(shown, seen)
