"""Few training samples of each class and task: which ones, how many, and what is refused."""

import pytest
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.stream.build import build_stream
from lifelong_kd.stream.per_class import few_of_each
from lifelong_kd.stream.source import Samples, Source
from lifelong_kd.stream.store import TensorStore
from lifelong_kd.stream.stream import Stream


def made(counts: list[int], domains: int = 1) -> Source:
    y = torch.cat([torch.full((n,), c) for _ in range(domains) for c, n in enumerate(counts)])
    domain = torch.arange(domains).repeat_interleave(sum(counts)) if domains > 1 else None
    x = torch.arange(len(y), dtype=torch.float32).view(-1, 1)  # a sample is its own number
    samples = Samples(TensorStore(x), y, domain)
    return Source(samples, samples, tuple("abcdefgh"[: len(counts)]))


def built(source: Source, seed: int = 0, **options) -> Stream:
    return build_stream("made", source, seeds=Seeds(seed), **{"experiences": 2, **options})


def chosen(stream: Stream, split: str = "train") -> list[set[int]]:
    assert stream.parts is not None
    return [set(part.rows.tolist()) for part in stream.parts[split]]


def test_each_class_of_each_task_has_as_many_as_were_asked_for():
    stream = built(made([20, 30, 40, 50]), per_class=7)
    for task, part in zip(stream.tasks, stream.parts["train"], strict=True):
        assert torch.bincount(part.targets, minlength=4)[list(task.classes)].tolist() == [7, 7]
    datasets = [experience.dataset for experience in stream.benchmark.train_stream]
    assert [len(dataset) for dataset in datasets] == [14, 14]


def test_validation_and_test_data_are_those_of_a_run_without():
    few, all_of_them = built(made([20, 30, 40, 50]), per_class=3), built(made([20, 30, 40, 50]))
    for split in ("valid", "test"):
        assert chosen(few, split) == chosen(all_of_them, split)
    for ours, held in zip(chosen(few), chosen(few, "valid"), strict=True):
        assert not ours & held
    assert few.digest != all_of_them.digest


def test_few_are_among_more_and_all_are_all():
    five, ten = (chosen(built(made([20, 30]), per_class=n)) for n in (5, 10))
    assert all(some < more for some, more in zip(five, ten, strict=True))
    assert chosen(built(made([20, 20]), per_class=18)) == chosen(built(made([20, 20])))


def test_the_choice_depends_on_the_seed_and_not_on_the_order_of_the_classes():
    one = built(made([30] * 4), per_class=4, class_order=[0, 1, 2, 3])
    other = built(made([30] * 4), per_class=4, class_order=[3, 1, 0, 2])
    assert set.union(*chosen(one)) == set.union(*chosen(other))
    drawn = {frozenset(set.union(*chosen(built(made([30] * 4), seed, per_class=4)))) for seed in range(4)}
    assert len(drawn) == 4


def test_every_domain_has_its_own_few():
    stream = built(made([20, 20], domains=3), experiences=3, scenario="domain", per_class=4)
    assert [torch.bincount(part.targets).tolist() for part in stream.parts["train"]] == [[4, 4]] * 3
    one, two, three = chosen(stream)
    assert not one & two and not two & three and not one & three


def test_too_few_samples_are_refused_with_what_there_is():
    # 10 % of 20 and 30 are held out.
    with pytest.raises(BadCall, match=r"per_class is 25, but.*task [01].*'a' has 18; at most 18"):
        built(made([20, 30]), per_class=25)
    with pytest.raises(BadCall, match="at least 1"):
        few_of_each(torch.zeros(3, dtype=torch.int64), torch.arange(3), 0, "task 0")


def test_an_avalanche_benchmark_is_cut_as_well():
    benchmark = built(made([20, 20, 20, 20]), validation=0.0).benchmark
    stream = build_stream("theirs", benchmark, seeds=Seeds(0), per_class=6)
    for experience in stream.benchmark.train_stream:
        assert torch.bincount(torch.tensor(list(experience.dataset.targets))).tolist()[-2:] == [6, 6]
    with pytest.raises(BadCall, match=r"experience 0, .*class 0 has 18"):
        build_stream("theirs", benchmark, seeds=Seeds(0), per_class=19)
