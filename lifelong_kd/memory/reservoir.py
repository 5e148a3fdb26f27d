"""Reservoirs: every sample seen so far has the same chance to be kept, whatever the length of the stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Batch
from lifelong_kd.memory.base import Memory, Samples, widened

__all__ = ["BalancedReservoir", "Reservoir"]


class _Slots(Memory):
    """A table of fixed capacity whose rows are overwritten in place."""

    def __init__(self, capacity: int) -> None:
        super().__init__()
        if capacity < 1:
            raise BadCall(f"a memory's capacity must be at least 1, got {capacity}")
        self.capacity = capacity
        self.size = 0

    def __len__(self) -> int:
        return self.size

    @property
    def chooses(self) -> str:
        return "step"

    def write(self, slots: Tensor, rows: Tensor, batch: Batch, logits: Tensor) -> None:
        """Put the batch's ``rows`` into ``slots`` (both int64, on the CPU, no slot twice)."""
        fields = {"raw": batch.raw, "y": batch.y, "label": batch.label}
        if self.keep_logits:
            fields["logits"] = logits.detach().float()
        if not self.samples:
            self.samples = {
                name: field.new_zeros((self.capacity, *field.shape[1:])) for name, field in fields.items()
            }
        if self.keep_logits:
            self.samples["logits"] = widened(self.samples["logits"], logits.shape[1])
        for name, field in fields.items():
            kept = self.samples[name]
            target, source = slots.to(kept.device), rows.to(field.device)
            chosen = field.index_select(0, source).to(kept.device)
            if name == "logits":
                chosen = widened(chosen, kept.shape[1])
            kept.index_copy_(0, target, chosen)

    def draw(self, count: int, generator: torch.Generator) -> Samples:
        index = torch.randperm(self.size, generator=generator)[:count]
        return self.take(index)

    def extra_state(self) -> dict[str, Any]:
        return {"size": self.size}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        self.size = int(state["size"])


class Reservoir(_Slots):
    """Reservoir sampling: after n samples each of them is kept with probability capacity / n.

    Algorithm R (Vitter 1985), a whole batch at a time: sample number i (counting from 0) goes to slot
    ``floor(u * (i + 1))`` with u uniform in [0, 1) if that is below the capacity, the first ``capacity``
    samples fill it.

    Args:
        capacity: number of samples kept in total.

    Example:
        >>> memory = Reservoir(capacity=200)
        >>> len(memory)
        0
    """

    def __init__(self, *, capacity: int = 200) -> None:
        super().__init__(capacity)
        self.seen = 0

    def observe(self, batch: Batch, logits: Tensor, generator: torch.Generator) -> None:
        # NumPy: on arrays as small as a batch its calls cost a fraction of torch's.
        number = np.arange(self.seen, self.seen + len(batch))
        self.seen += len(batch)
        drawn = torch.rand(len(batch), generator=generator, dtype=torch.float64).numpy()
        slots = np.where(number < self.capacity, number, (drawn * (number + 1)).astype(np.int64))
        rows = np.flatnonzero(slots < self.capacity)
        if len(rows):
            # Of several samples sent to one slot the last one stays.
            kept = dict(zip(slots[rows].tolist(), rows.tolist(), strict=True))
            self.write(torch.tensor(list(kept)), torch.tensor(list(kept.values())), batch, logits)
        self.size = min(self.seen, self.capacity)

    def extra_state(self) -> dict[str, Any]:
        return {"size": self.size, "seen": self.seen}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        self.size = int(state["size"])
        self.seen = int(state["seen"])


class BalancedReservoir(_Slots):
    """Class-balancing reservoir: the memory is shared as evenly among classes as the stream allows.

    CBRS (Chrysakis & Moens 2020, "Online continual learning from imbalanced data", algorithm 1): a sample of
    a class that is not among the largest replaces a random one of a largest class; a sample of a largest
    class enters as in a reservoir of its own class.

    Args:
        capacity: number of samples kept in total.
    """

    def __init__(self, *, capacity: int = 200) -> None:
        super().__init__(capacity)
        self.seen: dict[int, int] = {}
        self.full: set[int] = set()

    def observe(self, batch: Batch, logits: Tensor, generator: torch.Generator) -> None:
        held = self.samples["y"][: self.size].tolist() if self.size else []
        sent: dict[int, int] = {}
        for row, column in enumerate(batch.y.tolist()):
            self.seen[column] = self.seen.get(column, 0) + 1
            if len(held) < self.capacity:
                slot = len(held)
                held.append(column)
            else:
                counts = {name: held.count(name) for name in set(held)}
                largest = max(counts.values())
                self.full |= {name for name, size in counts.items() if size == largest}
                draw = torch.rand(2, generator=generator, dtype=torch.float64)
                if column not in self.full:
                    biggest = [slot for slot, name in enumerate(held) if counts[name] == largest]
                    slot = biggest[int(draw[0] * len(biggest))]
                else:
                    own = [slot for slot, name in enumerate(held) if name == column]
                    if not own or draw[0] > len(own) / self.seen[column]:
                        continue
                    slot = own[int(draw[1] * len(own))]
                held[slot] = column
            sent[slot] = row
        self.size = len(held)
        if sent:
            self.write(torch.tensor(list(sent)), torch.tensor(list(sent.values())), batch, logits)

    def extra_state(self) -> dict[str, Any]:
        return {"size": self.size, "seen": dict(self.seen), "full": sorted(self.full)}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        self.size = int(state["size"])
        self.seen = dict(state["seen"])
        self.full = set(state["full"])
