"""Made recordings: tones, written as WAV."""

from pathlib import Path

import numpy as np

PATTERN = "{label}_{speaker}_{index}.wav"
SMALL = {"rate": 4000, "seconds": 0.25, "mels": 8, "window": 128, "hop": 64}


def tone(pitch: float, rate: int = 4000, seconds: float = 0.25, channels: int = 1) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    wave = 0.5 * np.sin(2 * np.pi * pitch * time)
    return np.stack([wave] * channels, axis=1).astype(np.float32)


def write(path: Path, signal: np.ndarray, rate: int = 4000) -> Path:
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, signal, rate, subtype="FLOAT")
    return path


def recordings(root: Path) -> Path:
    """Two speakers say four digits six times: each digit a pitch, each speaker a little off."""
    for digit in range(4):
        for shift, speaker in enumerate(("ann", "bob")):
            for index in range(6):
                pitch = 300 + 300 * digit + 40 * shift + 3 * index
                write(root / f"{digit}_{speaker}_{index}.wav", tone(pitch))
    return root
