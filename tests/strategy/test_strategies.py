"""Each published strategy against its paper's formula, and strategies against one another."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Batch, Said, Scenario, Task
from lifelong_kd.correction.nearest_mean import NearestMean
from lifelong_kd.memory.exemplars import Herding
from lifelong_kd.memory.reservoir import Reservoir
from lifelong_kd.model.build import build_network
from lifelong_kd.schedule.ratio import OldAll
from lifelong_kd.strategy import registry
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.der import der
from lifelong_kd.strategy.derpp import derpp
from lifelong_kd.strategy.icarl import icarl
from lifelong_kd.strategy.joint import joint
from lifelong_kd.strategy.lwf import lwf
from lifelong_kd.strategy.naive import naive
from lifelong_kd.strategy.replay import replay
from lifelong_kd.strategy.task_loss import Classes, TaskLoss
from lifelong_kd.strategy.term import Rehearse
from lifelong_kd.teacher.snapshot import Snapshot
from tests.reference import losses as slow
from tests.strategy.driver import CPU, Driver, batch_of, linear, tasks_of

GROUPS = [(0, 1), (2, 3), (4, 5)]
SCATTERED = [(5, 0), (3, 1), (4, 2)]
COLUMNS = tuple(range(6))
ROWS = range(3, 12)


def network(seed: int = 0) -> nn.Module:
    """A student in which an additional forward pass in training would be noticed: dropout and BatchNorm."""
    torch.manual_seed(seed)
    options = {"hidden": [8], "dropout": 0.5, "batch_norm": True}
    return build_network((5,), 6, model=("mlp", options))


def trained(strategy: Strategy, model: nn.Module, tasks: list[Task]) -> Driver:
    """``strategy`` after ``tasks``, every random draw seeded."""
    torch.manual_seed(1)
    driver = Driver(strategy, model)
    for task in tasks:
        driver.learn(task)
    return driver


def shared() -> nn.Module:
    """A student whose old logits move with the new ones, without any randomness."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 6)).double()


def third_task(
    strategy: Strategy,
    split: list[tuple[int, ...]] = GROUPS,
    scenario: Scenario = "class",
    model: nn.Module | None = None,
) -> tuple[Driver, Batch]:
    """A model in double precision that has learned two tasks, one step into the third, and a batch of that."""
    driver = Driver(strategy, model or shared())
    first, second, third = tasks_of(split, scenario)
    for task in (first, second):
        data = driver.begin(task)
        data.x = data.x.double()
        for start in (0, 5, 10):
            driver.step(batch_of(data, range(start, start + 5)))
        driver.end()
    data = driver.begin(third)
    data.x = data.x.double()
    driver.step(batch_of(data, range(3)))  # from here on the student is no longer its teacher
    return driver, batch_of(data, ROWS)


def teacher_of(driver: Driver) -> Snapshot:
    (teacher,) = driver.strategy.teachers.values()
    assert isinstance(teacher, Snapshot) and teacher.module is not None
    return teacher


def total_of(
    driver: Driver, batch: Batch
) -> tuple[float, Callable[[str], Batch], Callable[[str], list[list[float]]]]:
    """The loss of a step, its batches by source, and what the student says of them."""
    loss, lesson = driver.lesson(batch)
    total = driver.strategy.loss(loss, lesson)

    def drawn(source: str) -> Batch:
        found = lesson.batch(source)  # type: ignore[arg-type]
        assert found is not None
        return found

    return float(total.detach()), drawn, lambda source: lesson.student(source).logits.tolist()  # type: ignore[arg-type]


HERE = {"der", "derpp", "icarl", "joint", "naive", "replay"}
ELSEWHERE = {"afc": "test_podnet", "compose": "test_compose", "dgr_distill": "test_dgr"}


def test_the_loss_of_every_strategy_of_ours_is_written_out_by_hand_somewhere() -> None:
    mine = {name for name in registry.names() if "/" not in name}
    folder = Path(__file__).parent
    for name in mine - HERE:
        text = (folder / f"{ELSEWHERE.get(name, f'test_{name}')}.py").read_text(encoding="utf-8")
        assert re.search(rf"\b{name}_?\(", text), name


