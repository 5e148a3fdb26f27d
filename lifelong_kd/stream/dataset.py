"""Parts as Avalanche data sets: items ``(x, y, task label)`` with the pipeline's two views."""

from __future__ import annotations

from typing import Any

import torch
from avalanche.benchmarks.utils.classification_dataset import (
    TaskAwareSupervisedClassificationDataset,
    _make_taskaware_classification_dataset,
)
from avalanche.benchmarks.utils.flat_data import ConstantSequence
from avalanche.benchmarks.utils.transform_groups import TransformGroups
from torch import Tensor

from lifelong_kd.stream.attribute import Attribute, Values
from lifelong_kd.stream.part import Part
from lifelong_kd.stream.store import TensorStore
from lifelong_kd.stream.transform import Pipeline

__all__ = ["PipelineGroups", "part_dataset", "task_aware", "tensor_dataset"]


class _View:
    """One view of a pipeline for one sample, as a data set applies it."""

    def __init__(self, pipeline: Pipeline, train: bool) -> None:
        self.pipeline = pipeline
        self.train = train

    def __call__(self, raw: Tensor) -> Tensor:
        batch = raw.unsqueeze(0)
        return (self.pipeline.train(batch, None) if self.train else self.pipeline.eval(batch)).squeeze(0)


class PipelineGroups(TransformGroups):
    """The train and eval views of a pipeline as Avalanche's transform groups."""

    def __init__(self, pipeline: Pipeline, current_group: str) -> None:
        super().__init__(
            {"train": _View(pipeline, True), "eval": _View(pipeline, False)}, current_group=current_group
        )
        self.pipeline = pipeline
        self._made = dict(self.transform_groups)

    @property
    def intact(self) -> bool:
        """Whether both views are still the pipeline's, none replaced or removed."""
        return all(self.transform_groups[name] is made for name, made in self._made.items())


def part_dataset(part: Part, transforms: Pipeline | None, *, train: bool) -> Any:
    """A part as an Avalanche task-aware classification data set.

    Args:
        part: the samples.
        transforms: makes the views, applied sample by sample here; ``None`` hands out raw samples.
        train: whether the training view is the current one.
    """
    return _dataset([part], None, transforms, "train" if train else "eval")


def tensor_dataset(raw: Tensor, targets: Tensor, labels: Tensor, transforms: Pipeline | None) -> Any:
    """Raw samples in memory as an Avalanche task-aware classification data set, in their order, training view.

    Args:
        raw: (samples, ...), uint8 or floating point.
        targets: class columns, int64 (samples,).
        labels: task labels, int64 (samples,).
        transforms: makes the views; ``None`` hands out ``raw`` as it is.
    """
    store, labels = TensorStore(raw), labels.cpu()
    parts, positions = [], []
    for label in torch.unique(labels).tolist():
        rows = (labels == label).nonzero().squeeze(1)
        parts.append(Part(store, rows, targets.cpu()[rows], label))
        positions.append(rows)
    # Each part has one task label; the inverse of their concatenation brings the samples back into their order.
    order = torch.cat(positions).argsort().tolist() if len(parts) > 1 else None
    return _dataset(parts, order, transforms, "train")


def task_aware(dataset: Any, label: int) -> Any:
    """An Avalanche data set whose items end with a task label: itself, or a copy whose samples all have ``label``."""
    if "targets_task_labels" in getattr(dataset, "_data_attributes", {}):
        return dataset
    return _make_taskaware_classification_dataset(dataset, task_labels=label)


def _dataset(parts: list[Part], order: list[int] | None, transforms: Pipeline | None, group: str) -> Any:
    targets = torch.cat([part.targets for part in parts]) if parts else torch.empty(0, dtype=torch.int64)
    labels: Any
    if len(parts) == 1:
        labels = ConstantSequence(parts[0].label, len(parts[0]))
    else:
        labels = Values(torch.cat([torch.full((len(part),), part.label) for part in parts]))
    return TaskAwareSupervisedClassificationDataset(
        parts,
        indices=order,
        data_attributes=[
            Attribute(Values(targets), "targets"),
            Attribute(labels, "targets_task_labels", use_in_getitem=True),
        ],
        transform_groups=None if transforms is None else PipelineGroups(transforms, group),
    ).with_transforms(group)
