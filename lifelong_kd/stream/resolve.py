"""From an Avalanche data set back to the parts it was made of, so that batches can be gathered at once."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from avalanche.benchmarks.utils import AvalancheDataset
from avalanche.benchmarks.utils.flat_data import FlatData
from torch import Tensor

from lifelong_kd.stream.attribute import attribute_values, index_array
from lifelong_kd.stream.dataset import PipelineGroups
from lifelong_kd.stream.part import Part
from lifelong_kd.stream.transform import Pipeline

__all__ = ["resolve"]


def resolve(dataset: Any, pipeline: Pipeline | None = None) -> tuple[list[Part], Tensor, Tensor] | None:
    """Where each sample of ``dataset`` is: ``(parts, part_of, row_in_part)``.

    ``part_of`` says for each sample which of ``parts`` it is in and ``row_in_part`` at which position, both int64
    (samples,). Subsets and concatenations are followed. ``None`` if that would not give the same samples: a leaf is no
    part, a transform other than the pipeline's is on the way, or targets or task labels were replaced. If ``pipeline``
    is given, samples that have another one are not found either.
    """
    if not isinstance(dataset, AvalancheDataset):
        return None
    parts: list[Part] = []
    found = _walk(dataset._flat_data, parts, under=None, pipeline=pipeline)
    if found is None:
        return None
    part_of, row = found
    for name, of_part in (
        ("targets", [part.targets.numpy() for part in parts]),
        ("targets_task_labels", [np.full(len(part), part.label) for part in parts]),
    ):
        attribute = dataset._data_attributes.get(name)
        values = None if attribute is None else attribute_values(attribute)
        if values is None or not np.array_equal(values, _pick(of_part, part_of, row)):
            return None
    return parts, torch.from_numpy(part_of), torch.from_numpy(row)


def _pick(values: list[np.ndarray], part_of: np.ndarray, row: np.ndarray) -> np.ndarray:
    starts = np.cumsum([0, *(len(value) for value in values)])
    whole = np.concatenate([np.empty(0, dtype=np.int64), *values])
    return cast(np.ndarray, whole[starts[part_of] + row])


def _walk(
    node: Any, parts: list[Part], under: Any, pipeline: Pipeline | None
) -> tuple[np.ndarray, np.ndarray] | None:
    """Part and position of every sample below ``node``; parts met for the first time are added to ``parts``."""
    if isinstance(node, Part):
        # A raw sample means what the pipeline makes of it only directly below the pipeline's own groups.
        if not isinstance(under, PipelineGroups) or not under.intact:
            return None
        if pipeline is not None and under.pipeline is not pipeline:
            return None
        number = next((k for k, part in enumerate(parts) if part is node), len(parts))
        if number == len(parts):
            parts.append(node)
        return np.full(len(node), number, dtype=np.int64), np.arange(len(node), dtype=np.int64)
    if isinstance(node, AvalancheDataset):
        node = node._flat_data
    if not isinstance(node, FlatData) or not _transparent(node):
        return None
    groups = getattr(node, "_transform_groups", None)
    if isinstance(groups, PipelineGroups):
        if under is not None:  # views of views: not what one pass of a pipeline makes
            return None
        under = groups
    pieces = [_walk(child, parts, under, pipeline) for child in node._datasets]
    if any(piece is None for piece in pieces):
        return None
    empty = np.empty(0, dtype=np.int64)
    part_of = np.concatenate([empty, *(piece[0] for piece in pieces if piece is not None)])
    row = np.concatenate([empty, *(piece[1] for piece in pieces if piece is not None)])
    if node._indices is None:
        return part_of, row
    index = index_array(node._indices)
    return part_of[index], row[index]


def _transparent(node: Any) -> bool:
    """Whether a level adds no transform of its own to the pipeline's."""
    frozen = getattr(node, "_frozen_transform_groups", None)
    own = getattr(node, "_transform_groups", None)
    levels = [frozen] if isinstance(own, PipelineGroups) else [frozen, own]
    return all(
        transform is None
        for level in levels
        if level is not None
        for transform in level.transform_groups.values()
    )
