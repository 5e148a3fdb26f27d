"""Networks: built by name, seen through taps, compiled."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model import heads, register, register_head, registry
from lifelong_kd.model.build import build_network
from lifelong_kd.model.taps import Taps, penultimate, tap_path


def small(**head: object) -> nn.Module:
    return build_network((1, 4, 4), 6, model=("mlp", {"hidden": [5, 3]}), head=("linear", head))


def test_forward_is_the_head_on_the_features() -> None:
    network = small()
    x = torch.rand(2, 1, 4, 4)
    assert network.features(x).shape == (2, 3)
    assert torch.equal(network(x), network.head(network.features(x)))


def test_network_grows_its_head() -> None:
    network = small(grow=True)
    assert network.head.width == 0
    assert network.grow([0, 1], 0) is True and network.grow([0, 1], 0) is False
    assert network(torch.rand(2, 1, 4, 4)).shape == (2, 2)


def test_build_is_reproducible_by_the_default_generator() -> None:
    def weights(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return torch.cat([p.detach().flatten() for p in small().parameters()])

    assert torch.equal(weights(0), weights(0)) and not torch.equal(weights(0), weights(1))


def test_every_registered_component_has_a_summary() -> None:
    summaries = [entry.summary() for entry in (*registry, *heads)]
    assert len(summaries) == 14 and all(text.endswith(".") for text in summaries)


def test_the_registries_cost_no_torch() -> None:
    code = "import sys, lifelong_kd.model as m; m.registry.names(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_build_refuses_components_that_break_the_contract() -> None:
    register("bare")(lambda input_shape: nn.Identity())
    register_head("bare_head")(lambda feature_size, classes: nn.Linear(feature_size, classes))
    try:
        with pytest.raises(BadCall, match=r"'bare' must return.*feature_size=None"):
            build_network((4,), 2, model=("bare", {}))
        with pytest.raises(BadCall, match=r"'bare_head' must return.*found Linear"):
            build_network((4,), 2, model=("mlp", {}), head=("bare_head", {}))
    finally:
        registry.remove("bare")
        heads.remove("bare_head")
    with pytest.raises(BadCall, match="Did you mean 'linear'"):
        build_network((4,), 2, model=("mlp", {}), head=("liner", {}))


def test_taps_give_the_layers_outputs_with_gradient_and_are_gone_afterwards() -> None:
    network = build_network((3, 8, 8), 4, model=("resnet32", {"width": 2}))
    x = torch.rand(2, 3, 8, 8)
    with Taps(network, ["stage1", "backbone.stage3", "head"]) as taps:
        logits = network(x)
        assert torch.equal(taps["head"], logits)
        assert {name: tuple(value.shape) for name, value in taps.values().items()} == {
            "stage1": (2, 2, 8, 8),
            "backbone.stage3": (2, 8, 2, 2),
            "head": (2, 4),
        }
        taps["stage1"].sum().backward()
    assert network.backbone.stem[0].weight.grad.abs().sum() > 0
    assert not any(module._forward_hooks for module in network.modules())
    with pytest.raises(BadCall, match="nothing passed"):
        taps["stage1"]


def test_taps_are_removed_when_the_forward_fails() -> None:
    network = small()
    with pytest.raises(RuntimeError), Taps(network, ["layer1"]):
        network(torch.rand(2, 7))
    assert not any(module._forward_hooks for module in network.modules())


def test_tap_paths() -> None:
    network = small()
    assert tap_path(network, "layer2") == "backbone.layers.layer2"
    assert tap_path(network, "layer2.0") == "backbone.layers.layer2.0"
    with pytest.raises(BadCall, match=r"backbone.layers.layer1.0, backbone.layers.layer2.0. Give the whole"):
        tap_path(network, "0")
    with pytest.raises(BadCall, match=r"Did you mean 'layer2'\? Paths: backbone, backbone.layers"):
        tap_path(network, "layr2")


def test_tap_that_is_no_tensor() -> None:
    model = nn.Sequential(nn.LSTM(2, 3))
    with Taps(model, ["0"]) as taps:
        model(torch.rand(1, 1, 2))
        with pytest.raises(BadCall, match="no tensor but a tuple"):
            taps["0"]
        with pytest.raises(BadCall, match="there is no tap '1'"):
            taps["1"]


class Foreign(nn.Module):
    """Its ``features`` is a module, its layers stand in another order than they run in."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(3, 2)
        self.features = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.relu(self.features(x)))


def test_penultimate() -> None:
    x = torch.rand(2, 1, 4, 4)
    network = small()
    assert torch.equal(penultimate(network, x), network.features(x))
    foreign, x = Foreign(), torch.randn(5, 4)
    assert torch.equal(penultimate(foreign, x), torch.relu(foreign.features(x)))
    assert not any(module._forward_pre_hooks for module in foreign.modules())
    with pytest.raises(BadCall, match="ReLU has no method 'features'"):
        penultimate(nn.ReLU(), x)


def test_a_network_that_ran_compiled_is_tapped_uncompiled_or_says_so() -> None:
    network, x = small(), torch.rand(2, 1, 4, 4)
    compiled = torch.compile(network, backend="eager")
    compiled(x)
    with Taps(network, ["layer1"]) as taps:
        compiled(x)
        with pytest.raises(BadCall, match="run it uncompiled"):
            taps["layer1"]
        network(x)
        assert taps["layer1"].shape == (2, 5)
    foreign, x = Foreign(), torch.randn(5, 4)
    compiled = torch.compile(foreign, backend="eager")
    compiled(x)
    assert torch.equal(penultimate(compiled, x), penultimate(foreign, x))


def test_networks_compile_without_a_break() -> None:
    for model, head in [
        (("resnet18", {"width": 2}), ("cosine", {})),
        (("resnet32", {"width": 2}), ("linear", {})),
        (("cnn", {"width": 2}), ("multihead", {})),
    ]:
        network = build_network((1, 8, 8), 4, model=model, head=head).eval()
        network.grow([0, 1], 0)
        network.grow([3], 1) if head[0] == "multihead" else None
        x = torch.rand(2, 1, 8, 8)
        compiled = torch.compile(network, backend="eager", fullgraph=True)
        assert torch.equal(compiled(x), network(x))


def test_a_compiled_network_grows() -> None:
    for head in (("linear", {"grow": True}), ("cosine", {"grow": True}), ("multihead", {})):
        network = build_network((4,), 4, model=("mlp", {"hidden": [3]}), head=head)
        network.grow([0, 1], 0)
        compiled = torch.compile(network, backend="eager")
        x = torch.rand(2, 4)
        assert compiled(x).shape == (2, 2)
        network.grow([2, 3], 1)
        assert compiled(x).shape == (2, 4) and torch.equal(compiled(x), network(x))
