"""A small convolutional network over the time of a recording."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.backbone import Backbone, image_shape

__all__ = ["AudioCNN", "audio_cnn"]


def audio_cnn(
    input_shape: tuple[int, ...],
    *,
    width: int = 64,
    stages: int = 3,
    pieces: int = 4,
    dropout: float = 0.0,
    batch_norm: bool = True,
) -> AudioCNN:
    """Small convolutional network over time, for spectrograms: each band of frequency is a channel.

    Unlike that of an image, what a recording shows means something else at another height. Each stage is a convolution
    over five frames, BatchNorm (by option), ReLU; between stages stands a max-pooling over two frames. Of the last,
    the means of equal pieces of the time are the features, ``width * pieces`` of them, so that what comes first and
    what comes last is told apart.

    Args:
        width: channels of each stage.
        stages: number of stages.
        pieces: of the time that the features tell apart.
        dropout: probability of dropping a feature in training, in [0, 1).
        batch_norm: whether each convolution is followed by a BatchNorm.

    Raises:
        BadCall: if the input is no spectrogram (channels, bands, frames) or too short, or an option is out of range.

    >>> audio_cnn((1, 40, 63), width=8).feature_size
    32
    """
    if width < 1 or stages < 1 or pieces < 1:
        raise BadCall(
            f"width, stages and pieces must be at least 1, found width={width}, stages={stages}, pieces={pieces}."
        )
    if not 0 <= dropout < 1:
        raise BadCall(f"dropout must lie in [0, 1), found {dropout}.")
    channels, bands, frames = image_shape("audio_cnn", input_shape)
    if frames < pieces * 2 ** (stages - 1):
        raise BadCall(
            f"model 'audio_cnn' as configured needs at least {pieces * 2 ** (stages - 1)} frames, the stream's samples"
            f" have {frames}: take fewer stages or pieces."
        )
    return AudioCNN(channels * bands, width, stages, pieces, dropout, batch_norm)


class AudioCNN(Backbone):
    """Spectrograms (B, C, bands, frames) through ``stage1``, ``stage2``, ... to features (B, feature_size)."""

    def __init__(
        self, bands: int, width: int, stages: int, pieces: int, dropout: float, batch_norm: bool
    ) -> None:
        super().__init__()
        built: OrderedDict[str, nn.Module] = OrderedDict()
        for number in range(1, stages + 1):
            parts: list[nn.Module] = [nn.MaxPool1d(2)] if number > 1 else [nn.Flatten(1, 2)]
            parts.append(nn.Conv1d(bands if number == 1 else width, width, 5, padding=2, bias=not batch_norm))
            if batch_norm:
                parts.append(nn.BatchNorm1d(width))
            built[f"stage{number}"] = nn.Sequential(*parts, nn.ReLU())
        self.stages = nn.Sequential(built)
        self.pool = nn.AdaptiveAvgPool1d(pieces)
        self.dropout = nn.Dropout(dropout)
        self.feature_size = width * pieces

    def forward(self, x: Tensor) -> Tensor:
        return self.pooled(self.stages(x))

    def parts(self) -> Mapping[str, nn.Module]:
        return {f"stages.{name}": stage for name, stage in self.stages.named_children()}

    def pooled(self, x: Tensor) -> Tensor:
        features: Tensor = self.dropout(self.pool(x).flatten(1))
        return features
