"""R-DFCIL against its formula, its schedules, and the fine-tuning of the head."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Batch, Moment, Task
from lifelong_kd.knowledge.l1 import L1
from lifelong_kd.knowledge.rkd_angle import rkd_angle_loss
from lifelong_kd.model.build import build_network
from lifelong_kd.phase.head_fine_tuning import HeadFineTuning, balanced_ce
from lifelong_kd.schedule.relation import LogSqrt, PerLogSqrt
from lifelong_kd.strategy.abd import abd
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.r_dfcil import r_dfcil
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.snapshot import Snapshot
from tests.strategy.by_hand import NEW, OLD, begin, ce, third_task
from tests.strategy.driver import Data, Driver, tasks_of
from tests.strategy.made_generator import Same

GROUPS = [(5, 0), (3, 1), (4, 2)]


def made() -> Same:
    rng = torch.Generator().manual_seed(8)
    return Same(torch.randn(12, 5, generator=rng).double(), torch.tensor([0, 1, 3, 5] * 3))


def test_schedules_are_their_formulas() -> None:
    # Six new classes beside 24 old: a = log2(4) = 2, b = 2.
    moment = Moment(task=4, old=24, new=6)
    assert LogSqrt(scale=0.15)(moment) == pytest.approx(0.6)
    assert PerLogSqrt(scale=0.5)(moment) == pytest.approx(0.5 * 1.5 / 2)
    first = Moment(task=0, old=0, new=6)
    assert LogSqrt(scale=0.15)(first) == 0.0 and PerLogSqrt(scale=0.5)(first) == 1.0
    assert LogSqrt(scale=0.15)(Moment(task=1, old=4, new=0)) == 0.0


def test_r_dfcil_is_its_formula() -> None:
    torch.manual_seed(0)
    network = build_network((5,), 6, model=("mlp", {"hidden": [7]})).double()
    strategy = r_dfcil(generator=made(), head_epochs=1)
    found = third_task(strategy, network)
    teacher = strategy.terms["relations"].teacher.module  # type: ignore[union-attr]
    x, drawn = found.batch.x, found.drawn("generated").x
    a, b = math.log2(2 / 2 + 1), math.sqrt(4 / 2)
    with torch.no_grad():
        hard = (network(drawn) - teacher(drawn))[:, list(OLD)].abs().mean()
        angle = rkd_angle_loss(network.features(x), teacher.features(x)).mean()
        expected = 0.5 * (1 + 1 / a) / b * ce(network(x), found.batch.y, NEW)
        expected += 0.15 * a * b * float(hard) + 0.5 * a * b * float(angle)
    assert float(found.total.detach()) == pytest.approx(expected, rel=1e-9)


def test_balanced_ce_counts_every_class_alike() -> None:
    task = Task(1, "class", (4, 5), ((0, 1, 2, 3),))
    logits = torch.randn(6, 7, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([4, 5, 4, 0, 3, 1])
    total = weight = 0.0
    for place, (row, column) in enumerate(zip(logits, y.tolist(), strict=True)):
        # Two generated samples of the four old classes, four others of the two new ones.
        share = 4.0 / 2 if place >= 4 else 2.0 / 4
        total += share * float(torch.logsumexp(row[:6], 0) - row[column])
        weight += share
    assert float(balanced_ce(logits, y, task, 2)) == pytest.approx(total / weight, rel=1e-5)
    assert balanced_ce(logits, y, task, 2) == balanced_ce(
        torch.cat([logits[:, :6], 9 + logits[:, 6:]], 1), y, task, 2
    )
    # The same samples of old classes, drawn twice as often, weigh no more.
    again = torch.cat([logits, logits[4:]]), torch.cat([y, y[4:]])
    assert float(balanced_ce(*again, task, 4)) == pytest.approx(total / weight, rel=1e-5)


@pytest.mark.parametrize(
    "make", [lambda: abd(generator=made()), lambda: r_dfcil(generator=made(), head_epochs=1)]
)
def test_one_head_a_task_is_refused(make: Callable[[], Strategy]) -> None:
    network = build_network((5,), 6, model=("mlp", {"hidden": [7]}), head=("multihead", {})).double()
    driver = Driver(make(), network)
    task = tasks_of(GROUPS, "task")[0]
    x = torch.randn(4, 5).double()
    with pytest.raises(BadCall, match=r"one (head )?a task"):
        driver.begin(task, Data(x, torch.tensor([5, 0, 5, 0]), torch.zeros(4, dtype=torch.int64)))


def fine_tuned(strategy: Strategy, phase: HeadFineTuning) -> Driver:
    torch.manual_seed(0)
    network = build_network(
        (5,), 6, model=("mlp", {"hidden": [7], "batch_norm": True, "dropout": 0.2})
    ).double()
    driver = Driver(strategy, network)
    first, second, _ = tasks_of(GROUPS)
    begin(driver, first)
    phase.run(driver.strategy.stage)  # the first task has nothing to balance
    driver.end()
    begin(driver, second)
    return driver


def test_only_the_head_is_fine_tuned_and_the_old_classes_come_back() -> None:
    teacher = Snapshot()
    phase = HeadFineTuning(teacher=teacher, epochs=30, lr=0.1, distill=0.1)
    term = Distill(teacher, L1(), source="generated", weight=0.0)
    driver = fine_tuned(Strategy(terms={"hard": term}, generator=made()), phase)
    before = {name: value.clone() for name, value in driver.model.state_dict().items()}
    drawn = made()
    batch = Batch(drawn.x, drawn.y, torch.zeros_like(drawn.y), drawn.x)  # type: ignore[arg-type]
    old = torch.tensor([0, 5] * 6)
    driver.strategy.generator.y = old  # type: ignore[union-attr]

    def loss() -> float:
        logits, _ = driver.describe(batch.x)
        return float(torch.nn.functional.cross_entropy(logits[:, [0, 1, 3, 5]], (old == 5) * 3))

    first = loss()
    phase.run(driver.strategy.stage)
    moved = {n for n, value in driver.model.state_dict().items() if not torch.equal(value, before[n])}
    assert moved == {"head.weight", "head.bias"}
    assert loss() < first


def test_fine_tuning_of_the_head_needs_generated_samples() -> None:
    teacher = Snapshot()
    phase = HeadFineTuning(teacher=teacher)
    driver = fine_tuned(Strategy(terms={"hard": Distill(teacher, L1(), weight=0.0)}), phase)
    with pytest.raises(BadCall, match="no generator that makes any"):
        phase.run(driver.strategy.stage)
