"""Every knowledge against its re-derivation, and the properties that all of them share."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.bce import Bce, bce_loss
from lifelong_kd.knowledge.ce import Ce
from lifelong_kd.knowledge.dkd import Dkd, dkd_loss
from lifelong_kd.knowledge.kd import Kd, kd_loss
from lifelong_kd.knowledge.l1 import L1
from lifelong_kd.knowledge.lwf_original import LwfOriginal
from lifelong_kd.knowledge.mse import Mse, mse_loss
from lifelong_kd.knowledge.probability_l2 import ProbabilityL2, probability_l2_loss
from lifelong_kd.knowledge.zscore import Zscore
from tests.reference import losses as slow

Slow = Callable[[list[float], list[float]], float]

CASES: dict[str, tuple[Knowledge, Slow]] = {
    "kd_half": (Kd(temperature=0.5), lambda s, t: slow.kd(s, t, 0.5)),
    "kd_1": (Kd(temperature=1.0), lambda s, t: slow.kd(s, t, 1.0)),
    "kd_2": (Kd(), lambda s, t: slow.kd(s, t, 2.0)),
    "kd_8": (Kd(temperature=8.0), lambda s, t: slow.kd(s, t, 8.0)),
    "bce": (Bce(), slow.bce),
    "mse": (Mse(), slow.mse),
    "ce": (Ce(), lambda s, t: slow.ce(s, t, 2.0)),
    "ce_half": (Ce(temperature=0.5), lambda s, t: slow.ce(s, t, 0.5)),
    "lwf_original": (LwfOriginal(), lambda s, t: slow.lwf_original(s, t, 2.0)),
    "l1": (L1(), slow.l1),
    "probability_l2": (ProbabilityL2(), lambda s, t: slow.probability_l2(s, t, 1.0)),
    "probability_l2_3": (ProbabilityL2(temperature=3.0), lambda s, t: slow.probability_l2(s, t, 3.0)),
    "dkd": (Dkd(), lambda s, t: slow.dkd(s, t, 4.0, 1.0, 8.0)),
    "dkd_2": (Dkd(temperature=2.0, alpha=0.5, beta=1.0), lambda s, t: slow.dkd(s, t, 2.0, 0.5, 1.0)),
    "zscore": (Zscore(), lambda s, t: slow.zscore_inter(s, t, 2.0)),
    "zscore_1": (Zscore(temperature=1.0), lambda s, t: slow.zscore_inter(s, t, 1.0)),
}
# Probabilities that underflow cannot be raised to a power: there the equal form stands for it.
HUGE: dict[str, Slow] = {"lwf_original": lambda s, t: slow.ce(s, t, 2.0)}
every = pytest.mark.parametrize(("loss", "reference"), CASES.values(), ids=CASES)
precisions = pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])


def logits(batch: int, columns: int, seed: int, scale: float = 3.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(batch, columns, generator=generator, dtype=torch.float64)


def looped(reference: Slow, student: Tensor, teacher: Tensor) -> Tensor:
    values = [reference(s, t) for s, t in zip(student.tolist(), teacher.tolist(), strict=True)]
    return torch.tensor(values, dtype=torch.float64)


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
    # T^2 beta / T is 32 in DKD, and so is the rounding of its gradient.
    torch.testing.assert_close(student.grad, torch.zeros_like(student), rtol=0, atol=5e-6)


@precisions
@pytest.mark.parametrize("size", [1e4, -1e4])
@pytest.mark.parametrize("name", CASES)
def test_it_is_finite_at_huge_logits(name: str, dtype: torch.dtype, size: float) -> None:
    loss, reference = CASES[name][0], HUGE.get(name, CASES[name][1])
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


def test_columns_the_teacher_did_not_have_are_left_out_of_l1_and_of_probabilities() -> None:
    student = torch.tensor([[1.0, 3.0, 100.0], [5.0, 6.0, 7.0]], requires_grad=True)
    teacher = torch.tensor([[0.0, 1.0, math.nan], [math.nan] * 3])
    for loss in (L1(), ProbabilityL2(), Zscore()):
        student.grad = None
        said = loss(student, teacher)
        assert said[0] > 0 or isinstance(loss, Zscore)
        assert float(said[1].detach()) == 0.0
        said.sum().backward()
        assert student.grad is not None and student.grad.isfinite().all()
        assert torch.equal(student.grad[1], torch.zeros(3))
    assert torch.equal(L1()(student, teacher).detach(), torch.tensor([1.5, 0.0]))
    # Over the known columns alone, as if the others were not there.
    alone = probability_l2_loss(student[:1, :2], teacher[:1, :2])
    torch.testing.assert_close(ProbabilityL2()(student, teacher)[:1], alone)


@pytest.mark.parametrize("seed", range(3))
def test_unknown_columns_against_the_loop(seed: int) -> None:
    student, teacher = logits(6, 5, seed=30 + seed), logits(6, 5, seed=40 + seed)
    teacher[2:, 3:], teacher[4:, 1] = math.nan, math.nan
    for name in ("mse", "l1", "probability_l2", "zscore"):
        loss, reference = CASES[name]
        torch.testing.assert_close(loss(student, teacher), looped(reference, student, teacher))


def test_standardisation_sees_the_students_new_classes_but_compares_the_old() -> None:
    # LKD: mean and deviation over all classes of the student, softmax over those of the teacher.
    student, old = logits(4, 6, seed=50), logits(4, 4, seed=51)
    nan = torch.cat([old, torch.full((4, 2), math.nan).double()], 1)
    z = (student - student.mean(1, keepdim=True)) / (student.std(1, keepdim=True) + 1e-7)
    goal = (old - old.mean(1, keepdim=True)) / (old.std(1, keepdim=True) + 1e-7)
    torch.testing.assert_close(Zscore()(student, nan), kd_loss(z[:, :4], goal, 2.0))
    padded = nan.nan_to_num(nan=-math.inf)
    torch.testing.assert_close(Zscore()(student, padded), Zscore()(student, nan))
    assert not torch.allclose(Zscore()(student, nan), Zscore()(student[:, :4], old))


PADDED = pytest.mark.parametrize(
    "loss", [Kd(), Kd(temperature=0.1), Ce(), LwfOriginal(), Dkd(), ProbabilityL2()]
)


@PADDED
def test_a_padded_column_has_probability_0_exactly(loss: Knowledge) -> None:
    student, old = logits(5, 6, seed=60).requires_grad_(), logits(5, 4, seed=61)
    padded = torch.cat([old, torch.full((5, 2), -math.inf).double()], 1)
    almost = torch.cat([old, torch.full((5, 2), -1e5).double()], 1)
    said = loss(student, padded)
    assert said.isfinite().all()
    torch.testing.assert_close(said, loss(student, almost))
    said.sum().backward()
    assert student.grad is not None and student.grad.isfinite().all()
    # Where the student agrees, which it can with -inf only, it is an exact 0 with gradient 0.
    agreed = padded.clone().requires_grad_()
    same = loss(agreed, padded)
    assert torch.equal(same, torch.zeros(5).double())


def test_padded_soft_labels_push_the_new_classes_down() -> None:
    # van de Ven et al. 2022: the teacher's probabilities of new classes are 0, so q of old and new sums to 1.
    student = torch.zeros(1, 4, requires_grad=True)
    teacher = torch.tensor([[1.0, 0.0, -math.inf, -math.inf]])
    kd_loss(student, teacher, 2.0).sum().backward()
    assert student.grad is not None
    p, q = (teacher / 2).softmax(1), torch.full((1, 4), 0.25)
    torch.testing.assert_close(student.grad, 2.0 * (q - p))
    assert (student.grad[0, 2:] > 0).all()


def test_a_sigmoid_that_says_no_for_certain() -> None:
    student = torch.tensor([[0.0, 3.0]], requires_grad=True)
    said = bce_loss(student, torch.tensor([[-math.inf, -math.inf]]))
    torch.testing.assert_close(said.detach(), torch.tensor([math.log(2) + math.log1p(math.exp(3))]))
    said.sum().backward()
    torch.testing.assert_close(student.grad, student.detach().sigmoid())


def test_lwf_has_three_names_for_one_loss() -> None:
    student, teacher = logits(4, 6, seed=70), logits(4, 6, seed=71)
    for temperature in (0.5, 2.0, 5.0):
        original = LwfOriginal(temperature=temperature)(student, teacher)
        torch.testing.assert_close(original, Ce(temperature=temperature)(student, teacher))
        torch.testing.assert_close(original, kd_loss(student, teacher, temperature) / temperature**2)


def test_cross_entropy_has_the_gradient_of_the_cross_entropy() -> None:
    student, teacher = logits(4, 6, seed=72).requires_grad_(), logits(4, 6, seed=73)
    Ce(temperature=3.0)(student, teacher).sum().backward()
    ours, student.grad = student.grad, None
    torch.nn.functional.cross_entropy(student / 3, (teacher / 3).softmax(1), reduction="sum").backward()
    torch.testing.assert_close(ours, student.grad)


def test_decoupled_parts_add_up_to_soft_labels() -> None:
    student, teacher = logits(5, 6, seed=74), logits(5, 6, seed=75)
    target = torch.tensor([0, 5, 2, 2, 1])
    p = (teacher / 3).softmax(1).gather(1, target[:, None])[:, 0]
    first = dkd_loss(student, teacher, 3.0, 1.0, 0.0, target)
    second = dkd_loss(student, teacher, 3.0, 0.0, 1.0, target)
    torch.testing.assert_close(first + (1 - p) * second, kd_loss(student, teacher, 3.0))
    top = teacher.argmax(1)
    torch.testing.assert_close(Dkd()(student, teacher), dkd_loss(student, teacher, 4.0, 1.0, 8.0, top))


def test_a_teacher_of_one_known_class_has_no_rest() -> None:
    student = torch.tensor([[1.0, 2.0, 0.0]], requires_grad=True)
    said = Dkd()(student, torch.tensor([[3.0, -math.inf, -math.inf]]))
    assert said.isfinite().all() and said > 0
    said.sum().backward()
    assert student.grad is not None and student.grad.isfinite().all()


def test_standardised_labels_ignore_shift_and_scale_and_meet_soft_labels() -> None:
    student, teacher = logits(4, 6, seed=76), logits(4, 6, seed=77)
    torch.testing.assert_close(
        Zscore()(5 * student + 3, teacher), Zscore()(student, teacher), rtol=1e-5, atol=1e-9
    )
    assert Zscore()(7 * teacher - 1, teacher).max() < 1e-9
    # The limit of high temperature: half the mean squared difference of standardised logits.
    z, goal = ((v - v.mean(1, keepdim=True)) / v.std(1, keepdim=True) for v in (student, teacher))
    limit = (z - goal).square().mean(1) / 2
    torch.testing.assert_close(Zscore(temperature=1e4)(student, teacher), limit, rtol=1e-3, atol=0)


@pytest.mark.parametrize("make", [Kd, Ce, LwfOriginal, ProbabilityL2, Dkd, Zscore])
def test_every_temperature_is_used_and_checked(make: Callable[..., Knowledge]) -> None:
    student, teacher = logits(4, 6, seed=78), logits(4, 6, seed=79)
    values = [float(make(temperature=t)(student, teacher).mean()) for t in (0.5, 1.0, 2.0, 4.0)]
    assert len({round(value, 4) for value in values}) == 4
    for wrong in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(BadCall, match="temperature"):
            make(temperature=wrong)


def test_weights_that_mean_nothing_are_refused() -> None:
    for options in ({"alpha": -1.0}, {"beta": math.nan}):
        with pytest.raises(BadCall, match=next(iter(options))):
            Dkd(**options)
    with pytest.raises(BadCall, match="intra"):
        Zscore(intra=-0.1)
