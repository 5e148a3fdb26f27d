"""WAV files as log-mel spectrograms of one size."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall

__all__ = ["LogMel", "read_wav", "spectrograms"]


@dataclass(frozen=True)
class LogMel:
    """How recordings become spectrograms.

    ``rate`` in samples a second, ``seconds`` of each recording, ``mels`` bands, ``window`` and ``hop`` of the Fourier
    transform in samples.
    """

    rate: int
    seconds: float
    mels: int
    window: int
    hop: int

    def __post_init__(self) -> None:
        for name in ("rate", "seconds", "mels", "window", "hop"):
            if getattr(self, name) <= 0:
                raise BadCall(f"stream.{name} must be greater than 0, got {getattr(self, name)}")
        if self.samples < self.window:
            raise BadCall(
                f"stream.seconds of {self.seconds} are {self.samples} samples at a rate of {self.rate}, fewer than"
                f" those of stream.window, {self.window}"
            )

    @property
    def samples(self) -> int:
        """Samples of a recording that was brought to ``seconds``."""
        return round(self.seconds * self.rate)


def read_wav(path: Path, rate: int) -> np.ndarray:
    """A recording, float32 (samples,) in [-1, 1]: channels averaged, brought to ``rate`` samples a second.

    Raises:
        BadCall: without the packages, and for a file that is no recording, empty, or has values that are not finite.
    """
    try:
        import soundfile
    except ImportError as error:
        raise _absent("soundfile") from error
    try:
        signal, found = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as error:  # soundfile's own error is a RuntimeError
        raise BadCall(f"{path} cannot be read as a recording: {error}") from error
    if not len(signal):
        raise BadCall(f"{path} is a recording of no samples")
    mono: np.ndarray = signal.mean(axis=1)
    if not np.isfinite(mono).all():
        raise BadCall(f"{path} has samples that are not finite numbers")
    if found != rate:
        try:
            import librosa
        except ImportError as error:
            raise _absent("librosa") from error
        mono = librosa.resample(mono, orig_sr=found, target_sr=rate)
    return mono


def spectrograms(paths: Sequence[Path], how: LogMel) -> Tensor:
    """Log-mel spectrograms in decibels, float32 (recordings, 1, mels, frames), each cut or filled to one length.

    Raises:
        BadCall: see :func:`read_wav`; or for more bands than the window can tell apart.
    """
    try:
        import librosa
    except ImportError as error:
        raise _absent("librosa") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is refused here
        bands = librosa.filters.mel(sr=how.rate, n_fft=how.window, n_mels=how.mels)
    if not bands.any(axis=1).all():
        raise BadCall(
            f"stream.mels is {how.mels}, more bands than a window of {how.window} samples tells apart: take fewer, or"
            " a larger stream.window"
        )
    made = []
    for start in range(0, len(paths), 256):  # the transform of many at once takes a fraction of the time
        chunk = paths[start : start + 256]
        signal = np.zeros((len(chunk), how.samples), dtype=np.float32)
        for row, path in enumerate(chunk):
            heard = read_wav(path, how.rate)[: how.samples]
            signal[row, : len(heard)] = heard
        power = librosa.feature.melspectrogram(
            y=signal, sr=how.rate, n_fft=how.window, hop_length=how.hop, n_mels=how.mels
        )
        # Relative to full scale, not to the loudest of this chunk: a sample does not depend on others.
        made.append(librosa.power_to_db(power, ref=1.0, top_db=None).astype(np.float32))
    return torch.from_numpy(np.concatenate(made)).unsqueeze(1)


def _absent(package: str) -> BadCall:
    return BadCall(f"recordings need the package {package}: pip install 'lifelong_kd[audio]'")
