"""Knowledge with parameters of its own, learned beside the student."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.options import positive

__all__ = ["Trainable"]

PREFIX = "module."


class Trainable(Knowledge):
    """A knowledge with a module whose sizes are known at the first call only.

    ``module`` is ``None`` until ``prepare`` has seen what is compared, and stays so where nothing is to be
    learned. Whoever trains the student steps an optimiser for ``parameters()`` beside it.

    Args:
        projector_lr: learning rate of that optimiser.
    """

    def __init__(self, *, projector_lr: float = 0.01) -> None:
        self.projector_lr = positive("projector_lr", projector_lr)
        self.module: nn.Module | None = None
        self._sizes: tuple[int, int] | None = None

    @abstractmethod
    def build(self, student: int, teacher: int) -> nn.Module | None:
        """A new module for these sizes of the two sides' features, or ``None`` if none is needed."""

    def prepare(self, student: Tensor, teacher: Tensor) -> None:
        """Build the module, the first time; its weights are drawn from torch's default generator.

        Args:
            student: what the student says, shape (batch, dimensions).
            teacher: what the teacher says, shape (batch, its dimensions).

        Raises:
            ValueError: if a module was built for other sizes.
        """
        sizes = (student.shape[1], teacher.shape[1])
        if self._sizes is None:
            self._sizes = sizes
            self.module = self.build(*sizes)
            if self.module is not None and student.dtype == torch.float64:
                self.module.double()
        elif sizes != self._sizes:
            raise ValueError(
                f"{type(self).__name__} was built for {self._sizes[0]} dimensions of the student and {self._sizes[1]}"
                f" of the teacher; got {sizes[0]} and {sizes[1]}"
            )
        if self.module is not None:
            # In place: an optimiser goes on with the same parameters.
            self.module.to(student.device)

    def forget(self) -> None:
        """Begin anew: the module is built once more, for the sizes that are seen next."""
        self.module, self._sizes = None, None

    def parameters(self) -> Iterator[nn.Parameter]:
        """What is to be learned; nothing before ``prepare``."""
        return iter(()) if self.module is None else self.module.parameters()

    def state_dict(self) -> dict[str, Tensor]:
        """The sizes and the module's own state, as one flat mapping of tensors."""
        if self._sizes is None:
            return {}
        inner = {} if self.module is None else self.module.state_dict()
        return {"sizes": torch.tensor(self._sizes), **{PREFIX + name: value for name, value in inner.items()}}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take over what ``state_dict`` gave; the module is built anew if there is none of these sizes yet."""
        if "sizes" not in state:
            self.forget()
            return
        student, teacher = (int(size) for size in state["sizes"])
        inner = {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}
        if self._sizes != (student, teacher):
            # The weights are overwritten below: what the generator gives them must not cost the run a draw.
            with torch.random.fork_rng(devices=[]):
                self.module = self.build(student, teacher)
            self._sizes = (student, teacher)
        if self.module is not None:
            if any(value.dtype == torch.float64 for value in inner.values()):
                self.module.double()
            self.module.load_state_dict(inner)
