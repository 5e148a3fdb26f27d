"""Relations between the samples of a batch."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.correlation import Correlation, correlation_loss
from lifelong_kd.knowledge.rkd_angle import RkdAngle, rkd_angle_loss
from lifelong_kd.knowledge.rkd_distance import RkdDistance, rkd_distance_loss
from lifelong_kd.knowledge.similarity import Similarity, similarity_loss

RELATIONS = [RkdDistance(), RkdAngle(), Similarity(), Correlation()]
every = pytest.mark.parametrize("relation", RELATIONS, ids=lambda each: type(each).__name__)


def features(batch: int, dimensions: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, dimensions, generator=generator, dtype=torch.float64)


@every
def test_a_rotation_and_a_scale_change_no_relation(relation: Knowledge) -> None:
    teacher = features(6, 4, seed=0)
    turn = torch.linalg.qr(features(4, 4, seed=1))[0]
    assert relation.mixes_samples and relation.needs == {"features"}
    assert relation(3 * teacher @ turn, teacher).max() < 1e-12
    assert (relation(features(6, 4, seed=2), teacher) > 1e-4).all()


@every
def test_a_relation_needs_no_projector(relation: Knowledge) -> None:
    teacher = features(5, 3, seed=3)
    wider = torch.cat([teacher, torch.zeros(5, 4).double()], 1).requires_grad_()
    said = relation(wider, teacher)
    assert said.max() < 1e-12
    relation(features(5, 7, seed=4).requires_grad_(), teacher).sum().backward()
    with pytest.raises(ValueError, match=r"one batch; got \(5, 7\) and \(4, 3\)"):
        relation(features(5, 7, seed=4), teacher[:4])


@every
def test_it_follows_the_slope_of_its_own_values(relation: Knowledge) -> None:
    student, teacher = features(4, 3, seed=5).requires_grad_(), features(4, 3, seed=6)
    assert torch.autograd.gradcheck(lambda moved: relation(moved, teacher), (student,))


@every
def test_samples_that_coincide_have_a_finite_gradient(relation: Knowledge) -> None:
    student = features(5, 3, seed=7)
    student[1], student[3] = student[0], 0.0
    student.requires_grad_()
    said = relation(student, features(5, 3, seed=8))
    said.sum().backward()
    assert said.isfinite().all()
    assert student.grad is not None and student.grad.isfinite().all()


@pytest.mark.parametrize("relation", [RkdDistance(), RkdAngle(), Similarity(), Correlation()])
def test_one_sample_is_related_to_nothing(relation: Knowledge) -> None:
    student = features(1, 3, seed=9).requires_grad_()
    said = relation(student, features(1, 3, seed=10))
    torch.testing.assert_close(said, torch.zeros(1).double())
    said.sum().backward()
    assert student.grad is not None and student.grad.isfinite().all()


def test_distances_by_hand() -> None:
    # Student 0, 1, 2: distances 1, 2, 1, mean 4/3. Teacher 0, 1, 4: distances 1, 4, 3, mean 8/3.
    said = rkd_distance_loss(torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[0.0], [1.0], [4.0]]))
    near, far, last = 3 / 4 - 3 / 8, 6 / 4 - 12 / 8, 3 / 4 - 9 / 8
    expected = [near**2 / 2 + far**2 / 2, near**2 / 2 + last**2 / 2, far**2 / 2 + last**2 / 2]
    torch.testing.assert_close(said, torch.tensor(expected) / 3)


def test_angles_by_hand() -> None:
    # A right angle at sample 0 against a straight one: cosines 0 and -1; the angle with itself is 0 for both.
    right = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    straight = torch.tensor([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    said = rkd_angle_loss(right, straight)
    # At 0 the pairs (1, 2) and (2, 1) differ by 1: huber 1/2 each, of 9 pairs. At 1 and 2: cos 45 degrees against 1.
    side = (1 - math.sqrt(0.5)) ** 2 / 2
    torch.testing.assert_close(said, torch.tensor([1.0, 2 * side, 2 * side]) / 9)


@pytest.mark.parametrize("elements", [1, 60, 100, 10**6])
def test_angles_in_chunks_are_the_same_with_the_same_gradient(elements: int) -> None:
    student, teacher = features(6, 4, seed=11).requires_grad_(), features(6, 3, seed=12)
    whole = rkd_angle_loss(student, teacher)
    whole.sum().backward()
    expected, student.grad = student.grad, None
    parts = rkd_angle_loss(student, teacher, elements)
    parts.sum().backward()
    torch.testing.assert_close(parts, whole)
    torch.testing.assert_close(student.grad, expected)


def test_similarity_is_the_papers_norm() -> None:
    student, teacher = features(5, 4, seed=13), features(5, 4, seed=14)
    g, goal = (torch.nn.functional.normalize(each @ each.T) for each in (student, teacher))
    expected = torch.linalg.matrix_norm(g - goal) ** 2 / 25
    torch.testing.assert_close(similarity_loss(student, teacher).mean(), expected)


def test_a_kernel_of_high_order_is_the_gaussian() -> None:
    student, teacher = features(5, 4, seed=15), features(5, 4, seed=16)
    units = [torch.nn.functional.normalize(each) for each in (student, teacher)]
    k, goal = (torch.exp(-0.7 * torch.cdist(each, each).square()) for each in units)
    torch.testing.assert_close(correlation_loss(student, teacher, 0.7, 20), (k - goal).square().mean(1))
    assert not torch.allclose(
        correlation_loss(student, teacher, 0.7, 1), (k - goal).square().mean(1), rtol=0.01
    )
    for options in ({"gamma": 0.0}, {"order": 0}):
        with pytest.raises(BadCall, match=next(iter(options))):
            Correlation(**options)


@every
def test_products_keep_their_precision_under_autocast(relation: Knowledge) -> None:
    student, teacher = features(6, 4, seed=17).float(), features(6, 4, seed=18).float()
    exact = relation(student, teacher)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(relation(student, teacher), exact)
