"""Soft and hard targets, noise on them, and teachers that abstain."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import LOGITS, Batch, Moment, Said, Wants
from lifelong_kd.knowledge.attention import Attention
from lifelong_kd.knowledge.bce import Bce
from lifelong_kd.knowledge.ce import Ce
from lifelong_kd.knowledge.dkd import Dkd
from lifelong_kd.knowledge.hint import Hint
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.knowledge.l1 import L1
from lifelong_kd.knowledge.mse import Mse
from lifelong_kd.knowledge.rkd_distance import RkdDistance
from lifelong_kd.knowledge.zscore import Zscore
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.lesson import Lesson
from lifelong_kd.strategy.target import hardened, perturbed
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.base import Teacher
from tests.strategy.driver import tasks_of

CPU = torch.device("cpu")
GROUPS = [(0, 1), (2, 3)]


class Abstaining(Teacher):
    """Says what it was made with, about the samples that it was told to know."""

    offers = frozenset({"logits", "features", "maps"})

    def __init__(self, said: Said) -> None:
        self.said = said

    @property
    def ready(self) -> bool:
        return True

    def teach(self, batch: Batch, wants: Wants = LOGITS) -> Said:
        return self.said


def lesson(student: Said, scenario: str = "class") -> Lesson:
    count = len(student.logits)
    zeros = torch.zeros(count, dtype=torch.int64)

    def unasked(*_: object) -> Said:
        raise AssertionError("the new batch has been through the student already")

    return Lesson(
        task=tasks_of(GROUPS, scenario)[1],  # type: ignore[arg-type]
        moment=Moment(task=1, old=2, new=2),
        new=Batch(x=torch.zeros(count, 5), y=zeros, label=zeros, raw=torch.zeros(count, 5)),
        said=student,
        draw=lambda source: None,
        plain=lambda batch: batch,
        forward=unasked,
        heads=lambda batch: {},
        model=torch.nn.Identity(),
        wants={},
        asked={},
    )


def term(said: Said | Tensor, **options: object) -> Distill:
    teacher = Abstaining(said if isinstance(said, Said) else Said(said))
    knowledge = options.pop("knowledge", Kd(temperature=1.0))
    return Distill(teacher, knowledge, **options)  # type: ignore[arg-type]


def value(made: Distill, student: Said | Tensor, scenario: str = "class") -> Tensor:
    found = made.value(lesson(student if isinstance(student, Said) else Said(student), scenario))
    assert found is not None
    return found


def random(rows: int, columns: int, seed: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# ---- hard targets ---------------------------------------------------------------------------------------------


def test_a_hard_target_is_the_cross_entropy_with_the_teachers_label() -> None:
    # log(e^0 + e^1) - 1 for the first, log(e^0 + e^0) for the second.
    student = torch.tensor([[0.0, 1.0, 5.0, 5.0], [0.0, 0.0, 5.0, 5.0]])
    said = torch.tensor([[-1.0, 2.0, 9.0, 9.0], [0.3, 0.1, 9.0, 9.0]])
    expected = (math.log(1 + math.e) - 1 + math.log(2)) / 2
    for knowledge in (Kd(temperature=1.0), Ce(temperature=1.0)):
        found = value(term(said, target="hard", over="old", knowledge=knowledge), student)
        assert float(found) == pytest.approx(expected, rel=1e-6)


def test_padded_the_new_classes_compete_and_are_never_the_label() -> None:
    # The teacher's largest column is a new class: it knows nothing of it, and class 1 is its label.
    student = torch.tensor([[0.0, 1.0, 2.0, 3.0]])
    said = torch.tensor([[-1.0, 2.0, 9.0, 9.0]])
    found = value(term(said, target="hard", over="padded"), student)
    assert float(found) == pytest.approx(math.log(1 + math.e + math.e**2 + math.e**3) - 1, rel=1e-6)


def test_padded_in_a_task_incremental_stream_each_earlier_task_has_a_label_of_its_own() -> None:
    student = torch.tensor([[0.0, 1.0, 2.0, 3.0]])
    said = torch.tensor([[-1.0, 2.0, 9.0, 9.0]])
    found = value(term(said, target="hard", over="padded"), student, "task")
    assert float(found) == pytest.approx(math.log(1 + math.e) - 1, rel=1e-6)


def test_a_hard_target_in_a_domain_incremental_stream_is_over_the_shared_classes() -> None:
    student, said = random(3, 2, 0), random(3, 2, 1)
    made = term(said, target="hard", over="padded")
    step = lesson(Said(student))
    step.task = tasks_of([(0, 1), (0, 1)], "domain")[1]
    expected = torch.nn.functional.cross_entropy(student, said.argmax(dim=1))
    found = made.value(step)
    assert found is not None and float(found) == pytest.approx(float(expected), rel=1e-9)


def test_the_first_of_equals_is_the_label_and_a_missing_column_stays_missing() -> None:
    said = torch.tensor([[1.0, 3.0, 3.0], [math.nan, 0.0, -1.0]])
    hard = hardened(said)
    assert hard[0].tolist() == [-math.inf, 0.0, -math.inf]
    assert math.isnan(hard[1, 0]) and hard[1, 1:].tolist() == [0.0, -math.inf]
    assert hardened(torch.zeros(2, 0)).shape == (2, 0)


def test_the_other_knowledges_of_a_softmax_take_hard_targets() -> None:
    student, said = random(4, 4, 0).requires_grad_(), random(4, 4, 1)
    # With weights 1, decoupled distillation is the whole divergence: here the cross-entropy.
    knowledge = Dkd(temperature=1.0, alpha=1.0, beta=1.0)
    found = value(term(said, target="hard", over="seen", knowledge=knowledge), student)
    expected = torch.nn.functional.cross_entropy(student, said.argmax(dim=1))
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-6)
    found.backward()
    assert student.grad is not None and student.grad.isfinite().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "hrad"}, "'hard'"),
        ({"target": "hard", "knowledge": Kd()}, "set its temperature to 1"),
        ({"target": "hard", "knowledge": Mse()}, "and Mse compares no softmax"),
        ({"target": "hard", "knowledge": Bce()}, "Bce compares no softmax"),
        ({"target": "hard", "knowledge": L1()}, "L1 compares no softmax"),
        ({"target": "hard", "knowledge": Zscore(temperature=1.0)}, "Zscore compares no softmax"),
        ({"target": "hard", "knowledge": Hint()}, "compares features"),
        ({"target_noise": 0.1, "knowledge": Hint()}, "compares features"),
        ({"target_noise": -0.1}, "target_noise must be at least 0"),
    ],
)
def test_what_a_target_cannot_be(options: dict[str, object], message: str) -> None:
    with pytest.raises(BadCall, match=message):
        term(torch.zeros(1, 4), **options)


def test_a_controller_finds_no_temperature_to_turn_in_a_term_with_hard_targets() -> None:
    hard, soft = (term(torch.zeros(1, 4), target=target) for target in ("hard", "soft"))
    knobs = Strategy(terms={"hard": hard, "soft": soft}).knobs
    assert knobs.temperature("hard") is None and knobs.temperature("soft") == 1.0


# ---- noise ----------------------------------------------------------------------------------------------------


def test_noise_is_added_to_the_logits_from_a_generator_of_the_term() -> None:
    student, said = random(3, 4, 0), random(3, 4, 1)
    made = term(said, over="old", target_noise=0.5)
    seeds = Seeds(7)
    made.begin("expert", seeds, CPU)
    noise = torch.randn((3, 2), generator=Seeds(7).generator("target_noise/expert")).double()
    expected = Kd(temperature=1.0)(student[:, :2], said[:, :2] + 0.5 * noise).mean()
    assert torch.equal(value(made, student), expected)
    # The next step draws anew, and goes on from the checkpoint's state.
    state = {name: one.clone() for name, one in seeds.state_dict().items()}
    second = value(made, student)
    assert not torch.equal(second, expected)
    other, again = Seeds(7), term(said, over="old", target_noise=0.5)
    again.begin("expert", other, CPU)
    other.load_state_dict(state)
    assert torch.equal(value(again, student), second)


def test_without_noise_nothing_is_drawn() -> None:
    seeds = Seeds(0)
    made = term(random(3, 4, 1))
    made.begin("expert", seeds, CPU)
    before = torch.random.get_rng_state()
    value(made, random(3, 4, 0))
    assert seeds.state_dict() == {}
    assert torch.equal(torch.random.get_rng_state(), before)


def test_noise_leaves_a_class_without_probability_at_none() -> None:
    noisy = perturbed(torch.tensor([[0.0, -math.inf]]), 1.0, torch.Generator().manual_seed(0))
    assert noisy[0, 1] == -math.inf and noisy[0, 0].isfinite() and noisy[0, 0] != 0.0


def test_a_strategy_tells_its_terms_their_names() -> None:
    first, second = (term(random(3, 4, 1), over="old", target_noise=1.0) for _ in range(2))
    strategy = Strategy(terms={"first": first, "second": second})
    strategy.begin(lambda *_: Said(torch.empty(0)), Seeds(0), CPU)  # type: ignore[arg-type]
    student = random(3, 4, 0)
    assert not torch.equal(value(first, student), value(second, student))


# ---- abstaining -----------------------------------------------------------------------------------------------


def test_what_a_teacher_abstains_from_is_as_if_it_were_not_in_the_batch() -> None:
    student, said = random(5, 4, 0).requires_grad_(), random(5, 4, 1)
    known = torch.tensor([True, False, True, False, False])
    said[~known] = math.nan
    found = value(term(Said(said, known=known), over="seen"), student)
    alone = student.detach()[known].requires_grad_()
    expected = value(term(said[known], over="seen"), alone)
    assert torch.equal(found, expected)
    found.backward()
    expected.backward()
    assert student.grad is not None and alone.grad is not None
    assert torch.equal(student.grad[known], alone.grad)
    assert torch.equal(student.grad[~known], torch.zeros(3, 4).double())


@pytest.mark.parametrize("target", ["soft", "hard"])
def test_a_teacher_that_abstains_from_everything_teaches_an_exact_zero(target: str) -> None:
    student = random(3, 4, 0).requires_grad_()
    none = torch.zeros(3, dtype=torch.bool)
    found = value(term(Said(torch.full((3, 4), math.nan), known=none), target=target, over="seen"), student)
    assert float(found.detach()) == 0.0
    found.backward()
    assert student.grad is not None and torch.equal(student.grad, torch.zeros_like(student))


def test_relations_are_between_known_samples_only() -> None:
    mine, theirs = random(5, 3, 0), random(5, 3, 1)
    known = torch.tensor([True, True, False, True, False])
    student, said = Said(torch.zeros(5, 4), mine), Said(torch.zeros(5, 4), theirs, known=known)
    found = value(term(said, knowledge=RkdDistance()), student)
    assert torch.equal(found, RkdDistance()(mine[known], theirs[known]).mean())


def test_maps_of_known_samples_only() -> None:
    mine, theirs = random(4, 6, 0).reshape(4, 2, 3, 1), random(4, 6, 1).reshape(4, 2, 3, 1)
    known = torch.tensor([False, True, False, True])
    student = Said(torch.zeros(4, 4), maps={"a": mine})
    said = Said(torch.zeros(4, 4), maps={"a": theirs}, known=known)
    found = value(term(said, knowledge=Attention(), at=["a"]), student)
    assert torch.equal(found, Attention()([mine[known]], [theirs[known]]).mean())
