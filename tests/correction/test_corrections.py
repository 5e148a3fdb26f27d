"""Each correction against its formula, written out as a loop."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall, RunFailed
from lifelong_kd.core.types import Batch
from lifelong_kd.correction import registry
from lifelong_kd.correction.averaged import AveragedWeights
from lifelong_kd.correction.base import Correction
from lifelong_kd.correction.bias import BiasLayers
from lifelong_kd.correction.drift import PrototypeDrift, drift
from lifelong_kd.correction.il2m import Il2m
from lifelong_kd.correction.nearest_mean import NearestMean
from lifelong_kd.correction.weight_align import WeightAlignment
from lifelong_kd.memory.exemplars import Balanced
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.teacher.choice import Choice
from lifelong_kd.teacher.ema import Ema
from lifelong_kd.teacher.snapshot import Snapshot
from tests.phase.rooms import GROUPS, TASKS, moved, network, plain, weights
from tests.strategy.driver import CPU, Driver, linear, tasks_of

X = torch.randn(7, 5, generator=torch.Generator().manual_seed(11))


def driver(model: nn.Module, correction: Correction, **options: Any) -> Driver:
    options = {"memory": Balanced(total=24), "train_on": "new_and_memory", **options}
    return Driver(Strategy(corrections=[correction], **options), model)


def scores(run: Driver, x: Tensor = X) -> Tensor:
    """What the strategy predicts by, now."""
    run.model.eval()
    said = run.model(x).detach()
    return run.strategy.predict(said, run.asked(x))


# ---- bias layers --------------------------------------------------------------------------------------------------


def held_out(run: Driver) -> Any:
    samples = run.strategy.stage.held
    assert samples is not None
    return samples


def test_a_bias_layer_is_fitted_by_gradient_descent_on_held_out_samples() -> None:
    rule = BiasLayers(epochs=3, lr=0.2, momentum=0.5, penalty=0.3, batch_size=1000)
    run = driver(linear(6), rule, held=0.3)
    run.learn(TASKS[0])
    assert not rule.ready and rule.rectify(X) is X, "nothing is corrected in the first task"
    run.learn(TASKS[1])
    held = held_out(run)
    assert set(held["y"].tolist()) == {0, 1, 3, 4}
    logits = run.model(held["raw"]).detach().double()
    alpha, beta, speed = 1.0, 0.0, [0.0, 0.0]
    for _ in range(3):
        slope = [0.0, 0.3 * beta]
        for z, y in zip(logits.tolist(), held["y"].tolist(), strict=True):
            q = {c: alpha * z[c] + beta if c in (0, 3) else z[c] for c in (0, 1, 3, 4)}
            total = sum(math.exp(value) for value in q.values())
            for c in (0, 3):
                error = (math.exp(q[c]) / total - (c == y)) / len(logits)
                slope = [slope[0] + error * z[c], slope[1] + error]
        speed = [0.5 * v + g for v, g in zip(speed, slope, strict=True)]
        alpha, beta = alpha - 0.2 * speed[0], beta - 0.2 * speed[1]
    assert rule.alpha[[0, 3]].tolist() == pytest.approx([alpha] * 2, rel=1e-5)
    assert rule.beta[[0, 3]].tolist() == pytest.approx([beta] * 2, rel=1e-4, abs=1e-6)
    assert rule.alpha[[1, 2]].tolist() == [1.0, 1.0] and rule.beta[[1, 2]].tolist() == [0.0, 0.0]
    z = run.model(X).detach()
    expected = z.clone()
    expected[:, [0, 3]] = float(rule.alpha[0]) * z[:, [0, 3]] + float(rule.beta[0])
    torch.testing.assert_close(rule.rectify(z), expected)


def test_earlier_pairs_stay_and_the_current_task_is_not_corrected() -> None:
    rule = BiasLayers(epochs=20)
    run = driver(linear(6), rule, held=0.3)
    for task in TASKS[:2]:
        run.learn(task)
    first = rule.alpha[0].item()
    assert first != 1.0
    run.begin(TASKS[2])
    z = torch.ones(1, 6)
    assert torch.equal(run.strategy.corrected(z)[:, [1, 2, 4, 5]], z[:, [1, 2, 4, 5]])
    assert run.strategy.corrected(z)[0, 0] == pytest.approx(first + rule.beta[0].item())
    run.end()
    assert rule.alpha[[0, 3]].tolist() == [first, first] and rule.alpha[2] == rule.alpha[5] != 1.0


def test_what_is_held_out_is_better_explained() -> None:
    rule = BiasLayers(epochs=200, lr=0.05)
    run = driver(network(), rule, held=0.3)
    for task in TASKS[:2]:
        run.learn(task, steps=30)
    held, seen = held_out(run), list(TASKS[1].seen)
    run.model.eval()
    z, y = run.model(held["raw"]).detach(), torch.tensor([seen.index(c) for c in held["y"].tolist()])
    before, after = (F.cross_entropy(said[:, seen], y) for said in (z, rule.rectify(z)))
    assert after < before


def test_a_corrected_snapshot_teaches_as_the_student_was() -> None:
    rule = BiasLayers(epochs=20)
    teacher = Snapshot().corrected_by(rule)
    run = driver(linear(6), rule, held=0.3)
    teacher.begin(run.call, CPU)
    for task in TASKS[:2]:
        run.learn(task)
    teacher.observe(run.model, TASKS[1])
    batch = Batch(x=X, y=torch.zeros(7), label=torch.zeros(7), raw=X)
    expected = rule.rectify(run.model(X)).detach()
    run.learn(TASKS[2])
    torch.testing.assert_close(teacher.teach(batch).logits, expected)
    again = Snapshot().corrected_by(BiasLayers())
    again.begin(run.call, CPU)
    again.load_state_dict(copy.deepcopy(teacher.state_dict()), lambda task: linear(6, seed=3))
    torch.testing.assert_close(again.teach(batch).logits, expected)


def test_bias_layers_need_held_out_samples() -> None:
    with pytest.raises(BadCall, match="give 'held'"):
        driver(linear(6), BiasLayers(epochs=1))


def test_a_learning_rate_that_is_far_too_large() -> None:
    run = driver(linear(6), BiasLayers(epochs=200, lr=1e200), held=0.3)
    run.learn(TASKS[0])
    run.begin(TASKS[1])
    with pytest.raises(RunFailed, match="lower its lr"):
        run.end()


@pytest.mark.parametrize("kind", [BiasLayers, WeightAlignment, Il2m])
@pytest.mark.parametrize("scenario", ["task", "domain"])
def test_where_tasks_do_not_compete_nothing_is_corrected(kind: Any, scenario: Any) -> None:
    groups = GROUPS if scenario == "task" else [(0, 1), (0, 1)]
    run = driver(linear(6), kind(), held=0.25 if kind.needs_held else 0.0)
    for task in tasks_of(groups, scenario)[:2]:
        run.learn(task)
    before = weights(run.model)
    run.strategy.corrections[0].fit(run.strategy.stage)
    assert not moved(before, run.model)
    z = run.model(X).detach()
    assert torch.equal(scores(run), z)


# ---- weight alignment ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [network, plain], ids=["ours", "plain"])
def test_new_rows_become_as_long_as_old_ones(make: Any) -> None:
    run = driver(make(), WeightAlignment())
    run.learn(TASKS[0])
    run.begin(TASKS[1])
    name = "head.weight" if make is network else "3.weight"
    with torch.no_grad():
        run.model.state_dict()[name][[0, 3]] *= 3.0
    before = weights(run.model)
    parameter = dict(run.model.named_parameters())[name]
    run.end()
    lengths = {c: math.sqrt(sum(v * v for v in before[name][c].tolist())) for c in range(6)}
    gamma = (lengths[1] + lengths[4]) / (lengths[0] + lengths[3])
    assert run.strategy.stage.notes["weight_alignment/gamma"] == pytest.approx(gamma, rel=1e-5)
    now = run.model.state_dict()[name]
    torch.testing.assert_close(now[[0, 3]], gamma * before[name][[0, 3]])
    assert torch.equal(now[[1, 2, 4, 5]], before[name][[1, 2, 4, 5]])
    assert moved(before, run.model) == {name}, "biases stay"
    assert dict(run.model.named_parameters())[name] is parameter


def test_the_first_task_is_not_aligned() -> None:
    run = driver(network(), WeightAlignment())
    run.begin(TASKS[0])
    before = weights(run.model)
    run.end()
    assert not moved(before, run.model)


def test_rows_are_kept_positive_on_request() -> None:
    for positive in (False, True):
        run = driver(network(), WeightAlignment(positive=positive))
        run.learn(TASKS[0])
        assert bool((run.model.head.weight >= 0).all()) == positive  # type: ignore[union-attr,operator]


def test_heads_without_lengths_are_refused() -> None:
    with pytest.raises(BadCall, match="no lengths to align"):
        driver(network("cosine"), WeightAlignment()).begin(TASKS[0])
    with pytest.raises(BadCall):
        driver(network("multihead"), WeightAlignment()).begin(TASKS[0])
    run = driver(network(), WeightAlignment())
    run.learn(TASKS[0])
    run.begin(TASKS[1])
    with torch.no_grad():
        run.model.head.weight[[0, 3]] = 0.0  # type: ignore[union-attr,operator]
    with pytest.raises(BadCall, match="all 0"):
        run.end()


# ---- IL2M ---------------------------------------------------------------------------------------------------------


def shifted(columns: int) -> nn.Module:
    """A linear model with large biases, so that mean logits are above 0."""
    model = linear(columns)
    with torch.no_grad():
        model.bias += 4.0  # type: ignore[operator]
    return model


@pytest.mark.parametrize("of", ["logits", "probabilities"])
def test_scores_are_rectified_by_the_formula(of: Any) -> None:
    rule = Il2m(of=of)
    run = driver(shifted(6), rule)
    first: dict[int, float] = {}
    confidence, home = [], {}
    for number, task in enumerate(TASKS):
        run.learn(task)
        seen = list(task.seen)

        def said(x: Tensor, seen: list[int] = seen) -> list[dict[int, float]]:
            z = run.model(x).detach()[:, seen]
            z = z if of == "logits" else torch.softmax(z, dim=1)
            return [dict(zip(seen, row, strict=True)) for row in z.tolist()]

        data: Any = run.strategy.data
        rows, y = said(data.x), data.targets.tolist()
        confidence.append(sum(max(row.values()) for row in rows) / len(rows))
        for c in task.new:
            mine = [row[c] for row, label in zip(rows, y, strict=True) if label == c]
            first[c], home[c] = sum(mine) / len(mine), number
    kept: Any = run.strategy.memory.samples  # type: ignore[union-attr]
    rows, y = said(kept["raw"]), kept["y"].tolist()
    x = 2 * torch.randn(40, 5, generator=torch.Generator().manual_seed(3))
    given = scores(run, x)
    expected, changed = [], 0
    for row in said(x):
        best = max(row, key=row.__getitem__)
        if best in (2, 5):
            changed += 1
            for c in (0, 1, 3, 4):
                now = [r[c] for r, label in zip(rows, y, strict=True) if label == c]
                row[c] *= first[c] / (sum(now) / len(now)) * confidence[2] / confidence[home[c]]
        expected.append([row[c] for c in range(6)])
    assert 0 < changed < 40
    found = given if of == "logits" else given.exp()
    torch.testing.assert_close(found, torch.tensor(expected), rtol=1e-4, atol=1e-5)


def test_classes_with_statistics_below_zero_are_left_alone() -> None:
    rule = Il2m()
    model = linear(6)
    with torch.no_grad():
        model.bias -= 50.0
    run = driver(model, rule)
    for task in TASKS[:2]:
        run.learn(task)
    assert rule.ready and not rule.ratio
    assert torch.equal(scores(run), run.model(X))
    with pytest.raises(BadCall, match="'logits' or 'probabilities'"):
        Il2m(of="ranks")  # type: ignore[arg-type]


# ---- prototypes ---------------------------------------------------------------------------------------------------


def test_drift_is_the_locally_weighted_mean() -> None:
    rng = torch.Generator().manual_seed(0)
    before, after, prototypes = (torch.randn(n, 3, generator=rng) for n in (9, 9, 4))
    found = drift(before, after, prototypes, 0.7)
    for c, prototype in enumerate(prototypes.tolist()):
        shares = [
            math.exp(-sum((a - b) ** 2 for a, b in zip(z, prototype, strict=True)) / (2 * 0.7**2))
            for z in before.tolist()
        ]
        for d in range(3):
            moves = [float(after[i, d] - before[i, d]) for i in range(9)]
            expected = sum(w * m for w, m in zip(shares, moves, strict=True)) / sum(shares)
            assert found[c, d].item() == pytest.approx(expected, rel=1e-4, abs=1e-6)
    far = drift(before, after, torch.full((1, 3), 1e3), 0.01)
    assert far.isfinite().all(), "a prototype far from everything"


def features(run: Driver, x: Tensor) -> Tensor:
    return F.normalize(run.describe(x)[1], dim=1)


def test_prototypes_follow_the_features() -> None:
    rule = PrototypeDrift(sigma=0.5)
    run = driver(network(), rule, memory=None, train_on="new")
    run.learn(TASKS[0])
    assert rule.prototypes is not None and rule.classes == [1, 4]
    data: Any = run.strategy.data
    found = features(run, data.x)
    start = torch.stack([found[data.targets == c].mean(dim=0) for c in (1, 4)])
    torch.testing.assert_close(rule.prototypes, start)
    data = run.begin(TASKS[1])
    before = features(run, data.x)
    for _ in range(3):
        run.step(Batch(x=data.x, y=data.targets, label=data.labels, raw=data.x))
    run.end()
    after = features(run, data.x)
    own = [after[data.targets == c].mean(dim=0) for c in (0, 3)]
    old = start + drift(before, after, start, 0.5)
    torch.testing.assert_close(rule.prototypes, torch.stack([own[0], old[0], own[1], old[1]]))
    assert not torch.allclose(old, start)
    given = scores(run)
    for row, query in zip(given.tolist(), features(run, X), strict=True):
        distances = [float((query - p).square().sum()) for p in rule.prototypes]
        assert [-row[c] for c in (0, 1, 3, 4)] == pytest.approx(distances, abs=1e-5)
        assert row[2] == row[5] == -math.inf


def test_a_class_that_comes_again_joins_its_prototype() -> None:
    tasks = tasks_of([(0, 1), (0, 1)], "domain")
    rule = PrototypeDrift(normalize=False)
    run = driver(linear(2), rule, memory=None, train_on="new")
    for task in tasks:
        run.learn(task)
    # The features of a linear model are its inputs, which never drift.
    x = torch.cat([run.strategy.data.x, run.begin(tasks[0]).x])  # type: ignore[attr-defined]
    y = torch.tensor([0, 1]).repeat(16)
    assert rule.prototypes is not None and rule.counts == [16, 16]
    torch.testing.assert_close(rule.prototypes, torch.stack([x[y == c].mean(dim=0) for c in (0, 1)]))


def test_prototypes_survive_a_restart_inside_a_task() -> None:
    def walked(*, stop: bool) -> Tensor:
        run = driver(network(), PrototypeDrift(), memory=None, train_on="new")
        run.learn(TASKS[0])
        data = run.begin(TASKS[1])
        if stop:
            again = PrototypeDrift()
            again.begin(CPU)
            again.load_state_dict(
                copy.deepcopy(run.strategy.corrections[0].state_dict()), lambda task: network(seed=7 + task)
            )
            run.strategy.corrections = [again]
        torch.manual_seed(0)
        run.step(Batch(x=data.x, y=data.targets, label=data.labels, raw=data.x))
        run.end()
        return scores(run)

    assert torch.equal(walked(stop=False), walked(stop=True))
    with pytest.raises(BadCall, match="sigma"):
        PrototypeDrift(sigma=0.0)


# ---- averaged weights ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_average_answers(share: float) -> None:
    teacher = Ema(decay=0.9)
    rule = AveragedWeights(teacher, share=share)
    run = driver(network(), rule, memory=None, train_on="new")
    run.begin(TASKS[0])
    assert not rule.ready
    run.end()
    run = driver(
        network(), AveragedWeights(teacher := Ema(decay=0.9), share=share), memory=None, train_on="new"
    )
    run.learn(TASKS[0])
    before = weights(run.model)
    mean = network(seed=4)
    theirs = weights(teacher.module)  # type: ignore[arg-type]
    mean.load_state_dict(
        {
            name: (1 - share) * value + share * theirs[name] if value.is_floating_point() else value
            for name, value in before.items()
        }
    )
    torch.testing.assert_close(scores(run), mean.eval()(X).detach(), rtol=1e-4, atol=1e-5)
    assert not moved(before, run.model), "the student goes on as it is"
    assert list(run.strategy.teachers.values()) == [teacher]


def test_the_average_is_that_of_the_last_task_while_another_is_learned() -> None:
    run = driver(network(), AveragedWeights(Ema(), share=1.0), memory=None, train_on="new")
    run.learn(TASKS[0])
    run.begin(TASKS[1])
    assert torch.equal(scores(run), run.model(X))
    again = AveragedWeights(Ema())
    again.begin(CPU)
    again.load_state_dict(run.strategy.corrections[0].state_dict(), lambda task: network(seed=8))
    assert again.ready
    torch.testing.assert_close(
        again.scores(X, run.asked(X)), run.strategy.corrections[0].scores(X, run.asked(X))
    )


def test_only_like_networks_are_averaged() -> None:
    with pytest.raises(BadCall, match="one network"):
        AveragedWeights(Choice(teachers=[Ema(), Ema()]))
    with pytest.raises(BadCall, match=r"\[0, 1\]"):
        AveragedWeights(Ema(), share=1.5)
    teacher = Ema()
    run = driver(network(), AveragedWeights(teacher), memory=None, train_on="new")
    run.begin(TASKS[0])
    teacher.keep(network(classes=3), 0)
    with pytest.raises(BadCall, match="not built like the student"):
        run.end()


# ---- all ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"lr": 0.0}, {"momentum": 1.0}, {"penalty": -1.0}, {"batch_size": 0}]
)
def test_ranges(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadCall):
        BiasLayers(**wrong)


@pytest.mark.parametrize("rule", [NearestMean, BiasLayers, Il2m])
def test_a_memory_is_asked_for_when_the_strategy_is_made(rule: Any) -> None:
    with pytest.raises(BadCall, match="needs a memory"):
        Strategy(corrections=[rule()])


def test_the_registry_has_them_all() -> None:
    assert len(registry.names()) == 6
