"""Losses of features: distances, angles, and hints with a projector."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.knowledge.cosine import Cosine, cosine_loss
from lifelong_kd.knowledge.feature_l2 import FeatureL2, batch_l2_loss
from lifelong_kd.knowledge.hint import Hint, hint_loss


def features(batch: int, dimensions: int, seed: int) -> Tensor:
    return torch.randn(batch, dimensions, generator=torch.Generator().manual_seed(seed))


def test_cosine_is_torchs_and_pod_flat() -> None:
    student, teacher = features(6, 5, seed=0), features(6, 5, seed=1)
    expected = 1 - torch.nn.functional.cosine_similarity(student, teacher)
    torch.testing.assert_close(cosine_loss(student, teacher), expected)
    embedded = torch.nn.functional.cosine_embedding_loss(student, teacher, torch.ones(6))
    torch.testing.assert_close(Cosine()(student, teacher).mean(), embedded)
    assert cosine_loss(3 * teacher, teacher).max() < 1e-12
    torch.testing.assert_close(cosine_loss(-teacher, teacher), torch.full((6,), 2.0))


def test_features_of_length_0() -> None:
    student = torch.zeros(2, 3, requires_grad=True)
    said = cosine_loss(student, torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
    assert said.tolist() == [0.0, 0.5]
    said.sum().backward()
    assert torch.equal(student.grad, torch.zeros(2, 3))


def test_whole_batch_is_the_distance_of_the_batch_with_its_gradient() -> None:
    student, teacher = features(6, 5, seed=2).requires_grad_(), features(6, 5, seed=3)
    said = batch_l2_loss(student, teacher).mean()
    torch.testing.assert_close(said, torch.dist(student, teacher, 2))
    said.backward()
    ours, student.grad = student.grad, None
    torch.dist(student, teacher, 2).backward()
    torch.testing.assert_close(ours, student.grad)
    assert FeatureL2(whole_batch=True).mixes_samples and not FeatureL2().mixes_samples
    with pytest.raises(BadCall, match="exclude one another"):
        FeatureL2(squared=True, whole_batch=True)


@pytest.mark.parametrize("knowledge", [FeatureL2(), FeatureL2(squared=True), FeatureL2(whole_batch=True)])
def test_distances_at_0_have_gradient_0(knowledge: FeatureL2) -> None:
    teacher = features(3, 4, seed=4)
    student = teacher.clone().requires_grad_()
    knowledge(student, teacher).sum().backward()
    assert torch.equal(student.grad, torch.zeros(3, 4))


@pytest.mark.parametrize("knowledge", [Hint(projector="none"), Cosine(), FeatureL2()])
def test_sizes_that_differ_are_named(knowledge: Hint | Cosine | FeatureL2) -> None:
    with pytest.raises(ValueError, match=r"features must both .* \(2, 3\) and \(2, 4\)"):
        knowledge(torch.zeros(2, 3), torch.zeros(2, 4))


def test_a_hint_without_projector_has_nothing_to_learn() -> None:
    student, teacher = features(4, 5, seed=5), features(4, 5, seed=6)
    hint = Hint()
    assert hint.needs == {"features"}
    assert list(hint.parameters()) == [] and hint.state_dict() == {}
    torch.testing.assert_close(hint(student, teacher), hint_loss(student, teacher))
    assert hint.module is None and list(hint.parameters()) == []


def test_a_hint_of_another_size_learns_its_projector() -> None:
    torch.manual_seed(0)
    student, mixing = features(64, 3, seed=7), features(3, 5, seed=8)
    teacher = student @ mixing + 1.0
    hint = Hint()
    before = float(hint(student, teacher).mean().detach())
    parameters = list(hint.parameters())
    assert [tuple(each.shape) for each in parameters] == [(5, 3), (5,)]
    optimizer = torch.optim.SGD(parameters, lr=0.3)
    for _ in range(300):
        optimizer.zero_grad()
        hint(student, teacher).mean().backward()
        optimizer.step()
    assert next(hint.parameters()) is parameters[0]
    after = float(hint(student, teacher).mean().detach())
    assert before > 0.5 and after < 1e-4
    torch.testing.assert_close(parameters[0].detach().T, mixing, rtol=0, atol=0.05)


def test_a_projector_passes_gradient_to_the_student_and_is_drawn_from_the_default_generator() -> None:
    student, teacher = features(4, 3, seed=9).requires_grad_(), features(4, 5, seed=10).requires_grad_()
    weights = []
    for _ in range(2):
        torch.manual_seed(1)
        hint = Hint(projector="linear")
        hint(student, teacher).sum().backward()
        weights.append(next(hint.parameters()).detach().clone())
    assert torch.equal(*weights)
    assert teacher.grad is None and student.grad is not None and student.grad.abs().sum() > 0
    square = Hint(projector="linear")
    square(features(4, 3, seed=0), features(4, 3, seed=1))
    assert square.module is not None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_projector_in_every_precision(dtype: torch.dtype) -> None:
    student, teacher = features(4, 3, seed=11), features(4, 5, seed=12)
    torch.manual_seed(2)
    exact = Hint()(student, teacher)
    torch.manual_seed(2)
    said = Hint()(student.to(dtype), teacher.to(dtype))
    torch.testing.assert_close(said.float(), exact, rtol=0.05, atol=0.02)
    torch.manual_seed(2)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(Hint()(student, teacher), exact)


def test_a_projectors_state_is_taken_over_before_the_first_call() -> None:
    student, teacher = features(4, 3, seed=13), features(4, 5, seed=14)
    hint = Hint()
    said = hint(student, teacher)
    state = hint.state_dict()
    assert all(isinstance(value, Tensor) for value in state.values())
    drawn = torch.random.get_rng_state()
    other = Hint()
    other.load_state_dict(state)
    assert torch.equal(torch.random.get_rng_state(), drawn)
    torch.testing.assert_close(other(student, teacher), said)
    assert [each.shape for each in other.parameters()] == [each.shape for each in hint.parameters()]
    # Its own copy: the one learns, the other stays.
    with torch.no_grad():
        next(other.parameters()).zero_()
    torch.testing.assert_close(hint(student, teacher), said)
    twin = copy.deepcopy(hint)
    with torch.no_grad():
        next(twin.parameters()).zero_()
    torch.testing.assert_close(hint(student, teacher), said)
    # An empty state is that of a hint that has not been called.
    other.load_state_dict({})
    assert other.module is None


def test_a_projector_of_other_sizes_is_an_error() -> None:
    hint = Hint()
    hint(torch.zeros(2, 3), torch.zeros(2, 5))
    with pytest.raises(
        ValueError, match="built for 3 dimensions of the student and 5 of the teacher; got 4 and 5"
    ):
        hint(torch.zeros(2, 4), torch.zeros(2, 5))
    with pytest.raises(ValueError, match=r"one batch; got \(2, 3\) and \(3, 5\)"):
        hint(torch.zeros(2, 3), torch.zeros(3, 5))


def test_options_of_a_hint() -> None:
    with pytest.raises(BadCall, match="Did you mean 'linear'"):
        Hint(projector="liner")  # type: ignore[arg-type]
    with pytest.raises(BadCall, match="projector_lr"):
        Hint(projector_lr=0.0)
    assert Hint(projector_lr=0.5).projector_lr == 0.5
