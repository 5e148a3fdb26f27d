"""X-DER against its formula, and what it does to the memory."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Task
from lifelong_kd.strategy.lesson import Source
from lifelong_kd.strategy.transplant import transplanted
from lifelong_kd.strategy.xder import xder
from tests.strategy.by_hand import FIRST, GROUPS, NEW, OLD, SECOND, ce, third_task
from tests.strategy.driver import Data, Driver, batch_of, data_of, linear, tasks_of


def mean_of_violators(values: list[float]) -> float:
    found = [value for value in values if value > 0]
    return sum(found) / len(found)


def test_xder_is_its_formula() -> None:
    """In the last task, where there are no future classes."""
    step = third_task(xder(alpha=0.4, beta=0.6, eta=0.2, margin=0.9, memory=12, memory_batch=6))
    first, second = step.drawn("memory"), step.drawn("memory2")
    said = step.student()
    p = said.softmax(dim=1)
    past = [max(float(row[c]) for c in OLD) + 0.9 - max(float(row[c]) for c in NEW) for row in p]
    expected = (
        ce(said, step.batch.y, NEW)
        + 0.4 * float((step.student("memory") - first.fields["logits"]).square().mean())
        + 0.6 * ce(step.student("memory2"), second.y, OLD)
        + 0.2 * mean_of_violators(past)
    )
    assert set(step.parts()) == {"task", "logits", "labels", "past"}
    assert float(step.total.detach()) == pytest.approx(expected, rel=1e-6)


def test_future_classes_stay_below_those_of_the_own_task() -> None:
    """In the second of three tasks, on new samples and each replayed one once."""
    strategy = xder(margin=2.0, memory=12, memory_batch=6)
    driver = Driver(strategy, linear(6).double())
    for task in tasks_of(GROUPS)[:2]:
        data = driver.begin(task, doubled(task))
        if task.index == 0:
            driver.end()
    batch = batch_of(data, range(8))
    _, lesson = driver.lesson(batch)
    value = strategy.terms["future"].value(lesson)
    assert value is not None
    rows: dict[object, tuple[Tensor, tuple[int, ...]]] = {
        f"new {i}": (row, SECOND) for i, row in enumerate(lesson.student("new").logits.detach())
    }
    sources: tuple[Source, ...] = ("memory2", "memory")
    for source in sources:  # of two views of a stored sample the first draw's counts
        drawn = lesson.batch(source)
        assert drawn is not None
        said = lesson.student(source).logits.detach()
        for slot, row in zip(drawn.fields["slot"].tolist(), said, strict=True):
            rows[slot] = (row, FIRST)
    gaps = [max(float(z[c]) for c in NEW) + 2.0 - max(float(z[c]) for c in own) for z, own in rows.values()]
    assert len(rows) < len(batch) + 12
    assert float(value.detach()) == pytest.approx(mean_of_violators(gaps), rel=1e-6)


def test_stored_logits_of_later_classes_become_what_the_student_says() -> None:
    step = third_task(xder(gamma=0.5, memory=12, memory_batch=6))
    memory = step.driver.strategy.memory
    assert memory is not None
    before = memory.take(torch.arange(len(memory)))["logits"].clone()
    step.driver.strategy.after_step(step.lesson)
    after = memory.take(torch.arange(len(memory)))["logits"]
    assert torch.equal(after[:, list(OLD)], before[:, list(OLD)])
    drawn = {slot for s in ("memory", "memory2") for slot in step.drawn(s).fields["slot"].tolist()}
    changed = (after != before).any(dim=1).nonzero().squeeze(1).tolist()
    assert changed and set(changed) <= drawn
    for source in ("memory2", "memory"):  # the first batch has the last word on what both have drawn
        batch = step.drawn(source)
        for i, slot in enumerate(batch.fields["slot"].tolist()):
            if slot in changed:
                truth = float(before[slot, batch.y[i]])
                implant = step.student(source)[i, list(NEW)]
                expected = transplanted(implant[None], torch.tensor([truth]), 0.5)[0].float()
                assert torch.allclose(after[slot, list(NEW)], expected, rtol=1e-5)


def test_at_the_end_of_a_task_every_stored_sample_is_brought_up_to_date() -> None:
    step = third_task(xder(gamma=0.5, memory=12, memory_batch=6))
    step.driver.end()
    memory = step.driver.strategy.memory
    assert memory is not None
    kept = memory.take(torch.arange(len(memory)))
    with torch.no_grad():
        said = step.driver.model(kept["raw"])
    for i, y in enumerate(kept["y"].tolist()):
        stored, truth = kept["logits"][i], float(kept["logits"][i, y])
        others = list(NEW if y in OLD else OLD)
        expected = transplanted(said[i, others][None], torch.tensor([truth]), 0.5)[0].float()
        assert torch.allclose(stored[others], expected, rtol=1e-4)


def test_what_is_implanted_never_outdoes_the_truth() -> None:
    implant, truth = torch.tensor([[3.0, -1.0], [0.2, 0.1], [1.0, -2.0]]), torch.tensor([1.0, 1.0, -0.5])
    found = transplanted(implant, truth, 0.85)
    assert found[0].tolist() == pytest.approx([0.85, -0.85 / 3])
    assert torch.equal(found[1], implant[1])
    assert found[2].tolist() == [-0.5, -2.0]


def test_a_domain_incremental_stream_is_refused() -> None:
    driver = Driver(xder(memory=12), linear(2))
    with pytest.raises(BadCall, match="derpp"):
        driver.begin(tasks_of([(0, 1), (0, 1)], "domain")[0])


def doubled(task: Task) -> Data:
    data = data_of(task)
    data.x = data.x.double()
    return data
