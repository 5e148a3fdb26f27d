"""LwM against its formula; its attention term is alive and its maps have length 1."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from lifelong_kd.strategy.lwm import lwm
from tests.strategy.by_hand import NEW, OLD, Step, ce, kl, third_task


class Convolutional(nn.Module):
    """Five numbers become a 2x3 image of four channels, through one stage."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Linear(5, 6)
        self.stage1 = nn.Conv2d(1, 4, 3, padding=1)
        self.head = nn.Linear(4, 6)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.stage1(self.stem(x).view(-1, 1, 2, 3))).mean(dim=(2, 3)))


def attention(model: Convolutional, x: Tensor, classes: Tensor) -> Tensor:
    """ReLU(sum_k alpha_k A_k) of the given class at length 1; the slope of this network's logits worked out by hand."""
    maps = model.stage1(model.stem(x).view(-1, 1, 2, 3))
    slope = model.head.weight[classes][:, :, None, None] * (1 - torch.tanh(maps) ** 2) / 6
    found = (slope.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1).clamp_min(0).flatten(1)
    return found / found.norm(dim=1, keepdim=True).clamp_min(1e-12)


def step_of(**options: object) -> Step:
    return third_task(lwm(**options), Convolutional())  # type: ignore[arg-type]


def test_lwm_is_its_formula() -> None:
    step = step_of(weight=0.5, attention=3.0)
    said, taught = step.student(), step.taught("kd")
    top = torch.tensor(OLD)[taught[:, list(OLD)].argmax(dim=1)]
    student, teacher = step.driver.model, step.driver.strategy.terms["kd"].teacher.module  # type: ignore[union-attr]
    q_s, q_t = (attention(each, step.batch.x, top).detach() for each in (student, teacher))
    assert torch.allclose(q_t.norm(dim=1), torch.ones(len(q_t), dtype=q_t.dtype))
    expected = ce(said, step.batch.y, NEW) + 0.5 * 4 * kl(said, taught, OLD)
    expected += 3.0 * float((q_t - q_s).abs().sum(dim=1).mean())
    assert float(step.total.detach()) == pytest.approx(expected, rel=1e-8)
    assert step.parts()["attention"][0] > 0


def test_the_attention_term_has_a_gradient_of_its_own() -> None:
    step = step_of(weight=0.0, attention=1.0)
    value = step.driver.strategy.terms["attention"].value(step.lesson)
    assert value is not None
    value.backward()
    assert float(step.driver.model.stage1.weight.grad.abs().max()) > 1e-6  # type: ignore[union-attr]
    module = step.driver.strategy.terms["attention"].teacher.module  # type: ignore[union-attr]
    assert all(parameter.grad is None for parameter in module.parameters())
