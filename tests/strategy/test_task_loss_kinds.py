"""Margins, smoothing, and classes that compete apart, each against its loop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Task
from lifelong_kd.strategy.columns import padded
from lifelong_kd.strategy.task_loss import TaskLoss
from tests.reference import losses as slow
from tests.strategy.driver import tasks_of

SPLITS = {
    "adjacent": [(0, 1), (2, 3), (4, 5)],
    "scattered": [(5, 0), (3, 1), (4, 2)],
}
WIDTH = 8
LOSSES: dict[str, dict[str, Any]] = {
    "ce": {},
    "smoothed": {"smoothing": 0.2},
    "bce": {"kind": "bce"},
    "nca": {"kind": "nca"},
    "wide nca": {"kind": "nca", "margin": 2.5},
}
EACH = pytest.mark.parametrize("name", LOSSES)
EACH_SPLIT = pytest.mark.parametrize("split", SPLITS)


def loop(row: Sequence[float], target: int, classes: Sequence[int], options: dict[str, Any]) -> float:
    """One sample's loss over ``classes``, term by term."""
    if options.get("kind") == "bce":
        return slow.one_hot_bce(row, target, classes)
    if options.get("kind") == "nca":
        rivals = sum(math.exp(row[c]) for c in classes if c != target)
        if not rivals:
            return 0.0
        return max(0.0, -(row[target] - options.get("margin", 0.6)) + math.log(rivals))
    smoothing = options.get("smoothing", 0.0)
    right = slow.cross_entropy(row, target, classes)
    return (1 - smoothing) * right + smoothing * slow.mean(
        [slow.cross_entropy(row, c, classes) for c in classes]
    )


def sample(columns: Sequence[int], count: int = 10) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(1)
    logits = 2 * torch.randn(count, WIDTH, generator=rng, dtype=torch.float64)
    return logits.requires_grad_(), torch.tensor(columns).repeat(count)[:count]


def told(name: str, over: Any, logits: Tensor, y: Tensor, task: Task, **options: Any) -> Tensor:
    return TaskLoss(over, **LOSSES[name])(logits, y, torch.zeros_like(y), task, **options)


def touched(logits: Tensor) -> list[set[int]]:
    assert logits.grad is not None and logits.grad.isfinite().all()
    return [{c for c in range(WIDTH) if float(row[c]) != 0} for row in logits.grad]


@EACH
@EACH_SPLIT
@pytest.mark.parametrize("over", ["all", "seen", "new"])
@pytest.mark.parametrize("index", [0, 2])
def test_every_kind_is_its_loop(name: str, split: str, over: str, index: int) -> None:
    task = tasks_of(SPLITS[split])[index]
    logits, y = sample(task.new)
    classes = {"all": tuple(range(WIDTH)), "seen": task.seen, "new": task.new}[over]
    rows = zip(logits.tolist(), y.tolist(), strict=True)
    expected = slow.mean([loop(row, c, classes, LOSSES[name]) for row, c in rows])
    said = told(name, over, logits, y, task)
    assert float(said.detach()) == pytest.approx(expected, rel=1e-12)
    said.backward()
    for columns in touched(logits):
        assert columns <= set(classes)


@EACH
@EACH_SPLIT
def test_separated_lets_old_and_new_classes_compete_apart(name: str, split: str) -> None:
    task = tasks_of(SPLITS[split])[2]
    logits, y = sample((*task.new, *task.old))
    expected = []
    for row, c in zip(logits.tolist(), y.tolist(), strict=True):
        classes = task.new if c in task.new else task.old
        expected.append(loop(row, c, classes, LOSSES[name]))
    for rehearsed in (False, True):
        said = told(name, "separated", logits, y, task, rehearsed=rehearsed)
        assert float(said.detach()) == pytest.approx(slow.mean(expected), rel=1e-12)
    said.backward()
    for columns, c in zip(touched(logits), y.tolist(), strict=True):
        assert columns <= set(task.new if c in task.new else task.old)


@EACH
@pytest.mark.parametrize("group", ["new", "old"])
def test_separated_with_samples_of_one_side_is_the_loss_over_it(name: str, group: Any) -> None:
    task = tasks_of(SPLITS["scattered"])[2]
    logits, y = sample(task.new if group == "new" else task.old)
    apart = told(name, "separated", logits, y, task)
    over = told(name, group, logits, y, task)
    assert float(apart.detach()) == pytest.approx(float(over.detach()), rel=1e-12)
    apart.backward()
    other = task.old if group == "new" else task.new
    assert not set.union(*touched(logits)) & set(other)


