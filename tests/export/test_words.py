"""What is said of an exported file: what stands before its network, and which columns belong to a task."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from lifelong_kd.core.seeds import Seeds
from lifelong_kd.export.words import corrections, describe, seen, words
from lifelong_kd.stream.augment.crop import Crop
from lifelong_kd.stream.augment.flip import Flip
from lifelong_kd.stream.build import build_stream
from lifelong_kd.stream.part import Part
from lifelong_kd.stream.source import Samples, Source
from lifelong_kd.stream.store import TensorStore
from lifelong_kd.stream.stream import Stream
from lifelong_kd.stream.transform import Transform
from lifelong_kd.stream.view import Rotation
from lifelong_kd.testing.small import small_stream
from lifelong_kd.training.outside import view_of

VIEW = {"pixels": True, "mean": [0.25], "std": [1 / 3], "dtype": "float32"}


def header(view: Any = None, **network: Any) -> dict[str, Any]:
    shape = {"input_shape": [1, 4, 4], "classes": 2, "columns": ["a", "b"], "tasks": [[[0, 1], 0]], **network}
    return {
        "task": 0,
        "digest": "d",
        "config": {"stream": {"name": "made_up"}, "model": {"head": {"name": "multihead"}}},
        "network": {**shape, "view": view},
    }


def stream_of(augment: list[Transform], value: int = 0) -> Stream:
    """Two tasks of images 6x6 that have one value."""
    samples = Samples(
        TensorStore(torch.full((8, 1, 6, 6), value, dtype=torch.uint8)), torch.arange(4).repeat(2)
    )
    source = Source(train=samples, test=samples, class_names=list("abcd"))
    return build_stream("s", source, experiences=2, validation=0, augment=augment, seeds=Seeds(0))


class _Inverted(Transform):
    """One that somebody brought."""

    def still(self, x: Tensor) -> Tensor:
        return 1 - x


def test_a_view_of_evaluation_that_changes_pixels_is_known() -> None:
    # Black images do not show that they are cropped.
    found = view_of(stream_of([Flip(), Crop(padding=1, size=6), Crop(size=4), _Inverted()]))
    assert found is not None and found["still"] == ["crop", "_inverted"] and "by_task" not in found
    # A crop that keeps the size shows in evaluation what there is.
    plain = view_of(stream_of([Crop(padding=2), Flip()]))
    assert plain is not None and set(plain) == {"pixels", "mean", "std", "dtype"}


def test_looking_at_the_view_draws_nothing() -> None:
    stream, before = stream_of([Crop(size=4)]), torch.get_rng_state()
    view_of(stream)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_view_of_the_task_is_known() -> None:
    stream = small_stream("domain")
    assert stream.parts is not None
    first, *others = stream.parts["train"]
    turned = Part(first.store, first.rows, first.targets, view=Rotation(30, 4, 4))
    # As in a permuted stream, whose first task may be shown as it is.
    found = view_of(replace(stream, parts={**stream.parts, "train": (*others, turned)}))
    assert found is not None and found["by_task"] is True and "still" not in found


@pytest.mark.parametrize(
    ("further", "expected"),
    [
        ({}, ""),
        ({"still": ["crop"]}, "; they come after the evaluation view of crop, not part of it"),
        ({"by_task": True}, "; they come after the view of its task, not part of it"),
        (
            {"by_task": True, "still": ["crop"]},
            "; they come after the view of its task and the evaluation view of crop, not part of it",
        ),
    ],
)
def test_what_stands_before_the_network_is_said(further: dict[str, Any], expected: str) -> None:
    takes = describe(header({**VIEW, **further}), 2)["takes"]
    assert takes == f"pixels in [0, 1], which it normalises itself{expected}"
    assert describe(header({**VIEW, **further, "mean": None, "std": None}), 2)["takes"] == (
        f"pixels in [0, 1]{expected}"
    )


def test_encoded_samples_can_be_normalised_inside_too() -> None:
    takes = describe(header({**VIEW, "pixels": False}), 2)["takes"]
    assert takes == (
        "samples as the stream 'made_up' gives them to its network before normalisation, text and sound encoded, which"
        " it normalises itself"
    )


def test_the_weights_alone_take_normalised_samples() -> None:
    assert seen(header(VIEW, corrected_by=["NearestMean"])) == [
        "takes x, float32 (batch, 1, 4, 4): pixels in [0, 1]; then normalised, (x - mean) / std with mean [0.25] and"
        " std [0.333333], which --format program has inside",
        *corrections({"corrected_by": ["NearestMean"]}),
    ]
    assert seen(header({**VIEW, "mean": None, "std": None})) == [
        "takes x, float32 (batch, 1, 4, 4): pixels in [0, 1]"
    ]
    # A file from before there was a view, and one of Avalanche's own networks.
    assert len(seen(header())) == 1 and "not known here" in seen(header())[0]
    assert seen({"task": 0}) == []


def test_tasks_that_share_classes_and_a_label_do_not_repeat_columns() -> None:
    about = describe(header(tasks=[[[0], 0], [[1, 0], 0], [[2], 1], [[2], 1]]), 3)
    assert about["heads"] == {"0": [0, 1], "1": [2]}
    assert "(0: [0, 1]; 1: [2])" in words(about)[2]