# ---- the formulas ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", [GROUPS, SCATTERED], ids=["adjacent", "scattered"])
@pytest.mark.parametrize("task_loss", ["all", "seen", "new"])
@pytest.mark.parametrize("over", ["old", "per_task", "all"])
def test_lwf_is_its_formula(split: list[tuple[int, ...]], task_loss: Classes, over: str) -> None:
    strategy = lwf(temperature=3.0, weight=1.5, task_loss=task_loss, over=over)  # type: ignore[arg-type]
    driver, batch = third_task(strategy, split)
    task = tasks_of(split)[2]
    said = teacher_of(driver).ask(batch).logits
    assert isinstance(said, Tensor)
    total, _, student = total_of(driver, batch)
    expected = slow.lwf(
        student("new"),
        said.tolist(),
        batch.y.tolist(),
        classes={"all": COLUMNS, "seen": task.seen, "new": task.new}[task_loss],
        groups={"old": [task.old], "per_task": split[:2], "all": [COLUMNS]}[over],
        temperature=3.0,
        weight=1.5,
    )
    assert total == pytest.approx(expected, rel=1e-10)
    assert driver.strategy.parts["kd"].raw > 0


def test_lwf_with_a_task_label_compares_each_earlier_task_on_its_own() -> None:
    driver, batch = third_task(lwf(weight=2.0), GROUPS, "task")
    said = teacher_of(driver).ask(batch).logits
    assert isinstance(said, Tensor)
    total, _, student = total_of(driver, batch)
    expected = slow.lwf(
        student("new"),
        said.tolist(),
        batch.y.tolist(),
        classes=(4, 5),
        groups=GROUPS[:2],
        temperature=2.0,
        weight=2.0,
    )
    assert total == pytest.approx(expected, rel=1e-10)


def test_lwf_with_the_weight_and_temperature_of_the_paper_has_its_gradient() -> None:
    # Li & Hoiem 2016, equation 2: lambda_o = 1 times CE(teacher^T, student^T), without T^2; T = 2 is our 0.25.
    driver, batch = third_task(lwf())
    logits = driver.model(batch.x).detach().requires_grad_()
    said = teacher_of(driver).ask(batch).logits
    assert isinstance(said, Tensor)
    p, log_q = (said[:, :4] / 2).softmax(dim=1), (logits[:, :4] / 2).log_softmax(dim=1)
    (papers,) = torch.autograd.grad(-(p * log_q).sum(dim=1).mean(), logits)
    lesson = driver.strategy.lesson(batch, Said(logits), driver.student, lambda batch: {})
    nothing = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (ours,) = torch.autograd.grad(driver.strategy.loss(nothing, lesson), logits)
    torch.testing.assert_close(ours, papers)


def test_one_step_of_lwf_moves_the_student_as_the_formula_says_and_the_teacher_not() -> None:
    driver, batch = third_task(lwf(temperature=2.0, weight=20.0), model=linear(6).double())
    assert isinstance(driver.model, nn.Linear)
    teacher = teacher_of(driver)
    assert teacher.module is not None
    frozen = {name: value.clone() for name, value in teacher.module.state_dict().items()}
    said = teacher.ask(batch).logits
    assert isinstance(said, Tensor)
    weight, bias = driver.model.weight.detach().clone(), driver.model.bias.detach().clone()
    logits = (batch.x @ weight.T + bias).tolist()

    def loss() -> float:
        return slow.lwf(
            logits,
            said.tolist(),
            batch.y.tolist(),
            classes=COLUMNS,
            groups=[(0, 1, 2, 3)],
            temperature=2.0,
            weight=20.0,
        )

    # The slope along each logit by two evaluations of the loop, then the chain rule of z = W x + b by hand.
    slope = torch.zeros(len(batch), 6, dtype=torch.float64)
    for row in range(len(batch)):
        for column in range(6):
            here = logits[row][column]
            logits[row][column] = here + 1e-5
            up = loss()
            logits[row][column] = here - 1e-5
            slope[row, column] = (up - loss()) / 2e-5
            logits[row][column] = here
    driver.step(batch)
    assert driver.strategy.parts["kd"].raw > 1e-5
    torch.testing.assert_close(
        driver.model.weight.detach(), weight - 0.1 * slope.T @ batch.x, rtol=0, atol=1e-8
    )
    torch.testing.assert_close(driver.model.bias.detach(), bias - 0.1 * slope.sum(dim=0), rtol=0, atol=1e-8)
    assert not torch.equal(driver.model.weight.detach(), weight)
    assert all(torch.equal(value, frozen[name]) for name, value in teacher.module.state_dict().items())


