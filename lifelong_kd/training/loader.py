"""Mini-batches: gathered from one tensor and transformed by the batch, or decoded by workers where they do not fit."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lifelong_kd.stream.store import TensorStore
from lifelong_kd.training.task_data import PartData

__all__ = ["BatchLoader"]


class BatchLoader:
    """Yields ``[x, y, task label]`` on the device, as Avalanche templates expect.

    ``raw`` and ``index`` are those of the batch that was yielded last: the samples before augmentation, and
    their positions in ``data``. Data held as tensors are gathered by the batch; data in files are decoded by
    ``workers``. The order comes from ``order``, or is that of the data if it is ``None``; augmentation draws
    from ``augment``, or the evaluation view is used if that is ``None``.

    Args:
        data: the samples.
        batch_size: samples a batch.
        order: draws a permutation for each pass.
        augment: draws for the training view.
        drop_last: whether an incomplete last batch is left out.
        workers: processes that decode files.
        channels_last: whether images are laid out channels last.
    """

    def __init__(
        self,
        data: PartData,
        *,
        batch_size: int,
        order: torch.Generator | None = None,
        augment: torch.Generator | None = None,
        drop_last: bool = False,
        workers: int = 0,
        channels_last: bool = False,
    ) -> None:
        self.data = data
        self.batch_size = batch_size
        self.order = order
        self.augment = augment
        self.drop_last = drop_last
        self.workers = workers
        self.channels_last = channels_last
        self.limit: int | None = None
        self.raw = torch.empty(0)
        self.index = torch.empty(0, dtype=torch.int64)
        self._targets = data.targets.to(data.device)
        self._labels = data.labels.to(data.device)
        self._in_memory = all(isinstance(part.store, TensorStore) for part in data.parts)

    def __len__(self) -> int:
        count = len(self.data) / self.batch_size
        whole = math.floor(count) if self.drop_last else math.ceil(count)
        return whole if self.limit is None else min(whole, self.limit)

    def __iter__(self) -> Iterator[list[Tensor]]:
        count = len(self.data)
        order = torch.arange(count) if self.order is None else torch.randperm(count, generator=self.order)
        chunks = list(order.split(self.batch_size))[: len(self)]
        for index, raw in zip(chunks, self._raw(chunks), strict=True):
            self.index = index.to(self._targets.device)
            self.raw = raw
            yield [self.view(raw), self._targets[self.index], self._labels[self.index]]

    def view(self, raw: Tensor) -> Tensor:
        """Raw samples as the model sees them."""
        x = self.data.plain(raw) if self.augment is None else self.data.augmented(raw, self.augment)
        return x.contiguous(memory_format=torch.channels_last) if self.channels_last and x.dim() == 4 else x

    def _raw(self, chunks: list[Tensor]) -> Iterator[Tensor]:
        if self._in_memory or self.workers == 0:
            yield from (self.data.raw(index) for index in chunks)
            return
        decoder: DataLoader[Tensor] = DataLoader(
            _Decoder(self.data),
            batch_sampler=[chunk.tolist() for chunk in chunks],
            num_workers=self.workers,
            pin_memory=self.data.device.type == "cuda",
            # The order is drawn already; a generator of its own keeps the loader off torch's default one.
            generator=torch.Generator(),
        )
        for raw in decoder:
            yield raw.to(self.data.device, non_blocking=True)


class _Decoder(Dataset[Tensor]):
    """One raw sample at a time, for the workers."""

    def __init__(self, data: PartData) -> None:
        self.parts = data.parts
        self.part_of = data.part_of
        self.row = data.row

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, index: int) -> Tensor:
        return self.parts[int(self.part_of[index])].gather(self.row[index : index + 1])[0]
