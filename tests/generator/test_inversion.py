"""DeepInversion against slow loops, and that it makes the solver sure."""

from __future__ import annotations

import io
import math

import pytest
import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Task
from lifelong_kd.generator.against import Against
from lifelong_kd.generator.inversion import DeepInversion
from lifelong_kd.generator.smoothness import blurred, roughness, total_variation
from lifelong_kd.generator.statistics import Statistics, gaussian_kl, statistics_l2
from lifelong_kd.teacher.snapshot import Snapshot
from tests.generator.solver import SECOND, Pixels, learned_solver, no_batch_norm

CPU = torch.device("cpu")


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


# ---- the parts of the loss ------------------------------------------------------------------------------------


def test_total_variation_is_the_loop() -> None:
    x = rand(2, 3, 4, 5)
    expected = []
    for image in x:
        sums = dict.fromkeys(("across", "down", "up", "diagonal"), 0.0)
        for c in range(3):
            for i in range(4):
                for j in range(5):
                    here = float(image[c, i, j])
                    if j < 4:
                        sums["across"] += (here - float(image[c, i, j + 1])) ** 2
                    if i < 3:
                        sums["down"] += (here - float(image[c, i + 1, j])) ** 2
                    if i < 3 and j < 4:
                        sums["diagonal"] += (here - float(image[c, i + 1, j + 1])) ** 2
                    if i > 0 and j < 4:
                        sums["up"] += (here - float(image[c, i - 1, j + 1])) ** 2
        expected.append(sum(math.sqrt(value) for value in sums.values()))
    assert total_variation(x).tolist() == pytest.approx(expected, rel=1e-5)


def test_a_flat_image_has_no_variation_and_a_finite_slope() -> None:
    x = torch.full((2, 1, 4, 4), 0.3, requires_grad=True)
    value = total_variation(x).sum() + roughness(x)
    value.backward()
    assert float(value.detach()) == pytest.approx(0.0, abs=1e-6)
    assert x.grad is not None and torch.equal(x.grad, torch.zeros_like(x.grad))


def test_blur_is_the_loop_with_mirrored_edges() -> None:
    x = rand(1, 2, 5, 4)
    weight = [
        [math.exp(-((i / 2) ** 2)) * math.exp(-((j / 2) ** 2)) for j in range(-2, 3)] for i in range(-2, 3)
    ]
    total = sum(map(sum, weight))

    def mirrored(position: int, side: int) -> int:
        position = abs(position)
        return 2 * (side - 1) - position if position >= side else position

    for c in range(2):
        for i in range(5):
            for j in range(4):
                value = sum(
                    weight[a + 2][b + 2] / total * float(x[0, c, mirrored(i + a, 5), mirrored(j + b, 4)])
                    for a in range(-2, 3)
                    for b in range(-2, 3)
                )
                assert float(blurred(x)[0, c, i, j]) == pytest.approx(value, rel=1e-5)
    assert torch.equal(blurred(x[..., :2]), x[..., :2])


def test_gaussian_kl_is_torchs() -> None:
    mean, variance, kept_mean, kept_variance = (rand(6, seed=seed) + 0.5 for seed in range(4))
    kept = torch.distributions.Normal(kept_mean, kept_variance.sqrt())
    batch = torch.distributions.Normal(mean, variance.sqrt())
    expected = torch.distributions.kl_divergence(kept, batch).mean()
    torch.testing.assert_close(gaussian_kl(mean, variance, kept_mean, kept_variance), expected)


@pytest.mark.parametrize("distance", [statistics_l2, gaussian_kl])
def test_statistics_are_zero_where_they_match_and_positive_elsewhere(distance: object) -> None:
    layers = nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 4), nn.BatchNorm1d(4)
    )
    x = rand(8, 2, 4, 4)
    layers.eval()
    with torch.no_grad():
        first = layers[0](x)
        layers[1].running_mean.copy_(first.mean(dim=(0, 2, 3)))  # type: ignore[operator]
        layers[1].running_var.copy_(first.var(dim=(0, 2, 3), correction=0))  # type: ignore[operator]
        second = layers[3](layers[2](layers[1](first)))
        layers[4].running_mean.copy_(second.mean(dim=0))  # type: ignore[operator]
        layers[4].running_var.copy_(second.var(dim=0, correction=0))  # type: ignore[operator]
    with Statistics(layers, distance) as statistics:  # type: ignore[arg-type]
        layers(x)
        apart = statistics.total()
        assert apart is not None and float(apart.detach()) == pytest.approx(0.0, abs=1e-5)
        layers(x + 1)
        moved = statistics.total()
        assert moved is not None and float(moved.detach()) > 0.1
        assert statistics.total() is None
    layers(x)
    assert statistics.total() is None