@pytest.mark.parametrize("task_loss", ["all", "seen"])
def test_der_is_its_formula(task_loss: Classes) -> None:
    driver, batch = third_task(der(alpha=0.7, memory=12, memory_batch=7, task_loss=task_loss))
    total, drawn, student = total_of(driver, batch)
    replayed = drawn("memory")
    assert len(replayed) == 7
    expected = slow.der(
        student("new"),
        batch.y.tolist(),
        student("memory"),
        replayed.fields["logits"].tolist(),
        alpha=0.7,
        classes=COLUMNS,
    )
    assert total == pytest.approx(expected, rel=1e-6)  # the memory keeps logits in single precision
    assert driver.strategy.parts["logits"].raw > 0


def test_derpp_is_its_formula() -> None:
    driver, batch = third_task(derpp(alpha=0.7, beta=0.4, memory=12))
    total, drawn, student = total_of(driver, batch)
    first, second = drawn("memory"), drawn("memory2")
    assert not torch.equal(first.raw, second.raw)
    expected = slow.derpp(
        student("new"),
        batch.y.tolist(),
        student("memory"),
        first.fields["logits"].tolist(),
        student("memory2"),
        second.y.tolist(),
        alpha=0.7,
        beta=0.4,
        classes=COLUMNS,
    )
    assert total == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("split", [GROUPS, SCATTERED], ids=["adjacent", "scattered"])
def test_icarl_is_its_formula(split: list[tuple[int, ...]]) -> None:
    driver, batch = third_task(icarl(memory=12, weight=0.5), split)
    task = tasks_of(split)[2]
    kept = driver.strategy.memory
    assert kept is not None and len(kept) == 12
    # Data and exemplars in one set: half of this batch is of old classes.
    mixed = Batch(
        x=torch.cat([batch.x, kept.samples["raw"]]),
        y=torch.cat([batch.y, kept.samples["y"]]),
        label=torch.cat([batch.label, kept.samples["label"]]),
        raw=torch.cat([batch.raw, kept.samples["raw"]]),
    )
    said = teacher_of(driver).ask(mixed).logits
    assert isinstance(said, Tensor)
    total, _, student = total_of(driver, mixed)
    expected = slow.icarl(
        student("new"), said.tolist(), mixed.y.tolist(), old=task.old, new=task.new, weight=0.5
    )
    assert total == pytest.approx(expected, rel=1e-10)


def test_icarl_in_its_first_task_has_no_teacher() -> None:
    driver = Driver(icarl(memory=12), linear(6).double())
    data = driver.begin(tasks_of(GROUPS)[0])
    data.x = data.x.double()
    batch = batch_of(data, ROWS)
    total, _, student = total_of(driver, batch)
    assert total == pytest.approx(slow.icarl(student("new"), None, batch.y.tolist(), old=(), new=(0, 1)))


@pytest.mark.parametrize(
    ("balance", "share"), [("samples", (9 / 13, 4 / 13)), ("tasks", (1 / 3, 2 / 3)), ("sum", (1.0, 1.0))]
)
def test_replay_weighs_new_and_old_as_it_says(balance: str, share: tuple[float, float]) -> None:
    driver, batch = third_task(replay(memory=12, memory_batch=4, balance=balance))  # type: ignore[arg-type]
    total, drawn, student = total_of(driver, batch)
    old = drawn("memory")
    expected = slow.replay(
        student("new"), batch.y.tolist(), student("memory"), old.y.tolist(), share=share, classes=COLUMNS
    )
    assert total == pytest.approx(expected, rel=1e-10)


