"""Losses of the outputs of stages."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.knowledge.afc import Afc, afc_loss, channel_importance
from lifelong_kd.knowledge.attention import Attention, attention_loss
from lifelong_kd.knowledge.pod import Pod, pod_loss
from tests.reference import maps as slow


def stage(batch: int, *shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, *shape, generator=generator, dtype=torch.float64)


def test_pooling_sums_what_its_name_says() -> None:
    # One channel, height 2, width 3: what was squared and summed over the width has two entries.
    student = torch.tensor([[[[1.0, 2.0, 0.0], [0.0, 0.0, 2.0]]]])
    teacher = torch.tensor([[[[3.0, 0.0, 0.0], [0.0, 0.0, 0.0]]]])
    sums = {"width": [5.0, 4.0], "height": [1.0, 4.0, 4.0], "gap": [9.0], "channel": [1, 4, 0, 0, 0, 4.0]}
    goals = {"width": [1.0, 0.0], "height": [1.0, 0, 0], "gap": [1.0], "channel": [1.0, 0, 0, 0, 0, 0]}
    for pool, values in sums.items():
        vector = torch.tensor(values)
        expected = (vector / vector.norm() - torch.tensor(goals[pool])).norm()
        torch.testing.assert_close(Pod(pool=pool)([student], [teacher]), expected[None])  # type: ignore[arg-type]
    assert Pod().pool == "spatial"
    with pytest.raises(BadCall, match="Did you mean 'spatial'"):
        Pod(pool="spacial")  # type: ignore[arg-type]


def test_pod_ignores_the_size_of_a_map_and_averages_stages() -> None:
    student, teacher = stage(3, 4, 2, 3, seed=0), stage(3, 4, 2, 3, seed=1)
    one = pod_loss([student], [teacher])
    torch.testing.assert_close(pod_loss([7 * student], [0.1 * teacher]), one)
    torch.testing.assert_close(pod_loss([student, teacher], [teacher, teacher]), one / 2)
    # Squares: a map and its negative are the same.
    torch.testing.assert_close(pod_loss([-teacher], [teacher]), torch.zeros(3).double())


def test_a_vector_is_a_map_of_one_place() -> None:
    student, teacher = stage(3, 4, seed=2), stage(3, 4, seed=3)
    as_maps = pod_loss([student[:, :, None, None]], [teacher[:, :, None, None]])
    torch.testing.assert_close(pod_loss([student], [teacher]), as_maps)
    # Where a loss compares places, one place says nothing: an error, unless another stage has more.
    for loss in (attention_loss, afc_loss):
        with pytest.raises(ValueError, match="no stage has more than one"):
            loss([student], [teacher])
    both = attention_loss([student, stage(3, 2, 2, 2, seed=4)], [teacher, stage(3, 2, 2, 2, seed=5)])
    torch.testing.assert_close(both, attention_loss([stage(3, 2, 2, 2, seed=4)], [stage(3, 2, 2, 2, seed=5)]))


@pytest.mark.parametrize("loss", [pod_loss, attention_loss, afc_loss])
def test_stages_that_do_not_match_are_named(loss: Any) -> None:
    one = stage(2, 3, 4, 4, seed=6)
    with pytest.raises(ValueError, match="got 2 and 1"):
        loss([one, one], [one])
    with pytest.raises(ValueError, match="got 0 and 0"):
        loss([], [])
    with pytest.raises(ValueError, match=r"stage 1 must .* \(2, 3, 4, 4\) and \(2, 3, 2, 2\)"):
        loss([one, one], [one, stage(2, 3, 2, 2, seed=7)])
    with pytest.raises(ValueError, match=r"got \(2, 3, 4\)"):
        loss([one[..., 0]], [one[..., 0]])


@pytest.mark.parametrize("knowledge", [Pod(), Attention(), Afc()])
def test_agreement_and_maps_of_zeros_have_gradient_0(knowledge: Any) -> None:
    teacher = stage(2, 3, 4, 4, seed=8)
    for values in (teacher, torch.zeros_like(teacher)):
        student = values.clone().requires_grad_()
        said = knowledge([student], [teacher])
        said.sum().backward()
        assert said.isfinite().all()
        assert torch.equal(student.grad, torch.zeros_like(student))


@pytest.mark.parametrize("knowledge", [Pod(), Pod(pool="channel"), Attention(), Attention(power=3), Afc()])
def test_they_follow_the_slope_of_their_own_values(knowledge: Any) -> None:
    student = stage(2, 2, 2, 3, seed=9).requires_grad_()
    teacher = stage(2, 2, 2, 3, seed=10)
    assert torch.autograd.gradcheck(lambda moved: knowledge([moved], [teacher]), (student,))


def test_attention_compares_places_not_channels() -> None:
    student, teacher = stage(3, 5, 4, 4, seed=11), stage(3, 2, 4, 4, seed=12)
    assert (attention_loss([student], [teacher]) > 0).all()
    order = torch.tensor([3, 1, 4, 0, 2])
    torch.testing.assert_close(
        attention_loss([student[:, order]], [teacher]), attention_loss([student], [teacher])
    )
    # The authors' code: the mean over places and samples, added up over the stages.
    q, goal = (torch.nn.functional.normalize(v.pow(2).mean(1).flatten(1)) for v in (student, teacher))
    torch.testing.assert_close(attention_loss([student], [teacher]).mean(), (q - goal).pow(2).mean())
    twice = attention_loss([student, student], [teacher, teacher])
    torch.testing.assert_close(twice, 2 * attention_loss([student], [teacher]))
    with pytest.raises(BadCall, match="power"):
        Attention(power=0.5)


def test_importance_weighs_the_channels_at_mean_1() -> None:
    student, teacher = [stage(3, 2, 3, 3, seed=13)], [stage(3, 2, 3, 3, seed=14)]
    afc = Afc()
    plain = afc(student, teacher)
    afc.set_importance([torch.tensor([5.0, 5.0])])
    torch.testing.assert_close(afc(student, teacher), plain)
    afc.set_importance([torch.tensor([30.0, 10.0])])
    weighted = afc(student, teacher)
    expected = [
        slow.afc([s.tolist()], [t.tolist()], [[1.5, 0.5]])
        for s, t in zip(student[0], teacher[0], strict=True)
    ]
    torch.testing.assert_close(weighted, torch.tensor(expected).double())
    assert not torch.allclose(weighted, plain, rtol=1e-3)
    # A channel of no importance is free.
    afc.set_importance([torch.tensor([0.0, 1.0])])
    moved = student[0].clone().requires_grad_()
    afc([moved], teacher).sum().backward()
    assert torch.equal(moved.grad[:, 0], torch.zeros(3, 3, 3).double()) and moved.grad[:, 1].abs().sum() > 0
    other = Afc()
    other.load_state_dict(afc.state_dict())
    torch.testing.assert_close(other(student, teacher), afc(student, teacher))
    other.load_state_dict(Afc().state_dict())
    assert other.importance is None
    afc.set_importance([torch.zeros(2)])
    torch.testing.assert_close(afc(student, teacher), plain)


def test_importance_that_means_nothing_is_refused() -> None:
    for wrong in (torch.tensor([-1.0, 2.0]), torch.tensor([float("nan")]), torch.ones(2, 2)):
        with pytest.raises(BadCall, match="importance of stage 0"):
            Afc().set_importance([wrong])
    afc = Afc()
    afc.set_importance([torch.ones(3)])
    one = stage(2, 4, 3, 3, seed=15)
    with pytest.raises(ValueError, match=r"\[3\] channels, but the maps have \[4\]"):
        afc([one], [one])


def test_importance_is_the_squared_gradient_of_a_channel() -> None:
    gradients = stage(4, 3, 2, 5, seed=16)
    expected = slow.channel_importance(gradients.tolist())
    (found,) = channel_importance([gradients])
    torch.testing.assert_close(found, torch.tensor(expected).double())
