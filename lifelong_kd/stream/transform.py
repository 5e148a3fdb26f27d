"""From raw samples to what the model sees, by the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.stream.encode.base import Encoder, Remembered

__all__ = ["Pipeline", "Transform"]


class Transform:
    """A random change of images in which every sample has a draw of its own.

    A transform of one's own subclasses this and is registered with ``@lifelong_kd.stream.transforms.register(name)``.
    Draw on the CPU from the generator that is given (``None`` is torch's default one) and move the draws to
    ``x.device``, so that a run draws the same numbers on every device.
    """

    def __call__(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """Images ``x``, float (batch, channels, height, width) in [0, 1], changed at random."""
        raise NotImplementedError

    def still(self, x: Tensor) -> Tensor:
        """What evaluation shows in the place of the random change: by default the images as they are."""
        return x


class Pipeline:
    """Raw samples as the model sees them: in training with augmentation, in evaluation without.

    ``uint8`` becomes float in [0, 1]; floating point data pass as they are; then the transforms; then
    ``(x - mean) / std`` for each channel. Texts become what their encoder makes of them.

    Args:
        augment: transforms, in order.
        mean: one value a channel, or ``None`` for no normalisation.
        std: one value a channel, greater than 0.
        encoder: reads raw samples that are texts; ``None`` for any other samples.

    Raises:
        BadCall: if only one of ``mean`` and ``std`` is given, they differ in length, or a ``std`` is not positive.

    >>> pipeline = Pipeline(mean=[0.5], std=[0.5])
    >>> pipeline.eval(torch.tensor([[[[0, 255]]]], dtype=torch.uint8))
    tensor([[[[-1.,  1.]]]])
    """

    def __init__(
        self,
        augment: Sequence[Transform] = (),
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        encoder: Encoder | None = None,
    ) -> None:
        if (mean is None) != (std is None):
            raise BadCall("normalisation needs both mean and std")
        if mean is not None and std is not None:
            if len(mean) != len(std):
                raise BadCall(f"mean has {len(mean)} values but std has {len(std)}")
            if min(std) <= 0:
                raise BadCall(f"every std must be greater than 0, got {list(std)}")
        self.augment = tuple(augment)
        self.mean = None if mean is None else tuple(float(value) for value in mean)
        self.std = None if std is None else tuple(float(value) for value in std)
        self.encoder = encoder
        self._read: Callable[[Tensor], Tensor] = _as_float if encoder is None else Remembered(encoder)
        self._on: dict[torch.device, tuple[Tensor, Tensor]] = {}

    @property
    def random(self) -> bool:
        """Whether the training view differs from the evaluation view."""
        return bool(self.augment)

    def train(self, raw: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The training view of a raw batch; draws from ``generator``, or torch's default one."""
        x = self._read(raw)
        for transform in self.augment:
            x = transform(x, generator)
        return self._normalise(x)

    def eval(self, raw: Tensor, change: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """The evaluation view of a raw batch; the same whatever the batch.

        Args:
            raw: the samples.
            change: what is done to them before normalisation, such as a corruption of images in [0, 1].
        """
        x = self._read(raw)
        for transform in self.augment:
            x = transform.still(x)
        return self._normalise(x if change is None else change(x))

    def check(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of what the model sees of raw samples of ``shape``.

        Raises:
            BadCall: if the transforms need images, or the mean does not fit the channels.
        """
        if self.augment and len(shape) != 3:
            raise BadCall(
                f"augmentation needs images (channels, height, width); the samples have shape {shape}"
            )
        if self.mean is not None and len(self.mean) not in (1, shape[0]):
            raise BadCall(
                f"mean and std have {len(self.mean)} values but the samples have {shape[0]} channels"
            )
        kind = torch.float32 if self.encoder is None else torch.uint8  # no bytes: the empty text
        return tuple(self.eval(torch.zeros(1, *shape, dtype=kind)).shape[1:])

    def _normalise(self, x: Tensor) -> Tensor:
        if self.mean is None or self.std is None:
            return x
        if x.device not in self._on:
            # One value a channel, whatever follows the channel.
            self._on[x.device] = (torch.tensor(self.mean).to(x.device), torch.tensor(self.std).to(x.device))
        by_channel = (-1, *[1] * (x.dim() - 2))
        mean, std = self._on[x.device]
        return (x - mean.view(by_channel)).div_(std.view(by_channel))


def _as_float(raw: Tensor) -> Tensor:
    return raw.to(torch.float32).div_(255) if raw.dtype == torch.uint8 else raw
