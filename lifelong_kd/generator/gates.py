"""Units of a decoder that are silent for some of the classes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["Gates"]


class Gates(nn.Module):
    """For each class, or task, which hidden units are open: drawn once, never learned; rows are added as they come.

    Gating by internal context (van de Ven, Siegelmann, Tolias 2020, doi:10.1038/s41467-020-17866-2).

    Args:
        units: of each hidden layer.

    >>> gates = Gates([3])
    >>> gates.grow(2, shut=0.0)
    >>> gates(torch.tensor([0, 1]))[0].shape
    torch.Size([2, 3])
    """

    def __init__(self, units: Sequence[int]) -> None:
        super().__init__()
        self.units = tuple(units)
        for layer, count in enumerate(self.units):
            self.register_buffer(f"open{layer}", torch.empty(0, count))

    @property
    def rows(self) -> int:
        """How many classes, or tasks, there are gates for."""
        return len(self._table(0))

    def _table(self, layer: int) -> Tensor:
        return self.get_buffer(f"open{layer}")

    def grow(self, rows: int, shut: float) -> None:
        """Add rows in which each unit is shut with probability ``shut``, by torch's default generator."""
        for layer, count in enumerate(self.units):
            table = self._table(layer)
            drawn = (torch.rand(rows, count) >= shut).to(table)
            setattr(self, f"open{layer}", torch.cat([table, drawn]))

    def forward(self, chosen: Tensor) -> list[Tensor]:
        """The gates of each sample in each layer, shape (batch, units): a row's, or a mixture of rows.

        Args:
            chosen: rows, int64, shape (batch,); or the share of each row, float, shape (batch, rows).
        """
        tables = [self._table(layer) for layer in range(len(self.units))]
        if chosen.is_floating_point():
            return [chosen @ table for table in tables]
        return [table[chosen] for table in tables]
