"""Networks of the same shape that have learned nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.build import build_network
from lifelong_kd.model.freeze import digest, frozen_copy
from lifelong_kd.model.fresh import fresh_copy
from lifelong_kd.model.network import Network

MODELS: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "cnn": ({"width": 4}, (1, 8, 8)),
    "mlp": ({"hidden": [8, 8], "batch_norm": True}, (1, 4, 4)),
    "resnet18": ({"width": 4}, (3, 16, 16)),
    "resnet32": ({"width": 4}, (3, 16, 16)),
}
XAVIER = ("mlp", {"hidden": [8], "initialisation": "xavier"}, (1, 4, 4))
CASES = [*((name, options, shape) for name, (options, shape) in MODELS.items()), XAVIER]


def build(
    model: str, options: dict[str, Any], shape: tuple[int, ...], head: str = "linear", **top: Any
) -> Network:
    torch.manual_seed(0)
    return build_network(shape, 6, model=(model, options), head=(head, top))


def train_a_little(network: Network, shape: tuple[int, ...]) -> None:
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
    network.train()
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(torch.rand(8, *shape)), torch.arange(8) % 2).backward()
        optimizer.step()


@pytest.mark.parametrize("head", ["linear", "cosine", "lsc"])
@pytest.mark.parametrize(("model", "options", "shape"), CASES)
def test_after_the_same_seed_it_is_the_network_as_it_was_built(
    model: str, options: dict[str, Any], shape: tuple[int, ...], head: str
) -> None:
    network = build(model, options, shape, head)
    built = digest(network)
    train_a_little(network, shape)
    trained = digest(network)
    assert trained != built
    torch.manual_seed(0)
    fresh = fresh_copy(network)
    assert digest(fresh) == built
    assert digest(network) == trained
    assert type(fresh) is Network and fresh.training
    assert all(parameter.requires_grad for parameter in fresh.parameters())
    mine = {id(tensor) for tensor in (*network.parameters(), *network.buffers())}
    assert not mine & {id(tensor) for tensor in (*fresh.parameters(), *fresh.buffers())}


@pytest.mark.parametrize("head", ["linear", "cosine", "lsc", "multihead"])
def test_a_grown_head_keeps_its_columns_and_nothing_else(head: str) -> None:
    network = build("mlp", {"hidden": [8]}, (4,), head, **({} if head == "multihead" else {"grow": True}))
    network.grow([0, 1], 0)
    network.grow([2, 3], 1)
    fresh = fresh_copy(network)
    assert isinstance(fresh, Network) and fresh.head.width == 4
    old, new = dict(network.named_parameters()), dict(fresh.named_parameters())
    assert old.keys() == new.keys()
    for name in old:
        assert old[name].shape == new[name].shape
        assert name in ("head.sigma", "head.scale") or not torch.equal(old[name], new[name])
    assert fresh.grow([4], 1)
    assert network.head.width == 4


def test_a_head_with_another_rule_follows_it() -> None:
    network = build(
        "mlp", {"hidden": [8], "initialisation": "xavier"}, (4,), "linear", initialisation="xavier"
    )
    built = digest(network)
    train_a_little(network, (4,))
    torch.manual_seed(0)
    assert digest(fresh_copy(network)) == built


def test_the_scale_goes_back_to_its_start() -> None:
    for head, name in (("cosine", "sigma"), ("lsc", "scale")):
        network = build("mlp", {"hidden": [8]}, (4,), head, **{name: 3.0})
        getattr(network.head, name).data.fill_(50.0)
        assert getattr(fresh_copy(network).head, name).item() == 3.0


def test_batch_norm_forgets() -> None:
    network = build("cnn", {"width": 4}, (1, 8, 8))
    train_a_little(network, (1, 8, 8))
    norms = [module for module in fresh_copy(network).modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    for norm in norms:
        assert norm.running_mean.abs().sum() == 0 and (norm.running_var == 1).all()
        assert int(norm.num_batches_tracked) == 0 and (norm.weight == 1).all()


def test_of_a_frozen_copy_comes_a_network_that_learns() -> None:
    network = build("cnn", {"width": 4}, (1, 8, 8))
    teacher = frozen_copy(network)
    fresh = fresh_copy(teacher)
    assert type(fresh) is Network and fresh.training and fresh.train().training
    assert all(parameter.requires_grad for parameter in fresh.parameters())
    assert not teacher.training and not any(parameter.requires_grad for parameter in teacher.parameters())


def test_what_is_frozen_stays_frozen() -> None:
    network = build("mlp", {"hidden": [8]}, (4,))
    network.head.requires_grad_(False)
    network.eval()
    fresh = fresh_copy(network)
    assert not any(parameter.requires_grad for parameter in fresh.head.parameters())
    assert all(parameter.requires_grad for parameter in fresh.backbone.parameters())
    assert fresh.training and not network.training


def test_hooks_of_others_stay_behind() -> None:
    network = build("mlp", {"hidden": [8]}, (4,))
    calls: list[int] = []
    network.backbone.register_forward_hook(lambda *_: calls.append(1))
    fresh_copy(network)(torch.rand(2, 4))
    assert calls == []
    network(torch.rand(2, 4))
    assert calls == [1]


def test_networks_of_others_are_drawn_by_their_layers() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.MultiheadAttention(8, 2), nn.LayerNorm(8))
    fresh = fresh_copy(model)
    assert type(fresh) is nn.Sequential
    assert not torch.equal(fresh[0].weight, model[0].weight)
    assert not torch.equal(fresh[1].in_proj_weight, model[1].in_proj_weight)
    assert type(fresh_copy(torch.compile(nn.Linear(2, 2)))) is nn.Linear


class Token(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.token = nn.Parameter(torch.ones(2))


def test_a_parameter_that_nobody_draws_is_refused() -> None:
    with pytest.raises(BadCall, match="Token at '1' has parameters and no method 'reset_parameters'"):
        fresh_copy(nn.Sequential(nn.ReLU(), Token()))
    with pytest.raises(BadCall, match="ParameterList at '0'"):
        fresh_copy(nn.Sequential(nn.ParameterList([torch.ones(2)])))
