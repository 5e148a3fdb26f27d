"""LUCIR against its formula."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.build import build_network
from lifelong_kd.model.network import Network
from lifelong_kd.strategy.lucir import lucir
from tests.strategy.by_hand import NEW, OLD, SEEN, ce, third_task


def network(head: str = "cosine") -> nn.Module:
    torch.manual_seed(0)
    options = {"sigma": 4.0} if head == "cosine" else {}
    return build_network((5,), 6, model=("mlp", {"hidden": [7]}), head=(head, options)).double()


def unit(rows: Tensor) -> Tensor:
    return rows / rows.square().sum(dim=1, keepdim=True).sqrt()


def test_lucir_is_its_formula() -> None:
    step = third_task(lucir(memory=12, margin_weight=0.7, k=2, margin=0.5), network(), exemplars=True)
    model, teacher = step.driver.model, step.driver.strategy.terms["features"].teacher.module  # type: ignore[union-attr]
    assert isinstance(model, Network) and isinstance(teacher, Network)
    with torch.no_grad():
        f, g = unit(model.features(step.batch.x)), unit(teacher.features(step.batch.x))
        cosines = f @ unit(model.head.weight).T  # type: ignore[arg-type]
    ranks = [
        max(0.5 - float(cosines[i, y]) + float(cosines[i, c]), 0.0) / 2
        for i, y in enumerate(step.batch.y.tolist())
        if y in OLD
        for c in NEW
    ]
    exemplars = sum(int(y) in OLD for y in step.batch.y)
    expected = (
        ce(cosines * float(model.get_parameter("head.sigma").detach()), step.batch.y, SEEN)
        + 5 * (4 / 2) ** 0.5 * float((1 - (f * g).sum(dim=1)).mean())
        + 0.7 * sum(ranks) / exemplars
    )
    assert exemplars and float(step.total.detach()) == pytest.approx(expected, rel=1e-9)


def test_the_margin_does_not_move_sigma() -> None:
    step = third_task(lucir(memory=12), network(), exemplars=True)
    value = step.driver.strategy.terms["margin"].value(step.lesson)
    assert value is not None
    sigma = step.driver.model.get_parameter("head.sigma")
    (gradient,) = torch.autograd.grad(value, [sigma])
    assert abs(float(gradient)) < 1e-12


def test_old_rows_stay_in_the_main_training() -> None:
    step = third_task(lucir(memory=12), network(), exemplars=True)
    weight = step.driver.model.get_parameter("head.weight")
    before = weight.detach().clone()
    step.driver.step(step.batch)
    moved = (weight != before).any(dim=1)
    assert moved.nonzero().squeeze(1).tolist() == list(NEW)


def test_another_head_is_refused() -> None:
    with pytest.raises(BadCall, match="cosine"):
        third_task(lucir(memory=12, fix_old=False), network("linear"))
