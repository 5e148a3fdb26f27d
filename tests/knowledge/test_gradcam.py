"""Class activation maps, and a gradient that goes through a gradient."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Said
from lifelong_kd.knowledge.gradcam import GradCam, grad_cam, gradcam_loss


class Small(nn.Module):
    """Two stages and a head that is not linear in the maps."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.first = nn.Conv2d(1, 4, 3, padding=1)
            self.second = nn.Conv2d(4, 5, 3, padding=1)
            self.between = nn.Linear(5, 6)
            self.head = nn.Linear(6, 3)
        self.double()

    def forward(self, x: Tensor) -> Said:
        one = self.first(x).tanh()
        two = self.second(one).tanh()
        return Said(self.head(self.between(two.mean(dim=(2, 3))).tanh()), maps={"one": one, "two": two})


def images(batch: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 1, 4, 5, generator=generator, dtype=torch.float64)


def test_it_reaches_the_students_parameters() -> None:
    # FACIL's LwM computes this term without gradient: there it changes nothing.
    student, teacher, x = Small(0), Small(1), images(6, seed=2)
    said = GradCam()(student(x), teacher(x))
    assert said.shape == (6,) and (said >= 0).all() and said.sum() > 0
    said.sum().backward()
    for name, parameter in student.named_parameters():
        # The class activation map does not depend on the head's bias: it drops out of the gradient.
        assert (parameter.grad is None or not parameter.grad.any()) == (name == "head.bias"), name
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_its_gradient_is_the_slope_of_its_value() -> None:
    student, teacher, x = Small(3), Small(4), images(4, seed=5)
    knowledge = GradCam()
    knowledge(student(x), teacher(x)).sum().backward()
    step = 1e-6
    for parameter in (
        student.head.weight,
        student.between.weight,
        student.second.weight,
        student.first.weight,
    ):
        place = tuple(0 for _ in parameter.shape)
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter[place] += sign * step
            values.append(float(knowledge(student(x), teacher(x)).sum().detach()))
            with torch.no_grad():
                parameter[place] -= sign * step
        slope = (values[0] - values[1]) / (2 * step)
        assert parameter.grad is not None
        assert float(parameter.grad[place]) == pytest.approx(slope, rel=1e-4, abs=1e-7)


def test_a_step_brings_the_student_nearer() -> None:
    student, teacher, x = Small(6), Small(7), images(8, seed=8)
    knowledge = GradCam()
    optimizer = torch.optim.SGD(student.parameters(), lr=0.02)
    before = float(knowledge(student(x), teacher(x)).mean().detach())
    for _ in range(40):
        optimizer.zero_grad()
        knowledge(student(x), teacher(x)).mean().backward()
        optimizer.step()
    assert float(knowledge(student(x), teacher(x)).mean().detach()) < 0.8 * before


def test_the_same_network_agrees() -> None:
    student, teacher, x = Small(9), Small(9), images(5, seed=10)
    said = GradCam(stages="all")(student(x), teacher(x))
    assert torch.equal(said, torch.zeros(5).double())
    said.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in student.parameters())


def test_the_class_is_the_teachers_top_column_and_may_stand_among_unknown_ones() -> None:
    student, teacher, x = Small(11), Small(12), images(5, seed=13)
    seen, told = student(x), teacher(x)
    top = told.logits.argmax(dim=1)
    pairs = [(seen.maps["two"], seen.logits), (told.maps["two"], told.logits)]
    cams = [grad_cam(values, logits, top) for values, logits in pairs]
    expected = gradcam_loss([cams[0]], [cams[1]])
    torch.testing.assert_close(GradCam()(seen, told), expected)
    wider = torch.cat([told.logits, torch.full((5, 2), float("nan")).double()], 1)
    torch.testing.assert_close(GradCam()(seen, Said(wider, maps=told.maps)), expected)
    another = grad_cam(seen.maps["two"], seen.logits, (top + 1) % 3)
    assert not torch.allclose(cams[0], another)


def test_last_and_all_stages() -> None:
    student, teacher, x = Small(14), Small(15), images(5, seed=16)
    seen, told = student(x), teacher(x)
    each = [
        GradCam()(Said(seen.logits, maps={n: seen.maps[n]}), Said(told.logits, maps={n: told.maps[n]}))
        for n in ("one", "two")
    ]
    torch.testing.assert_close(GradCam()(seen, told), each[1])
    torch.testing.assert_close(GradCam(stages="all")(seen, told), (each[0] + each[1]) / 2)
    with pytest.raises(BadCall, match="last, all"):
        GradCam(stages="first")  # type: ignore[arg-type]


def test_maps_where_nothing_speaks_for_the_class() -> None:
    weight = torch.tensor([[-1.0, -1.0], [1.0, 1.0]])

    def said(values: Tensor, top: int) -> Said:
        leaf = values.clone().requires_grad_()
        logits = leaf.sum(dim=(2, 3)) @ weight.T
        bias = torch.zeros(2)
        bias[top] = 100.0
        return Said(logits + bias, maps={"stage": leaf})

    values = torch.rand(2, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    # Column 0 is spoken against by every place: ReLU leaves nothing, on both sides.
    student, teacher = said(values, 0), said(values.flip(0), 0)
    nothing = GradCam()(student, teacher)
    assert torch.equal(nothing.detach(), torch.zeros(2))
    nothing.sum().backward()
    assert student.maps["stage"].grad is not None and not student.maps["stage"].grad.any()


def test_a_class_activation_map_by_hand() -> None:
    values = torch.tensor([[[[1.0, 2.0]], [[4.0, 0.0]]]], requires_grad=True)
    # d logit_0 / dA: channel 0 gets 3 and 1, mean 2; channel 1 gets -1 and -1, mean -1.
    logits = torch.stack(
        [
            3 * values[:, 0, 0, 0] + values[:, 0, 0, 1] - values[:, 1].sum(dim=(1, 2)),
            values.sum(dim=(1, 2, 3)),
        ],
        1,
    )
    cam = grad_cam(values, logits, torch.tensor([0]))
    assert cam.tolist() == [[[0.0, 4.0]]] and not cam.requires_grad
    assert grad_cam(values, logits, torch.tensor([0]), create_graph=True).requires_grad


def test_what_cannot_be_differentiated_is_said() -> None:
    student, x = Small(17), images(3, seed=18)
    with torch.no_grad():
        blind = student(x)
    with pytest.raises(ValueError, match="one forward pass with gradient enabled"):
        GradCam()(student(x), blind)
    apart = Said(student(x).logits, maps=student(x).maps)
    with pytest.raises(ValueError, match="do not depend on this map"):
        GradCam()(apart, student(x))
    seen = student(x)
    with pytest.raises(ValueError, match="same stages"):
        GradCam()(seen, Said(seen.logits, maps={"two": seen.maps["two"]}))
    flat = Said(seen.logits, maps={"two": seen.maps["two"].mean(dim=(2, 3))})
    with pytest.raises(ValueError, match=r"made of \(batch, channels, height, width\)"):
        GradCam()(flat, flat)


def test_the_graph_of_a_frozen_teacher_may_begin_at_its_maps() -> None:
    teacher, student, x = Small(19), Small(20), images(3, seed=21)
    for parameter in teacher.parameters():
        parameter.requires_grad_(False)
    with torch.no_grad():
        one = teacher.first(x).tanh()
        two = teacher.second(one).tanh()
    two.requires_grad_()
    logits = teacher.head(teacher.between(two.mean(dim=(2, 3))).tanh())
    said = GradCam()(student(x), Said(logits, maps={"one": one, "two": two}))
    said.sum().backward()
    assert two.grad is None
