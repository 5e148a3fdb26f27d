"""The rows of a network's classifier, whoever built it."""

from __future__ import annotations

from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.freeze import unwrapped
from lifelong_kd.model.multihead import MultiHead
from lifelong_kd.model.network import Network

__all__ = ["class_weights"]


def class_weights(model: nn.Module) -> tuple[nn.Parameter, nn.Parameter | None]:
    """Weight (classes, D) and bias (classes) or ``None`` of a network's classifier, one row a class.

    Of a network of ours they are its head's, of any other those of the last ``torch.nn.Linear`` among its modules.

    Raises:
        BadCall: if there are no such rows: several rows a class (``lsc``), a matrix for each task (``multihead``), or
            no linear layer at all.

    >>> weight, bias = class_weights(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)))
    >>> weight.shape, bias.shape
    (torch.Size([3, 8]), torch.Size([3]))
    """
    model = unwrapped(model)
    if not isinstance(model, Network):
        linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
        if not linear:
            raise BadCall(
                f"{type(model).__name__} has no torch.nn.Linear whose rows could be those of the classes."
            )
        return _parameters(linear[-1])
    head = model.head
    if isinstance(head, MultiHead):
        raise BadCall(
            "a multi-head network has a matrix for each task, and the logits of different tasks never compete: there"
            " are no rows of all classes. Use the head 'linear' or 'cosine'."
        )
    weight = getattr(head, "weight", None)
    if not isinstance(weight, Tensor) or weight.shape != (head.width, head.feature_size):
        found = tuple(weight.shape) if isinstance(weight, Tensor) else weight
        raise BadCall(
            f"the head {type(head).__name__} has no parameter 'weight' of one row a class, shape"
            f" {(head.width, head.feature_size)}: found {found!r}. Use the head 'linear' or 'cosine'."
        )
    return _parameters(head)


def _parameters(layer: nn.Module) -> tuple[nn.Parameter, nn.Parameter | None]:
    weight, bias = layer.weight, getattr(layer, "bias", None)
    if not isinstance(weight, nn.Parameter):
        raise BadCall(
            f"the weight of {type(layer).__name__} is computed from other parameters, and cannot be changed."
        )
    return weight, bias if isinstance(bias, nn.Parameter) else None
