"""The pool of samples that stream.per_class leaves out: which they are, and that their classes are not known."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Task, TaskData
from lifelong_kd.strategy.draws import Draws
from lifelong_kd.stream.build import build_stream
from lifelong_kd.stream.part import Part
from lifelong_kd.stream.pool_left_out import LeftOutPool
from lifelong_kd.stream.resolve import resolve
from lifelong_kd.stream.source import Samples, Source
from lifelong_kd.stream.store import TensorStore
from lifelong_kd.stream.stream import Stream
from lifelong_kd.stream.transform import Pipeline
from lifelong_kd.stream.view import Permutation
from lifelong_kd.teacher.snapshot import Snapshot
from lifelong_kd.testing import check_pool
from lifelong_kd.training.task_data import ForeignData, PartData

CPU = torch.device("cpu")


def numbered(first: int, counts: list[int], domains: int = 1) -> Samples:
    """Samples that are their own number, in bytes (number, 255 - number)."""
    y = torch.cat([torch.full((n,), c) for _ in range(domains) for c, n in enumerate(counts)])
    domain = torch.arange(domains).repeat_interleave(sum(counts)) if domains > 1 else None
    number = torch.arange(first, first + len(y)).to(torch.uint8)
    return Samples(TensorStore(torch.stack([number, 255 - number], dim=1)), y, domain)


def built(per_class: int | None, domains: int = 1, **options) -> Stream:
    counts = [20, 12] if domains > 1 else [20, 12, 20, 12]
    source = Source(
        numbered(0, counts, domains), numbered(200, [2] * len(counts)), tuple("abcd"[: len(counts)])
    )
    options = {"experiences": 2, "validation": 0.2, **options}
    return build_stream("made", source, seeds=Seeds(3), per_class=per_class, **options)


def data_of(stream: Stream) -> Iterator[PartData]:
    """The training data of each task, as a strategy is given them."""
    for experience in stream.benchmark.train_stream:
        found = resolve(experience.dataset, stream.transforms)
        assert found is not None and stream.transforms is not None
        yield PartData(*found, stream.transforms, CPU)


def numbers(raw: Tensor) -> set[int]:
    return set(raw[:, 0].tolist())


@pytest.mark.parametrize(
    ("scenario", "domains"), [("class", 1), ("task", 1), ("domain", 2)], ids=["class", "task", "domain"]
)
def test_it_draws_what_is_left_of_the_current_task_and_nothing_else(scenario, domains):
    few, whole = (built(n, domains, scenario=scenario) for n in (4, None))
    held = set().union(*(numbers(part.gather(torch.arange(len(part)))) for part in few.parts["valid"]))
    for data, before in zip(data_of(few), data_of(whole), strict=True):
        drawn = numbers(LeftOutPool().draw(2000, torch.Generator().manual_seed(0), data))
        own, all_of_it = (numbers(one.raw(torch.arange(len(one)))) for one in (data, before))
        assert len(own) == 8 and drawn == all_of_it - own and not drawn & held and max(drawn) < 200
        assert data.left_out == len(drawn)
        check_pool(LeftOutPool, data)


def test_nothing_is_said_of_their_classes():
    data = next(data_of(built(4)))
    # The only way to a class or to metadata is a position among the labelled samples.
    assert len(data.targets) == len(data.labels) == len(data) == 8
    assert len(data.parts[0].targets) == 8
    with pytest.raises(IndexError):
        data.about(torch.tensor([8]))
    draws = Draws(pool=LeftOutPool(), pool_batch=5)
    draws.begin(Seeds(0), CPU)
    drawn = draws.draw("external", 3, Task(0, "class", (0, 1)), data, Snapshot())
    assert drawn is not None and drawn.y.tolist() == [-1] * 5 and drawn.index is None


def test_a_task_shows_them_in_its_own_view():
    store = TensorStore(torch.arange(12, dtype=torch.float32).view(6, 2))
    part = Part(store, torch.arange(6), torch.zeros(6), 0, Permutation(torch.tensor([1, 0])))
    left = part.at(torch.tensor([1, 4]))
    assert left.left_out.tolist() == [0, 2, 3, 5]
    assert left.gather_left_out(torch.tensor([3, 0])).tolist() == [[11.0, 10.0], [1.0, 0.0]]
    assert len(part.left_out) == 0


def test_of_several_parts():
    store = TensorStore(torch.arange(8, dtype=torch.float32).view(8, 1))
    rows = torch.arange(4)
    parts = [
        Part(store, rows + start, rows).at(torch.tensor(kept))
        for start, kept in ((0, [0, 1, 2, 3]), (0, [1]), (4, [0, 2]))
    ]
    data = PartData(parts, torch.tensor([0, 1, 2]), torch.tensor([0, 0, 0]), Pipeline(), CPU)
    assert data.left_out == 5
    assert data.raw_left_out(torch.tensor([4, 0, 3, 2, 1])).flatten().tolist() == [7.0, 0.0, 5.0, 3.0, 2.0]


def test_a_task_of_which_nothing_is_left_out_is_refused():
    for stream in (
        built(None),
        built(9, validation=0.25, experiences=[[1, 3], [0, 2]]),
    ):
        data: TaskData = next(data_of(stream))
        with pytest.raises(
            BadCall, match=r"stream.per_class leaves out, and of this task none is: set stream"
        ):
            LeftOutPool().check(data)


def test_a_benchmark_of_somebody_elses_is_refused():
    benchmark = built(None, validation=0.0).benchmark
    foreign = build_stream("theirs", benchmark, seeds=Seeds(0), per_class=6, validation=0.0)
    data = ForeignData(foreign.benchmark.train_stream[0].dataset, CPU)
    with pytest.raises(BadCall, match="not known of an Avalanche benchmark"):
        LeftOutPool().check(data)
    with pytest.raises(BadCall, match="not known which samples"):
        data.raw_left_out(torch.tensor([0]))


def test_the_data_are_the_same_whoever_draws():
    digests = [built(4).digest, built(4).digest, built(5).digest]
    assert digests[0] == digests[1] != digests[2]
