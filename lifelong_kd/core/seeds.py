"""Named random generators derived from one root seed.

Each purpose (class order, initial weights, shuffling, augmentation, memory, ...) draws from a generator of its
own, so that switching one of them off leaves the numbers of all the others as they were.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

__all__ = ["Seeds"]


class Seeds:
    """Independent generators by name: ``Seeds(0).generator("loader")``.

    The generators live on the CPU; what is drawn is moved to where it is used, so that a run draws the same
    numbers on every device. ``state_dict`` holds the state of every generator that was asked for.
    """

    def __init__(self, root: int) -> None:
        self.root = int(root)
        self._generators: dict[str, torch.Generator] = {}

    def derive(self, name: str) -> int:
        """A 63-bit seed for ``name``: the first 8 bytes of SHA-256 of ``"<root>/<name>"``."""
        digest = hashlib.sha256(f"{self.root}/{name}".encode()).digest()
        return int.from_bytes(digest[:8], "little") >> 1

    def generator(self, name: str) -> torch.Generator:
        """The generator called ``name``; the same object each time."""
        if name not in self._generators:
            self._generators[name] = torch.Generator().manual_seed(self.derive(name))
        return self._generators[name]

    @contextmanager
    def default(self, name: str) -> Iterator[None]:
        """Inside, torch's default CPU generator is seeded for ``name``; afterwards it is as it was before.

        For code that takes no generator, such as the initialisation of a layer.
        """
        # Not torch.manual_seed, which would seed the generators of every GPU as well and leave them so.
        default = torch.default_generator
        before = default.get_state()
        default.manual_seed(self.derive(name))
        try:
            yield
        finally:
            default.set_state(before)

    def state_dict(self) -> dict[str, Tensor]:
        return {name: generator.get_state() for name, generator in self._generators.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what :meth:`state_dict` gave; whoever holds a generator already goes on with the same object."""
        for name in {*self._generators, *state}:
            generator = self.generator(name)
            if name in state:
                generator.set_state(state[name])
            else:
                generator.manual_seed(self.derive(name))
