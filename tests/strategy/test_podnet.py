"""PODNet and AFC against their formulas, on a network with two maps."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.backbone import Backbone
from lifelong_kd.model.build import build_network
from lifelong_kd.model.lsc import lsc
from lifelong_kd.model.network import Network
from lifelong_kd.strategy.afc import afc
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.podnet import podnet
from tests.strategy.by_hand import NEW, OLD, Step, third_task

FACTOR = (6 / 2) ** 0.5


class Maps(Backbone):
    """Vectors (B, 5) to maps (B, 3, 2, 3), (B, 4, 2, 3) and features (B, 4)."""

    def __init__(self) -> None:
        super().__init__()
        first = nn.Sequential(nn.Linear(5, 18), nn.Unflatten(1, (3, 2, 3)), nn.Tanh())
        second = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Tanh())
        self.stages = nn.Sequential(OrderedDict(stage1=first, stage2=second))
        self.feature_size = 4

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.stages(x).mean(dim=(2, 3))
        return features


def step_of(strategy: Strategy) -> Step:
    torch.manual_seed(0)
    return third_task(strategy, Network(Maps(), lsc(4, 6, proxies=2, scale=3.0)).double(), exemplars=True)


def maps(model: nn.Module, x: Tensor) -> tuple[list[Tensor], Tensor]:
    with torch.no_grad():
        first = model.backbone.stages.stage1(x)  # type: ignore[union-attr,operator]
        second = model.backbone.stages.stage2(first)  # type: ignore[union-attr,operator]
    return [first, second], second.mean(dim=(2, 3))


def both(step: Step) -> tuple[list[Tensor], Tensor, list[Tensor], Tensor]:
    term = next(iter(step.driver.strategy.terms.values()))
    return (*maps(step.driver.model, step.batch.x), *maps(term.teacher.module, step.batch.x))  # type: ignore[union-attr]


def unit(vector: Tensor) -> Tensor:
    return vector / vector.square().sum().sqrt()


def nca(logits: Tensor, y: Tensor, margin: float) -> float:
    total = 0.0
    for i, c in enumerate(y.tolist()):
        others = sum(float(logits[i, o].exp()) for o in range(6) if o != c)
        total += max(0.0, -(float(logits[i, c]) - margin) + float(torch.tensor(others).log()))
    return total / len(y)


def test_podnet_is_its_formula() -> None:
    step = step_of(podnet(memory=12, margin=0.4, fine_tuning_epochs=0))
    mine, f, theirs, g = both(step)
    spatial = flat = 0.0
    for i in range(len(f)):
        for a, b in zip(mine, theirs, strict=True):
            pooled = [
                unit(torch.cat([m[i].square().sum(2).flatten(), m[i].square().sum(1).flatten()]))
                for m in (a, b)
            ]
            spatial += float((pooled[0] - pooled[1]).square().sum().sqrt()) / 2
        flat += 1 - float(unit(f[i]) @ unit(g[i]))
    expected = nca(step.student(), step.batch.y, 0.4) + FACTOR * (3 * spatial + flat) / len(f)
    assert float(step.total.detach()) == pytest.approx(expected, rel=1e-6)


def test_the_margin_acts() -> None:
    """In PODNet's own code the loss is the same for every margin."""
    losses = []
    for margin in (0.0, 5.0):
        step = step_of(podnet(memory=12, margin=margin, spatial_weight=0.0, flat_weight=0.0))
        losses.append(float(step.total.detach()))
    assert losses[1] > losses[0] + 1


def test_afc_is_its_formula() -> None:
    step = step_of(afc(memory=12, margin=0.4, fine_tuning_epochs=0))
    mine, _, theirs, _ = both(step)
    importance = step.driver.strategy.terms["maps"].afc.importance  # type: ignore[attr-defined]
    assert all(float(each.mean()) == pytest.approx(1) and float(each.std()) > 0 for each in importance)
    total = 0.0
    for a, b, weights in zip(mine, theirs, importance, strict=True):
        for i in range(len(a)):
            for c, weight in enumerate(weights.tolist()):
                difference = unit(a[i, c].square().flatten()) - unit(b[i, c].square().flatten())
                total += weight * float(difference.square().sum().sqrt()) / a.shape[1] / 2
    expected = nca(step.student(), step.batch.y, 0.4) + 4 * FACTOR * total / len(step.batch)
    assert float(step.total.detach()) == pytest.approx(expected, rel=1e-6)


def test_importance_is_the_mean_square_of_each_samples_own_gradient() -> None:
    step = step_of(afc(memory=12, fine_tuning_epochs=0))
    strategy, model = step.driver.strategy, step.driver.model
    # The training view of these tests shifts each sample at random: measure on the samples as they are.
    stage = strategy.stage
    stage.data.augmented = lambda raw, generator: raw  # type: ignore[method-assign]
    strategy.terms["maps"].end_task(stage)
    memory = strategy.memory
    assert memory is not None
    kept = memory.take(torch.arange(len(memory)))
    x, y = torch.cat([stage.data.x, kept["raw"]]), torch.cat([stage.data.targets, kept["y"]])  # type: ignore[attr-defined]
    sums = torch.zeros(3, dtype=torch.float64)
    for i in range(len(x)):
        first = model.backbone.stages.stage1(x[i : i + 1])  # type: ignore[union-attr,operator]
        second = model.backbone.stages.stage2(first)  # type: ignore[union-attr,operator]
        logits = model.head(second.mean(dim=(2, 3)))  # type: ignore[operator]
        loss = stage.loss(logits, y[i : i + 1], torch.zeros(1, dtype=torch.int64))
        (gradient,) = torch.autograd.grad(loss, first)
        sums += gradient[0].square().sum(dim=(1, 2))
    found = strategy.terms["maps"].afc.importance[0]  # type: ignore[attr-defined]
    assert found.tolist() == pytest.approx((sums / sums.mean()).tolist(), rel=1e-5)


def test_old_proxies_stay_and_new_ones_move() -> None:
    step = step_of(podnet(memory=12))
    weight = step.driver.model.get_parameter("head.weight")
    before = weight.detach().clone()
    step.driver.step(step.batch)
    moved = (weight != before).flatten(1).any(dim=1)
    assert [moved[c].item() for c in (*OLD, *NEW)] == [False] * 4 + [True] * 2


def test_another_head_is_refused() -> None:
    with pytest.raises(BadCall, match="lsc"):
        third_task(podnet(memory=12), build_network((5,), 6, model=("mlp", {"hidden": [4]})).double())
