"""Rows and columns of one network's layers in another's: the same units wherever they are made and read."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.importance import importance
from lifelong_kd.model.network import Network
from lifelong_kd.model.picks import NEW, Layers, pick_layers, pick_units
from lifelong_kd.model.resnet import BasicBlock
from lifelong_kd.model.wiring import (
    Layer,
    Units,
    blocks_of,
    chain,
    inner,
    is_chain,
    parts_of,
    projection,
    streams,
)

__all__ = ["Chooser", "along_chain", "along_stages"]


class Chooser:
    """Picks units of the teacher by one rule; the same units each time that a group is asked for."""

    def __init__(self, teacher: Network, units: str, x: Tensor | None) -> None:
        self.scores: dict[int, Tensor] = {}
        self.units = units
        if units != "importance":
            return
        if x is None or not len(x):
            raise BadCall("units are chosen by importance on samples: give x")
        if is_chain(teacher):
            groups = chain(teacher)
        else:
            groups = [*streams(teacher), *(inner(block) for stage in blocks_of(teacher) for block in stage)]
        if not groups:
            return
        found = importance(teacher, x, [group.probe for group in groups])
        self.scores = {id(group.probe[0]): score for group, score in zip(groups, found, strict=True)}

    def score(self, group: Units) -> Tensor:
        """One value a unit."""
        if self.units == "norm":
            return group.norms
        if self.units == "importance":
            return self.scores[id(group.probe[0])]
        return torch.zeros(group.size)

    def pick(self, group: Units, need: int) -> Tensor:
        """The units of a group that are kept."""
        return pick_units(self.score(group), need)


def along_chain(teacher: Network, student: Network, chooser: Chooser, layers: Layers) -> Tensor:
    """Copy through an ``mlp`` or ``cnn``; which of the teacher's features the student's are, shape (features,).

    Raises:
        BadCall: for a student with more layers than its teacher, layers of another kind, or no layers.
    """
    theirs, mine = chain(teacher), chain(student)
    if not theirs or not mine:
        whose = "the student" if theirs else "the teacher"
        raise BadCall(
            f"{whose} is a linear classifier, without layers whose weights could be handed on: set transfer to none,"
            " or give its mlp hidden layers"
        )
    if len(mine) > len(theirs):
        raise BadCall(
            f"a student of {len(mine)} layers cannot begin with the weights of a teacher of {len(theirs)}: set transfer"
            " to none, or give it at most as many layers"
        )
    fed = pick_layers(len(theirs), len(mine), layers)
    before: Tensor | None = None
    for number, (group, source) in enumerate(zip(mine, fed, strict=True)):
        rows = chooser.pick(theirs[source], group.size)
        broken = number > 0 and source - 1 != fed[number - 1]
        columns = chooser.pick(theirs[source - 1], mine[number - 1].size) if broken else before
        _copy(theirs[source].made[0], group.made[0], rows, columns)
        before = rows
    last = fed[-1] == len(theirs) - 1 and before is not None
    return before if last and before is not None else chooser.pick(theirs[-1], mine[-1].size)


def along_stages(teacher: Network, student: Network, chooser: Chooser, layers: Layers) -> Tensor:
    """Copy through a ``resnet``; which of the teacher's features the student's are, shape (features,).

    Raises:
        BadCall: for other stages or shortcuts than the teacher's, or new blocks that cannot be the identity.
    """
    theirs, mine = streams(teacher), streams(student)
    pairs = [blocks_of(network) for network in (teacher, student)]
    padded = [all(projection(block) is None for stage in stages for block in stage) for stages in pairs]
    if len(theirs) != len(mine) or padded[0] != padded[1]:
        raise BadCall(
            f"a resnet of {len(mine)} stages cannot begin with the weights of one of {len(theirs)} stages, or with"
            " other shortcuts: set transfer to none"
        )
    stems = [parts_of(network)["stem"] for network in (teacher, student)]
    before: Tensor | None = None
    kept = torch.empty(0, dtype=torch.int64)
    for number, (group, target) in enumerate(zip(theirs, mine, strict=True)):
        if padded[0] and number:
            # A shortcut without parameters hands the units on as they stand, and new ones come behind them.
            old, have = theirs[number - 1].size, mine[number - 1].size
            fresh = pick_units(chooser.score(group)[old:], target.size - have)
            kept = torch.cat([kept, torch.where(fresh == NEW, fresh, fresh + old)])
        else:
            kept = chooser.pick(group, target.size)
        if not number:
            _copy(_stem(stems[0]), _stem(stems[1]), kept, None)
        blocks, targets = pairs[0][number], pairs[1][number]
        for place, source in enumerate(_feeding(blocks, targets, layers)):
            if source == NEW:
                nn.init.zeros_(targets[place].bn2.weight)
                nn.init.zeros_(targets[place].bn2.bias)
                continue
            entered = before if number and not place else kept
            _copy_block(blocks[source], targets[place], chooser, entered, kept)
        before = kept
    return kept


def _feeding(blocks: list[BasicBlock], targets: list[BasicBlock], layers: Layers) -> list[int]:
    """Which blocks of a stage feed each of the student's, the new ones where they can begin as the identity."""
    fed, last = pick_layers(len(blocks), len(targets), layers), len(blocks) - 1
    if NEW not in fed or isinstance(blocks[last].last, nn.ReLU):
        return fed
    if not last:
        # What it gives is partly negative, and in the student, where others follow, its own ReLU would cut that off.
        raise BadCall(
            f"a last stage of one block without its last ReLU cannot become one of {len(targets)} blocks that gives the"
            " same answers: give the teacher at least 2 blocks, set last_relu to true in both, or transfer to none"
        )
    return [*range(last), *fed[len(blocks) :], last]


