"""ABD's generator: its loss against a slow loop, and what training and restarts do."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Task
from lifelong_kd.generator.adversarial import Abd, unevenness
from lifelong_kd.generator.against import Against
from lifelong_kd.generator.smoothness import blurred
from lifelong_kd.generator.statistics import Statistics, gaussian_kl
from lifelong_kd.teacher.snapshot import Snapshot
from tests.generator.solver import SECOND, Pixels, learned_solver, no_batch_norm

CPU = torch.device("cpu")
THIRD = Task(2, "class", (4, 5), ((0, 1), (2, 3)), {0: (0, 1, 2, 3, 4, 5)})


def small(**options: float) -> Abd:
    made = Abd(**{"iterations": 2, "batch": 8, "latent": 4, "width": 4, **options})  # type: ignore[arg-type]
    made.begin(Seeds(3), CPU)
    return made


def weights(made: Abd) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in made.state_dict()["network"].items()}


def test_unevenness_is_the_entropy_of_the_histogram() -> None:
    logits = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    chances = [[math.exp(v) / sum(map(math.exp, row)) for v in row] for row in logits.tolist()]
    mean = [sum(row[c] for row in chances) / 7 for c in range(3)]
    expected = 1 + sum(p * math.log(p) for p in mean) / math.log(3)
    assert float(unevenness(logits)) == pytest.approx(expected, rel=1e-5)
    assert float(unevenness(torch.tensor([[200.0, 0.0, 0.0]]))) == pytest.approx(1.0)
    assert float(unevenness(torch.zeros(4, 1))) == 0.0


def test_the_loss_is_its_formula() -> None:
    solver, data = learned_solver(), Pixels((2, 3))
    made = small(content=0.9, tau=5.0, balance=0.8, statistics=0.7, smoothness=0.6)
    against = Against(solver, SECOND, data, CPU)
    raw = torch.rand(6, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    with Statistics(against.module, gaussian_kl) as statistics:
        value = float(made.loss(against, raw, statistics).detach())
    with torch.no_grad():
        logits = against.module(raw)[:, :2]
        soft = logits / 5.0
        ce = sum(float(torch.logsumexp(row, 0) - row.max()) for row in soft) / 6
        smooth = float((raw - blurred(raw)).square().mean())
        apart, x = 0.0, raw
        for part in against.module.backbone.stages:  # type: ignore[union-attr]
            for layer in part:
                if isinstance(layer, nn.BatchNorm2d):
                    assert layer.running_mean is not None and layer.running_var is not None
                    each = 0.0
                    for c in range(x.shape[1]):
                        m, v = float(x[:, c].mean()), float(x[:, c].var(correction=0)) + 1e-8
                        km, kv = float(layer.running_mean[c]), float(layer.running_var[c]) + 1e-8
                        each += math.log(math.sqrt(v / kv)) - 0.5 * (1 - (kv + (km - m) ** 2) / v)
                    apart += each / x.shape[1] / 2
                x = layer(x)
    expected = 0.9 * ce + 0.8 * float(unevenness(logits)) + 0.7 * apart + 0.6 * smooth
    assert value == pytest.approx(expected, rel=1e-4)


def test_training_lowers_the_loss_and_makes_both_classes() -> None:
    solver, data = learned_solver(), Pixels((2, 3))
    losses = []
    for iterations in (1, 120):
        made = small(iterations=iterations, lr=0.01, statistics=5.0, tau=1.0, batch=32, latent=8, width=8)
        made.begin_task(SECOND, data, solver)
        losses.append(made.values["loss"])
    assert losses[1] < 0.5 * losses[0]
    drawn = made.draw(60, torch.Generator().manual_seed(0))
    assert drawn.y is None and drawn.raw.shape == (60, 1, 6, 6) and not drawn.raw.requires_grad
    assert drawn.raw.min() >= 0 and drawn.raw.max() <= 1
    with torch.no_grad():
        said = solver.module(drawn.raw)[:, :2].argmax(dim=1)  # type: ignore[misc]
    assert 10 <= int(said.sum()) <= 50


def test_a_network_goes_on_from_task_to_task_unless_it_is_fresh() -> None:
    data = Pixels((2, 3))
    for fresh in (False, True):
        made = small(fresh=fresh, iterations=1)
        made.begin_task(SECOND, data, learned_solver())
        before = weights(made)
        assert (made.nbytes > 0) != fresh
        made.begin_task(THIRD, data, learned_solver())
        after = weights(made)
        step = max(float((before[name] - after[name]).abs().max()) for name in before if "end.3" in name)
        # One step of Adam moves a weight by its learning rate at most.
        assert (step <= 1.1e-3) != fresh


def test_the_first_task_and_a_resumed_one_train_nothing() -> None:
    made = small(iterations=10**9)
    made.begin_task(Task(0, "class", (0, 1)), Pixels((0, 1)), Snapshot())
    made.begin_task(SECOND, Pixels((2, 3)), learned_solver(), resumed=True)
    assert not made.ready and made.state_dict() == {"shape": None}
    with pytest.raises(RuntimeError, match="before there was a network"):
        made.draw(1, torch.Generator())


def test_a_restart_between_two_tasks_changes_nothing() -> None:
    data = Pixels((2, 3))
    whole, cut = small(), small()
    whole.begin_task(SECOND, data, learned_solver())
    cut.load_state_dict(whole.state_dict())
    one, two = (each.draw(5, torch.Generator().manual_seed(1)) for each in (whole, cut))
    assert torch.equal(one.raw, two.raw)
    for made in (whole, cut):
        made.begin_task(THIRD, data, learned_solver())
    assert all(torch.equal(value, weights(cut)[name]) for name, value in weights(whole).items())


def test_rows_of_numbers_come_from_dense_layers_and_without_batch_norm_the_log_says_so() -> None:
    made = small(iterations=3)
    made.begin_task(SECOND, Pixels((2, 3), flat=True), no_batch_norm(flat=True))
    assert made.draw(3, torch.Generator()).raw.shape == (3, 36)
    assert made.values["batch_norm_layers"] == 0


@pytest.mark.parametrize("name", ["iterations", "batch", "latent", "width"])
def test_sizes_out_of_range_are_refused(name: str) -> None:
    with pytest.raises(BadCall, match=f"{name} must be at least"):
        Abd(**{name: 0})  # type: ignore[arg-type]
