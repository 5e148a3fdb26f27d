"""What every stream promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lifelong_kd.stream.stream import Stream
from lifelong_kd.testing.expect import expect

__all__ = ["check_stream"]


def check_stream(make: Callable[[], Stream]) -> None:
    """Check classes, labels, shapes, that the three streams share no sample, and that building twice gives the same.

    Args:
        make: builds the stream, with all its seeds.

    Raises:
        AssertionError: saying which promise is broken.
    """
    stream, again = make(), make()
    streams = _streams(stream)
    expect(
        len(stream.tasks) == len(streams["train"]) == len(streams["test"]),
        "train, test and tasks differ in number",
    )
    for number, task in enumerate(stream.tasks):
        for name, experiences in streams.items():
            if experiences:
                _check_experience(stream, experiences[number], f"{name} data of task {number}", task)
    if stream.scenario != "domain":
        columns = [column for task in stream.tasks for column in task.classes]
        expect(
            sorted(columns) == list(range(stream.classes)),
            f"the tasks do not share out the classes: {columns}",
        )
    expect(again.digest == stream.digest, "building the stream twice gives different digests")
    expect(again.class_order == stream.class_order, "building the stream twice gives different class orders")
    for name, experiences in streams.items():
        for one, two in zip(experiences, _streams(again)[name], strict=True):
            same = torch.equal(_targets(one), _targets(two)) and torch.equal(
                one.dataset.eval()[0][0], two.dataset.eval()[0][0]
            )
            expect(same, f"building the stream twice gives different {name} data")
    _check_disjoint(streams)


def _streams(stream: Stream) -> dict[str, list[Any]]:
    benchmark = stream.benchmark
    return {
        "train": list(benchmark.train_stream),
        "validation": list(benchmark.valid_stream) if stream.has_validation else [],
        "test": list(benchmark.test_stream),
    }


def _targets(experience: Any) -> Tensor:
    return torch.as_tensor([int(target) for target in experience.dataset.targets])


def _check_experience(stream: Stream, experience: Any, where: str, task: Any) -> None:
    targets = _targets(experience)
    expect(len(targets) > 0, f"there are no {where}")
    strange = set(targets.tolist()) - set(task.classes)
    expect(
        not strange, f"the {where} have classes {sorted(strange)}, which are not the task's {task.classes}"
    )
    labels = {int(label) for label in experience.dataset.targets_task_labels}
    expect(labels == {task.label}, f"the {where} have task labels {labels}, not {task.label}")
    x, y, *_ = experience.dataset.eval()[0]
    expect(
        tuple(x.shape) == tuple(stream.input_shape),
        f"the {where} have shape {tuple(x.shape)}, not {stream.input_shape}",
    )
    expect(
        (x.is_floating_point() or x.dtype == torch.int64) and bool(x.isfinite().all()),
        f"the {where} are neither finite floating point numbers nor numbers of words (int64)",
    )
    expect(int(y) == int(targets[0]), f"the {where} have other targets in their items than in their list")
    expect(
        torch.equal(x, experience.dataset.eval()[0][0]),
        f"the {where} change from one look to the next in evaluation",
    )


def _check_disjoint(streams: dict[str, list[Any]]) -> None:
    """By content: no training sample may be a validation or a test sample of its task."""
    for name in ("validation", "test"):
        for train, held in zip(streams["train"], streams[name], strict=False):
            _check_pair(train, held, name)


def _check_pair(train: Any, other: Any, name: str) -> None:
    plain = {train.dataset.eval()[i][0].numpy().tobytes() for i in range(len(train.dataset))}
    held = [other.dataset.eval()[i][0].numpy().tobytes() for i in range(len(other.dataset))]
    shared = sum(sample in plain for sample in held)
    # Real data sets hold a few exact duplicates; a split that leaks shares most of its samples.
    expect(shared <= 0.05 * len(held), f"{shared} of {len(held)} {name} samples are training samples too")