def test_balanced_by_samples_replay_is_one_mean_over_both_batches() -> None:
    driver, batch = third_task(replay(memory=12, memory_batch=4))
    total, drawn, student = total_of(driver, batch)
    logits, y = student("new") + student("memory"), batch.y.tolist() + drawn("memory").y.tolist()
    one = slow.mean([slow.cross_entropy(row, c, COLUMNS) for row, c in zip(logits, y, strict=True)])
    assert total == pytest.approx(one, rel=1e-10)


@pytest.mark.parametrize("make", [naive, joint])
def test_the_bounds_are_plain_cross_entropy(make: Callable[[], Strategy]) -> None:
    driver, batch = third_task(make())
    total, _, student = total_of(driver, batch)
    pairs = zip(student("new"), batch.y.tolist(), strict=True)
    assert total == pytest.approx(
        slow.mean([slow.cross_entropy(row, c, COLUMNS) for row, c in pairs]), rel=1e-10
    )
    assert driver.strategy.train_on == ("everything" if make is joint else "new")
    assert driver.strategy.memory is None and driver.strategy.teachers == {}


def test_a_schedule_by_classes_weighs_the_teacher() -> None:
    driver, batch = third_task(lwf(weight=OldAll(scale=3.0)))
    total_of(driver, batch)
    assert driver.strategy.parts["kd"].weight == pytest.approx(3 * 4 / 6)


# ---- a weight of 0 is no term ---------------------------------------------------------------------------------


def parameters(driver: Driver) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in driver.model.state_dict().items()}


def only_labels() -> Strategy:
    return Strategy(
        terms={"labels": Rehearse(TaskLoss(), source="memory2", weight=0.5)}, memory=Reservoir(capacity=12)
    )


def only_logits() -> Strategy:
    return Strategy(terms=dict(list(derpp(alpha=0.3).terms.items())[:1]), memory=Reservoir(capacity=12))


