"""What models of other libraries share: one forward pass tells their features, images are made to fit."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall, nearest
from lifelong_kd.model.backbone import Backbone, image_shape

__all__ = ["Foreign", "check_known"]


def check_known(kind: str, name: str, allowed: list[str]) -> None:
    """Raise a ``BadCall`` with the nearest name if ``name`` is not among the ``allowed``."""
    if name not in allowed:
        hint = nearest(name, allowed)
        suggestion = f" Did you mean {hint!r}?" if hint else f" Known: {', '.join(allowed)}."
        raise BadCall(f"there is no {kind} called {name!r}.{suggestion}")


class Foreign(Backbone):
    """A network that gives features, fed with images (B, C, H, W) of the stream; grey images become three channels.

    Built with one forward pass of zeros in evaluation mode, which tells the number of features.
    """

    def __init__(
        self, architecture: str, network: nn.Module, input_shape: tuple[int, ...], resize: int | None
    ) -> None:
        super().__init__()
        channels, height, width = image_shape(architecture, input_shape)
        if channels not in (1, 3):
            raise BadCall(
                f"model {architecture!r} takes images of 1 or 3 channels, the stream's have {channels}."
            )
        if resize is not None and resize < 1:
            raise BadCall(f"resize must be at least 1 pixel, found {resize}.")
        self.network = network
        self.resize = resize
        self.grey = channels == 1
        training = network.training
        network.eval()
        try:
            with torch.no_grad():
                features = self(torch.zeros(1, channels, height, width))
        except (RuntimeError, ValueError, AssertionError) as error:
            raise BadCall(
                f"model {architecture!r} does not take images of {resize or height}x{resize or width} pixels"
                f" ({str(error).splitlines()[0] if str(error) else type(error).__name__})."
                " Set the model's option 'resize', for instance to 224."
            ) from error
        network.train(training)
        if features.ndim != 2:
            raise BadCall(
                f"model {architecture!r} gives {tuple(features.shape)} where (batch, features) is needed."
            )
        self.feature_size = features.shape[1]

    def forward(self, x: Tensor) -> Tensor:
        if self.grey:
            x = x.expand(-1, 3, -1, -1)
        if self.resize is not None:
            x = F.interpolate(x, size=(self.resize, self.resize), mode="bilinear", antialias=True)
        features: Tensor = self.network(x)
        return features
