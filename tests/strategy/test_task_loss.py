"""The loss of the task itself against its re-derivation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.strategy.task_loss import Classes, TaskLoss
from tests.reference import losses as slow
from tests.strategy.driver import tasks_of

SPLITS = {
    "adjacent": [(0, 1), (2, 3), (4, 5)],
    "scattered": [(5, 0), (3, 1), (4, 2)],
}
WIDTH = 8


def sample(columns: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(1)
    logits = 3 * torch.randn(10, WIDTH, generator=rng, dtype=torch.float64)
    return logits.requires_grad_(), torch.tensor(columns).repeat(10)[:10]


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("kind", ["ce", "bce"])
@pytest.mark.parametrize("over", ["all", "seen", "new"])
@pytest.mark.parametrize("index", [0, 2])
def test_it_is_the_loop_in_a_class_incremental_stream(
    split: str, kind: str, over: Classes, index: int
) -> None:
    task = tasks_of(SPLITS[split])[index]
    logits, y = sample(task.new)
    classes = {"all": tuple(range(WIDTH)), "seen": task.seen, "new": task.new}[over]
    loop = slow.cross_entropy if kind == "ce" else slow.one_hot_bce
    expected = slow.mean([loop(row, c, classes) for row, c in zip(logits.tolist(), y.tolist(), strict=True)])
    said = TaskLoss(over, kind)(logits, y, torch.zeros_like(y), task)
    assert float(said.detach()) == pytest.approx(expected, rel=1e-12)
    said.backward()
    assert logits.grad is not None and logits.grad.isfinite().all()
    touched = {c for c in range(WIDTH) if logits.grad[:, c].abs().max() > 0}
    assert touched == set(classes)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("kind", ["ce", "bce"])
@pytest.mark.parametrize("over", ["all", "seen", "new"])
def test_in_a_task_incremental_stream_only_the_own_task_competes(
    split: str, kind: str, over: Classes
) -> None:
    groups = SPLITS[split]
    task = tasks_of(groups, "task")[2]
    logits, _ = sample((0,))
    label = torch.tensor([0, 1, 2, 2, 1, 0, 2, 2, 0, 1])
    y = torch.tensor([groups[number][k % 2] for k, number in enumerate(label.tolist())])
    loop = slow.cross_entropy if kind == "ce" else slow.one_hot_bce
    rows = zip(logits.tolist(), y.tolist(), label.tolist(), strict=True)
    expected = slow.mean([loop(row, c, groups[number]) for row, c, number in rows])
    for rehearsed in (False, True):
        said = TaskLoss(over, kind)(logits, y, label, task, rehearsed=rehearsed)
        assert float(said.detach()) == pytest.approx(expected, rel=1e-12)
    said.backward()
    assert logits.grad is not None
    for row, number in enumerate(label.tolist()):
        touched = {c for c in range(WIDTH) if float(logits.grad[row, c]) != 0}
        assert touched == set(groups[number])


def test_a_domain_incremental_stream_shares_its_columns() -> None:
    task = tasks_of([(0, 1), (0, 1)], "domain")[1]
    logits, y = sample((0, 1))
    expected = slow.mean(
        [slow.cross_entropy(row, c, (0, 1)) for row, c in zip(logits.tolist(), y.tolist(), strict=True)]
    )
    for over in ("seen", "new"):
        said = TaskLoss(over)(logits, y, torch.zeros_like(y), task)
        assert float(said.detach()) == pytest.approx(expected)


@pytest.mark.parametrize("split", SPLITS)
def test_rehearsed_samples_of_old_classes_are_scored_over_seen_ones(split: str) -> None:
    task = tasks_of(SPLITS[split])[2]
    logits, y = sample(task.old)
    loss = TaskLoss("new")(logits, y, torch.zeros_like(y), task, rehearsed=True)
    assert torch.equal(loss, TaskLoss("seen")(logits, y, torch.zeros_like(y), task))


def test_an_exemplar_of_an_old_class_has_target_0_among_new_ones() -> None:
    task = tasks_of(SPLITS["adjacent"])[2]
    logits, y = sample((0,))
    expected = slow.mean([slow.yes_no(row[4], 0.0) + slow.yes_no(row[5], 0.0) for row in logits.tolist()])
    said = TaskLoss("new", "bce")(logits, y, torch.zeros_like(y), task)
    assert float(said.detach()) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("kind", ["ce", "bce"])
@pytest.mark.parametrize("over", ["all", "seen", "new"])
def test_it_is_finite_at_huge_logits(over: Classes, kind: str) -> None:
    task = tasks_of(SPLITS["scattered"])[2]
    logits = torch.tensor([[1e4, -1e4] * 4, [-1e4, 1e4] * 4], requires_grad=True)
    said = TaskLoss(over, kind)(logits, torch.tensor([4, 2]), torch.tensor([0, 0]), task)
    said.backward()
    assert said.isfinite()
    assert logits.grad is not None and logits.grad.isfinite().all()


def test_plain_is_cross_entropy_over_everything_the_model_shows() -> None:
    one, many = tasks_of(SPLITS["adjacent"])[1], tasks_of(SPLITS["adjacent"], "task")[1]
    assert TaskLoss().is_plain(one)
    assert not TaskLoss("seen").is_plain(one)
    assert not TaskLoss("all", "bce").is_plain(one)
    assert not TaskLoss().is_plain(many)
    assert TaskLoss().is_plain(many, own_heads=True)
    logits, y = sample(one.new)
    plain = torch.nn.functional.cross_entropy(logits, y)
    assert torch.equal(TaskLoss()(logits, y, torch.zeros_like(y), one), plain)


def test_unknown_words_are_refused() -> None:
    with pytest.raises(BadCall, match="not 'older'"):
        TaskLoss("older")  # type: ignore[arg-type]
    with pytest.raises(BadCall, match="not 'mse'"):
        TaskLoss("all", "mse")  # type: ignore[arg-type]
