"""What each phase does, and what it does not."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import LOGITS, Batch
from lifelong_kd.memory.exemplars import Balanced, Herding
from lifelong_kd.memory.reservoir import Reservoir
from lifelong_kd.model.freeze import digest
from lifelong_kd.model.imprint import class_mean
from lifelong_kd.phase import registry
from lifelong_kd.phase.balanced import BalancedFineTuning
from lifelong_kd.phase.consolidation import Consolidation, effective_weights
from lifelong_kd.phase.expert import ExpertPhase
from lifelong_kd.phase.freeze import Freeze
from lifelong_kd.phase.fresh import FreshStart
from lifelong_kd.phase.imprint import Imprint
from lifelong_kd.phase.warm_up import WarmUp
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.teacher.ema import Ema
from lifelong_kd.teacher.expert import Expert
from tests.phase.rooms import GROUPS, TASKS, Heavy, driver, moved, network, plain, weights
from tests.strategy.driver import Driver, linear, tasks_of

MODELS = {"linear": network, "cosine": lambda: network("cosine"), "plain": plain}


def plain_view(run: Heavy) -> Any:
    """The data of the current task, without augmentation in training."""
    data: Any = run.strategy.data
    data.augmented = lambda raw, generator: raw
    return data


# ---- warm-up ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MODELS)
def test_a_warm_up_moves_the_new_rows_alone(kind: str) -> None:
    """Although the optimiser has momentum and weight decay."""
    run = driver(MODELS[kind](), WarmUp(epochs=3))
    run.learn(TASKS[0])
    before = weights(run.model)
    run.begin(TASKS[1])
    rows = moved(before, run.model)
    name = "2.weight" if kind == "plain" else "head.weight"
    name = "3.weight" if kind == "plain" else name
    assert rows == ({name, name.replace("weight", "bias")} if kind != "cosine" else {name})
    now = run.model.state_dict()
    for key in rows:
        assert torch.equal(now[key][[1, 4]], before[key][[1, 4]]), "old rows stay bit for bit"
        assert (now[key][[0, 3]] != before[key][[0, 3]]).any(dim=-1).all()


def test_a_warm_up_learns_the_new_classes() -> None:
    losses = []
    for epochs in (1, 40):
        run = Driver(Strategy(phases=[WarmUp(epochs=epochs)]), network())
        run.learn(TASKS[0])
        data = run.begin(TASKS[1])
        run.model.eval()
        losses.append(F.cross_entropy(run.model(data.x)[:, [0, 3]], (data.targets == 3).long()).item())
    assert losses[1] < losses[0] - 0.1


def test_the_first_task_and_old_classes_are_not_warmed_up() -> None:
    for phase, moves in ((WarmUp(epochs=1), False), (WarmUp(epochs=1, first_task=True), True)):
        run = driver(network(), phase)
        before = weights(run.model)
        run.begin(TASKS[0])
        assert bool(moved(before, run.model)) == moves
    again = tasks_of([(0, 1), (0, 1)], "domain")
    run = driver(network(), WarmUp(epochs=1))
    run.learn(again[0])
    before = weights(run.model)
    run.begin(again[1])
    assert not moved(before, run.model), "no class is new"


def test_a_warm_up_of_several_heads() -> None:
    run = driver(network("multihead"), WarmUp(epochs=2))
    tasks = tasks_of(GROUPS, "task")
    run.learn(tasks[0])
    before = weights(run.model)
    run.begin(tasks[1])
    assert all(
        torch.equal(run.model.state_dict()[name], before[name]) for name in before if name != "head.place"
    )
    cold = driver(network("multihead"))
    cold.learn(tasks[0])
    cold.begin(tasks[1])
    assert moved(weights(cold.model), run.model) == {"head.weight.1", "head.bias.1"}


# ---- expert -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["warm", "fresh"])
@pytest.mark.parametrize("kind", MODELS)
def test_an_expert_learns_the_new_task_and_the_student_stays(kind: str, start: Any) -> None:
    teacher = Expert()
    run = Driver(Strategy(phases=[ExpertPhase(teacher, start=start, epochs=60)]), MODELS[kind]())
    run.learn(TASKS[0])
    assert not teacher.ready, "there is none in the first task"
    before = digest(run.model)
    data = run.begin(TASKS[1])
    assert digest(run.model) == before and teacher.ready
    batch = Batch(x=data.x, y=data.targets, label=data.labels, raw=data.x)
    said = teacher.teach(batch, LOGITS).logits
    assert (said[:, [0, 3]].argmax(dim=1) == (data.targets == 3).long()).float().mean() > 0.8
    assert teacher.module is not run.model and not teacher.module.training  # type: ignore[union-attr]
    run.end()
    run.begin(TASKS[2])
    assert teacher.task_index == 2


def test_a_warm_expert_begins_as_the_student_and_a_fresh_one_does_not() -> None:
    kept = {}
    for start in ("warm", "fresh"):
        teacher = Expert()
        phase = ExpertPhase(teacher, start=start, epochs=1, lr=1e-12, first_task=True)  # type: ignore[arg-type]
        run = driver(network(), phase)
        run.begin(TASKS[0])
        kept[start] = torch.allclose(teacher.module.head.weight, run.model.head.weight)  # type: ignore[union-attr, union-attr, arg-type]
    assert kept == {"warm": True, "fresh": False}


def test_a_warm_expert_needs_no_rule_for_drawing_weights() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(5))
            self.top = nn.Linear(5, 6)

        def forward(self, x: Tensor) -> Tensor:
            said: Tensor = self.top(self.scale * x)
            return said

    teacher, hooked = Expert(), []
    run = driver(model := Odd(), ExpertPhase(teacher, epochs=1))
    model.top.register_forward_hook(lambda *_: hooked.append(1))
    run.learn(TASKS[0])
    before = len(hooked)
    run.begin(TASKS[1])
    assert type(model) is Odd and model.training and len(hooked) == before, (
        "others' hooks are not the expert's"
    )
    assert teacher.module is not None and "scale" in moved(weights(model), teacher.module)
    with pytest.raises(BadCall, match="reset_parameters"):
        driver(Odd(), ExpertPhase(Expert(), start="fresh", epochs=1, first_task=True)).begin(TASKS[0])


def test_an_expert_learns_though_its_student_is_frozen() -> None:
    teacher = Expert()
    run = Heavy(Strategy(phases=[Freeze(part="backbone"), ExpertPhase(teacher, epochs=1)]), network())
    run.learn(TASKS[0])
    run.begin(TASKS[1])
    assert teacher.module is not None
    names = moved(weights(run.model), teacher.module)
    assert any(name.startswith("backbone") for name in names)


def test_an_expert_needs_its_own_kind_of_teacher() -> None:
    with pytest.raises(BadCall, match="teacher 'expert'"):
        ExpertPhase(Ema())
    with pytest.raises(BadCall, match="'warm' or 'fresh'"):
        ExpertPhase(Expert(), start="cold")  # type: ignore[arg-type]
    with pytest.raises(BadCall, match="'new' or 'all'"):
        ExpertPhase(Expert(), over="old")  # type: ignore[arg-type]


# ---- balanced fine-tuning -----------------------------------------------------------------------------------------


def test_balanced_fine_tuning_sees_every_class_equally_often() -> None:
    run = driver(
        network(), BalancedFineTuning(epochs=1), memory=Balanced(total=12), train_on="new_and_memory"
    )
    run.learn(TASKS[0])
    seen: list[int] = []
    run.begin(TASKS[1])
    stage, say = run.strategy.stage, run.strategy.stage.say
    memory: Any = run.strategy.memory

    def listening(module: nn.Module, x: Tensor, label: Tensor, *rest: Any) -> Any:
        seen.append(len(x))
        return say(module, x, label, *rest)

    stage.say = listening  # type: ignore[assignment]
    run.end()
    assert sum(seen) == 12
    assert torch.bincount(memory.samples["y"]).tolist() == [3, 3, 0, 3, 3]


@pytest.mark.parametrize("scenario", ["class", "task"])
def test_its_loss_is_the_loop(scenario: Any) -> None:
    """Cross-entropy over the classes seen, and a softened divergence for each task's classes."""
    tasks = tasks_of(GROUPS, scenario)
    temperature, weight = 2.0, 0.25
    phase = BalancedFineTuning(epochs=2, lr=0.05, temperature=temperature, weight=weight)
    run = driver(linear(6), phase, memory=Balanced(total=12))
    run.learn(tasks[0])
    run.begin(tasks[1])
    plain_view(run)
    stage = run.strategy.stage
    stage.batch_size = 100
    stage.optimizer = lambda parameters, lr=None: torch.optim.SGD(parameters, lr=lr or 0.0)
    start = [value.clone() for value in run.model.parameters()]
    run.end()
    kept: Any = run.strategy.memory.samples  # type: ignore[union-attr]
    model = linear(6)
    with torch.no_grad():
        for mine, value in zip(model.parameters(), start, strict=True):
            mine.copy_(value)

    def chances(row: Tensor, classes: tuple[int, ...], t: float) -> dict[int, Tensor]:
        total = sum(math.e ** (row[c] / t) for c in classes)
        return {c: math.e ** (row[c] / t) / total for c in classes}

    groups = [(4, 1), (0, 3)]
    for _ in range(2):
        total: Any = 0.0
        for x, y in zip(kept["raw"], kept["y"].tolist(), strict=True):
            row, taught = model(x), F.linear(x, *start)
            own = (0, 1, 3, 4) if scenario == "class" else next(g for g in groups if y in g)
            total = total - chances(row, own, 1.0)[y].log()
            for group in groups:
                p, q = chances(taught, group, temperature), chances(row, group, temperature)
                total = total + weight * temperature**2 * sum(p[c] * (p[c] / q[c]).log() for c in group)
        model.zero_grad()
        (total / len(kept["y"])).backward()
        with torch.no_grad():
            for value in model.parameters():
                value -= 0.05 * value.grad  # type: ignore[operator]
    for ours, theirs in zip(run.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_head_alone_is_fine_tuned() -> None:
    run = driver(network(), BalancedFineTuning(epochs=2, train="head"), memory=Balanced(total=12))
    run.learn(TASKS[0])
    run.begin(TASKS[1])
    before = weights(run.model)
    run.end()
    assert moved(before, run.model) == {"head.weight", "head.bias"}


def test_the_strategys_own_loss() -> None:
    phase = BalancedFineTuning(epochs=1, loss="task")
    run = driver(network(), phase, memory=Balanced(total=12), task_loss=TaskLoss("seen", kind="bce"))
    run.learn(TASKS[0])
    run.learn(TASKS[1])
    assert run.strategy.stage.notes["balanced_fine_tuning/loss"] > 0


def test_it_is_skipped_at_first_and_needs_exemplars() -> None:
    for first, moves in ((False, False), (True, True)):
        run = driver(network(), BalancedFineTuning(epochs=1, first_task=first), memory=Balanced(total=12))
        run.begin(TASKS[0])
        before = weights(run.model)
        run.end()
        assert bool(moved(before, run.model)) == moves
    for memory in (None, Reservoir(capacity=5)):
        with pytest.raises(BadCall, match="chooses exemplars"):
            driver(network(), BalancedFineTuning(epochs=1), memory=memory).begin(TASKS[0])
    for wrong in ({"train": "tail"}, {"loss": "mse"}, {"temperature": 0.0}, {"weight": -1.0}, {"epochs": 0}):
        with pytest.raises(BadCall):
            BalancedFineTuning(**{"epochs": 1, **wrong})  # type: ignore[arg-type]


# ---- consolidation ------------------------------------------------------------------------------------------------


def test_effective_numbers() -> None:
    counts, beta = [1, 4, 500, 0], 0.97
    raw = [(1 - beta) / (1 - beta ** max(n, 1)) for n in counts]
    expected = [value / sum(raw) * 4 for value in raw]
    assert effective_weights(torch.tensor(counts), beta).tolist() == pytest.approx(expected, rel=1e-5)
    assert effective_weights(torch.tensor(counts), 0.0).tolist() == [1.0] * 4


@pytest.mark.parametrize("scenario", ["class", "task"])
def test_consolidation_is_the_loop(scenario: Any) -> None:
    """One step from the very student: the gradient of re-weighted, re-normalised soft labels."""
    tasks, beta, temperature = tasks_of(GROUPS, scenario), 0.9, 2.0
    phase = Consolidation(epochs=1, lr=0.1, temperature=temperature, start="warm", balance=beta)
    run = driver(linear(6), phase, memory=Herding(total=4))
    run.learn(tasks[0])
    data = run.begin(tasks[1])
    plain_view(run)
    stage = run.strategy.stage
    stage.batch_size = 100
    stage.optimizer = lambda parameters, lr=None: torch.optim.SGD(parameters, lr=lr or 0.0)
    start = [value.clone() for value in run.model.parameters()]
    kept: Any = run.strategy.memory.samples  # type: ignore[union-attr]
    x = torch.cat([data.x, kept["raw"]])
    counts = torch.bincount(torch.cat([data.targets, kept["y"]]), minlength=6).tolist()
    run.end()
    groups = [(0, 1, 3, 4)] if scenario == "class" else [(4, 1), (0, 3)]
    gradient = [torch.zeros_like(value) for value in start]
    for sample in x:
        logits = F.linear(sample, *start)
        for group in groups:
            p = torch.softmax(logits[list(group)] / temperature, dim=0)
            raw = torch.tensor([(1 - beta) / (1 - beta ** counts[c]) for c in group])
            q = p * raw / (p * raw).sum()
            # d/dz of T^2 KL(q || softmax(z / T)) is T (p - q).
            for place, column in enumerate(group):
                slope = temperature * (p - q)[place] / len(x)
                gradient[0][column] += slope * sample
                gradient[1][column] += slope
    for ours, value, slope in zip(run.model.parameters(), start, gradient, strict=True):
        torch.testing.assert_close(ours, value - 0.1 * slope, rtol=1e-4, atol=1e-6)


def test_a_fresh_student_learns_what_the_old_one_knew() -> None:
    run = driver(network(), Consolidation(epochs=60, lr=0.1, balance=0.0), memory=Herding(total=12))
    run.learn(TASKS[0])
    data = run.begin(TASKS[1])
    objects = [id(p) for p in run.model.parameters()]
    before = weights(run.model)
    run.model.eval()
    expected = run.model(data.x)[:, list(TASKS[1].seen)].detach()
    run.model.train()
    run.end()
    assert [id(p) for p in run.model.parameters()] == objects
    assert any(name.startswith("backbone") for name in moved(before, run.model))
    run.model.eval()
    now = run.model(data.x)[:, list(TASKS[1].seen)]
    p, q = torch.softmax(expected / 2, 1), torch.softmax(now / 2, 1)
    assert (p - q).abs().sum(1).mean() < 0.4


def test_consolidation_on_a_memory_needs_one() -> None:
    run = driver(network(), Consolidation(epochs=1, samples="memory"))
    with pytest.raises(BadCall, match="needs a memory"):
        run.begin(TASKS[0])
    phase = Consolidation(epochs=1, samples="memory", first_task=True)
    with pytest.raises(BadCall, match="needs a memory"):
        driver(network(), phase, memory=Balanced(total=12)).begin(TASKS[0])


def test_consolidation_from_a_pool() -> None:
    run = driver(network(), Consolidation(epochs=1, samples="external"))
    run.learn(TASKS[0])
    run.begin(TASKS[1])
    with pytest.raises(BadCall, match="no pool"):
        run.end()
    for wrong in ({"start": "cold"}, {"balance": 1.0}, {"samples": "old"}, {"temperature": 0.0}):
        with pytest.raises(BadCall):
            Consolidation(**wrong)  # type: ignore[arg-type]


# ---- fresh start, imprinting, freezing ----------------------------------------------------------------------------


def test_a_fresh_start_is_the_same_whatever_was_drawn_before() -> None:
    ends = []
    for seed in (0, 1):
        run = driver(network(), FreshStart())
        run.learn(TASKS[0])
        objects = [id(p) for p in run.model.parameters()]
        torch.manual_seed(seed)
        before = weights(run.model)
        run.begin(TASKS[1])
        assert [id(p) for p in run.model.parameters()] == objects
        assert {"head.weight", "head.bias"} < moved(before, run.model)
        ends.append(weights(run.model))
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


@pytest.mark.parametrize("head", ["linear", "cosine"])
def test_new_rows_are_imprinted(head: str) -> None:
    run = driver(network(head), Imprint())
    run.learn(TASKS[0])
    before = weights(run.model)
    data = run.begin(TASKS[1])
    weight = run.model.state_dict()["head.weight"]
    assert torch.equal(weight[[1, 4]], before["head.weight"][[1, 4]])
    features = run.describe(data.x)[1]
    length = weight[[1, 4]].norm(dim=1).mean()
    for column in (0, 3):
        torch.testing.assert_close(weight[column], class_mean(features[data.targets == column]) * length)


def test_only_a_network_of_ours_is_imprinted() -> None:
    run = driver(plain(), Imprint())
    run.learn(TASKS[0])
    with pytest.raises(BadCall, match="no head to imprint"):
        run.begin(TASKS[1])


@pytest.mark.parametrize("part", ["head", "backbone"])
@pytest.mark.parametrize("kind", MODELS)
def test_what_is_frozen_stays(kind: str, part: Any) -> None:
    run = driver(MODELS[kind](), Freeze(part=part))
    run.learn(TASKS[0])
    assert all(parameter.requires_grad for parameter in run.model.parameters())
    for task in TASKS[1:]:
        before = weights(run.model)
        run.learn(task)
        head = ("head.", "3.")
        mine = {name for name in before if name.startswith(head)}
        frozen = mine if part == "head" else set(before) - mine
        changed = moved(before, run.model)
        assert changed and not changed & frozen, "statistics of BatchNorm included"
    assert run.strategy.phases[0].when == "before"
    hooks = sum(len(module._forward_pre_hooks) for module in run.model.modules())
    assert hooks <= len(list(run.model.modules())), "a hook a module at most, however many tasks"


def test_a_resumed_task_is_frozen_too() -> None:
    run = driver(network(), Freeze(part="backbone"))
    data = run.begin(TASKS[0])
    run.strategy.begin_task(run.stage(TASKS[1], data), resumed=True)
    assert not any(p.requires_grad for p in run.model.backbone.parameters())  # type: ignore[union-attr]
    with pytest.raises(BadCall, match="'head' or 'backbone'"):
        Freeze(part="tail")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", registry.names())
def test_every_phase_says_when(name: str) -> None:
    assert registry.get(name).when in ("before", "after", "balanced")  # type: ignore[attr-defined]
