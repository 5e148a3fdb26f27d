"""A network as a tree: what it says is read off, faithfully or not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.export.tree import distil_tree


class Threshold(nn.Module):
    """Class column 2 where the second number is above 0.5, else column 0; nothing of the data's own classes."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.9)

    def forward(self, x: Tensor) -> Tensor:
        high = (x.flatten(1)[:, 1] - 0.5) * 20
        return self.dropout(torch.stack([-high, torch.full_like(high, 99.0), high], dim=1))


def inputs(seed: int, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_tree_says_what_the_network_says_and_not_what_is_right() -> None:
    network = Threshold().train()
    held = inputs(1, 200, 3)
    y = torch.where(held[:, 1] > 0.5, 0, 2)  # the network is always wrong
    tree = distil_tree(
        network, inputs(0, 500, 3), held, columns=[0, 2], class_names=["low", "high"], max_depth=3, y=y
    )
    assert tree.fidelity > 0.98 and tree.accuracy is not None and tree.accuracy < 0.02
    assert tree.network_accuracy == 0.0
    assert tree.depth == 1 and tree.leaves == 2
    assert "|--- input[1] <= 0.50" in tree.text and "class: low" in tree.text and "class: high" in tree.text
    assert f"{100 * tree.fidelity:.1f} % of held-out samples; is right about" in str(tree)
    assert network.training and network.dropout.training


def test_pixels_and_given_names() -> None:
    x = inputs(0, 300, 1, 2, 2)
    tree = distil_tree(Threshold(), x, x[:50], columns=[0, 2], class_names=["low", "high"], max_depth=1)
    assert "pixel[0,1]" in tree.text and tree.accuracy is None and "right" not in str(tree)
    tree = distil_tree(
        Threshold(), x, x, columns=[0, 2], class_names=["a", "b"], feature_names=["p", "q", "r", "s"]
    )
    assert "|--- q <=" in tree.text
    colours = inputs(0, 20, 3, 1, 1)
    assert (
        "pixel[1,0,0]"
        in distil_tree(Threshold(), colours, colours, columns=[0, 2], class_names=["a", "b"]).text
    )


def test_a_network_that_says_one_class_is_one_leaf() -> None:
    x = inputs(0, 20, 3)
    tree = distil_tree(Threshold(), x, x, columns=[1], class_names=["only"])
    assert tree.leaves == 1 and tree.fidelity == 1.0 and "class: only" in tree.text


@pytest.mark.parametrize(
    "options",
    [
        {"x": torch.zeros(0, 3)},
        {"columns": [], "class_names": []},
        {"max_depth": 0},
        {"feature_names": ["one"]},
        {"class_names": ["one"]},
    ],
)
def test_what_no_tree_is_made_of(options: dict[str, object]) -> None:
    given = {"x": inputs(0, 9, 3), "columns": [0, 2], "class_names": ["a", "b"], **options}
    x = given.pop("x")
    with pytest.raises(BadCall):
        distil_tree(Threshold(), x, inputs(1, 9, 3), **given)  # type: ignore[arg-type]
