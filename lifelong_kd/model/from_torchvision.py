"""Models of torchvision by name."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from lifelong_kd.core.errors import BadCall, DataMissing
from lifelong_kd.model.foreign import Foreign, check_known

__all__ = ["torchvision_model"]


def torchvision_model(
    input_shape: tuple[int, ...],
    *,
    architecture: str,
    weights: str | None = None,
    resize: int | None = None,
) -> Foreign:
    """Any image classifier of torchvision by name, without its last layer.

    Args:
        architecture: name in torchvision.models, such as ``resnet50``, ``mobilenet_v3_small`` or ``vit_b_16``.
        weights: pre-trained weights, ``DEFAULT`` or a name such as ``IMAGENET1K_V1``; random ones if null.
        resize: side in pixels to which images are brought first (bilinear), for models that need larger ones.

    Raises:
        BadCall: for an unknown architecture or weights, or a model that does not take such images.
        DataMissing: if the weights cannot be fetched.
    """
    from torchvision import models

    allowed = models.list_models(module=models)
    check_known("torchvision architecture", architecture, allowed)
    options: dict[str, Any] = {"weights": None}
    if weights is not None:
        names = [weight.name for weight in models.get_model_weights(architecture)]
        check_known(f"set of weights for {architecture!r}", weights, ["DEFAULT", *names])
        options["weights"] = weights
    if architecture.startswith("vit_") and weights is None:
        options["image_size"] = resize or input_shape[-1]
    if architecture in ("googlenet", "inception_v3") and weights is None:
        options |= {"aux_logits": False, "init_weights": True}
    try:
        network = models.get_model(architecture, **options)
    except OSError as error:
        raise DataMissing(
            f"the weights {weights!r} of {architecture!r} could not be fetched: {error}. Connect, put the file"
            f" into {torch.hub.get_dir()}/checkpoints, or set 'weights: null'."
        ) from error
    except ValueError as error:
        raise BadCall(f"torchvision's {architecture!r} cannot be built: {error}") from error
    for auxiliary in ("AuxLogits", "aux1", "aux2"):
        if getattr(network, auxiliary, None) is not None:
            setattr(network, auxiliary, None)
            network.aux_logits = False
    _without_classifier(network)
    return Foreign(architecture, network, input_shape, resize)


def _without_classifier(network: nn.Module) -> None:
    """Put an identity in the place of the last linear layer; SqueezeNet has a convolution instead."""
    linear = [path for path, module in network.named_modules() if isinstance(module, nn.Linear)]
    if linear:
        parent, _, name = linear[-1].rpartition(".")
        setattr(network.get_submodule(parent), name, nn.Identity())
    else:
        network.classifier = nn.AdaptiveAvgPool2d(1)
