"""What is turned of a strategy: weights and temperatures, there and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Moment
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.knowledge.mse import Mse
from lifelong_kd.memory.reservoir import Reservoir
from lifelong_kd.model.freeze import digest
from lifelong_kd.rounds.base import Controller, Proposal, Verdict, View
from lifelong_kd.schedule.base import Schedule
from lifelong_kd.schedule.gradient_ratio import GradientRatio
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.derpp import derpp
from lifelong_kd.strategy.icarl import icarl
from lifelong_kd.strategy.knobs import Knobs
from lifelong_kd.strategy.lwf import lwf
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.strategy.term import Distill, Rehearse, Term
from lifelong_kd.teacher.snapshot import Snapshot
from lifelong_kd.testing.small import small_experiment
from tests.strategy.driver import Driver, batch_of, data_of, linear, tasks_of

NOW = Moment(task=1, old=2, new=2, batch=6)


class Counted(Schedule):
    """The weight 2, and how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, moment: Moment) -> float:
        self.asked += 1
        return 2.0


class Penalty(Term):
    """A term without a teacher that rehearses nothing."""

    def __init__(self) -> None:
        super().__init__("new", 4.0)

    def value(self, lesson: Any) -> None:
        return None


def terms(weight: object = 2.0) -> dict[str, Term]:
    return {
        "kd": Distill(Snapshot(), Kd(temperature=3.0), weight=weight),
        "logits": Distill(Snapshot(), Mse(), weight=0.5),
        "replay": Rehearse(TaskLoss("all"), weight=1.5),
        "penalty": Penalty(),
    }


def weights(knobs: Knobs, names: Mapping[str, Any]) -> list[float]:
    return [knobs.weight(name, NOW) for name in names]


# ---- by hand ------------------------------------------------------------------------------------------------------


def test_what_they_are() -> None:
    knobs = Knobs(made := terms())
    assert [knobs.kind(name) for name in made] == ["distill", "distill", "rehearse", "other"]
    assert [knobs.temperature(name) for name in made] == [3.0, None, None, None]
    assert weights(knobs, made) == [2.0, 0.5, 1.5, 4.0]


def test_factors_and_back() -> None:
    knobs = Knobs(made := terms())
    knobs.turn({"kd": 3.0, "replay": 0.0})
    assert weights(knobs, made) == [6.0, 0.5, 0.0, 4.0]
    # What is not named again is as configured again: nothing is multiplied twice.
    knobs.turn({"logits": 10.0})
    assert weights(knobs, made) == [2.0, 5.0, 1.5, 4.0]
    knobs.turn({})
    assert weights(knobs, made) == [2.0, 0.5, 1.5, 4.0]


def test_the_others() -> None:
    knobs = Knobs(made := terms())
    knobs.turn({"kd": 2.0}, others=0.0)
    assert weights(knobs, made) == [4.0, 0.0, 0.0, 0.0]
    knobs.turn({"kd": 1.0}, others=0.5)
    assert weights(knobs, made) == [2.0, 0.25, 0.75, 2.0]
    knobs.turn({}, others=0.0)
    assert weights(knobs, made) == [0.0] * 4


def test_temperatures_and_back() -> None:
    made = terms()
    knobs = Knobs(made)
    kd = made["kd"]
    assert isinstance(kd, Distill)
    s, t = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    configured = kd.knowledge(s, t)
    for value in (5.0, 1.5):
        knobs.turn({}, {"kd": value})
        assert knobs.temperature("kd") == value
        assert torch.equal(kd.knowledge(s, t), Kd(temperature=value)(s, t))
    knobs.turn({"kd": 2.0})
    assert knobs.temperature("kd") == 3.0
    assert torch.equal(kd.knowledge(s, t), configured)
    assert not torch.equal(Kd(temperature=5.0)(s, t), configured)


def test_terms_that_share_a_knowledge_come_back_to_its_temperature() -> None:
    knowledge = Kd(temperature=2.0)
    made: dict[str, Term] = {name: Distill(Snapshot(), knowledge) for name in ("new", "again")}
    knobs = Knobs(made)
    for temperatures in ({"new": 5.0, "again": 5.0}, {"again": 3.0}, {"new": 4.0}):
        knobs.turn({}, temperatures)
        assert {knobs.temperature(name) for name in made} == {next(iter(temperatures.values()))}
        knobs.turn({})
        assert {knobs.temperature(name) for name in made} == {2.0}


