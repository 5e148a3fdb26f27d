"""Models of timm by name, where it is installed."""

from __future__ import annotations

import importlib
from types import ModuleType

from lifelong_kd.core.errors import BadCall, DataMissing
from lifelong_kd.model.foreign import Foreign, check_known

__all__ = ["timm_model"]


def timm_model(
    input_shape: tuple[int, ...],
    *,
    architecture: str,
    pretrained: bool = False,
    resize: int | None = None,
) -> Foreign:
    """Any model of timm by name, without its classifier; needs the extra 'timm'.

    Args:
        architecture: name in ``timm.list_models()``, such as ``resnet18`` or ``vit_tiny_patch16_224``.
        pretrained: whether to fetch pre-trained weights.
        resize: side in pixels to which images are brought first (bilinear), for models that need larger ones.

    Raises:
        BadCall: if timm is not installed, or for an unknown architecture.
        DataMissing: if the weights cannot be fetched.
    """
    timm = _timm()
    # A name may carry the tag of its weights behind a dot.
    check_known("timm architecture", architecture.partition(".")[0], timm.list_models())
    try:
        network = timm.create_model(architecture, pretrained=pretrained, num_classes=0)
    except OSError as error:
        raise DataMissing(f"the weights of timm's {architecture!r} could not be fetched: {error}.") from error
    except (RuntimeError, ValueError) as error:
        raise BadCall(f"timm's {architecture!r} cannot be built: {error}") from error
    return Foreign(architecture, network, input_shape, resize)


def _timm() -> ModuleType:
    try:
        return importlib.import_module("timm")
    except ImportError as error:
        raise BadCall(
            "model 'timm' needs the package timm, which is not installed: pip install 'lifelong_kd[timm]'."
        ) from error
