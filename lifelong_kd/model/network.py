"""A backbone and a head, as every strategy sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from lifelong_kd.model.head import Head

__all__ = ["Network"]


class Network(nn.Module):
    """logits = head(backbone(x)), with the features in between within reach.

    Args:
        backbone: takes (B, *input_shape) and gives features (B, D).
        head: takes features (B, D) and gives logits (B, head.width).
    """

    head: Head

    origin: Mapping[str, str] | None = None
    """Name and digest of the model whose backbone this one began with, if it did."""

    def __init__(self, backbone: nn.Module, head: Head) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def features(self, x: Tensor) -> Tensor:
        """The input of the head: (B, *input_shape) to (B, D)."""
        features: Tensor = self.backbone(x)
        return features

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.backbone(x))
        return logits

    def grow(self, classes: Sequence[int], label: int = 0) -> bool:
        """Give every class of ``classes`` a column in the head; see ``Head.grow``.

        A saved state is loaded into a freshly built network after the same calls of ``grow``, in the same order.

        Returns:
            Whether parameters were replaced, so that an optimiser must be told.
        """
        return self.head.grow(classes, label)
