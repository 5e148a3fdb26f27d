"""Every knowledge against its re-derivation, and the properties that all of them share."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.knowledge import registry
from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.bce import Bce, bce_loss
from lifelong_kd.knowledge.kd import Kd, kd_loss
from lifelong_kd.knowledge.mse import Mse, mse_loss
from tests.reference import losses as slow

Slow = Callable[[list[float], list[float]], float]

CASES: dict[str, tuple[Knowledge, Slow]] = {
    "kd_half": (Kd(temperature=0.5), lambda s, t: slow.kd(s, t, 0.5)),
    "kd_1": (Kd(temperature=1.0), lambda s, t: slow.kd(s, t, 1.0)),
    "kd_2": (Kd(), lambda s, t: slow.kd(s, t, 2.0)),
    "kd_8": (Kd(temperature=8.0), lambda s, t: slow.kd(s, t, 8.0)),
    "bce": (Bce(), slow.bce),
    "mse": (Mse(), slow.mse),
}
every = pytest.mark.parametrize(("loss", "reference"), CASES.values(), ids=CASES)
precisions = pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])


def logits(batch: int, columns: int, seed: int, scale: float = 3.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(batch, columns, generator=generator, dtype=torch.float64)


def looped(reference: Slow, student: Tensor, teacher: Tensor) -> Tensor:
    values = [reference(s, t) for s, t in zip(student.tolist(), teacher.tolist(), strict=True)]
    return torch.tensor(values, dtype=torch.float64)


def test_every_registered_knowledge_is_tested_here() -> None:
    assert {type(loss) for loss, _ in CASES.values()} == {registry.get(name) for name in registry.names()}


@every
@precisions
@pytest.mark.parametrize("columns", [1, 2, 7])
def test_it_is_the_loop(loss: Knowledge, reference: Slow, dtype: torch.dtype, columns: int) -> None:
    student, teacher = logits(6, columns, seed=0).to(dtype), logits(6, columns, seed=1).to(dtype)
    expected = looped(reference, student.double(), teacher.double())
    tolerance = 1e-12 if dtype == torch.float64 else 1e-5
    torch.testing.assert_close(loss(student, teacher).double(), expected, rtol=tolerance, atol=tolerance)


@every
@precisions
def test_a_small_difference_is_small_and_positive(
    loss: Knowledge, reference: Slow, dtype: torch.dtype
) -> None:
    # In half precision the two logarithms cancel to noise of either sign unless they are taken in single precision.
    teacher = logits(200, 10, seed=2, scale=1.0).to(dtype)
    student = (teacher.double() + logits(200, 10, seed=3, scale=0.05)).to(dtype)
    expected = looped(reference, student.double(), teacher.double())
    said = loss(student, teacher).double()
    assert (said > 0).all()
    torch.testing.assert_close(said, expected, rtol=2e-2, atol=5e-5)


@every
@precisions
def test_it_is_0_where_they_agree(loss: Knowledge, reference: Slow, dtype: torch.dtype) -> None:
    same = logits(5, 4, seed=4).to(dtype)
    student = same.clone().requires_grad_()
    said = loss(student, same)
    assert torch.equal(said, torch.zeros_like(said))
    said.sum().backward()
    torch.testing.assert_close(student.grad, torch.zeros_like(student), rtol=0, atol=1e-6)


@every
@precisions
@pytest.mark.parametrize("size", [1e4, -1e4])
def test_it_is_finite_at_huge_logits(
    loss: Knowledge, reference: Slow, dtype: torch.dtype, size: float
) -> None:
    student = torch.tensor([[size, -size] * 4, [size] * 8, [0.0] * 8], dtype=dtype, requires_grad=True)
    teacher = torch.tensor([[-size, size] * 4, [-size] * 8, [size, -size] * 4], dtype=dtype)
    said = loss(student, teacher)
    expected = looped(reference, student.double(), teacher.double())
    torch.testing.assert_close(said.double(), expected, rtol=1e-3, atol=1e-3)
    said.sum().backward()
    assert student.grad is not None and student.grad.isfinite().all()


@every
def test_only_the_student_gets_a_gradient(loss: Knowledge, reference: Slow) -> None:
    student, teacher = logits(3, 4, seed=5).requires_grad_(), logits(3, 4, seed=6).requires_grad_()
    loss(student, teacher).sum().backward()
    assert teacher.grad is None
    assert student.grad is not None
    step = 1e-6
    for row in range(3):
        for column in range(4):
            moved = [student.detach().clone(), student.detach().clone()]
            moved[0][row, column] += step
            moved[1][row, column] -= step
            up, down = (looped(reference, each, teacher.detach()).sum() for each in moved)
            assert float(student.grad[row, column]) == pytest.approx(float(up - down) / (2 * step), abs=1e-6)


@every
@pytest.mark.parametrize("shape", [(0, 5), (4, 0), (0, 0)])
def test_nothing_to_compare_is_an_exact_0(loss: Knowledge, reference: Slow, shape: tuple[int, int]) -> None:
    student = torch.zeros(shape, requires_grad=True)
    said = loss(student, torch.zeros(shape))
    assert said.shape == (shape[0],)
    total = said.sum()
    assert float(total.detach()) == 0.0
    total.backward()
    assert student.grad is not None and student.grad.shape == shape


@every
def test_samples_are_independent_and_classes_have_no_order(loss: Knowledge, reference: Slow) -> None:
    student, teacher = logits(6, 5, seed=7), logits(6, 5, seed=8)
    whole = loss(student, teacher)
    order = torch.tensor([4, 0, 5, 2, 1, 3])
    torch.testing.assert_close(loss(student[order], teacher[order]), whole[order], rtol=1e-12, atol=0)
    columns = torch.tensor([3, 1, 4, 0, 2])
    torch.testing.assert_close(loss(student[:, columns], teacher[:, columns]), whole, rtol=1e-12, atol=0)
    twice = loss(torch.cat([student, student]), torch.cat([teacher, teacher]))
    torch.testing.assert_close(twice, torch.cat([whole, whole]), rtol=1e-12, atol=0)
    # A softmax over the batch instead of the classes would let one sample change another's value.
    alone = torch.cat([loss(student[i : i + 1], teacher[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(alone, whole, rtol=1e-12, atol=0)


@every
def test_wrong_shapes_are_named(loss: Knowledge, reference: Slow) -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(2, 4\)"):
        loss(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(ValueError, match=r"\(1, 3\) and \(2, 3\)"):
        loss(torch.zeros(1, 3), torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"\(3,\) and \(3,\)"):
        loss(torch.zeros(3), torch.zeros(3))


def test_the_classes_call_the_functions() -> None:
    student, teacher = logits(3, 4, seed=9), logits(3, 4, seed=10)
    assert torch.equal(Kd(temperature=3.0)(student, teacher), kd_loss(student, teacher, 3.0))
    assert torch.equal(Bce()(student, teacher), bce_loss(student, teacher))
    assert torch.equal(Mse()(student, teacher), mse_loss(student, teacher))


def test_the_temperature_is_used() -> None:
    student, teacher = logits(4, 6, seed=11), logits(4, 6, seed=12)
    values = [float(kd_loss(student, teacher, temperature).mean()) for temperature in (0.5, 1, 2, 4)]
    assert len({round(value, 3) for value in values}) == 4


def test_at_temperature_1_it_is_the_plain_divergence() -> None:
    student, teacher = logits(4, 6, seed=13), logits(4, 6, seed=14)
    p, q = teacher.softmax(dim=1), student.softmax(dim=1)
    torch.testing.assert_close(kd_loss(student, teacher, 1.0), (p * (p / q).log()).sum(dim=1))


def test_at_high_temperature_it_is_half_the_variance_of_the_difference() -> None:
    # Hinton et al. 2015, section 2.1: for T -> infinity matching logits, here of mean difference 0 by the softmax.
    student, teacher = logits(4, 6, seed=15), logits(4, 6, seed=16)
    limit = (student - teacher).var(dim=1, correction=0) / 2
    torch.testing.assert_close(kd_loss(student, teacher, 1e4), limit, rtol=1e-3, atol=0)
    wrong = (student - teacher).square().mean(dim=1) / 2
    assert not torch.allclose(kd_loss(student, teacher, 1e4), wrong, rtol=1e-2)


def test_at_low_temperature_it_is_t_times_the_gap_at_the_teachers_choice() -> None:
    student, teacher = torch.tensor([[3.0, 1.0, 0.0]]).double(), torch.tensor([[0.0, 2.0, 1.0]]).double()
    # p is one-hot at column 1 and q at column 0: T^2 * (max - z_1) / T.
    torch.testing.assert_close(kd_loss(student, teacher, 0.01), torch.tensor([0.01 * 2.0]).double())


def test_a_constant_added_to_all_logits_changes_soft_labels_not_but_logits() -> None:
    teacher = logits(3, 4, seed=17)
    torch.testing.assert_close(
        kd_loss(teacher + 5, teacher, 2.0), torch.zeros(3).double(), rtol=0, atol=1e-12
    )
    torch.testing.assert_close(mse_loss(teacher + 5, teacher), torch.full((3,), 25.0).double())
    assert (bce_loss(teacher + 5, teacher) > 0.01).all()


def test_bce_and_kd_are_the_same_question_for_one_class_against_none() -> None:
    student, teacher = logits(5, 1, seed=18), logits(5, 1, seed=19)
    none = torch.zeros(5, 1, dtype=torch.float64)
    two = kd_loss(torch.cat([student, none], 1), torch.cat([teacher, none], 1), 1.0)
    torch.testing.assert_close(bce_loss(student, teacher), two)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf])
def test_a_temperature_that_means_nothing_is_refused(temperature: float) -> None:
    with pytest.raises(BadCall, match="temperature"):
        Kd(temperature=temperature)


def test_columns_the_teacher_did_not_have_are_left_out_of_mse() -> None:
    student = torch.tensor([[1.0, 3.0, 100.0], [5.0, 6.0, 7.0]], requires_grad=True)
    teacher = torch.tensor([[0.0, 1.0, math.nan], [math.nan] * 3])
    said = mse_loss(student, teacher)
    assert torch.equal(said.detach(), torch.tensor([2.5, 0.0]))
    said.sum().backward()
    assert torch.equal(student.grad, torch.tensor([[1.0, 2.0, 0.0], [0.0, 0.0, 0.0]]))
