"""What a part of a run took."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Spent"]


@dataclass(frozen=True)
class Spent:
    """Seconds of training, of which teachers took ``teaching``, and samples trained on."""

    training: float = 0.0
    teaching: float = 0.0
    samples: int = 0

    def __sub__(self, other: Spent) -> Spent:
        return Spent(
            self.training - other.training, self.teaching - other.teaching, self.samples - other.samples
        )
