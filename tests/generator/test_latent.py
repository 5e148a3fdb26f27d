"""Latent replay: what the inner generator is told, in which units, and by whose stage."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Batch
from lifelong_kd.generator.inversion import DeepInversion
from lifelong_kd.generator.latent import LatentReplay
from lifelong_kd.generator.vae import Vae
from lifelong_kd.model.build import build_network
from lifelong_kd.model.inside import output_at
from lifelong_kd.model.network import Network
from lifelong_kd.teacher.snapshot import Snapshot
from tests.generator.solver import FIRST, SECOND, Pixels, snapshot

CPU = torch.device("cpu")


class Heard(Vae):
    """An autoencoder that remembers what it was told."""

    def __init__(self, **options: Any) -> None:
        super().__init__(hidden=[8], latent=3, **options)
        self.told: list[tuple[Batch, Batch | None, float]] = []

    def learn(self, new: Batch, replayed: Batch | None, share: float) -> None:
        self.told.append((new, replayed, share))
        super().learn(new, replayed, share)


def student(seed: int = 0) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_network((1, 6, 6), 4, model=("mlp", {"hidden": [5, 4], "batch_norm": True})).eval()


def batch(data: Pixels, rows: list[int]) -> Batch:
    index = torch.tensor(rows)
    y = data.targets[index]
    return Batch(data.plain(data.x[index]), y, torch.zeros_like(y), data.x[index])


def first_task(inner: Vae, model: Network, at: str = "layer1", steps: int = 3) -> LatentReplay:
    made, data = LatentReplay(at=at, inner=inner), Pixels((0, 1))
    made.begin(Seeds(2), CPU)
    made.check(FIRST, data, model)
    made.begin_task(FIRST, data, Snapshot())
    for step in range(steps):
        made.learn(batch(data, [step, step + 20]), None, 0.0)
    assert not made.ready
    made.end_task(FIRST, data, model)
    return made


def test_the_first_task_is_learned_at_its_end_from_what_the_student_has_become() -> None:
    inner, model = Heard(likelihood="gaussian"), student()
    made = first_task(inner, model)
    assert len(inner.told) == 3 and made.ready and made.level == "layer1"
    data = Pixels((0, 1))
    with torch.no_grad():
        every = output_at(model, data.plain(data.x), "layer1")
    assert made.scale == pytest.approx(float(every.square().mean().sqrt()), rel=1e-6)
    for new, replayed, share in inner.told:
        assert replayed is None and share == 0.0 and len(new) == 2
        # Each is the stage's output of some sample of the task, by the scale, with that sample's class.
        for row, column in zip(new.raw, new.y, strict=True):
            away = (every / made.scale - row).abs().amax(dim=1)
            assert float(away.min()) < 1e-5 and int(data.targets[away.argmin()]) == int(column)


def test_later_tasks_are_learned_beside_the_student_from_the_frozen_stage() -> None:
    inner, model, data = Heard(likelihood="gaussian"), student(), Pixels((2, 3))
    made = first_task(inner, model)
    inner.told.clear()
    solver = snapshot(model)
    made.begin_task(SECOND, data, solver)
    moved = student(1)
    made.check(SECOND, data, moved)
    drawn = made.draw(4, torch.Generator().manual_seed(0))
    y = torch.zeros(4, dtype=torch.int64)
    new = batch(data, [0, 3, 30])
    made.learn(new, Batch(drawn.raw, y, y, drawn.raw, at="layer1"), 0.5)
    ((told, replayed, share),) = inner.told
    with torch.no_grad():
        torch.testing.assert_close(told.raw, output_at(model, new.x, "layer1") / made.scale)
    assert replayed is not None and share == 0.5
    torch.testing.assert_close(replayed.raw, drawn.raw / made.scale)
    assert torch.equal(told.y, new.y) and told.index is None


def test_draws_are_in_the_units_and_range_of_the_stage() -> None:
    made = first_task(Heard(likelihood="gaussian"), student())
    drawn = made.draw(50, torch.Generator().manual_seed(0))
    plain = made.inner.draw(50, torch.Generator().manual_seed(0)).raw
    assert made.positive and plain.min() < 0
    torch.testing.assert_close(drawn.raw, (plain * made.scale).clamp(min=0))
    made.positive = False
    torch.testing.assert_close(made.draw(50, torch.Generator().manual_seed(0)).raw, plain * made.scale)


def test_a_restart_inside_a_task_changes_nothing() -> None:
    def learned(cut: bool) -> tuple[Tensor, float | None]:
        model, data = student(), Pixels((2, 3))
        made = first_task(Heard(likelihood="gaussian"), model)
        made.begin_task(SECOND, data, snapshot(model))
        made.learn(batch(data, [1, 25]), None, 0.5)
        if cut:
            file = io.BytesIO()
            torch.save({"made": made.state_dict(), "seeds": made._seeds.state_dict()}, file)
            file.seek(0)
            state = torch.load(file, weights_only=True)
            made, seeds = LatentReplay(at="layer1", inner=Heard(likelihood="gaussian")), Seeds(2)
            made.begin(seeds, CPU)
            solver = Snapshot()
            made.check(SECOND, data, model)
            made.begin_task(SECOND, data, solver, resumed=True)
            made.load_state_dict(state["made"])
            seeds.load_state_dict(state["seeds"])
            solver.begin(lambda *args: None, CPU)  # type: ignore[arg-type]
            solver.observe(model, FIRST)
        made.learn(batch(data, [2, 30]), None, 0.5)
        made.end_task(SECOND, data, model)
        return made.draw(6, torch.Generator().manual_seed(0)).raw, made.score(data.x)

    whole, cut = learned(False), learned(True)
    assert torch.equal(whole[0], cut[0]) and whole[1] == cut[1] and whole[1] is not None


def test_the_score_is_the_inner_ones_of_the_features() -> None:
    inner, model = Heard(likelihood="gaussian"), student()
    made = first_task(inner, model)
    data = Pixels((0, 1))
    assert made.score(data.x) is None  # nobody's stage: the previous model has not looked at the student yet
    made.begin_task(SECOND, data, snapshot(model))
    with torch.no_grad():
        inside = output_at(model, data.plain(data.x), "layer1") / made.scale
    assert made.score(data.x) == inner.score(inside)
    assert made.nbytes == inner.nbytes > 0


def test_what_it_cannot_work_with_is_refused() -> None:
    with pytest.raises(BadCall, match="learns from samples, such as 'vae'; not DeepInversion"):
        LatentReplay(inner=DeepInversion())
    with pytest.raises(BadCall, match="not LatentReplay"):
        LatentReplay(inner=LatentReplay())
    made = LatentReplay(at="layer7")
    made.begin(Seeds(0), CPU)
    with pytest.raises(BadCall, match="cannot be entered at 'layer7'"):
        made.check(FIRST, Pixels((0, 1)), student())
