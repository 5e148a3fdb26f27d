from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.stream.build import build_stream
from lifelong_kd.stream.mnist import rotated_mnist
from lifelong_kd.stream.view import Permutation, Rotation
from tests.stream.conftest import Builder, Sources, mnist_files


def test_permutation_shows_the_same_pixels_elsewhere() -> None:
    raw = torch.tensor([[[[1, 2], [3, 4]]]], dtype=torch.uint8)
    assert Permutation(torch.tensor([3, 0, 1, 2]))(raw).tolist() == [[[[4, 1], [2, 3]]]]


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_quarter_turn_is_exact(quarters: int, dtype: torch.dtype) -> None:
    raw = torch.randint(0, 256, (2, 3, 5, 5)).to(dtype)
    turned = Rotation(90.0 * quarters, 5, 5)(raw)
    assert turned.dtype == dtype
    assert torch.allclose(turned.float(), torch.rot90(raw, quarters, (2, 3)).float(), atol=1e-3)


def test_an_eighth_turn_by_hand() -> None:
    # Pixels of a 2x2 image lie sqrt(1/2) from the centre, so those on the left show what is 0.5 + sqrt(1/2) - 1 beyond
    # the first row (or column) and half-way between the columns (or rows).
    raw = torch.tensor([[[[8.0, 0.0], [0.0, 0.0]]]])
    left = pytest.approx(8.0 * 0.5 * (1.5 - 0.5**0.5))
    assert Rotation(45.0, 2, 2)(raw)[0, 0].tolist() == [[left, 0.0], [left, 0.0]]


def test_permuted_tasks_show_the_same_pixels_in_other_places(stream_of: Builder, source_of: Sources) -> None:
    stream = stream_of("permuted_mnist", scenario="domain")
    assert stream.parts is not None
    index = torch.arange(4)
    shown = [part.gather(index) for part in stream.parts["train"]]
    plain = source_of("permuted_mnist").train.store.gather(stream.parts["train"][0].rows[index])
    assert torch.equal(shown[0], plain)
    for other in shown[1:]:
        assert not torch.equal(other, plain)
        assert torch.equal(other.flatten(1).sort(1)[0], plain.flatten(1).sort(1)[0])
    assert not torch.equal(shown[1], shown[2])
    # Training and test data of a task are permuted alike.
    assert stream.parts["train"][1].view is stream.parts["test"][1].view


def test_a_longer_permuted_stream_begins_like_a_shorter_one(source_of: Sources) -> None:
    views = source_of("permuted_mnist").views
    assert views is not None
    raw = torch.randint(0, 256, (1, 1, 28, 28), dtype=torch.uint8)
    assert torch.equal(views(2)[1](raw), views(5)[1](raw))


def test_rotated_tasks_spread_over_the_half_turn(source_of: Sources) -> None:
    views = source_of("rotated_mnist").views
    assert views is not None
    assert [view.degrees for view in views(4)] == [0.0, 45.0, 90.0, 135.0]  # type: ignore[attr-defined]


def test_wrong_angles_are_an_error(tmp_path: Path) -> None:
    mnist_files("MNIST")(tmp_path)
    source = rotated_mnist(tmp_path, Seeds(0), angles=[0.0, 30.0])
    with pytest.raises(BadCall, match=r"2 angles but stream\.experiences is 3"):
        build_stream("rotated_mnist", source, scenario="domain", experiences=3, seeds=Seeds(0))
