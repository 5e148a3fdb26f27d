"""The contract of a knowledge."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

__all__ = ["Knowledge"]


class Knowledge(ABC):
    """Compares what the student says with what the teacher says, sample by sample.

    A knowledge returns one value a sample. Which classes and which samples are compared, the weight and the
    mean over the batch belong to the term. It is 0 where student and teacher agree, and positive elsewhere.

    ``needs`` says what it compares, and so what it is called with:

    * ``{"logits"}``: two tensors (batch, columns), the columns already chosen;
    * ``{"features"}``: two tensors (batch, dimensions), the inputs of the heads;
    * ``{"maps"}``: two sequences of tensors, one a stage, (batch, channels, height, width) or (batch, channels);
    * with ``"gradients"``: two ``Said`` whose logits can be differentiated with respect to their maps.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"logits"})
    """What it compares: ``logits``, ``features``, ``maps``, ``gradients``; a teacher has to offer it."""

    mixes_samples: bool = False
    """Whether a sample's value depends on the other samples of its batch, as relations between samples do."""

    skips_unknown: ClassVar[bool] = False
    """Whether columns of the teacher that are NaN, because it did not have them yet, are left out."""

    @abstractmethod
    def __call__(self, student: Any, teacher: Any) -> Tensor:
        """The loss of each sample.

        Args:
            student: what the student says, in the form that ``needs`` tells; gradient flows into it.
            teacher: what the teacher says, in the same form; no gradient flows into it.

        Returns:
            Losses, shape (batch,), in at least single precision.
        """

    def state_dict(self) -> dict[str, Tensor]:
        """What it has learned or was given since it was built; nothing for most."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take over what ``state_dict`` gave, also before the first call."""
