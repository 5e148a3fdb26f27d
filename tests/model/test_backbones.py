"""Backbones: sizes known from the papers, shapes, taps by name, and errors."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import nn

from lifelong_kd.core.errors import BadCall, DataMissing
from lifelong_kd.model.cnn import cnn
from lifelong_kd.model.from_timm import timm_model
from lifelong_kd.model.from_torchvision import torchvision_model
from lifelong_kd.model.mlp import mlp
from lifelong_kd.model.resnet import ResNet, resnet18, resnet32
from lifelong_kd.model.taps import Taps


def size(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_mlp_flattens_and_has_the_layers_it_was_given() -> None:
    model = mlp((1, 28, 28), hidden=[400, 300])
    assert model.feature_size == 300 and size(model) == 784 * 400 + 400 + 400 * 300 + 300
    assert model(torch.rand(5, 1, 28, 28)).shape == (5, 300)
    assert [type(part) for part in model.layers.layer1] == [nn.Linear, nn.ReLU]


def test_mlp_options() -> None:
    model = mlp((6,), hidden=[4], activation="gelu", dropout=0.5, batch_norm=True)
    parts = [type(part) for part in model.layers.layer1]
    assert parts == [nn.Linear, nn.BatchNorm1d, nn.GELU, nn.Dropout]
    assert mlp((2, 3), hidden=[]).feature_size == 6
    x = torch.rand(4, 2, 3)
    assert torch.equal(mlp((2, 3), hidden=[])(x), x.flatten(1))


@pytest.mark.parametrize("options", [{"hidden": [4, 0]}, {"dropout": 1.0}, {"activation": "swish"}])
def test_mlp_refuses(options: dict[str, object]) -> None:
    with pytest.raises(BadCall):
        mlp((6,), **options)  # type: ignore[arg-type]


def test_cnn_by_hand() -> None:
    model = cnn((1, 8, 8), width=4, stages=3, dropout=0.1)
    assert model.feature_size == 16
    assert size(model) == 9 * (1 * 4 + 4 * 8 + 8 * 16) + 2 * (4 + 8 + 16)
    assert model.stages.stage3(torch.rand(2, 8, 4, 4)).shape == (2, 16, 2, 2)
    assert model(torch.rand(2, 1, 8, 8)).shape == (2, 16)
    assert cnn((1, 8, 8), batch_norm=False).stages.stage1[0].bias is not None


def test_cnn_refuses_what_it_cannot_halve() -> None:
    assert cnn((3, 4, 4), width=2).feature_size == 8
    with pytest.raises(BadCall, match=r"at least 8x8 pixels.*4x4"):
        cnn((3, 4, 4), width=2, stages=4)
    with pytest.raises(BadCall, match="Use 'mlp'"):
        cnn((784,))


def test_resnet32_has_the_size_of_the_paper() -> None:
    model = resnet32((3, 32, 32))
    # He 2016, table 6: 0.46 M with the classifier of 10 classes (650 parameters).
    assert size(model) == 463504 and model.feature_size == 64
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 31
    assert convolutions[5].weight.std().item() == pytest.approx((2 / (9 * 16)) ** 0.5, rel=0.1)
    x = model.stem(torch.rand(1, 3, 32, 32))
    shapes = []
    for stage in (model.stage1, model.stage2, model.stage3):
        x = stage(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]


def test_resnet18_has_the_known_sizes() -> None:
    assert size(resnet18((3, 32, 32))) == 11168832
    gem = resnet18((3, 32, 32), width=20)
    # GEM's reduced ResNet-18: 1.09 M with a classifier of 100 classes.
    assert gem.feature_size == 160 and size(gem) + 161 * 100 == 1109240
    assert gem(torch.rand(2, 3, 32, 32)).shape == (2, 160)


def test_shortcut_a_takes_every_second_pixel_and_pads_with_zeros() -> None:
    block = resnet32((3, 32, 32), width=2).stage2[0]
    x = torch.arange(32.0).reshape(1, 2, 4, 4)
    out = block.shortcut(x)
    assert out.shape == (1, 4, 2, 2)
    assert out[0, 0].tolist() == [[0.0, 2.0], [8.0, 10.0]] and out[0, 2:].abs().sum() == 0
    assert not list(block.shortcut.parameters())


@pytest.mark.parametrize("build", [resnet18, resnet32])
def test_last_relu_is_an_option(build: Callable[..., ResNet]) -> None:
    x = torch.randn(4, 3, 8, 8)
    lowest = {}
    for last_relu in (True, False):
        model = build((3, 8, 8), width=4, last_relu=last_relu)
        last = list(model.children())[-1]
        assert isinstance(last, nn.Sequential)
        with Taps(last, [str(len(last) - 1)]) as taps:
            model(x)
            lowest[last_relu] = taps[str(len(last) - 1)].min().item()
    assert lowest[True] == 0 and lowest[False] < 0


def test_resnets_refuse() -> None:
    with pytest.raises(BadCall, match="resnet18"):
        resnet18((3, 4, 4))
    with pytest.raises(BadCall, match="width"):
        resnet32((3, 32, 32), width=0)


def test_torchvision_by_name_without_its_classifier() -> None:
    model = torchvision_model((3, 32, 32), architecture="mobilenet_v3_small")
    assert model.feature_size == 1024 and model.training
    assert model.eval()(torch.rand(2, 3, 32, 32)).shape == (2, 1024)
    assert not any(isinstance(m, nn.Linear) and m.out_features == 1000 for m in model.modules())


def test_torchvision_without_linear_layer_grey_and_resized() -> None:
    model = torchvision_model((1, 8, 8), architecture="squeezenet1_1", resize=32)
    assert model.feature_size == 512
    assert model(torch.rand(2, 1, 8, 8)).shape == (2, 512)


def test_torchvision_errors() -> None:
    with pytest.raises(BadCall, match="Did you mean 'resnet18'"):
        torchvision_model((3, 32, 32), architecture="resnt18")
    with pytest.raises(BadCall, match="'IMAGENET1K_V1'"):
        torchvision_model((3, 32, 32), architecture="resnet18", weights="IMAGENET1K_V7")
    with pytest.raises(BadCall, match=r"32x32 pixels.*'resize'"):
        torchvision_model((3, 32, 32), architecture="inception_v3")
    with pytest.raises(BadCall, match="1 or 3 channels, the stream's have 2"):
        torchvision_model((2, 32, 32), architecture="squeezenet1_1")


def test_torchvision_weights_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*args: object, **options: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr("torchvision.models.get_model", unreachable)
    with pytest.raises(DataMissing, match="no route"):
        torchvision_model((3, 32, 32), architecture="resnet18", weights="DEFAULT")


def test_timm_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(BadCall, match=r"pip install 'lifelong_kd\[timm\]'"):
        timm_model((3, 32, 32), architecture="resnet18")


def test_timm_is_asked_for_features(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    def create_model(name: str, **options: object) -> nn.Module:
        asked.update(options, name=name)
        return nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 5))

    fake = ModuleType("timm")
    fake.list_models = lambda: ["tiny"]  # type: ignore[attr-defined]
    fake.create_model = create_model  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "timm", fake)
    model = timm_model((3, 4, 4), architecture="tiny.in1k", pretrained=True)
    assert asked == {"name": "tiny.in1k", "pretrained": True, "num_classes": 0}
    assert model.feature_size == 5
    with pytest.raises(BadCall, match="Did you mean 'tiny'"):
        timm_model((3, 4, 4), architecture="tny")