def test_a_term_that_is_added_later_can_be_turned() -> None:
    strategy = lwf()
    strategy.add("more", Distill(Snapshot(), Kd(temperature=2.0), weight=1.0, over="seen"))
    strategy.knobs.turn({"more": 0.25}, {"more": 4.0})
    assert strategy.knobs.weight("more", NOW) == 0.25 and strategy.knobs.temperature("more") == 4.0


@pytest.mark.parametrize(
    ("factors", "temperatures", "message"),
    [
        ({"kdd": 1.0}, {}, r"no term 'kdd'. Did you mean 'kd'\? Its terms: kd, logits, replay, penalty"),
        ({}, {"xyz": 1.0}, r"no term 'xyz'. Its terms: kd"),
        ({"kd": -0.1}, {}, "the factor of 'kd' is at least 0 and finite, found -0.1"),
        ({"kd": float("inf")}, {}, "the factor of 'kd'"),
        ({"kd": float("nan")}, {}, "the factor of 'kd'"),
        ({}, {"kd": 0.0}, "the temperature of 'kd' is greater than 0 and finite, found 0.0"),
        ({}, {"kd": float("inf")}, "the temperature of 'kd'"),
        ({}, {"logits": 2.0}, "the term 'logits' has no temperature"),
        ({}, {"replay": 2.0}, "the term 'replay' has no temperature"),
    ],
)
def test_nonsense_is_refused_and_changes_nothing(
    factors: dict[str, float], temperatures: dict[str, float], message: str
) -> None:
    knobs = Knobs(made := terms())
    knobs.turn({"kd": 2.0}, {"kd": 5.0})
    with pytest.raises(BadCall, match=message):
        knobs.turn({"replay": 7.0, **factors}, temperatures)
    assert weights(knobs, made) == [4.0, 0.5, 1.5, 4.0] and knobs.temperature("kd") == 5.0


def test_without_terms_there_is_nothing_to_turn() -> None:
    with pytest.raises(BadCall, match=r"no term 'kd'. Its terms: none"):
        Knobs({}).turn({"kd": 1.0})


def test_a_schedule_is_asked_where_the_answer_matters() -> None:
    schedule = Counted()
    knobs = Knobs(terms(schedule))
    for factors, weight, asked in (({}, 2.0, 1), ({"kd": 3.0}, 6.0, 2), ({"kd": 0.0}, 0.0, 2), ({}, 2.0, 3)):
        knobs.turn(factors)
        assert knobs.weight("kd", NOW) == weight
        assert schedule.asked == asked


# ---- in a step ----------------------------------------------------------------------------------------------------


def second_task(weight: object, factor: float) -> tuple[Strategy, float, float]:
    """One step of the second task: the strategy, |g| of the task loss, and |g| of the unweighted term."""
    tasks = tasks_of([(0, 1), (2, 3)])
    strategy = Strategy(terms={"kd": Distill(Snapshot(), Kd(temperature=2.0), weight=weight)})
    driver = Driver(strategy, linear(4))
    driver.learn(tasks[0])
    driver.begin(tasks[1])
    with torch.no_grad():
        driver.model.weight += torch.randn(4, 5, generator=torch.Generator().manual_seed(1))  # type: ignore[operator]
    strategy.knobs.turn({"kd": factor})
    task_loss, lesson = driver.lesson(batch_of(data_of(tasks[1]), range(6)))
    value = strategy.terms["kd"].value(lesson)
    assert value is not None

    def norm(loss: torch.Tensor) -> float:
        found = torch.autograd.grad(
            loss, list(driver.model.parameters()), retain_graph=True, allow_unused=True
        )
        return float(torch.stack([g.square().sum() for g in found if g is not None]).sum().sqrt())

    norms = norm(task_loss), norm(value)
    total = strategy.loss(task_loss, lesson)
    part = strategy.parts.get("kd")
    expected = task_loss + (value * part.weight if part is not None else 0.0)
    torch.testing.assert_close(total, expected)
    return strategy, *norms


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_a_weight_by_gradients_is_multiplied_and_measured_without_the_factor(factor: float) -> None:
    schedule = GradientRatio(of=2.0, momentum=0.0, every=1)
    strategy, of_task, of_term = second_task(schedule, factor)
    assert schedule.ratio == pytest.approx(of_task / of_term)
    assert strategy.parts["kd"].weight == pytest.approx(factor * 2.0 * of_task / of_term)


