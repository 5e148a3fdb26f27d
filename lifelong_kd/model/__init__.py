"""Backbones, heads, feature taps and frozen copies; the registries of models and heads."""

from __future__ import annotations

from lifelong_kd.core.registry import Registry

__all__ = ["heads", "register", "register_head", "registry"]

registry = Registry(
    "model",
    {
        "audio_cnn": "lifelong_kd.model.audio_cnn:audio_cnn",
        "cnn": "lifelong_kd.model.cnn:cnn",
        "embedding_bag": "lifelong_kd.model.embedding_bag:embedding_bag",
        "mlp": "lifelong_kd.model.mlp:mlp",
        "resnet18": "lifelong_kd.model.resnet:resnet18",
        "resnet32": "lifelong_kd.model.resnet:resnet32",
        "text_transformer": "lifelong_kd.model.text_transformer:text_transformer",
        "timm": "lifelong_kd.model.from_timm:timm_model",
        "torchvision": "lifelong_kd.model.from_torchvision:torchvision_model",
        "transformers": "lifelong_kd.model.from_transformers:transformers_model",
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
