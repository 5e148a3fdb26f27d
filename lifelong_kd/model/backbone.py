"""What a backbone is, and the checks on input shapes that backbones share."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall

__all__ = ["Backbone", "image_shape"]


class Backbone(nn.Module):
    """A network without its classifier: ``forward`` takes (B, *input_shape) and gives features (B, feature_size).

    A subclass sets ``feature_size`` in ``__init__`` and writes ``forward``. One whose input passes a chain of modules
    says so in ``parts`` and ``pooled``: then it can also be run from inside.
    """

    feature_size: int

    def forward(self, x: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def parts(self) -> Mapping[str, nn.Module]:
        """The modules that an input passes one after the other, by path; none if it is no such chain."""
        return {}

    def pooled(self, x: Tensor) -> Tensor:
        """The features (B, feature_size) that the output of the last part becomes."""
        return x


def image_shape(model: str, input_shape: tuple[int, ...], *, smallest: int = 1) -> tuple[int, int, int]:
    """The input shape as (channels, height, width).

    Raises:
        BadCall: if the input is no image, or a side is below ``smallest`` pixels; ``model`` is named in it.

    >>> image_shape("cnn", (3, 32, 32))
    (3, 32, 32)
    """
    if len(input_shape) != 3:
        raise BadCall(
            f"model {model!r} needs images (channels, height, width), but the stream's samples have shape"
            f" {tuple(input_shape)}. Use 'mlp' for flat inputs."
        )
    channels, height, width = input_shape
    if min(height, width) < smallest:
        raise BadCall(
            f"model {model!r} as configured needs images of at least {smallest}x{smallest} pixels,"
            f" but the stream's are {height}x{width}."
        )
    return channels, height, width
