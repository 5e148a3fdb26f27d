"""Backbones, heads, feature taps and frozen copies; the registries of models and heads."""

from __future__ import annotations

from lifelong_kd.core.registry import Registry

__all__ = ["heads", "register", "register_head", "registry"]

registry = Registry(
    "model",
    {
        "cnn": "lifelong_kd.model.cnn:cnn",
        "mlp": "lifelong_kd.model.mlp:mlp",
        "resnet18": "lifelong_kd.model.resnet:resnet18",
        "resnet32": "lifelong_kd.model.resnet:resnet32",
        "timm": "lifelong_kd.model.from_timm:timm_model",
        "torchvision": "lifelong_kd.model.from_torchvision:torchvision_model",
    },
)
register = registry.register

heads = Registry(
    "head",
    {
        "cosine": "lifelong_kd.model.cosine:cosine",
        "linear": "lifelong_kd.model.linear:linear",
        "lsc": "lifelong_kd.model.lsc:lsc",
        "multihead": "lifelong_kd.model.multihead:multihead",
    },
)
register_head = heads.register
