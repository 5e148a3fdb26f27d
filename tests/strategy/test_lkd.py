"""LKD: the host's distillation of logits, standardised over old and new classes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.strategy.bic import bic
from lifelong_kd.strategy.icarl import icarl
from lifelong_kd.strategy.lkd import lkd
from lifelong_kd.strategy.lwf import lwf
from lifelong_kd.strategy.naive import naive
from lifelong_kd.strategy.wa import wa
from tests.strategy.by_hand import NEW, OLD, SEEN, ce, kl, third_task


def standard(logits: Tensor, columns: tuple[int, ...], dim: int) -> Tensor:
    z = logits[:, list(columns)]
    z = (z - z.mean(dim=dim, keepdim=True)) / (1e-7 + z.std(dim=dim, keepdim=True))
    found = torch.zeros_like(logits)
    found[:, list(columns)] = z
    return found


def test_lkd_on_lwf_is_its_formula() -> None:
    step = third_task(lkd(on=lwf(task_loss="new"), intra=0.5, weight=1.5))
    said, taught = step.student(), step.taught("kd")
    inter = 4 * kl(standard(said, SEEN, 1), standard(taught, OLD, 1), OLD)
    along = [standard(each, OLD, 0)[:, list(OLD)].T for each in (said, taught)]
    intra = 4 * kl(along[0], along[1], range(len(said)))
    expected = ce(said, step.batch.y, NEW) + 1.5 * (inter + 0.5 * intra)
    assert float(step.total.detach()) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("host", "expected"),
    [(lwf, 1.0), (bic, 4 / 6), (wa, 4 / 6), (icarl, 1.0)],
)
def test_a_host_keeps_its_weight_and_the_rest(host, expected: float) -> None:  # type: ignore[no-untyped-def]
    options = {} if host is lwf else {"memory": 12}
    options |= {"held": 0.4} if host is bic else {}
    plain, made = host(**options), lkd(on=host(**options))
    step = third_task(made)
    (name,) = made.terms
    assert step.parts()[name][1] == pytest.approx(expected)
    assert made.held.share == plain.held.share and made.train_on == plain.train_on
    assert [type(each) for each in made.corrections] == [type(each) for each in plain.corrections]


def test_a_host_is_named_or_made_and_distils_logits() -> None:
    assert set(lkd(on="lwf").terms) == {"kd"}
    with pytest.raises(BadCall, match="distils none"):
        lkd(on=naive())
    with pytest.raises(BadCall, match="works on a strategy"):
        lkd(on=3)
