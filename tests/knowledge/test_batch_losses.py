"""Losses of logits along the batch: DIST, and the second part of LKD."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.knowledge.dist import Dist, dist_loss
from lifelong_kd.knowledge.zscore import Zscore, zscore_intra_loss
from tests.reference import losses as slow


def logits(batch: int, columns: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(batch, columns, generator=generator, dtype=torch.float64)


def test_softmax_is_over_the_classes_and_correlation_over_each_side() -> None:
    # A batch that is not square, and not symmetric: the two directions cannot be mistaken for one another.
    student, teacher = logits(3, 5, seed=0), logits(3, 5, seed=1)
    q, p = student.softmax(1), teacher.softmax(1)
    inter = torch.stack([1 - torch.corrcoef(torch.stack([q[i], p[i]]))[0, 1] for i in range(3)])
    intra = torch.stack([1 - torch.corrcoef(torch.stack([q[:, c], p[:, c]]))[0, 1] for c in range(5)])
    torch.testing.assert_close(dist_loss(student, teacher, 1.0, 1.0, 0.0), inter)
    torch.testing.assert_close(dist_loss(student, teacher, 1.0, 0.0, 1.0).mean(), intra.mean())
    assert not torch.allclose(inter.mean(), intra.mean(), rtol=1e-2)
    wrong = dist_loss(student.T, teacher.T, 1.0, 1.0, 0.0).mean()
    assert not torch.allclose(wrong, intra.mean(), rtol=1e-2)


def test_dist_ignores_shift_and_scale_of_probabilities_not_of_logits() -> None:
    teacher = logits(6, 4, seed=2)
    assert dist_loss(teacher + 3, teacher, 1.0, 1.0, 1.0).max() < 1e-12
    assert (dist_loss(2 * teacher, teacher, 1.0, 1.0, 1.0) > 1e-3).any()


def test_each_part_of_dist_has_its_weight() -> None:
    student, teacher = logits(4, 6, seed=3), logits(4, 6, seed=4)
    whole = Dist(temperature=2.0, beta=0.5, gamma=3.0)(student, teacher)
    parts = dist_loss(student, teacher, 2.0, 1.0, 0.0), dist_loss(student, teacher, 2.0, 0.0, 1.0)
    torch.testing.assert_close(whole, 0.5 * parts[0] + 3.0 * parts[1])
    assert Dist().mixes_samples and not Dist(gamma=0.0).mixes_samples
    for options in ({"beta": -1.0}, {"gamma": math.inf}, {"temperature": 0.0}):
        with pytest.raises(BadCall, match=next(iter(options))):
            Dist(**options)


def test_the_part_along_the_batch_is_its_divergence() -> None:
    student, teacher = logits(5, 3, seed=5), logits(5, 3, seed=6)
    shares = zscore_intra_loss(student, teacher, 2.0)
    assert (shares >= 0).all()
    expected = slow.zscore_intra(student.tolist(), teacher.tolist(), 2.0)
    assert float(shares.mean()) == pytest.approx(expected)
    # Nothing is to be learned of a class whose logits are shifted and scaled along the batch.
    assert zscore_intra_loss(teacher * torch.tensor([1.0, 3.0, 5.0]) + 2, teacher, 2.0).max() < 1e-9
    torch.testing.assert_close(zscore_intra_loss(student[:1], teacher[:1], 2.0), torch.zeros(1).double())


def test_a_share_has_the_gradient_of_the_divergence() -> None:
    student, teacher = logits(5, 3, seed=7).requires_grad_(), logits(5, 3, seed=8)
    zscore_intra_loss(student, teacher, 2.0).mean().backward()
    ours, student.grad = student.grad, None
    z, goal = ((v - v.mean(0)) / (v.std(0) + 1e-7) for v in (student, teacher))
    q, p = (z / 2).log_softmax(0), (goal / 2).softmax(0)
    (4 * (p * (p.log() - q)).sum(0).mean()).backward()
    torch.testing.assert_close(ours, student.grad)


def test_a_class_that_only_some_samples_know() -> None:
    student, teacher = logits(6, 3, seed=9).requires_grad_(), logits(6, 3, seed=10)
    teacher[4:, 1], teacher[:, 2] = math.nan, -math.inf
    shares = zscore_intra_loss(student, teacher, 2.0)
    first = zscore_intra_loss(student[:, :1], teacher[:, :1], 2.0).mean()
    second = zscore_intra_loss(student[:4, 1:2], teacher[:4, 1:2], 2.0).mean()
    torch.testing.assert_close(shares.mean(), (first + second) / 2)
    both = Zscore(intra=1.0)(student, teacher)
    both.sum().backward()
    assert both.isfinite().all()
    assert student.grad is not None and student.grad.isfinite().all()
    assert Zscore(intra=1.0).mixes_samples and not Zscore().mixes_samples
