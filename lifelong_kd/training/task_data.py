"""A task's training data, as a memory reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.stream.part import Part
from lifelong_kd.stream.transform import Pipeline

__all__ = ["ForeignData", "PartData"]


class PartData:
    """Data of our own streams: raw samples, from which both views are made by the batch.

    Args:
        parts: where the samples are.
        part_of: for each sample which of ``parts``, int64.
        row: for each sample its position there, int64.
        pipeline: makes the views.
        device: where samples are handed out.
    """

    def __init__(
        self, parts: Sequence[Part], part_of: Tensor, row: Tensor, pipeline: Pipeline, device: torch.device
    ) -> None:
        self.parts = list(parts)
        self.part_of = part_of
        self.row = row
        self.pipeline = pipeline
        self.device = device
        self.targets = torch.empty(len(row), dtype=torch.int64)
        self.labels = torch.empty(len(row), dtype=torch.int64)
        for number, part in enumerate(self.parts):
            mine = part_of == number
            self.targets[mine] = part.targets[row[mine]]
            self.labels[mine] = part.label

    def __len__(self) -> int:
        return len(self.row)

    def raw(self, index: Tensor) -> Tensor:
        return self._gathered(self.part_of[index], self.row[index], Part.gather)

    def _gathered(self, which: Tensor, row: Tensor, gather: Callable[[Part, Tensor], Tensor]) -> Tensor:
        if len(self.parts) == 1:
            return gather(self.parts[0], row).to(self.device)
        pieces = [(which == number).nonzero().squeeze(1) for number in range(len(self.parts))]
        gathered = [
            gather(self.parts[number], row[piece]).to(self.device)
            for number, piece in enumerate(pieces)
            if len(piece)
        ]
        back = torch.cat(pieces).argsort()
        return torch.cat(gathered)[back.to(self.device)]

    @property
    def left_out(self) -> int:
        return sum(len(part.left_out) for part in self.parts)

    def raw_left_out(self, index: Tensor) -> Tensor:
        sizes = torch.tensor([len(part.left_out) for part in self.parts])
        ends = sizes.cumsum(0)
        which = torch.bucketize(index, ends, right=True)
        return self._gathered(which, index - (ends - sizes)[which], Part.gather_left_out)

    def about(self, index: Tensor) -> list[Mapping[str, str]]:
        places = zip(self.part_of[index].tolist(), self.row[index].tolist(), strict=True)
        return [self.parts[number].about(row) for number, row in places]

    def plain(self, raw: Tensor) -> Tensor:
        return self.pipeline.eval(raw)

    def augmented(self, raw: Tensor, generator: torch.Generator) -> Tensor:
        return self.pipeline.train(raw, generator)


class ForeignData:
    """Data of any Avalanche benchmark: what the model sees is all there is, so it is also what a memory keeps.

    What ``stream.per_class`` leaves out of it is not kept.

    Args:
        dataset: an Avalanche data set with targets and task labels; its evaluation transforms are used.
        device: where samples are handed out.
    """

    def __init__(self, dataset: Any, device: torch.device) -> None:
        self.dataset = dataset.eval()
        self.device = device
        self.targets = torch.as_tensor([int(target) for target in dataset.targets], dtype=torch.int64)
        labels = getattr(dataset, "targets_task_labels", None)
        self.labels = (
            torch.zeros(len(self.targets), dtype=torch.int64)
            if labels is None
            else torch.as_tensor([int(label) for label in labels], dtype=torch.int64)
        )

    def __len__(self) -> int:
        return len(self.targets)

    def raw(self, index: Tensor) -> Tensor:
        return torch.stack([torch.as_tensor(self.dataset[i][0]) for i in index.tolist()]).to(self.device)

    @property
    def left_out(self) -> None:
        return None

    def raw_left_out(self, index: Tensor) -> Tensor:
        raise BadCall("of an Avalanche benchmark it is not known which samples were left out")

    def about(self, index: Tensor) -> list[Mapping[str, str]]:
        return [{} for _ in range(len(index))]

    def plain(self, raw: Tensor) -> Tensor:
        return raw

    def augmented(self, raw: Tensor, generator: torch.Generator) -> Tensor:
        return raw
