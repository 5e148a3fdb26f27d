"""A multi-layer perceptron of any sizes."""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Literal

from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.backbone import Backbone

__all__ = ["MLP", "mlp"]

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}


def mlp(
    input_shape: tuple[int, ...],
    *,
    hidden: list[int] = [400, 400],  # noqa: B006 - it is only read
    activation: Literal["relu", "tanh", "gelu"] = "relu",
    dropout: float = 0.0,
    batch_norm: bool = False,
    initialisation: Literal["torch", "xavier"] = "torch",
) -> MLP:
    """Multi-layer perceptron: flattens its input, then hidden layers of any sizes.

    The default, two layers of 400 rectified units, is the network of van de Ven, Tuytelaars and Tolias (2022,
    doi:10.1038/s42256-022-00568-3) for split and permuted MNIST.

    Args:
        hidden: units of each hidden layer; the last is the size of the features. An empty list gives a linear
            classifier on the flattened input.
        activation: non-linearity behind each hidden layer.
        dropout: probability of dropping a unit behind each hidden layer, in [0, 1).
        batch_norm: whether a BatchNorm stands before each non-linearity.
        initialisation: ``torch`` initialises layers as torch does; ``xavier`` draws weights uniformly in +-sqrt(6 /
            (fan-in + fan-out)) and sets biases to 0 (Glorot and Bengio 2010), as DER's network for MNIST does.

    Raises:
        BadCall: for a size below 1, a dropout outside [0, 1), an unknown activation or initialisation.

    >>> mlp((1, 28, 28), hidden=[100]).feature_size
    100
    """
    if any(size < 1 for size in hidden):
        raise BadCall(f"hidden sizes must be at least 1, found {list(hidden)}.")
    if not 0 <= dropout < 1:
        raise BadCall(f"dropout must lie in [0, 1), found {dropout}.")
    if activation not in ACTIVATIONS:
        raise BadCall(f"activation must be one of {', '.join(ACTIVATIONS)}, found {activation!r}.")
    if initialisation not in ("torch", "xavier"):
        raise BadCall(f"initialisation must be 'torch' or 'xavier', found {initialisation!r}.")
    network = MLP(
        math.prod(input_shape), tuple(hidden), ACTIVATIONS[activation], dropout, batch_norm, initialisation
    )
    network.reset_parameters()
    return network


class MLP(Backbone):
    """Flattened input (B, inputs) through ``layer1``, ``layer2``, ... to features (B, feature_size)."""

    def __init__(
        self,
        inputs: int,
        hidden: tuple[int, ...],
        activation: type[nn.Module],
        dropout: float,
        batch_norm: bool,
        initialisation: str = "torch",
    ) -> None:
        super().__init__()
        self.initialisation = initialisation
        sizes = (inputs, *hidden)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for number, (before, after) in enumerate(itertools.pairwise(sizes), start=1):
            parts: list[nn.Module] = [nn.Linear(before, after)]
            if batch_norm:
                parts.append(nn.BatchNorm1d(after))
            parts.append(activation())
            if dropout:
                parts.append(nn.Dropout(dropout))
            layers[f"layer{number}"] = nn.Sequential(*parts)
        self.layers = nn.Sequential(layers)
        self.feature_size = sizes[-1]

    def reset_parameters(self) -> None:
        """What is drawn in another way than the layers draw it themselves: weights after Glorot and Bengio (2010)."""
        for layer in self.modules():
            if self.initialisation == "xavier" and isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.layers(x.flatten(1))
        return features

    def parts(self) -> Mapping[str, nn.Module]:
        return {f"layers.{name}": layer for name, layer in self.layers.named_children()}