@EACH
def test_separated_is_the_weighted_mean_of_its_sides(name: str) -> None:
    task = tasks_of(SPLITS["adjacent"])[2]
    logits, y = sample((*task.new, *task.old))
    new = torch.isin(y, torch.tensor(task.new))
    sides = [
        float(told(name, side, logits[rows], y[rows], task).detach())
        for side, rows in (("new", new), ("old", ~new))
    ]
    share = float(new.double().mean())
    apart = float(told(name, "separated", logits, y, task).detach())
    assert apart == pytest.approx(share * sides[0] + (1 - share) * sides[1])


@EACH
@EACH_SPLIT
def test_over_old_classes_the_others_are_left_out(name: str, split: str) -> None:
    task = tasks_of(SPLITS[split])[2]
    logits, y = sample((*task.old, *task.new))
    rows = [(row, c) for row, c in zip(logits.tolist(), y.tolist(), strict=True) if c in task.old]
    expected = slow.mean([loop(row, c, task.old, LOSSES[name]) for row, c in rows])
    said = told(name, "old", logits, y, task, rehearsed=True)
    assert float(said.detach()) == pytest.approx(expected, rel=1e-12)
    said.backward()
    for columns, c in zip(touched(logits), y.tolist(), strict=True):
        assert columns <= (set(task.old) if c in task.old else set())


@EACH
def test_where_nothing_takes_part_there_is_an_exact_0(name: str) -> None:
    tasks = tasks_of(SPLITS["adjacent"])
    for task, columns, count in (
        (tasks[0], tasks[0].new, 4),  # the first task has nothing old
        (tasks[2], tasks[2].new, 4),  # no sample of an old class
        (tasks[2], tasks[2].old, 0),  # no sample at all
    ):
        logits, y = sample(columns, count)
        said = told(name, "old", logits, y, task)
        said.backward()
        assert float(said.detach()) == 0.0
        assert logits.grad is not None and (logits.grad == 0).all()


@EACH
@pytest.mark.parametrize("over", ["all", "seen", "new", "old", "separated"])
@pytest.mark.parametrize("scenario", ["class", "task", "domain"])
def test_an_empty_batch_is_an_exact_0(name: str, over: str, scenario: Any) -> None:
    task = tasks_of([(0, 1), (0, 1)] if scenario == "domain" else SPLITS["adjacent"][:2], scenario)[1]
    logits, y = sample((0,), 0)
    said = told(name, over, logits, y, task)
    said.backward()
    assert float(said.detach()) == 0.0


@EACH
@EACH_SPLIT
@pytest.mark.parametrize("over", ["all", "seen", "new", "old", "separated"])
def test_in_a_task_incremental_stream_only_the_own_task_competes(name: str, split: str, over: Any) -> None:
    groups = SPLITS[split]
    task = tasks_of(groups, "task")[2]
    logits, _ = sample((0,))
    label = torch.tensor([0, 1, 2, 2, 1, 0, 2, 2, 0, 1])
    y = torch.tensor([groups[number][k % 2] for k, number in enumerate(label.tolist())])
    rows = zip(logits.tolist(), y.tolist(), label.tolist(), strict=True)
    expected = slow.mean([loop(row, c, groups[number], LOSSES[name]) for row, c, number in rows])
    for rehearsed in (False, True):
        said = TaskLoss(over, **LOSSES[name])(logits, y, label, task, rehearsed=rehearsed)
        assert float(said.detach()) == pytest.approx(expected, rel=1e-12)
    said.backward()
    for columns, number in zip(touched(logits), label.tolist(), strict=True):
        assert columns <= set(groups[number])


def test_in_a_domain_incremental_stream_separated_is_over_all_classes() -> None:
    task = tasks_of([(0, 1), (0, 1)], "domain")[1]
    logits, y = sample((0, 1))
    for name in LOSSES:
        expected = slow.mean(
            [loop(row, c, (0, 1), LOSSES[name]) for row, c in zip(logits.tolist(), y.tolist(), strict=True)]
        )
        for over in ("separated", "old"):
            said = told(name, over, logits, y, task)
            assert float(said.detach()) == pytest.approx(expected, rel=1e-12)


