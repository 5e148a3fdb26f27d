"""ABD against its formula."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.build import build_network
from lifelong_kd.strategy.abd import abd
from lifelong_kd.strategy.old_head import HeadAlone, OldHead, old_head_loss
from lifelong_kd.teacher.all_snapshots import AllSnapshots
from lifelong_kd.teacher.snapshot import Snapshot
from tests.strategy.by_hand import NEW, OLD, SEEN, Step, ce, third_task
from tests.strategy.made_generator import Same


def made() -> Same:
    rng = torch.Generator().manual_seed(8)
    return Same(torch.randn(12, 5, generator=rng).double(), None)


def step(count: int) -> Step:
    torch.manual_seed(0)
    network = build_network((5,), 6, model=("mlp", {"hidden": [7]})).double()
    return third_task(abd(generator=made(), generator_batch=count, mu=0.3), network)


def test_old_head_is_the_loop_and_the_bias_has_no_part_in_it() -> None:
    torch.manual_seed(0)
    head, student, teacher = nn.Linear(4, 5), torch.randn(3, 4), torch.randn(3, 4)
    weight = head.weight.detach()
    expected = [
        sum(float((weight[c] * (student[i] - teacher[i])).sum()) ** 2 for c in (1, 3, 4)) / 3
        for i in range(3)
    ]
    assert old_head_loss(student, teacher, head, (1, 3, 4)).tolist() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("count", [9, 4])
def test_abd_is_its_formula(count: int) -> None:
    """Nine new samples and as many generated ones, or fewer: a mean over all of them."""
    found = step(count)
    network = found.driver.model
    teacher = found.driver.strategy.terms["features"].teacher.module  # type: ignore[union-attr]
    batch, drawn = found.batch, found.drawn("generated")
    total = 9 + count
    with torch.no_grad():
        weight = teacher.head.weight[list(OLD)]
        label = teacher(drawn.x)[:, list(OLD)].argmax(dim=1)
        assert drawn.y.tolist() == [OLD[int(place)] for place in label]

        def apart(x: Tensor) -> float:
            difference = (network.features(x) - teacher.features(x)) @ weight.T  # type: ignore[operator]
            return float(difference.square().sum()) / 4

        expected = 2 / 6 * ce(network(batch.x), batch.y, NEW)
        expected += 0.3 * (apart(batch.x) + apart(drawn.x)) / total
        expected += (
            2 / 6 * 9 * ce(network(batch.x), batch.y, SEEN)
            + 4 / 6 * count * ce(network(drawn.x), drawn.y, SEEN)
        ) / total
    assert float(found.total.detach()) == pytest.approx(expected, rel=1e-9)


def test_the_heads_own_loss_stays_in_the_head() -> None:
    found = step(9)
    network, terms = found.driver.model, found.driver.strategy.terms
    for name in ("head", "head_generated"):
        value = terms[name].value(found.lesson)
        assert value is not None
        slopes = torch.autograd.grad(value, list(network.parameters()), allow_unused=True, retain_graph=True)
        moved = {
            n for (n, _), slope in zip(network.named_parameters(), slopes, strict=True) if slope is not None
        }
        assert moved == {"head.weight", "head.bias"}


def test_parts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BadCall, match="AllSnapshots is not"):
        OldHead(AllSnapshots())
    with pytest.raises(BadCall, match="no labels"):
        HeadAlone(source="external")
    assert OldHead(Snapshot()).source == "new"
