"""A small convolutional network."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.backbone import Backbone, image_shape

__all__ = ["CNN", "cnn"]


def cnn(
    input_shape: tuple[int, ...],
    *,
    width: int = 32,
    stages: int = 3,
    dropout: float = 0.0,
    batch_norm: bool = True,
) -> CNN:
    """Small convolutional network: 3x3 convolutions, halved in size and doubled in width from stage to stage.

    Each stage is convolution, BatchNorm (by option), ReLU; between stages stands a 2x2 max-pooling, behind the last
    a mean over all positions. The features have ``width * 2**(stages - 1)`` entries.

    Args:
        width: channels of the first stage.
        stages: number of stages; the images must have at least ``2**(stages - 1)`` pixels a side.
        dropout: probability of dropping a feature in training, in [0, 1).
        batch_norm: whether each convolution is followed by a BatchNorm.

    Raises:
        BadCall: if the input is no image or too small, or an option is out of range.

    >>> cnn((1, 28, 28), width=8).feature_size
    32
    """
    if width < 1 or stages < 1:
        raise BadCall(f"width and stages must be at least 1, found width={width}, stages={stages}.")
    if not 0 <= dropout < 1:
        raise BadCall(f"dropout must lie in [0, 1), found {dropout}.")
    channels, _, _ = image_shape("cnn", input_shape, smallest=2 ** (stages - 1))
    return CNN(channels, width, stages, dropout, batch_norm)


class CNN(Backbone):
    """Images (B, C, H, W) through ``stage1``, ``stage2``, ... to features (B, feature_size)."""

    def __init__(self, channels: int, width: int, stages: int, dropout: float, batch_norm: bool) -> None:
        super().__init__()
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        for stage in range(stages):
            layers: list[nn.Module] = [nn.MaxPool2d(2)] if stage else []
            # A BatchNorm subtracts the mean, so that a bias before it has no effect.
            layers.append(nn.Conv2d(channels, width, 3, padding=1, bias=not batch_norm))
            if batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU())
            parts[f"stage{stage + 1}"] = nn.Sequential(*layers)
            channels, width = width, width * 2
        self.stages = nn.Sequential(parts)
        self.dropout = nn.Dropout(dropout)
        self.feature_size = channels

    def forward(self, x: Tensor) -> Tensor:
        return self.pooled(self.stages(x))

    def parts(self) -> Mapping[str, nn.Module]:
        return {f"stages.{name}": stage for name, stage in self.stages.named_children()}

    def pooled(self, x: Tensor) -> Tensor:
        features: Tensor = self.dropout(x.mean(dim=(2, 3)))
        return features