def _copy_block(
    source: BasicBlock, target: BasicBlock, chooser: Chooser, entered: Tensor | None, left: Tensor
) -> None:
    between = chooser.pick(inner(source), len(target.conv1.weight))
    _copy(Layer(source.conv1, source.bn1), Layer(target.conv1, target.bn1), between, entered)
    _copy(Layer(source.conv2, source.bn2), Layer(target.conv2, target.bn2), left, between)
    theirs, mine = projection(source), projection(target)
    if theirs is not None and mine is not None:
        _copy(theirs, mine, left, entered)


def _copy(source: Layer, target: Layer, rows: Tensor, columns: Tensor | None) -> None:
    """Rows and columns of one layer in another; ``NEW`` rows stay as they are, ``NEW`` columns are 0 in the others."""
    theirs, mine = source.module.weight, target.module.weight
    if (source.norm is None) != (target.norm is None) or (source.module.bias is None) != (
        target.module.bias is None
    ):
        raise BadCall(
            "a network with BatchNorm cannot begin with the weights of one without, nor the other way round"
        )
    if columns is None and theirs.shape[1:] != mine.shape[1:]:
        raise BadCall(
            f"the first layers read inputs of shapes {tuple(theirs.shape[1:])} and {tuple(mine.shape[1:])}"
        )
    known = rows != NEW
    block = theirs.detach()[rows[known]].to(mine)
    if columns is not None:
        block = block[:, columns.clamp(min=0)]
        block[:, columns == NEW] = 0
    mine[known] = block
    pairs: list[tuple[Tensor | None, Tensor | None]] = [(source.module.bias, target.module.bias)]
    if source.norm is not None and target.norm is not None:
        names = ("weight", "bias", "running_mean", "running_var")
        pairs += [(getattr(source.norm, name), getattr(target.norm, name)) for name in names]
        tracked = target.norm.num_batches_tracked
        if tracked is not None and source.norm.num_batches_tracked is not None:
            tracked.copy_(source.norm.num_batches_tracked)
    for old, new in pairs:
        if old is not None and new is not None:
            new[known] = old.detach()[rows[known]].to(new)


def _stem(stem: nn.Module) -> Layer:
    convolution, norm = (module for module in list(stem.children())[:2])
    if not isinstance(convolution, nn.Conv2d) or not isinstance(norm, nn.BatchNorm2d):
        raise BadCall("the stem of a resnet is a convolution and its BatchNorm")
    return Layer(convolution, norm)
