"""Training outside the main loop: what is seen, and what is left alone."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.core.errors import BadCall, RunFailed
from lifelong_kd.core.types import Batch
from lifelong_kd.memory.exemplars import Balanced
from lifelong_kd.phase.classes import first_met, groups, label_loss
from lifelong_kd.phase.fit import batches, check_training, fit
from lifelong_kd.phase.head import depended_on, head_of, rest_of
from tests.phase.rooms import GROUPS, TASKS, driver, moved, network, plain, weights
from tests.strategy.driver import data_of, tasks_of


def test_a_pass_sees_every_sample_once() -> None:
    run = driver(network(), memory=Balanced(total=8))
    run.learn(TASKS[0])
    data = run.begin(TASKS[1])
    stage = run.strategy.stage
    kept = run.strategy.memory.samples  # type: ignore[union-attr]
    for samples, raw in (
        ("new", data.x),
        ("memory", kept["raw"]),
        ("new_and_memory", torch.cat([data.x, kept["raw"]])),
    ):
        seen = list(batches(stage, samples, "test"))  # type: ignore[arg-type]
        found = torch.cat([batch.raw for batch in seen])
        assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, raw.tolist()))
        assert not torch.equal(found, raw), "they are shuffled"
        assert all(not torch.equal(batch.x, batch.raw) for batch in seen), "the view is that of training"


@pytest.mark.parametrize(("size", "lengths"), [(5, [5, 5, 6]), (8, [8, 8]), (16, [16]), (3, [3, 3, 3, 3, 4])])
def test_no_batch_of_one_is_left_over(size: int, lengths: list[int]) -> None:
    run = driver(network())
    run.begin(TASKS[0])
    run.strategy.stage.batch_size = size
    assert [len(batch) for batch in batches(run.strategy.stage, "new", "test")] == lengths


def test_external_samples_come_from_the_pool() -> None:
    run = driver(network())
    run.begin(TASKS[0])
    stage = run.strategy.stage
    with pytest.raises(BadCall, match="has no pool"):
        list(batches(stage, "external", "test"))
    with pytest.raises(BadCall, match="a phase trains on"):
        list(batches(stage, "old", "test"))  # type: ignore[arg-type]
    drawn = Batch(x=torch.ones(2, 5), y=-torch.ones(2), label=torch.zeros(2), raw=torch.ones(2, 5))
    stage.draw = lambda source, count: drawn if source == "external" else None
    assert len(list(batches(stage, "external", "test"))) == 3, "as many as 16 new samples have batches of 6"


def test_the_main_run_draws_what_it_would_have_drawn() -> None:
    def walked(*, phase: bool) -> tuple[Tensor, dict[str, Tensor]]:
        run, other = driver(network()), network(seed=9)
        torch.manual_seed(5)
        run.begin(TASKS[0])
        stage = run.strategy.stage
        if phase:
            fit(stage, other, lambda batch: other(batch.x).square().mean(), name="test", epochs=2)
        return torch.rand(3), {k: v for k, v in run.seeds.state_dict().items() if not k.startswith("phase/")}

    with_it, without = walked(phase=True), walked(phase=False)
    assert torch.equal(with_it[0], without[0]), "dropout of the phase draws from a seed of its own"
    assert with_it[1].keys() == without[1].keys()
    assert all(torch.equal(state, without[1][name]) for name, state in with_it[1].items())


def test_dropout_depends_on_the_task_and_not_on_what_was_drawn_before() -> None:
    def ends(seed: int, task: int) -> dict[str, Tensor]:
        run, model = driver(network()), network(seed=1)
        run.begin(TASKS[task])
        run.strategy.stage.data = data_of(TASKS[0])
        torch.manual_seed(seed)
        fit(run.strategy.stage, model, lambda b: F.cross_entropy(model(b.x), b.y), name="test", epochs=1)
        return weights(model)

    assert all(torch.equal(a, b) for a, b in zip(ends(0, 0).values(), ends(1, 0).values(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(ends(0, 0).values(), ends(0, 1).values(), strict=True))


def test_milestones_lower_the_learning_rate() -> None:
    run = driver(network())
    run.begin(TASKS[0])
    rates: list[float] = []
    stage = run.strategy.stage
    make = stage.optimizer

    def watched(parameters: object, lr: float | None = None) -> torch.optim.Optimizer:
        optimizer = make(parameters, lr)  # type: ignore[arg-type]
        optimizer.register_step_pre_hook(lambda *_: rates.append(optimizer.param_groups[0]["lr"]))
        return optimizer

    stage.optimizer, stage.batch_size = watched, 100
    module = plain()
    fit(
        stage, module, lambda b: module(b.x).mean(), name="t", epochs=4, lr=0.2, milestones=[1, 3], factor=0.5
    )
    assert rates == pytest.approx([0.2, 0.1, 0.1, 0.05])


def test_a_loss_without_end_stops_the_run() -> None:
    run = driver(network())
    run.begin(TASKS[0])
    with pytest.raises(RunFailed, match="no longer finite"):
        fit(run.strategy.stage, run.model, lambda b: run.model(b.x).mean() / 0, name="t", epochs=1)


@pytest.mark.parametrize("model", [network(), network("cosine"), plain()], ids=["linear", "cosine", "plain"])
def test_only_a_part_is_trained(model: torch.nn.Module) -> None:
    run = driver(model)
    run.begin(TASKS[0])
    head = head_of(model)
    model.train()
    before, modes = weights(model), {m: m.training for m in model.modules()}
    fit(
        run.strategy.stage,
        model,
        lambda b: F.cross_entropy(model(b.x), b.y),
        name="t",
        epochs=2,
        only=head,
    )
    mine = {name for name, value in model.named_parameters() if any(value is p for p in head.parameters())}
    assert moved(before, model) == mine, "neither weights nor BatchNorm's statistics of the rest"
    assert {m: m.training for m in model.modules()} == modes
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def test_nothing_to_train_is_no_training() -> None:
    run = driver(network())
    run.begin(TASKS[0])
    before = weights(run.model)
    run.model.requires_grad_(False)
    assert fit(run.strategy.stage, run.model, lambda b: run.model(b.x).mean(), name="t", epochs=1) == 0.0
    assert fit(run.strategy.stage, run.model, lambda b: b.x.mean(), name="t", epochs=1, parameters=[]) == 0.0
    assert not moved(before, run.model)


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"lr": 0.0}, {"lr": float("inf")}, {"factor": 0.0}, {"milestones": [0]}]
)
def test_ranges(wrong: dict[str, object]) -> None:
    with pytest.raises(BadCall):
        check_training(**{"epochs": 1, **wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize("over", ["new", "seen", "all"])
def test_the_loss_of_labels_is_the_loop(over: str) -> None:
    task = TASKS[1]
    classes = {"new": [0, 3], "seen": [0, 1, 3, 4], "all": list(range(7))}[over]
    logits = torch.randn(6, 7, generator=torch.Generator().manual_seed(0), requires_grad=True)
    y = torch.tensor([0, 3, 3, 0, 0, 3])
    value = label_loss(logits, y, torch.zeros(6, dtype=torch.int64), task, over)  # type: ignore[arg-type]
    total = 0.0
    for row, right in zip(logits.double().tolist(), y.tolist(), strict=True):
        chances = {c: torch.tensor(row[c]).double().exp().item() for c in classes}
        total -= torch.tensor(chances[right] / sum(chances.values())).log().item()
    assert value.item() == pytest.approx(total / 6, rel=1e-5)
    value.backward()
    others = [c for c in range(7) if c not in classes]
    assert logits.grad is not None and bool((logits.grad[:, others] == 0).all())


def test_in_a_task_incremental_stream_the_own_task_competes() -> None:
    task = tasks_of(GROUPS, "task")[1]
    logits = torch.randn(2, 5, generator=torch.Generator().manual_seed(0))
    value = label_loss(logits, torch.tensor([4, 0]), torch.tensor([0, 1]), task, "all")
    expected = F.cross_entropy(torch.stack([logits[0, [4, 1]], logits[1, [0, 3]]]), torch.tensor([0, 0]))
    assert value.item() == pytest.approx(expected.item())


def test_classes_and_groups() -> None:
    assert [first_met(task) for task in TASKS] == [(1, 4), (0, 3), (2, 5)]
    assert groups(TASKS[2]) == [(1, 4), (0, 3), (2, 5)]
    again = tasks_of([(0, 1), (0, 1)], "domain")
    assert first_met(again[1]) == () and groups(again[1]) == [(0, 1)]


@pytest.mark.parametrize("kind", ["linear", "cosine", "lsc", "multihead"])
def test_what_old_classes_depend_on(kind: str) -> None:
    model = network(kind)
    head: torch.nn.Module = model.head  # type: ignore[assignment]
    for task in tasks_of(GROUPS, "task")[:2]:
        model.grow(task.new, task.label)  # type: ignore[operator]
    kept = {name: depended_on(head, (4, 1))[p] for name, p in head.named_parameters()}
    if kind == "multihead":
        assert {name: bool(mask.all()) for name, mask in kept.items()} == {
            "weight.0": True,
            "weight.1": False,
            "bias.0": True,
            "bias.1": False,
        }
        assert not kept["weight.1"].any()
        return
    rows = kept["weight"].flatten(1)
    assert rows[[1, 4]].all() and not rows[[0, 2, 3, 5]].any()
    assert all(bool(mask.all()) for name, mask in kept.items() if name in ("sigma", "scale"))
    assert not any(bool(mask.any()) for mask in depended_on(head, ()).values())


def test_the_rest_of_a_network() -> None:
    model = plain()
    assert list(rest_of(model, head_of(model))) == list(model)[:-1]  # type: ignore[call-overload]
    nested = torch.nn.Sequential(
        torch.nn.Linear(2, 2), torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Linear(2, 2))
    )
    assert [type(m).__name__ for m in rest_of(nested, head_of(nested))] == ["Linear", "ReLU"]
    with pytest.raises(BadCall, match=r"no torch\.nn\.Linear"):
        head_of(torch.nn.ReLU())
