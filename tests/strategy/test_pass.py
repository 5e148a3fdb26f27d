"""PASS against its formula, with rotations and without."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Batch
from lifelong_kd.model.build import build_network
from lifelong_kd.model.network import Network
from lifelong_kd.strategy.pass_ import pass_
from lifelong_kd.strategy.prototypes import Prototypes
from lifelong_kd.strategy.rotation import RotatedClasses
from tests.strategy.by_hand import third_task
from tests.strategy.driver import Data, Driver, linear, tasks_of

SIDE = 4


class Images(Data):
    def augmented(self, raw: Tensor, generator: torch.Generator) -> Tensor:
        return raw


def images(new: tuple[int, ...], each: int = 8) -> Images:
    rng = torch.Generator().manual_seed(sum(new))
    y = torch.tensor(new).repeat(each)
    x = torch.randn(len(y), 1, SIDE, SIDE, generator=rng, dtype=torch.float64)
    return Images(x + y[:, None, None, None], y, torch.zeros_like(y))


def network() -> nn.Module:
    torch.manual_seed(0)
    return build_network((1, SIDE, SIDE), 4, model=("mlp", {"hidden": [6]})).double()


def second_task(**options: object) -> tuple[Driver, Batch]:
    driver = Driver(pass_(**options), network())  # type: ignore[arg-type]
    for task in tasks_of([(3, 0), (2, 1)]):
        data = driver.begin(task, images(task.new))
        driver.step(Batch(data.x[:9], data.targets[:9], data.labels[:9], data.x[:9]))
        if task.index == 0:
            driver.end()
    return driver, Batch(data.x[9:], data.targets[9:], data.labels[9:], data.x[9:])


def test_pass_is_its_formula() -> None:
    driver, batch = second_task(weight=0.7, prototype_weight=0.3, temperature=0.5)
    classes, prototypes = (driver.strategy.terms[name] for name in ("classes", "prototypes"))
    assert isinstance(classes, RotatedClasses) and isinstance(prototypes, Prototypes)
    model, teacher = driver.model, driver.strategy.terms["features"].teacher
    assert isinstance(model, Network) and classes._weight is not None and classes._bias is not None
    assert prototypes.means is not None and prototypes.y is not None
    state = driver.seeds.generator("prototypes").get_state()
    loss, lesson = driver.lesson(batch)
    total = driver.strategy.loss(loss, lesson)

    def wide(features: Tensor) -> Tensor:
        """Logits of four rotations by four classes, side by side."""
        rest = [features @ w.T + b for w, b in zip(classes._weight, classes._bias, strict=True)]  # type: ignore[arg-type]
        return torch.cat([model.head(features), *rest], dim=1) / 0.5

    def ce(logits: Tensor, y: Tensor) -> float:
        return float(-logits.log_softmax(1)[torch.arange(len(y)), y].mean())

    with torch.no_grad():
        turned = torch.cat([torch.rot90(batch.x, k, (2, 3)) for k in range(4)])
        y = torch.cat([batch.y + 4 * k for k in range(4)])
        f, g = model.features(turned), teacher.module.features(turned)  # type: ignore[union-attr]
        rng = torch.Generator()
        rng.set_state(state)
        chosen = torch.randint(2, (len(batch),), generator=rng)
        noise = torch.randn(len(batch), 6, generator=rng)
        points = prototypes.means[chosen] + prototypes.radius * noise
        expected = (
            ce(wide(f), y)
            + 0.7 * float((f - g).square().sum().sqrt())
            + 0.3 * ce(wide(points), prototypes.y[chosen])
        )
    assert prototypes.radius > 0
    assert float(total.detach()) == pytest.approx(expected, rel=1e-6)


def test_prototypes_are_the_means_of_features_and_the_radius_their_spread() -> None:
    driver, _ = second_task()
    prototypes, teacher = driver.strategy.terms["prototypes"], driver.strategy.terms["features"].teacher
    assert isinstance(prototypes, Prototypes) and prototypes.means is not None and prototypes.y is not None
    data = images((3, 0))
    with torch.no_grad():
        features = teacher.module.features(data.x)  # type: ignore[union-attr]
    spread = 0.0
    for mean, column in zip(prototypes.means, prototypes.y.tolist(), strict=True):
        mine = features[data.targets == column]
        assert torch.allclose(mean, mine.mean(dim=0))
        spread += float(torch.cov(mine.T).trace()) / 6 / 2
    assert prototypes.radius == pytest.approx(spread**0.5)


def test_the_head_of_the_turned_classes_learns() -> None:
    driver, batch = second_task()
    classes = driver.strategy.terms["classes"]
    assert isinstance(classes, RotatedClasses) and classes._weight is not None
    before = classes._weight.detach().clone()
    driver.step(batch)
    assert (classes._weight != before).flatten(1).any(dim=1).all()


def test_only_square_images_are_rotated() -> None:
    torch.manual_seed(0)
    model = build_network((5,), 6, model=("mlp", {"hidden": [6]})).double()
    with pytest.raises(BadCall, match="rotations"):
        third_task(pass_(), model)
    assert set(third_task(pass_(rotations=False), model).parts()) == {
        "task",
        "classes",
        "features",
        "prototypes",
    }


@pytest.mark.parametrize("scenario", ["task", "domain"])
def test_other_streams_are_refused(scenario: str) -> None:
    driver = Driver(pass_(), linear(4))
    with pytest.raises(BadCall, match="class-incremental"):
        driver.begin(tasks_of([(0, 1), (2, 3)], scenario)[0])  # type: ignore[arg-type]
