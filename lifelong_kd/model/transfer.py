"""Parameter distillation: a network begins with a part of the weights of another, which may have other sizes."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall, nearest
from lifelong_kd.model.carry import carry_head
from lifelong_kd.model.network import Network
from lifelong_kd.model.picks import Layers
from lifelong_kd.model.slices import Chooser, along_chain, along_stages
from lifelong_kd.model.wiring import endings, is_chain

__all__ = ["Transfer", "check_transfer", "transfer"]

Transfer = Literal["none", "slice", "norm", "importance"]
"""Which units a smaller network takes over: none, the first, those of the largest weights, or the most important."""


def check_transfer(units: str, layers: str = "even") -> None:
    """Refuse what is no way to hand weights on.

    Raises:
        BadCall: with the nearest right name.
    """
    for key, value, allowed in (
        ("transfer", units, get_args(Transfer)),
        ("transfer_layers", layers, get_args(Layers)),
    ):
        if value not in allowed:
            hint = nearest(str(value), allowed)
            suggestion = f"; did you mean {hint!r}?" if hint else ""
            raise BadCall(f"{key} is one of {', '.join(allowed)}, not {value!r}{suggestion}")


@torch.no_grad()
def transfer(
    teacher: Network,
    student: Network,
    *,
    units: Transfer = "norm",
    layers: Layers = "even",
    x: Tensor | None = None,
) -> None:
    """Give ``student`` weights of ``teacher``, the same units in each layer and in all that read it; in place.

    A smaller student keeps some units of a layer, ``W_student = W_teacher[rows kept, columns kept before]``, with their
    biases, BatchNorm scales and statistics, and those columns of the head. It keeps the first units (``slice``), those
    with the largest product of the L2 norms of what makes and what reads them (``norm``), or those that matter most for
    what the teacher answers to ``x`` (``importance``). Networks of one size are copied, whatever their model; of an
    option that changes no shape only ``activation`` and ``last_relu`` are looked at, which have to be the same.

    Of a larger student the first units are the teacher's. What else it has is drawn anew, and read by weights of 0
    (Net2Net: Chen et al. 2016, arXiv 1511.05641, keeps the answers by splitting units instead): in evaluation it gives
    the teacher's answers, and the weights that read new units are the first to learn. Under the heads ``cosine`` and
    ``lsc``, which look at directions, new units lengthen the features and so lower all of its cosines.

    Of fewer layers some feed the student's, in each stage of a ``resnet`` some blocks. A chain of layers without
    shortcuts (``mlp``, ``cnn``) is broken where a layer is left out: the layer behind reads units that mean something
    else, chosen by the same rule, so that only a training afterwards puts it together. More blocks begin as the
    identity; in the last stage of a ``resnet`` without ``last_relu`` they stand before the teacher's last block, and
    are refused if that is its only one. More layers of a chain, or more stages, are refused, too.

    Args:
        teacher: what is copied from; left as it is.
        student: what is written to. Both are networks of ``mlp``, ``cnn`` or ``resnet``, of the same kind.
        units: ``slice``, ``norm`` or ``importance``; with ``none`` nothing is done.
        layers: which layers or blocks feed those of a student with fewer: ``even``, ``first`` or ``last``; the first
            always feeds the first.
        x: samples as the teacher sees them, for ``importance``, shape (batch, *input_shape).

    Raises:
        BadCall: if the networks are not of one kind, have other activations, or ``importance`` is asked for without
            samples.

    >>> from lifelong_kd.model.build import build_network
    >>> large, small = (build_network((4,), 2, model=("mlp", {"hidden": [size]})) for size in (8, 3))
    >>> transfer(large, small, units="slice")
    >>> torch.equal(small.head.weight, large.head.weight[:, :3])
    True
    """
    check_transfer(units, layers)
    if units == "none":
        return
    ends = [endings(network) for network in (teacher, student)]
    # Where the models are of two kinds, that is what has to be said.
    if all(ends) and ends[0] != ends[1] and type(teacher.backbone) is type(student.backbone):
        theirs, mine = (" and ".join(sorted(names)) for names in ends)
        raise BadCall(
            f"layers of the teacher end in {theirs}, of the student in {mine}, so that the same weights would answer"
            " something else: give both the same activation and last_relu, or set transfer to none"
        )
    # Linear classifiers have no weights but their head's.
    fits = teacher.head.feature_size == student.head.feature_size
    if fits and _shapes(teacher.backbone) == _shapes(student.backbone):
        student.backbone.load_state_dict(teacher.backbone.state_dict())
        carry_head(teacher.head, student.head)
        return
    if type(teacher.backbone) is not type(student.backbone):
        raise BadCall(
            f"weights of {type(teacher.backbone).__name__} do not fit {type(student.backbone).__name__}: parameters are"
            " handed on between models of one kind: set transfer to none"
        )
    features = (along_chain if is_chain(teacher) else along_stages)(
        teacher, student, Chooser(teacher, units, x), layers
    )
    carry_head(teacher.head, student.head, features)


def _shapes(module: nn.Module) -> list[tuple[str, torch.Size]]:
    return [(name, value.shape) for name, value in module.state_dict().items()]
