"""Terms: teacher x knowledge x source x schedule, drawn once a step, and what does not fit together."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import LOGITS, Batch, Moment, Said, Wants
from lifelong_kd.correction.nearest_mean import NearestMean
from lifelong_kd.knowledge.attention import Attention
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.knowledge.mse import Mse
from lifelong_kd.memory.exemplars import Herding
from lifelong_kd.memory.reservoir import Reservoir
from lifelong_kd.model.build import build_network
from lifelong_kd.schedule.combined import Product
from lifelong_kd.schedule.gradient_ratio import GradientRatio
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.lesson import Lesson, Source
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.strategy.term import Distill, Rehearse
from lifelong_kd.teacher.base import Teacher
from lifelong_kd.teacher.snapshot import Snapshot
from lifelong_kd.teacher.stored import Stored
from tests.reference import losses as slow
from tests.strategy.driver import Driver, batch_of, data_of, linear, tasks_of

GROUPS = [(0, 1), (2, 3), (4, 5)]


class Fixed(Teacher):
    """Says what it was made with."""

    def __init__(self, said: Tensor | dict[int, Tensor] | None) -> None:
        self.said = Said(torch.empty(0), heads=said) if isinstance(said, dict) else said
        self.asked = 0

    @property
    def ready(self) -> bool:
        return self.said is not None

    def teach(self, batch: Batch, wants: Wants = LOGITS) -> Said:
        self.asked += 1
        assert self.said is not None
        return Said(self.said) if isinstance(self.said, Tensor) else self.said


def batch(count: int) -> Batch:
    zeros = torch.zeros(count, dtype=torch.int64)
    return Batch(x=torch.zeros(count, 5), y=zeros, label=zeros, raw=torch.zeros(count, 5))


def lesson(
    logits: Tensor, *, scenario: str = "class", index: int = 2, heads: dict[int, Tensor] | None = None
) -> Lesson:
    def empty(source: Source) -> Batch | None:
        return None

    def forward(batch: Batch, wants: Wants) -> Said:
        raise AssertionError("the new batch has been through the student already")

    return Lesson(
        task=tasks_of(GROUPS, scenario)[index],  # type: ignore[arg-type]
        moment=Moment(task=index, old=2 * index, new=2),
        new=batch(len(logits)),
        said=Said(logits),
        draw=empty,
        plain=lambda batch: batch,
        forward=forward,
        heads=lambda batch: heads or {},
        model=torch.nn.Identity(),
        wants={},
        asked={},
    )


def random(count: int, columns: int, seed: int) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(count, columns, generator=rng, dtype=torch.float64)


@pytest.mark.parametrize(
    ("scenario", "over", "groups"),
    [
        ("class", "old", [(0, 1, 2, 3)]),
        ("class", "per_task", [(0, 1), (2, 3)]),
        ("class", "seen", [(0, 1, 2, 3, 4, 5)]),
        ("class", "new", [(4, 5)]),
        ("class", "all", [(0, 1, 2, 3, 4, 5, 6)]),
        ("task", "old", [(0, 1), (2, 3)]),
    ],
)
def test_a_term_is_the_mean_over_samples_of_the_sum_over_groups(
    scenario: str, over: str, groups: list[tuple[int, ...]]
) -> None:
    student, teacher = random(5, 7, 0).requires_grad_(), random(5, 7, 1)
    term = Distill(Fixed(teacher), Kd(temperature=3.0), over=over)  # type: ignore[arg-type]
    value = term.value(lesson(student, scenario=scenario))
    assert value is not None
    rows = zip(student.tolist(), teacher.tolist(), strict=True)
    expected = slow.mean([sum(slow.kd(slow.at(s, g), slow.at(t, g), 3.0) for g in groups) for s, t in rows])
    assert float(value.detach()) == pytest.approx(expected, rel=1e-12)
    value.backward()
    assert student.grad is not None
    outside = [c for c in range(7) if all(c not in group for group in groups)]
    assert student.grad[:, outside].abs().sum() == 0
    assert student.grad.abs().sum() > 0


def test_a_softmax_over_the_batch_would_be_another_number() -> None:
    student, teacher = random(4, 4, 0), random(4, 4, 1)
    value = Distill(Fixed(teacher), Kd(), over="all").value(lesson(student))
    crossed = Kd()(student.T, teacher.T).mean()
    assert value is not None and abs(float(value) - float(crossed)) > 0.1


def test_a_teacher_that_is_narrower_teaches_the_columns_it_has() -> None:
    student, teacher = random(3, 6, 0), random(3, 4, 1)
    value = Distill(Fixed(teacher), Mse(), over="all").value(lesson(student))
    assert value is not None
    assert torch.equal(value, Mse()(student[:, :4], teacher).mean())


def test_several_heads_are_compared_each_with_its_own() -> None:
    said = {label: random(3, 6, label) for label in range(3)}
    heads = {label: random(3, 6, 10 + label) for label in range(3)}
    term = Distill(Fixed(dict(said)), Kd(), over="old")
    value = term.value(lesson(random(3, 6, 20), scenario="task", heads=heads))
    expected = 0.0
    for label, group in ((0, (0, 1)), (1, (2, 3))):
        pairs = zip(heads[label].tolist(), said[label].tolist(), strict=True)
        expected += slow.mean([slow.kd(slow.at(s, group), slow.at(t, group), 2.0) for s, t in pairs])
    assert value is not None
    assert float(value) == pytest.approx(expected, rel=1e-12)
    # Only its own head: nothing to compare.
    assert Distill(Fixed({2: said[2]}), Kd()).value(lesson(random(3, 6, 0), scenario="task")) is None


def test_an_empty_batch_is_an_exact_0_that_back_propagates() -> None:
    student = torch.zeros(0, 6, requires_grad=True)
    value = Distill(Fixed(torch.zeros(0, 6)), Kd()).value(lesson(student))
    assert value is not None and float(value.detach()) == 0.0
    value.backward()
    assert student.grad is not None


def test_a_term_is_silent_where_there_is_nothing() -> None:
    student = random(3, 6, 0)
    quiet = Fixed(None)
    assert Distill(quiet, Kd()).value(lesson(student)) is None
    assert quiet.asked == 0
    assert Distill(Fixed(student), Kd()).value(lesson(student, index=0)) is None  # no old classes
    memory = Fixed(student)
    assert Distill(memory, Kd(), source="memory").value(lesson(student)) is None  # nothing drawn
    assert memory.asked == 0
    assert Rehearse(TaskLoss()).value(lesson(student)) is None


# ---- draws ----------------------------------------------------------------------------------------------------


def replaying(terms: dict[str, Distill | Rehearse], *, memory_batch: int | None = 3) -> Driver:
    strategy = Strategy(terms=terms, memory=Reservoir(capacity=20), memory_batch=memory_batch)
    return Driver(strategy, linear(6))


def test_each_source_is_drawn_and_forwarded_once_a_step() -> None:
    driver = replaying(
        {
            "one": Rehearse(TaskLoss(), source="memory"),
            "two": Distill(Stored(), Mse(), source="memory", over="all"),
            "three": Rehearse(TaskLoss(), source="memory2"),
            "four": Distill(Stored(), Mse(), source="memory2", over="all"),
        }
    )
    data = driver.begin(tasks_of(GROUPS)[0])
    driver.step(batch_of(data, range(8)))  # the memory was empty
    assert driver.forwards == [8]
    driver.forwards.clear()
    loss, step = driver.lesson(batch_of(data, range(8)))
    driver.strategy.loss(loss, step)
    assert driver.forwards == [8, 3, 3]
    first, second = step.batch("memory"), step.batch("memory2")
    assert first is not None and second is not None
    assert step.batch("memory") is first
    assert not torch.equal(first.raw, second.raw)  # two independent draws
    assert driver.forwards == [8, 3, 3]
    assert set(driver.strategy.parts) == {"task", "one", "two", "three", "four"}


def test_a_source_that_no_term_uses_is_not_drawn() -> None:
    driver = replaying({"one": Rehearse(TaskLoss(), source="memory2")})
    data = driver.begin(tasks_of(GROUPS)[0])
    driver.step(batch_of(data, range(8)))
    before = driver.seeds.generator("draw/memory").get_state()
    driver.forwards.clear()
    driver.step(batch_of(data, range(8)))
    assert driver.forwards == [8, 3]
    assert torch.equal(driver.seeds.generator("draw/memory").get_state(), before)


def test_a_draw_is_augmented_anew_and_carries_its_fields() -> None:
    driver = replaying({"dark": Distill(Stored(), Mse(), source="memory", over="all")}, memory_batch=None)
    data = driver.begin(tasks_of(GROUPS)[0])
    new = batch_of(data, range(8))
    driver.step(new)
    _, step = driver.lesson(new)
    drawn = step.batch("memory")
    assert drawn is not None and len(drawn) == 8
    shift = drawn.x - drawn.raw
    assert (shift > 0).any() and len(set(shift[:, 0].tolist())) == 8
    assert drawn.index is None
    assert sorted(drawn.raw[:, 0].tolist()) == sorted(new.raw[:, 0].tolist())
    assert drawn.fields["logits"].shape == (8, 6)


def test_stored_logits_are_those_before_the_step() -> None:
    driver = replaying({"dark": Distill(Stored(), Mse(), source="memory", over="all")})
    data = driver.begin(tasks_of(GROUPS)[0])
    new = batch_of(data, range(4))
    before = driver.model(new.x).detach()
    driver.step(new)
    assert driver.strategy.memory is not None
    assert torch.equal(driver.strategy.memory.samples["logits"][:4], before)
    assert not torch.equal(driver.model(new.x).detach(), before)


def test_one_teacher_of_two_terms_is_one_teacher() -> None:
    shared, other = Snapshot(), Snapshot()
    strategy = Strategy(
        terms={"a": Distill(shared, Kd()), "b": Distill(shared, Mse()), "c": Distill(other, Kd())}
    )
    assert strategy.teachers == {"a": shared, "c": other}


# ---- sums -----------------------------------------------------------------------------------------------------


def test_terms_are_weighted_and_added_and_their_parts_are_kept() -> None:
    student, teacher = random(4, 6, 0).requires_grad_(), random(4, 6, 1)
    strategy = Strategy(
        terms={
            "soft": Distill(Fixed(teacher), Kd(), weight=[0.0, 9.0, 2.5]),
            "logits": Distill(Fixed(teacher), Mse(), over="all"),
            "off": Distill(Fixed(teacher), Mse(), weight=0.0),
        },
        task_weight=0.5,
    )
    task_loss = student.square().sum()
    total = strategy.loss(task_loss, lesson(student))
    soft = Kd()(student[:, :4], teacher[:, :4]).mean()
    logits = Mse()(student, teacher).mean()
    torch.testing.assert_close(total, 0.5 * task_loss + 2.5 * soft + logits)
    assert list(strategy.parts) == ["task", "soft", "logits"]
    assert [part.weight for part in strategy.parts.values()] == [0.5, 2.5, 1.0]
    torch.testing.assert_close(strategy.parts["soft"].raw, soft.detach())
    assert not any(part.raw.requires_grad for part in strategy.parts.values())


def test_without_terms_the_loss_is_the_task_loss_itself() -> None:
    task_loss = torch.tensor(2.0, requires_grad=True)
    assert Strategy().loss(task_loss, lesson(random(2, 6, 0))) is task_loss


def test_a_schedule_is_told_classes_and_batches() -> None:
    driver = replaying({"one": Rehearse(TaskLoss())}, memory_batch=5)
    tasks = tasks_of(GROUPS)
    driver.learn(tasks[0], steps=2, size=3)
    data = driver.begin(tasks[1])
    _, step = driver.lesson(batch_of(data, range(4)))
    assert step.moment == Moment(task=1, old=2, new=2, batch=4, replayed=5)
    driver.strategy.draws.memory_batch = None
    _, step = driver.lesson(batch_of(data, range(4)))
    assert step.moment.replayed == 4
    driver.strategy.draws.memory_batch = 50  # more than there are
    _, step = driver.lesson(batch_of(data, range(4)))
    assert step.moment.replayed == 6
    assert len(step.batch("memory") or ()) == 6


# ---- what does not fit ------------------------------------------------------------------------------------------


class Painter(Teacher):
    """Offers no logits and works on memory alone."""

    offers = frozenset({"paint"})
    ready = True

    def teach(self, batch: Batch, wants: Wants = LOGITS) -> Said:
        return Said(batch.x)


def test_a_knowledge_and_a_teacher_that_do_not_fit_are_refused() -> None:
    with pytest.raises(
        BadCall, match=r"Kd needs \['logits'\], which Painter does not offer; it offers \['paint'\]"
    ):
        Distill(Painter(), Kd())


def test_a_teacher_on_data_it_cannot_teach_on_is_refused() -> None:
    with pytest.raises(BadCall, match=r"Stored cannot teach on 'new'; it can on \['memory', 'memory2'\]"):
        Distill(Stored(), Mse(), source="new")
    with pytest.raises(BadCall, match="'generated'; not on 'dreams'"):
        Distill(Snapshot(), Kd(), source="dreams")  # type: ignore[arg-type]


def test_maps_of_one_place_are_no_attention() -> None:
    perceptron = build_network((5,), 6, model=("mlp", {"hidden": [4]}))
    driver = Driver(Strategy(terms={"look": Distill(Snapshot(), Attention())}), perceptron)
    tasks = tasks_of(GROUPS)
    driver.learn(tasks[0], steps=1)
    data = driver.begin(tasks[1])
    loss, step = driver.lesson(batch_of(data, range(4)))
    with pytest.raises(BadCall, match="Attention cannot compare this student with Snapshot"):
        driver.strategy.loss(loss, step)


def test_unknown_words_are_refused() -> None:
    with pytest.raises(BadCall, match="'old_classes'"):
        Distill(Snapshot(), Kd(), over="old_classes")  # type: ignore[arg-type]
    with pytest.raises(BadCall, match="'dreams'"):
        Rehearse(TaskLoss(), source="dreams")  # type: ignore[arg-type]
    with pytest.raises(BadCall, match="'memory'"):
        Strategy(train_on="memory")  # type: ignore[arg-type]


def test_rehearsal_of_the_new_batch_is_refused() -> None:
    with pytest.raises(BadCall, match="rehearsal works on 'memory'"):
        Rehearse(TaskLoss(), source="new")


def test_a_term_on_memory_needs_one() -> None:
    with pytest.raises(BadCall, match="term 'old' works on 'memory2', but the strategy has no memory"):
        Strategy(terms={"old": Rehearse(TaskLoss(), source="memory2")})


def test_training_on_exemplars_needs_some_and_a_loss_that_can_score_them() -> None:
    with pytest.raises(BadCall, match="needs a memory"):
        Strategy(train_on="new_and_memory")
    with pytest.raises(BadCall, match="cannot score exemplars of old classes"):
        Strategy(train_on="new_and_memory", memory=Herding(total=4), task_loss=TaskLoss("new"))
    Strategy(train_on="new_and_memory", memory=Herding(total=4), task_loss=TaskLoss("new", "bce"))
    Strategy(train_on="new_and_memory", memory=Herding(total=4), task_loss=TaskLoss("seen"))


def test_the_nearest_mean_needs_exemplars() -> None:
    with pytest.raises(BadCall, match="needs a memory of exemplars"):
        Strategy(corrections=[NearestMean()])


def test_a_memory_batch_of_nothing_is_refused() -> None:
    with pytest.raises(BadCall, match="memory_batch must be at least 1, got 0"):
        Strategy(memory=Reservoir(capacity=3), memory_batch=0)


def test_logits_are_kept_when_a_term_needs_them() -> None:
    with_logits, without = Reservoir(capacity=3), Reservoir(capacity=3)
    Strategy(memory=with_logits, terms={"a": Distill(Stored(), Mse(), source="memory")})
    Strategy(memory=without, terms={"a": Rehearse(TaskLoss()), "b": Distill(Snapshot(), Mse())})
    assert with_logits.keep_logits and not without.keep_logits


def test_nothing_can_be_asked_before_the_first_task() -> None:
    strategy = Strategy()
    with pytest.raises(RuntimeError, match="no task has begun"):
        strategy.task  # noqa: B018
    with pytest.raises(RuntimeError, match="no task has begun"):
        strategy.data  # noqa: B018
    with pytest.raises(RuntimeError, match="no batch from 'memory'"):
        lesson(random(2, 6, 0)).student("memory")


def test_a_growing_task_is_compared_on_columns_both_have() -> None:
    driver = replaying({"dark": Distill(Stored(), Mse(), source="memory", over="all")})
    driver.model = linear(4)
    one, two = tasks_of([(0, 1, 2, 3), (4, 5)])
    data = driver.begin(one)
    driver.step(batch_of(data, range(8)))
    driver.model = linear(6, seed=1)
    driver.begin(two, data_of(two))
    _, step = driver.lesson(batch_of(data_of(two), range(8)))
    term = driver.strategy.terms["dark"]
    value, drawn = term.value(step), step.batch("memory")
    assert value is not None and drawn is not None
    stored = drawn.fields["logits"]
    assert stored.shape[1] == 4
    expected = slow.mean(
        [
            slow.mse(s[:4], t)
            for s, t in zip(step.student("memory").logits.tolist(), stored.tolist(), strict=True)
        ]
    )
    assert float(value.detach()) == pytest.approx(expected, rel=1e-5)


def test_a_term_with_a_step_of_its_own_asks_the_student_as_it_is_by_then() -> None:
    teacher = Fixed(torch.zeros(6, 6))
    strategy = Strategy(
        memory=Reservoir(capacity=8),
        memory_batch=6,
        terms={
            "replay": Rehearse(TaskLoss()),
            "new": Distill(teacher, Mse(), over="all", separate=True),
            "old": Distill(teacher, Mse(), over="all", source="memory", separate=True),
        },
    )
    run = Driver(strategy, linear(6))
    tasks = tasks_of(GROUPS)
    data = run.begin(tasks[0])
    first = batch_of(data, range(6))
    strategy.after_step(run.lesson(first)[1])
    loss, lesson = run.lesson(first)
    strategy.loss(loss, lesson).backward()
    run.forwards.clear()
    drawn = lesson.batch("memory")
    for value in strategy.separate(lesson):
        with torch.no_grad():
            run.model.weight.add_(0.1)
        value.backward()
    assert run.forwards == [6, 6], "once for each, and not what was said before the step"
    assert lesson.batch("memory") is drawn
    again = lesson.again()
    assert not torch.equal(again.student("new").logits, lesson.student("new").logits)


def test_an_adaptive_weight_is_refused_where_nothing_is_measured() -> None:
    with pytest.raises(BadCall, match="task_weight cannot follow the size of gradients"):
        Strategy(task_weight=GradientRatio())
    term = Distill(Snapshot(), Kd(temperature=2.0), separate=True, weight=Product(of=2.0, by=GradientRatio()))
    with pytest.raises(BadCall, match="the weight of 'kd' cannot follow"):
        Strategy(terms={"kd": term})


def test_what_is_held_out_stays_out() -> None:
    with pytest.raises(BadCall, match="'held' needs a memory"):
        Strategy(held=0.1)
    with pytest.raises(BadCall, match="everything"):
        Strategy(held=0.1, memory=Herding(total=8), train_on="everything")
    with pytest.raises(BadCall, match="term 'old' draws from the whole memory"):
        Strategy(held=0.1, memory=Herding(total=8), terms={"old": Rehearse(TaskLoss())})
    Strategy(held=0.1, memory=Herding(total=8), train_on="new_and_memory")