def test_a_weight_by_gradients_that_is_turned_off_is_not_measured() -> None:
    schedule = GradientRatio(of=2.0, every=1)
    strategy, _, _ = second_task(schedule, 0.0)
    assert schedule.ratio is None and "kd" not in strategy.parts


# ---- in a run -----------------------------------------------------------------------------------------------------


class Fixed(Controller):
    """One round a task, always the same."""

    looks = frozenset()

    def __init__(self, proposal: Proposal) -> None:
        self.proposal = proposal

    def first(self, view: View) -> Proposal:
        return self.proposal

    def judge(self, view: View) -> Verdict:
        return Verdict(True, None, "the only round")


def ends(strategy: Strategy, folder: Path, factors: Mapping[str, float] | None = None) -> tuple[str, Any]:
    """The student at the end, and the state of every generator that was drawn from."""
    controller = Fixed(Proposal(factors=factors)) if factors is not None else None
    experiment = small_experiment(strategy, controller=controller, augment=True)
    experiment.run(folder)
    drawn = {name: state.tolist() for name, state in experiment.seeds.state_dict().items()}
    return digest(experiment.engine.model), drawn


def two_draws(logits: object = 1.0, labels: object = 1.0) -> Strategy:
    return derpp(alpha=logits, beta=labels, memory=20)


@pytest.mark.parametrize(
    ("make", "without", "factors"),
    [
        (two_draws, lambda: two_draws(logits=0.0), {"logits": 0.0}),
        (two_draws, lambda: two_draws(labels=0.0), {"labels": 0.0}),
        (two_draws, lambda: two_draws(0.0, 0.0), {"labels": 0.0, "logits": 0.0}),
        (lwf, lambda: lwf(weight=0.0), {"kd": 0.0}),
        (lambda: icarl(memory=12), lambda: _silenced(icarl(memory=12)), {"distill": 0.0}),
    ],
    ids=["logits", "labels", "both", "lwf", "icarl"],
)
def test_a_factor_of_0_is_no_term(
    tmp_path: Path,
    make: Callable[[], Strategy],
    without: Callable[[], Strategy],
    factors: Mapping[str, float],
) -> None:
    factors = factors if set(factors) <= set(make().terms) else dict.fromkeys(make().terms, 0.0)
    ended, drawn = ends(make(), tmp_path / "turned", factors)
    assert (ended, drawn) == ends(without(), tmp_path / "without")
    assert ended != ends(make(), tmp_path / "whole")[0]


def test_a_source_of_factor_0_is_not_drawn(tmp_path: Path) -> None:
    _, whole = ends(two_draws(), tmp_path / "whole")
    _, turned = ends(two_draws(), tmp_path / "turned", {"logits": 0.0})
    mine = {name for name in whole if name.endswith("/memory")}
    others = {name for name in whole if name.endswith("/memory2")}
    assert {"draw/memory", "augment/memory"} <= mine and not mine & set(turned)
    # The other draw is the one it is in any case.
    assert others and all(whole[name] == turned[name] for name in others)


def test_a_factor_is_the_weight_times_it(tmp_path: Path) -> None:
    turned = ends(two_draws(0.5, 0.25), tmp_path / "turned", {"logits": 4.0, "labels": 2.0})
    assert turned == ends(two_draws(2.0, 0.5), tmp_path / "configured")


def test_of_all_the_memory_joins_the_step_with_what_is_turned_on() -> None:
    """A source whose terms are all at 0 is not passed through the student either."""
    strategy = Strategy(
        terms={
            "a": Rehearse(TaskLoss("all"), source="memory"),
            "b": Rehearse(TaskLoss("all"), source="memory2"),
        },
        memory=Reservoir(capacity=20),
        memory_batch=3,
    )
    driver = Driver(strategy, linear(4))
    tasks = tasks_of([(0, 1), (2, 3)])
    driver.learn(tasks[0])
    data = driver.begin(tasks[1])
    for factors, sources in (
        ({}, ["memory", "memory2"]),
        ({"a": 0.0}, ["memory2"]),
        ({"a": 0.0, "b": 0.0}, []),
    ):
        strategy.knobs.turn(factors)
        driver.forwards.clear()
        task_loss, lesson = driver.lesson(batch_of(data, range(6)))
        strategy.loss(task_loss, lesson)
        assert strategy.sources(lesson) == sources
        assert driver.forwards == [6, *[3] * len(sources)]


def _silenced(strategy: Strategy) -> Strategy:
    from lifelong_kd.schedule.constant import Constant

    for term in strategy.terms.values():
        term.weight = Constant(weight=0.0)
    return strategy
