"""The samples of one task and one split: rows of a store with their classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset

from lifelong_kd.stream.store import Store
from lifelong_kd.stream.view import View

__all__ = ["Part"]


class Part(Dataset[tuple[Tensor, int]]):
    """Samples of one task and split, by reference to the store that holds them.

    Args:
        store: where the samples are.
        rows: which of them, int64 (samples,).
        targets: the class column of each, int64 (samples,).
        label: the task label that all of them carry.
        view: what this task shows of a raw batch; ``None`` shows it as it is.
        metadata: what is known of each sample of ``store`` besides its class; ``None`` if nothing is.
        left_out: which samples of ``store`` would belong to it but were left out, int64, without their classes;
            ``None`` for none.

    Raises:
        ValueError: if ``rows`` and ``targets`` differ in length.
    """

    def __init__(
        self,
        store: Store,
        rows: Tensor,
        targets: Tensor,
        label: int = 0,
        view: View | None = None,
        metadata: Sequence[Mapping[str, str]] | None = None,
        left_out: Tensor | None = None,
    ) -> None:
        if len(rows) != len(targets):
            raise ValueError(f"{len(rows)} rows but {len(targets)} targets")
        self.store = store
        self.rows = rows.to(device="cpu", dtype=torch.int64)
        self.targets = targets.to(device="cpu", dtype=torch.int64)
        self.label = label
        self.view = view
        self.metadata = metadata
        rest = torch.empty(0) if left_out is None else left_out
        self.left_out = rest.to(device="cpu", dtype=torch.int64)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: int) -> tuple[Tensor, int]:
        return self.gather(torch.tensor([position]))[0], int(self.targets[position])

    def at(self, index: Tensor) -> Part:
        """The samples at the positions ``index`` (int64) as a part of their own, which has left out the others."""
        others = torch.ones(len(self), dtype=torch.bool)
        others[index] = False
        rows, targets, left_out = self.rows[index], self.targets[index], self.rows[others]
        return Part(self.store, rows, targets, self.label, self.view, self.metadata, left_out)

    def about(self, position: int) -> Mapping[str, str]:
        """What is known of the sample at ``position`` besides its class."""
        return {} if self.metadata is None else self.metadata[int(self.rows[position])]

    def gather(self, index: Tensor) -> Tensor:
        """Raw samples at the positions ``index`` (int64), in that order, as this task shows them."""
        return self._shown(self.rows[index.to(self.rows.device)])

    def gather_left_out(self, index: Tensor) -> Tensor:
        """As :meth:`gather`, of those that were left out."""
        return self._shown(self.left_out[index.to(self.left_out.device)])

    def _shown(self, rows: Tensor) -> Tensor:
        raw = self.store.gather(rows)
        return raw if self.view is None else self.view(raw)
