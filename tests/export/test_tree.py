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
    assert (
        "|--- input[1] <= 0.49989" in tree.text and "class: low" in tree.text and "class: high" in tree.text
    )
    assert f"{100 * tree.fidelity:.1f} % of held-out samples; is right about" in str(tree)
    assert network.training and network.dropout.training


def test_the_text_is_the_tree_that_is_scored() -> None:
    class Faint(Threshold):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x * 40)

    x, held = inputs(0, 500, 3) / 50, inputs(1, 500, 3) / 50
    tree = distil_tree(Faint(), x, held, columns=[0, 2], class_names=["low", "high"], max_depth=1)
    read = float(tree.text.splitlines()[0].rpartition("<=")[2])
    said = torch.where(held[:, 1] > read, 1, 0)
    theirs = torch.where(held[:, 1] * 40 > 0.5, 1, 0)
    assert tree.fidelity > 0.98 and tree.fidelity == pytest.approx(float((said == theirs).double().mean()))


def test_a_deep_tree_is_written_to_its_leaves() -> None:
    class Stripes(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            odd = ((x[:, 0] * 40).long() % 2).float()
            return torch.stack([1 - odd, odd], dim=1)

    # Stripes of ever fewer samples: a question cuts off one of them at a time.
    x = torch.cat([torch.full((2**k, 1), (k + 0.5) / 40) for k in range(14)])
    tree = distil_tree(Stripes(), x, x, columns=[0, 1], class_names=["even", "odd"], max_depth=30)
    assert tree.depth > 11 and "truncated" not in tree.text and tree.text.count("class:") == tree.leaves


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
