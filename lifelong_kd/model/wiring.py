"""How the units of a network hang together: who makes them, and who reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.backbone import Backbone
from lifelong_kd.model.cnn import CNN
from lifelong_kd.model.head import Head
from lifelong_kd.model.mlp import MLP
from lifelong_kd.model.network import Network
from lifelong_kd.model.resnet import BasicBlock, ResNet

__all__ = [
    "Layer",
    "Units",
    "blocks_of",
    "chain",
    "endings",
    "feature_weights",
    "inner",
    "is_chain",
    "parts_of",
    "projection",
    "streams",
]


@dataclass
class Layer:
    """A linear map whose rows are units, and the BatchNorm behind it, if there is one."""

    module: nn.Linear | nn.Conv2d
    norm: _BatchNorm | None = None

    @property
    def strength(self) -> Tensor:
        """L2 norm of what each unit is made by: its row and bias, or BatchNorm's scale and shift, which undo a row's
        length."""
        if self.norm is not None:
            made: Tensor = torch.stack([self.norm.weight, self.norm.bias]).norm(dim=0)
            return made
        bias = self.module.bias
        rows = [self.module.weight.flatten(1), *([] if bias is None else [bias[:, None]])]
        strength: Tensor = torch.cat(rows, dim=1).norm(dim=1)
        return strength


@dataclass
class Units:
    """Units that stand together: several layers may add to them (a residual stream), and several read them.

    ``made`` are the layers whose rows they are, ``read`` matrices (..., units) whose columns they are, and ``probe``
    the module whose input or output shows what they say, and which of the two.
    """

    made: list[Layer]
    read: list[Tensor]
    probe: tuple[nn.Module, str]
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = len(self.made[0].module.weight)

    @property
    def norms(self) -> Tensor:
        """L2 norm of what makes a unit times that of what reads it, shape (units,); 0 for one that is dead."""
        made: Tensor = torch.stack([layer.strength for layer in self.made]).norm(dim=0)
        read: Tensor = torch.cat([matrix.reshape(-1, self.size) for matrix in self.read]).norm(dim=0)
        product: Tensor = (made * read).detach()
        return product


def feature_weights(head: Head) -> list[Tensor]:
    """The matrices of a head that have a column for each feature."""
    return [value for value in head.parameters() if value.dim() > 1 and value.shape[-1] == head.feature_size]


def _columns(module: nn.Linear | nn.Conv2d) -> Tensor:
    """The weights that read each input: shape (..., inputs)."""
    return module.weight.movedim(1, -1)


def is_chain(network: Network) -> bool:
    """Whether each layer of the backbone reads the one before alone.

    Raises:
        BadCall: for a backbone whose wiring is not known.
    """
    if not isinstance(network.backbone, MLP | CNN | ResNet):
        raise BadCall(
            f"parameters are handed on between networks of other sizes by the models mlp, cnn, resnet18 and resnet32;"
            f" this one is {type(network.backbone).__name__}: set transfer to none"
        )
    return not isinstance(network.backbone, ResNet)


def parts_of(network: Network) -> Mapping[str, nn.Module]:
    """The modules that an input of a backbone of ours passes one after the other, by path."""
    backbone = network.backbone
    return backbone.parts() if isinstance(backbone, Backbone) else {}


def chain(network: Network) -> list[Units]:
    """The units of each layer of an ``mlp`` or ``cnn``, in order; none of an ``mlp`` without hidden layers."""
    layers = [_layer(part) for part in parts_of(network).values()]
    if not layers:
        return []
    after = layers[1:]
    probes = [(layer.module, "input") for layer in after] + [(network.head, "input")]
    reads = [[_columns(layer.module)] for layer in after] + [feature_weights(network.head)]
    return [Units([layer], read, probe) for layer, read, probe in zip(layers, reads, probes, strict=True)]


def endings(network: Network) -> set[str]:
    """What the parts of a backbone end in, by class: ``Identity`` where the last block of a ``resnet`` has no ReLU."""
    found: set[str] = set()
    for part in parts_of(network).values():
        behind = [type(module) for module in part.modules() if type(module).__module__ == nn.ReLU.__module__]
        blocks = [module for module in part.children() if isinstance(module, BasicBlock)]
        if blocks:
            behind = [type(blocks[-1].last)]
        found.update(kind.__name__ for kind in behind)
    return found


def _layer(part: nn.Module) -> Layer:
    maps = [module for module in part.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    norms = [module for module in part.modules() if isinstance(module, _BatchNorm)]
    return Layer(maps[0], norms[0] if norms else None)


def inner(block: BasicBlock) -> Units:
    """The units between the two convolutions of a residual block."""
    return Units([Layer(block.conv1, block.bn1)], [_columns(block.conv2)], (block.conv2, "input"))


def streams(network: Network) -> list[Units]:
    """The units of the residual stream of each stage of a ``resnet``, in order."""
    parts, stages = parts_of(network), blocks_of(network)
    modules = [part for name, part in parts.items() if name != "stem"]
    found = []
    for number, blocks in enumerate(stages):
        made = [_layer(parts["stem"])] if not number else []
        made += [Layer(block.conv2, block.bn2) for block in blocks]
        made += [projected for block in blocks if (projected := projection(block)) is not None]
        # The first block of a later stage reads the stream of the one before.
        read = [_columns(block.conv1) for block in blocks[bool(number) :]]
        if number + 1 == len(stages):
            read += feature_weights(network.head)
        else:
            after = stages[number + 1][0]
            through = projection(after)
            read += [_columns(after.conv1), *([] if through is None else [_columns(through.module)])]
        found.append(Units(made, read, (modules[number], "output")))
    return found


def blocks_of(network: Network) -> list[list[BasicBlock]]:
    """The residual blocks of each stage of a ``resnet``, in order."""
    stages = [part for name, part in parts_of(network).items() if name != "stem"]
    return [[block for block in stage.children() if isinstance(block, BasicBlock)] for stage in stages]


def projection(block: BasicBlock) -> Layer | None:
    """The 1x1 convolution of a block's shortcut, if it has one."""
    return _layer(block.shortcut) if isinstance(block.shortcut, nn.Sequential) else None