def test_the_loss_is_its_formula() -> None:
    solver, data = learned_solver(), Pixels((2, 3))
    inversion = DeepInversion(samples=6, statistics=0.7, variation=0.3, l2=0.2)
    against = Against(solver, SECOND, data, CPU)
    raw, y = rand(6, 1, 6, 6), torch.tensor([0, 1, 0, 1, 1, 0])
    with Statistics(against.module, statistics_l2) as statistics:
        value = float(inversion.loss(against, raw, y, statistics).detach())
    module = against.module
    with torch.no_grad():
        logits = module(raw)[:, :2]
        ce = sum(float(torch.logsumexp(row, 0) - row[c]) for row, c in zip(logits, y, strict=True)) / 6
        x, apart = raw, 0.0
        for part in module.backbone.stages:  # type: ignore[union-attr]
            for layer in part:
                if isinstance(layer, nn.BatchNorm2d):
                    for kept, found in (
                        (layer.running_mean, x.mean(dim=(0, 2, 3))),
                        (layer.running_var, x.var(dim=(0, 2, 3), correction=0)),
                    ):
                        assert kept is not None
                        apart += math.sqrt(
                            sum((float(a) - float(b)) ** 2 for a, b in zip(kept, found, strict=True))
                        )
                x = layer(x)
    lengths = [math.sqrt(sum(float(v) ** 2 for v in image.flatten())) for image in raw]
    variation = float(total_variation(raw).mean())
    expected = ce + 0.7 * apart + 0.3 * variation + 0.2 * sum(lengths) / 6
    assert value == pytest.approx(expected, rel=1e-4)


# ---- the bank -------------------------------------------------------------------------------------------------


def begun(solver: Snapshot, **options: float) -> DeepInversion:
    small = {"samples": 9, "iterations": 40, "batch": 8, "statistics": 0.1}
    made = DeepInversion(**{**small, **options})  # type: ignore[arg-type]
    made.begin(Seeds(3), CPU)
    made.begin_task(SECOND, Pixels((2, 3)), solver)
    return made


def test_inversion_makes_the_solver_surer_than_noise() -> None:
    solver = learned_solver()
    made = begun(solver)
    drawn = made.draw(64, torch.Generator().manual_seed(0))
    assert drawn.y is not None and solver.module is not None
    assert drawn.raw.min() >= 0 and drawn.raw.max() <= 1 and not drawn.raw.requires_grad

    def sure(raw: Tensor) -> float:
        chances = torch.softmax(solver.module(raw)[:, :2], dim=1)  # type: ignore[misc]
        return float(chances.gather(1, drawn.y[:, None]).mean())  # type: ignore[index]

    with torch.no_grad():
        assert sure(rand(64, 1, 6, 6)) < 0.7
        assert sure(drawn.raw) > 0.9
    assert made.values["confidence"] > 0.9 and made.values["batch_norm_layers"] == 2


def test_statistics_of_what_was_inverted_are_nearer() -> None:
    solver = learned_solver()

    def apart(weight: float) -> float:
        made = begun(solver, samples=16, batch=16, statistics=weight, iterations=60)
        state = made.state_dict()
        with torch.no_grad(), Statistics(solver.module, statistics_l2) as statistics:  # type: ignore[arg-type]
            solver.module(state["raw"])  # type: ignore[misc]
            return float(statistics.total())  # type: ignore[arg-type]

    assert apart(10.0) < 0.5 * apart(0.0)


def test_every_old_class_comes_as_often_as_the_others() -> None:
    made = begun(learned_solver())
    assert sorted(made.state_dict()["y"].tolist()) == [0] * 5 + [1] * 4


def test_the_first_task_and_a_resumed_one_make_nothing() -> None:
    made = DeepInversion(iterations=10**9)
    made.begin(Seeds(0), CPU)
    made.begin_task(Task(0, "class", (0, 1)), Pixels((0, 1)), Snapshot())
    made.begin_task(SECOND, Pixels((2, 3)), learned_solver(), resumed=True)
    assert not made.ready
    with pytest.raises(RuntimeError, match="before there were any"):
        made.draw(1, torch.Generator())


def test_a_bank_is_saved_and_comes_back_bit_for_bit() -> None:
    made = begun(learned_solver(), iterations=2)
    file = io.BytesIO()
    torch.save(made.state_dict(), file)
    file.seek(0)
    other = DeepInversion()
    other.begin(Seeds(3), CPU)
    other.load_state_dict(torch.load(file, weights_only=True))
    one, two = (each.draw(5, torch.Generator().manual_seed(1)) for each in (made, other))
    assert torch.equal(one.raw, two.raw) and torch.equal(one.y, two.y)  # type: ignore[arg-type]
    assert other.values == made.values


def test_a_solver_without_batch_norm_is_inverted_all_the_same_and_the_log_says_so() -> None:
    made = begun(no_batch_norm(), iterations=3)
    assert made.ready and made.values["batch_norm_layers"] == 0


def test_samples_that_are_no_images_have_no_bounds() -> None:
    solver = no_batch_norm(flat=True)
    made = DeepInversion(samples=4, iterations=5, l2=0.1)
    made.begin(Seeds(0), CPU)
    made.begin_task(SECOND, Pixels((2, 3), flat=True), solver)
    assert made.draw(4, torch.Generator()).raw.shape == (4, 36)
    assert made.state_dict()["raw"].min() < 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"samples": 0}, "samples must be at least 1"),
        ({"iterations": 0}, "iterations must be at least 1"),
        ({"batch": 1}, "batch must be at least 2"),
        ({"lr": 0.0}, "lr"),
        ({"statistics": -1.0}, "statistics"),
        ({"variation": -1.0}, "variation"),
        ({"l2": -1.0}, "l2"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, float], words: str) -> None:
    with pytest.raises((BadCall, ValueError), match=words):
        DeepInversion(**options)  # type: ignore[arg-type]