def test_the_margin_acts() -> None:
    task = tasks_of(SPLITS["adjacent"])[2]
    logits, y = sample(task.new)
    values, gradients = [], []
    for margin in (0.0, 0.6, 5.0):
        logits.grad = None
        said = TaskLoss("seen", "nca", margin=margin)(logits, y, torch.zeros_like(y), task)
        said.backward()
        values.append(float(said.detach()))
        assert logits.grad is not None
        gradients.append(logits.grad.clone())
    assert values == sorted(set(values))
    # A margin in reach of the hinge brings in samples that a smaller one is content with.
    assert not torch.equal(gradients[0], gradients[2])
    # Where no sample is content, the loss grows by the margin itself.
    far = TaskLoss("seen", "nca", margin=50.0)(logits, y, torch.zeros_like(y), task)
    farther = TaskLoss("seen", "nca", margin=51.0)(logits, y, torch.zeros_like(y), task)
    assert float((farther - far).detach()) == pytest.approx(1.0)


def test_the_margin_by_hand() -> None:
    task = tasks_of([(0, 1, 2)])[0]
    logits = torch.tensor([[2.0, 1.0, 1.0]])
    loss = TaskLoss("all", "nca")(logits, torch.tensor([0]), torch.tensor([0]), task)
    assert float(loss) == pytest.approx(-(2.0 - 0.6) + math.log(2 * math.e))
    content = TaskLoss("all", "nca")(10 * logits, torch.tensor([0]), torch.tensor([0]), task)
    assert float(content) == 0.0


def test_a_class_without_rivals_has_nothing_to_win() -> None:
    one, two = tasks_of([(0,), (1,)])
    logits, y = sample((0,), 4)
    for task, over, column in ((one, "seen", 0), (two, "new", 1), (two, "separated", 0)):
        logits.grad = None
        y = torch.full((4,), column)
        said = told("nca", over, logits, y, task)
        said.backward()
        assert float(said.detach()) == 0.0
        assert logits.grad is not None and (logits.grad == 0).all()


@EACH
@pytest.mark.parametrize("over", ["all", "seen", "new", "old", "separated"])
def test_it_is_finite_at_huge_logits(name: str, over: str) -> None:
    task = tasks_of(SPLITS["scattered"])[2]
    logits = torch.tensor([[1e4, -1e4] * 4, [-1e4, 1e4] * 4], requires_grad=True)
    for columns in ([4, 2], [0, 1]):
        if over == "new" and columns == [0, 1]:
            continue
        said = told(name, over, logits, torch.tensor(columns), task)
        said.backward()
        assert said.isfinite()
    assert logits.grad is not None and logits.grad.isfinite().all()


def test_smoothing_of_nothing_is_cross_entropy_and_only_that_is_plain() -> None:
    task = tasks_of(SPLITS["scattered"])[1]
    logits, y = sample(task.new)
    for over in ("all", "seen", "new"):
        exact = TaskLoss(over)(logits, y, torch.zeros_like(y), task)
        assert torch.equal(TaskLoss(over, smoothing=0.0)(logits, y, torch.zeros_like(y), task), exact)
    assert TaskLoss(smoothing=0.0).is_plain(task)
    for loss in (TaskLoss(smoothing=0.1), TaskLoss(kind="nca"), TaskLoss("old"), TaskLoss("separated")):
        assert not loss.is_plain(task)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"smoothing": 1.0}, r"must lie in \[0, 1\), got 1.0"),
        ({"smoothing": -0.1}, "label smoothing"),
        ({"kind": "nca", "margin": -1.0}, "margin must be at least 0"),
        ({"kind": "nca", "margin": math.inf}, "margin must be at least 0"),
        ({"kind": "bce", "smoothing": 0.1}, "smoothed in 'ce' only, not in 'bce'"),
        ({"kind": "ce", "margin": 0.6}, "'nca' has a margin, 'ce' has none"),
        ({"kind": "hinge"}, "not 'hinge'"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadCall, match=message):
        TaskLoss("all", **options)


def test_a_teacher_is_padded_where_it_knows_nothing() -> None:
    teacher = torch.tensor([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])
    inf = math.inf
    assert padded(teacher, (0, 2), (0, 1, 2)).tolist() == [[1, -inf, 3], [5, -inf, 7]]
    assert padded(teacher, (0, 3), (3, 1, 0)).tolist() == [[4, -inf, 1], [8, -inf, 5]]
    assert padded(teacher[:, :2], (0, 1), (0, 1, 2, 3)).tolist() == [[1, 2, -inf, -inf], [5, 6, -inf, -inf]]
    chances = torch.softmax(padded(teacher, (0, 2), (0, 1, 2)), dim=1)
    expected = torch.softmax(teacher[:, [0, 2]], dim=1)
    torch.testing.assert_close(chances[:, [0, 2]], expected)
    assert (chances[:, 1] == 0).all()
    assert padded(teacher[:0], (0,), (0, 1)).shape == (0, 2)
    assert padded(teacher, (), (0, 1)).tolist() == [[-inf, -inf]] * 2
