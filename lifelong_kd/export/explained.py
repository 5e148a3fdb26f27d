"""The network after a task as a decision tree, fitted on the data that its run had."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.export.place import model_of, whole
from lifelong_kd.export.tree import ReadableTree, distil_tree
from lifelong_kd.export.weights import load_network

if TYPE_CHECKING:
    from lifelong_kd.stream.stream import Stream

__all__ = ["export_tree"]


def export_tree(run: Path, task: int, path: Path, *, max_depth: int = 5) -> ReadableTree:
    """Write the network after ``task`` as a decision tree in plain text, with how far it can be believed.

    The tree is fitted on the training data of the tasks up to ``task`` as evaluation shows them, which have to be where
    the run had them, and compared with the network on their test data. In a task-incremental stream it is the tree of
    the head of ``task``. It explains the network's own logits, without corrections of the run.

    Args:
        run: the run folder.
        task: after which task.
        path: where to.
        max_depth: questions from the root to a leaf, at least 1.

    Raises:
        BadCall: if the run has no such model, its stream is a benchmark of somebody else's, or ``path`` is there.
        DataMissing: if the data are not there.
    """
    from lifelong_kd.config.build import build
    from lifelong_kd.config.load import load_config

    source = model_of(run, task)
    with whole(path) as beside:
        network = load_network(source)
        stream = build(load_config(run / "config.yaml"), resume=run).stream
        tasks = [task] if stream.scenario == "task" else list(range(task + 1))
        columns = sorted({column for number in tasks for column in stream.tasks[number].classes})
        x, _ = _samples(stream, "train", tasks)
        held_out, y = _samples(stream, "test", tasks)
        tree = distil_tree(
            network,
            x,
            held_out,
            columns=columns,
            class_names=[str(stream.class_names[column]) for column in columns],
            max_depth=max_depth,
            y=y,
        )
        beside.write_text(f"{tree}\n", encoding="utf-8")
    return tree


def _samples(stream: Stream, split: str, tasks: list[int]) -> tuple[Tensor, Tensor]:
    """What the network sees of these tasks, and the classes."""
    if stream.parts is None or stream.transforms is None:
        raise BadCall(
            f"the stream {stream.name!r} brings its own transforms: call distil_tree with its samples"
        )
    parts = [stream.parts[split][number] for number in tasks]
    x = [stream.transforms.eval(part.gather(torch.arange(len(part)))) for part in parts]
    return torch.cat(x), torch.cat([part.targets for part in parts])
