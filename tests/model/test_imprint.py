"""Rows that begin as means of features, and where a classifier's rows are found."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.build import build_network
from lifelong_kd.model.classifier import class_weights
from lifelong_kd.model.cosine import cosine
from lifelong_kd.model.head import Head
from lifelong_kd.model.imprint import class_mean, cluster_centres, imprint
from lifelong_kd.model.linear import linear
from lifelong_kd.model.lsc import lsc
from lifelong_kd.model.multihead import multihead
from lifelong_kd.model.network import Network
from tests.reference import memories as slow


def data(classes: tuple[int, ...], each: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    y = torch.tensor(classes).repeat(each)
    return 5 * torch.randn(len(y), 4, generator=rng) + y[:, None], y


def grown(kind: str) -> Head:
    torch.manual_seed(1)
    head: Head = {"linear": linear, "cosine": cosine}[kind](4, 9, grow=True)  # type: ignore[operator]
    head.grow([0, 1, 2], 0)
    head.weight.data *= torch.tensor([[1.0], [2.0], [6.0]])
    head.grow([3, 4], 1)
    return head


def written_out(features: torch.Tensor, length: float) -> list[float]:
    mean = slow.normalised(slow.average([slow.normalised(row) for row in features.tolist()]))
    return [length * value for value in mean]


@pytest.mark.parametrize("kind", ["linear", "cosine"])
def test_new_rows_are_normalised_means_at_the_mean_length_of_the_old(kind: str) -> None:
    head = grown(kind)
    parameter, before = head.weight, head.weight.detach().clone()
    features, y = data((3, 4, 7))
    imprint(head, features, y, [3, 4])
    assert head.weight is parameter
    assert torch.equal(head.weight[:3], before[:3])
    length = float(before[:3].norm(dim=1).mean())
    for column in (3, 4):
        expected = written_out(features[y == column], length)
        assert head.weight[column].tolist() == pytest.approx(expected, rel=1e-5)


def test_the_bias_of_a_new_class_is_the_mean_of_the_old() -> None:
    head = grown("linear")
    head.bias.data = torch.tensor([1.0, 2.0, 6.0, 50.0, 60.0])
    imprint(head, *data((3, 4)), [3, 4])
    assert head.bias.tolist() == pytest.approx([1.0, 2.0, 6.0, 3.0, 3.0])
    imprint(linear(4, 2, bias=False), *data((0, 1)), [0])


def test_columns_of_classes_to_come_do_not_count_if_the_old_ones_are_named() -> None:
    head = cosine(4, 9)
    length = float(head.weight[:2].norm(dim=1).mean().detach())
    imprint(head, *data((2, 3)), [2, 3], old=[0, 1])
    assert head.weight[2:4].norm(dim=1).tolist() == pytest.approx([length, length])


def test_without_old_rows_the_length_stays() -> None:
    head = linear(4, 2)
    length = float(head.weight.norm(dim=1).mean().detach())
    imprint(head, *data((0, 1)), [0, 1])
    assert head.weight.norm(dim=1).tolist() == pytest.approx([length, length], rel=1e-5)
    assert head.bias.tolist() == [0.0, 0.0]


def test_a_class_without_samples_keeps_its_row() -> None:
    head = grown("cosine")
    before = head.weight.detach().clone()
    imprint(head, *data((3,)), [3, 4])
    assert torch.equal(head.weight[4], before[4]) and not torch.equal(head.weight[3], before[3])


def test_proxies_are_the_centres_of_clusters() -> None:
    torch.manual_seed(0)
    head = lsc(2, 9, proxies=3, grow=True)
    head.grow([0, 1], 0)
    head.grow([2], 1)
    before = head.weight.detach().clone()
    # Three bundles of directions, whatever the lengths.
    angles = torch.tensor([0.0, 0.02, 2.0, 2.02, 4.0, 4.02])
    lengths = torch.tensor([1.0, 9.0, 4.0, 1.0, 2.0, 3.0])
    features = lengths[:, None] * torch.stack([angles.cos(), angles.sin()], dim=1)
    imprint(head, features, torch.full((6,), 2), [2])
    assert torch.equal(head.weight[:2], before[:2])
    length = before[:2].norm(dim=2).mean()
    unit = features / lengths[:, None]
    expected = {tuple(row) for row in (length * (unit[::2] + unit[1::2]) / 2).mul(1e4).round().tolist()}
    assert {tuple(row) for row in head.weight[2].detach().mul(1e4).round().tolist()} == expected


def test_clusters_repeat_for_a_seed_and_fill_up_where_samples_are_few() -> None:
    features, _ = data((0,), 30)
    assert torch.equal(cluster_centres(features, 5, 3), cluster_centres(features, 5, 3))
    state = torch.get_rng_state()
    few = cluster_centres(features[:2], 5, 0)
    assert few.shape == (5, 4) and len(few.unique(dim=0)) == 2
    assert torch.equal(torch.get_rng_state(), state)
    assert cluster_centres(torch.ones(6, 4), 3, 0).shape == (3, 4)


def test_a_centre_is_the_mean_of_its_samples() -> None:
    features, _ = data((0,), 40)
    unit = [slow.normalised(row) for row in features.tolist()]
    centres = cluster_centres(features.double(), 4, 0).tolist()
    groups = slow.clusters(unit, centres)
    for centre, group in zip(centres, groups, strict=True):
        assert centre == pytest.approx(slow.average([unit[i] for i in group]), abs=1e-9)


def test_class_mean_by_hand() -> None:
    assert class_mean(torch.tensor([[3.0, 0.0], [0.0, 1.0]])).tolist() == pytest.approx([0.5**0.5] * 2)


def test_what_cannot_be_imprinted_is_refused() -> None:
    with pytest.raises(BadCall, match="MultiHead cannot be imprinted"):
        imprint(multihead(4, 6), *data((0,)), [0])
    with pytest.raises(BadCall, match=r"classes \[5\] have no column"):
        imprint(grown("linear"), *data((5,)), [5])
    with pytest.raises(BadCall, match=r"classes \[-1\] have no column"):
        imprint(grown("linear"), *data((0,)), [0], old=[-1])


@pytest.mark.parametrize("head", ["linear", "cosine"])
@pytest.mark.parametrize("grow", [True, False])
def test_the_rows_of_our_networks_are_their_head_s(head: str, grow: bool) -> None:
    network = build_network((4,), 6, model=("mlp", {"hidden": [8]}), head=(head, {"grow": grow}))
    network.grow([0, 1, 2], 0)
    weight, bias = class_weights(network)
    assert weight is network.head.weight and weight.shape == (3 if grow else 6, 8)
    assert bias is (network.head.bias if head == "linear" else None)
    compiled = torch.compile(network)
    assert class_weights(compiled)[0] is weight


def test_the_rows_of_others_are_those_of_their_last_linear_layer() -> None:
    last = nn.Linear(4, 3, bias=False)
    assert class_weights(nn.Sequential(nn.Linear(2, 4), nn.ReLU(), last, nn.Softmax(1))) == (
        last.weight,
        None,
    )
    with pytest.raises(BadCall, match=r"Sequential has no torch\.nn\.Linear"):
        class_weights(nn.Sequential(nn.ReLU()))


def test_heads_without_a_row_a_class_are_refused() -> None:
    with pytest.raises(BadCall, match="a matrix for each task"):
        class_weights(Network(nn.Flatten(), multihead(4, 6)))
    with pytest.raises(BadCall, match=r"LSCHead has no .* \(6, 4\): found \(6, 10, 4\)"):
        class_weights(Network(nn.Flatten(), lsc(4, 6)))
