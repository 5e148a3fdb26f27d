"""A network distilled into a decision tree that a person can read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall

__all__ = ["ReadableTree", "distil_tree"]

AT_ONCE = 1024
"""Samples passed through the network at a time."""


@dataclass(frozen=True)
class ReadableTree:
    """A tree as text, and how far it can be believed.

    ``fidelity`` is the share of the held-out samples of which tree and network say the same class, ``accuracy`` the
    share of which the tree says the right one, and ``network_accuracy`` that of the network; ``None`` without labels.
    """

    text: str
    leaves: int
    depth: int
    fidelity: float
    accuracy: float | None
    network_accuracy: float | None

    def __str__(self) -> str:
        scores = [f"says what the network says of {100 * self.fidelity:.1f} % of held-out samples"]
        if self.accuracy is not None and self.network_accuracy is not None:
            scores.append(
                f"is right about {100 * self.accuracy:.1f} %, the network {100 * self.network_accuracy:.1f} %"
            )
        return f"{self.leaves} leaves, depth {self.depth}; {'; '.join(scores)}\n\n{self.text}"


def distil_tree(
    network: nn.Module,
    x: Tensor,
    held_out: Tensor,
    *,
    columns: Sequence[int],
    class_names: Sequence[str],
    max_depth: int = 5,
    feature_names: Sequence[str] | None = None,
    y: Tensor | None = None,
    seed: int = 0,
) -> ReadableTree:
    """Fit a tree to what a network says, not to the labels: it explains the network, right or wrong.

    The tree asks about one number of the input at a time. It is fitted to the network's most likely class of each
    sample, weighted by how much surer the network is of it than a guess, so that it follows the network first where
    that is sure (Craven and Shavlik 1996, "Extracting tree-structured representations of trained networks").

    Args:
        network: gives logits (samples, columns) of a batch; asked in evaluation mode, and left as it was.
        x: what the tree is fitted on, as the network sees it, (samples, ...).
        held_out: further samples, which the scores are taken on.
        columns: of the logits, those of the classes that compete.
        class_names: what they are called, in the order of ``columns``.
        max_depth: questions from the root to a leaf, at least 1.
        feature_names: of the numbers of a sample, flattened; ``input[3]``, or ``pixel[2,5]`` of an image, if ``None``.
        y: classes of the held-out samples, as columns.
        seed: for choices between questions that are equally good.

    Raises:
        BadCall: for no samples, no columns, or names that are too few or too many.
    """
    from sklearn.tree import DecisionTreeClassifier, export_text  # slow to import

    columns, class_names = list(columns), [str(name) for name in class_names]
    if not len(x) or not len(held_out) or not columns:
        raise BadCall("a tree needs samples to be fitted on, samples held out, and classes")
    if max_depth < 1:
        raise BadCall(f"max_depth must be at least 1, got {max_depth}")
    size = math.prod(x.shape[1:])
    names = list(feature_names) if feature_names is not None else _names(tuple(x.shape[1:]))
    if len(names) != size or len(class_names) != len(columns):
        raise BadCall(
            f"the samples have {size} numbers and {len(names)} names, the columns are {len(columns)} and their names"
            f" {len(class_names)}"
        )
    said, sure = _asked(network, x, columns)
    tree = DecisionTreeClassifier(max_depth=max_depth, random_state=seed)
    tree.fit(_rows(x), said.numpy(), sample_weight=sure.numpy())
    theirs, _ = _asked(network, held_out, columns)
    ours = torch.from_numpy(tree.predict(_rows(held_out)))
    right = None if y is None else torch.tensor(columns)
    classes = [class_names[place] for place in tree.classes_.tolist()]
    # Of a tree without a question scikit-learn does not look up what the class is called.
    alone = f"|--- class: {classes[0]}\n" if len(classes) == 1 else None
    # The whole tree, to a millionth: cut off or rounded to its defaults it would be another than the one scored.
    whole = {"max_depth": max(1, int(tree.get_depth())), "decimals": 6}
    return ReadableTree(
        text=alone or export_text(tree, feature_names=names, class_names=classes, **whole),
        leaves=int(tree.get_n_leaves()),
        depth=int(tree.get_depth()),
        fidelity=_share(ours == theirs),
        accuracy=None if right is None or y is None else _share(right[ours] == y.cpu()),
        network_accuracy=None if right is None or y is None else _share(right[theirs] == y.cpu()),
    )


def _asked(network: nn.Module, x: Tensor, columns: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The network's class of each sample, as a place in ``columns``, and how much surer it is than a guess."""
    modes = {part: part.training for part in network.modules()}
    network.eval()
    try:
        with torch.no_grad():
            said = torch.cat([network(part)[:, list(columns)].float().cpu() for part in x.split(AT_ONCE)])
    finally:
        for part, mode in modes.items():
            part.training = mode
    top = said.softmax(dim=1).max(dim=1)
    # A sample that the network guesses counts a little: a tree of nothing but those has to be fitted as well.
    return top.indices, (top.values - 1 / len(columns)).double().clamp(min=1e-3)


def _rows(x: Tensor) -> object:
    return x.detach().flatten(1).double().cpu().numpy()


def _names(shape: tuple[int, ...]) -> list[str]:
    if len(shape) == 3:
        channels, height, width = shape
        places = [(c, i, j) for c in range(channels) for i in range(height) for j in range(width)]
        return [f"pixel[{i},{j}]" if channels == 1 else f"pixel[{c},{i},{j}]" for c, i, j in places]
    return [f"input[{k}]" for k in range(math.prod(shape))]


def _share(equal: Tensor) -> float:
    return float(equal.double().mean())
