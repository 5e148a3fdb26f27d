"""Reservoirs: every sample seen so far has the same chance to be kept, whatever the length of the stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Batch
from lifelong_kd.memory.base import Memory, widened

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

    def check(self, classes: int, tasks: int = 1, again: int = 1) -> None:
        if self.keep_features:
            raise BadCall(
                f"{type(self).__name__} is told the logits of the samples that pass by and not their features; a memory"
                " that chooses at the end of a task, such as 'herding' or 'random', can keep features"
            )

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
        # The class in each slot that is filled, and how many slots each class has: the table's, within reach.
        self._held = np.empty(capacity, dtype=np.int64)
        self._counts: dict[int, int] = {}

    def observe(self, batch: Batch, logits: Tensor, generator: torch.Generator) -> None:
        sent: dict[int, int] = {}
        for row, column in enumerate(batch.y.tolist()):
            self.seen[column] = self.seen.get(column, 0) + 1
            slot = self._slot(column, generator)
            if slot is not None:
                sent[slot] = row
        if sent:
            self.write(torch.tensor(list(sent)), torch.tensor(list(sent.values())), batch, logits)

    def _slot(self, column: int, generator: torch.Generator) -> int | None:
        """Where a sample of class ``column`` goes, or ``None`` if it is not kept."""
        counts, held = self._counts, self._held
        if self.size < self.capacity:
            slot = self.size
            self.size += 1
        else:
            largest = max(counts.values())
            big = [name for name, count in counts.items() if count == largest]
            self.full.update(big)
            first, second = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
            if column not in self.full:
                candidates = np.flatnonzero(held == big[0] if len(big) == 1 else np.isin(held, big))
                slot = int(candidates[int(first * len(candidates))])
            else:
                own = counts.get(column, 0)
                if not own or first > own / self.seen[column]:
                    return None
                slot = int(np.flatnonzero(held == column)[int(second * own)])
            counts[int(held[slot])] -= 1
        held[slot] = column
        counts[column] = counts.get(column, 0) + 1
        return slot

    def rewrite(self, slots: Tensor, name: str, values: Tensor) -> None:
        super().rewrite(slots, name, values)
        if name == "y":
            self._count()

    def _count(self) -> None:
        """Read off the table which classes it holds."""
        held = self.samples["y"][: self.size].cpu().numpy() if self.samples else np.empty(0, dtype=np.int64)
        self._held[: self.size] = held
        names, counts = np.unique(held, return_counts=True)
        self._counts = dict(zip(names.tolist(), counts.tolist(), strict=True))

    def extra_state(self) -> dict[str, Any]:
        return {"size": self.size, "seen": dict(self.seen), "full": sorted(self.full)}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        self.size = int(state["size"])
        self.seen = dict(state["seen"])
        self.full = set(state["full"])
        self._count()