PAIRS: dict[str, tuple[Callable[[], Strategy], Callable[[], Strategy]]] = {
    "lwf": (lambda: lwf(weight=0.0), naive),
    "lwf_listed": (lambda: lwf(weight=[0.0, 0.0, 0.0]), naive),
    "lwf_over_new": (lambda: lwf(weight=0, task_loss="new"), lambda: naive(task_loss="new")),
    "der": (lambda: der(alpha=0.0, memory=12), naive),
    "derpp_both": (lambda: derpp(alpha=0.0, beta=0.0, memory=12), naive),
    "derpp_without_alpha": (lambda: derpp(alpha=0.0, beta=0.5, memory=12), only_labels),
    "derpp_without_beta": (lambda: derpp(alpha=0.3, beta=0.0, memory=12), only_logits),
    "icarl": (
        lambda: icarl(memory=12, weight=0.0),
        lambda: Strategy(
            task_loss=TaskLoss("new", "bce"), memory=Herding(total=12), train_on="new_and_memory"
        ),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_weight_of_0_is_no_term_bit_for_bit(name: str) -> None:
    with_zero, without = PAIRS[name]
    tasks = tasks_of(GROUPS)
    one, other = trained(with_zero(), network(), tasks), trained(without(), network(), tasks)
    # BatchNorm statistics are among them: not even a forward pass was made.
    assert parameters(one).keys() == parameters(other).keys()
    for key, value in parameters(one).items():
        assert torch.equal(value, parameters(other)[key]), key
    if other.strategy.memory is not None:
        mine, theirs = one.strategy.memory, other.strategy.memory
        assert mine is not None
        assert all(torch.equal(field, mine.samples[key]) for key, field in theirs.samples.items())
    assert one.forwards == other.forwards


def test_the_same_terms_with_a_weight_do_make_a_difference() -> None:
    tasks = tasks_of(GROUPS)
    plain = parameters(trained(naive(), network(), tasks))
    for strategy in (lwf(weight=1.0), der(memory=12), derpp(memory=12), replay(memory=12), icarl(memory=12)):
        moved = parameters(trained(strategy, network(), tasks))
        assert not torch.equal(plain["head.weight"], moved["head.weight"])


def test_a_teacher_in_the_first_task_changes_nothing() -> None:
    first = tasks_of(GROUPS)[:1]
    plain, taught = trained(naive(), network(), first), trained(lwf(weight=5.0), network(), first)
    assert all(torch.equal(value, parameters(plain)[key]) for key, value in parameters(taught).items())


def test_switching_a_term_off_leaves_the_draws_of_the_others_as_they_were() -> None:
    drawn: dict[float, list[Tensor]] = {}
    for alpha in (0.0, 0.3):
        torch.manual_seed(1)
        driver = Driver(derpp(alpha=alpha, memory=12, memory_batch=3), network())
        data = driver.begin(tasks_of(GROUPS)[0])
        seen = []
        for start in (0, 4, 8, 2, 6):
            second = driver.step(batch_of(data, range(start, start + 4))).batch("memory2")
            seen.append(second.x if second is not None else torch.empty(0))
        drawn[alpha] = seen
    assert all(torch.equal(one, other) for one, other in zip(drawn[0.0], drawn[0.3], strict=True))
    assert len(drawn[0.3][-1]) == 3


# ---- a restart ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda: lwf(weight=1.0),
        lambda: der(memory=12),
        lambda: derpp(memory=12),
        lambda: icarl(memory=12),
        replay,
        naive,
    ],
    ids=["lwf", "der", "derpp", "icarl", "replay", "naive"],
)
def test_a_restart_between_tasks_goes_on_bit_for_bit(make: Callable[[], Strategy]) -> None:
    tasks = tasks_of(GROUPS)
    first = trained(make(), network(), tasks[:2])
    file = io.BytesIO()
    state = {
        "strategy": first.strategy.state_dict(),
        "model": first.model.state_dict(),
        "seeds": first.seeds.state_dict(),
    }
    torch.save(state, file)
    torch.manual_seed(5)
    first.learn(tasks[2])

    file.seek(0)
    state = torch.load(file, weights_only=True)
    second = Driver(make(), network(seed=77))
    second.model.load_state_dict(state["model"])
    second.seeds.load_state_dict(state["seeds"])
    second.strategy.load_state_dict(state["strategy"], lambda task: network(seed=88))
    torch.manual_seed(5)
    second.learn(tasks[2])
    assert all(torch.equal(value, parameters(first)[key]) for key, value in parameters(second).items())
    x = torch.randn(6, 5)
    logits = first.model.eval()(x), second.model.eval()(x)
    scores = [
        driver.strategy.predict(said.detach(), driver.asked(x))
        for driver, said in zip((first, second), logits, strict=True)
    ]
    assert torch.equal(*scores)


# ---- what the presets are made of -----------------------------------------------------------------------------


def test_icarl_chooses_predicts_and_snapshots_at_the_end_of_a_task() -> None:
    driver = trained(icarl(memory=12), network(), tasks_of(GROUPS)[:1])
    strategy = driver.strategy
    assert strategy.memory is not None and len(strategy.memory) == 12
    (nearest,) = strategy.corrections
    assert isinstance(nearest, NearestMean) and nearest.classes is not None
    assert nearest.classes.tolist() == [0, 1]
    assert teacher_of(driver).task_index == 0
    x = torch.randn(4, 5)
    scores = strategy.predict(driver.model.eval()(x).detach(), driver.asked(x))
    assert scores.shape == (4, 6) and scores[:, 2:].max() == -torch.inf


def test_a_memory_of_another_kind_fits_too() -> None:
    driver = trained(der(memory=Herding(per_class=3)), network(), tasks_of(GROUPS)[:2])
    memory = driver.strategy.memory
    assert memory is not None and len(memory) == 12
    assert memory.samples["logits"].shape == (12, 6)


def test_options_that_mean_nothing_are_refused() -> None:
    with pytest.raises(BadCall, match="temperature"):
        lwf(temperature=0.0)
    with pytest.raises(BadCall, match="a weight must be"):
        der(alpha=-1.0)
    with pytest.raises(BadCall, match="capacity"):
        replay(memory=0)
    with pytest.raises(BadCall, match="memory_batch"):
        derpp(memory_batch=0)
    with pytest.raises(BadCall, match="at least 1"):
        icarl(memory=0)


def test_the_driver_is_on_the_cpu() -> None:
    assert Driver(naive(), linear(6)).strategy._device == CPU
