"""The same suite over every component, fed by one table."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from lifelong_kd.core.registry import registries
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.model.build import build_network
from lifelong_kd.stream.build import build_stream
from lifelong_kd.testing import (
    check_controller,
    check_correction,
    check_encoder,
    check_family,
    check_generator,
    check_knowledge,
    check_memory,
    check_model,
    check_phase,
    check_pool,
    check_schedule,
    check_strategy,
    check_stream,
    check_teacher,
    check_tracker,
)
from tests.conformance import table


@pytest.mark.parametrize("noun", sorted(table.COVERED))
def test_every_component_has_an_entry(noun: str) -> None:
    registry, covered = table.COVERED[noun]
    ours = {entry.name for entry in registry if entry.owner in ("lifelong_kd", "avalanche-lib")}
    assert ours == covered


def test_every_noun_is_in_the_table() -> None:
    ours = {
        noun
        for noun, registry in registries.items()
        if any(entry.owner == "lifelong_kd" for entry in registry)
    }
    assert ours == set(table.COVERED)


@pytest.mark.parametrize("name", sorted(table.KNOWLEDGE))
def test_knowledge(name: str) -> None:
    check_knowledge(table.knowledges.get(name)(**table.KNOWLEDGE[name]))


@pytest.mark.parametrize("name", sorted(table.SCHEDULE))
def test_schedule(name: str) -> None:
    check_schedule(table.schedules.get(name)(**table.SCHEDULE[name]))


@pytest.mark.parametrize("name", sorted(table.MEMORY))
def test_memory(name: str) -> None:
    options, budget = table.MEMORY[name]
    check_memory(partial(table.memories.get(name), **options), budget=budget)


@pytest.mark.parametrize("name", sorted(table.TEACHER))
def test_teacher(name: str) -> None:
    check_teacher(lambda: table.teachers.get(name)(**table.TEACHER[name]()))


@pytest.mark.parametrize("name", sorted(table.ROUNDS))
def test_rounds(name: str) -> None:
    make = partial(table.rounds.get(name), **table.ROUNDS[name])
    check_controller(make)
    check_controller(
        make, tasks=2, terms={"kd": "distill", "replay": "rehearse", "pod": "distill", "l2": "other"}
    )


@pytest.mark.parametrize("scenario", ["class", "task", "domain"])
@pytest.mark.parametrize("name", sorted(table.FAMILY))
def test_family(name: str, scenario: Any) -> None:
    make = partial(table.families.get(name), **table.FAMILY[name])
    check_family(make, scenario=scenario, strategy=table.FAMILY_ON.get(name))


@pytest.mark.parametrize("name", sorted(table.GENERATOR))
def test_generator(name: str) -> None:
    check_generator(partial(table.generators.get(name), **table.GENERATOR[name]))


@pytest.mark.parametrize("name", sorted(table.POOL))
def test_pool(name: str) -> None:
    check_pool(partial(table.pools.get(name), **table.POOL[name]))


def made(registry: Any, name: str, options: dict[str, Any]) -> Any:
    """A fresh component; the teacher among its options is made first."""
    found = dict(options)
    if "teacher" in found:
        found["teacher"] = table.teachers.get(found["teacher"])()
    return registry.get(name)(**found)


@pytest.mark.parametrize("scenario", ["class", "task", "domain"])
@pytest.mark.parametrize("name", sorted(table.PHASE))
def test_phase(name: str, scenario: Any) -> None:
    if name == "imprint" and scenario == "task":
        pytest.skip("the heads of a multi-head network have no rows that could be imprinted")
    make = partial(made, table.phases, name, table.PHASE[name])
    # The longer check once: what a phase trains on does not depend on the scenario.
    check_phase(make, scenario=scenario, strategy=scenario == "class")


@pytest.mark.parametrize("scenario", ["class", "task", "domain"])
@pytest.mark.parametrize("name", sorted(table.CORRECTION))
def test_correction(name: str, scenario: Any) -> None:
    make = partial(made, table.corrections, name, table.CORRECTION[name])
    check_correction(make, scenario=scenario, strategy=scenario == "class")


@pytest.mark.parametrize(
    ("name", "scenario", "make", "how"),
    table.strategy_makers(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_strategy(name: str, scenario: Any, make: Any, how: dict[str, Any]) -> None:
    check_strategy(make, scenario=scenario, silent=name not in table.ONLINE, **how)


@pytest.mark.parametrize("head", ["linear", "cosine"])
def test_lwf_with_a_growing_head(head: str) -> None:
    check_strategy(table.strategies.get("lwf"), head=head)


@pytest.mark.parametrize("name", sorted(table.MODEL))
@pytest.mark.parametrize("head", sorted(table.HEAD))
def test_model(name: str, head: str) -> None:
    options, shape = table.MODEL[name]
    make = partial(build_network, shape, 6, model=(name, options), head=(head, table.HEAD[head]))
    check_model(make, shape, 6)


@pytest.mark.parametrize("scenario", ["class", "task", "domain"])
@pytest.mark.parametrize("name", sorted(table.STREAM))
def test_stream(name: str, scenario: Any) -> None:
    def make() -> Any:
        seeds = Seeds(0)
        return build_stream(name, table.streams.get(name)(None, seeds), scenario=scenario, seeds=seeds)

    check_stream(make)


@pytest.mark.parametrize("name", sorted(table.TRANSFORM))
def test_transform(name: str) -> None:
    """Each sample has a draw of its own, the same on request, and the range of the values stays."""
    transform = table.transforms.get(name)(**table.TRANSFORM[name])
    x = (
        torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(0))
        .expand(6, -1, -1, -1)
        .contiguous()
    )
    one = transform(x, torch.Generator().manual_seed(1))
    assert one.shape == x.shape and one.min() >= 0 and one.max() <= 1
    assert torch.equal(one, transform(x, torch.Generator().manual_seed(1)))
    assert len({sample.numpy().tobytes() for sample in one}) > 1


@pytest.mark.parametrize("name", sorted(table.ENCODER))
def test_encoder(name: str) -> None:
    check_encoder(partial(table.encoders.get(name), **table.ENCODER[name]))


@pytest.mark.parametrize("name", sorted(table.TRACKER))
def test_tracker(name: str, tmp_path: Path) -> None:
    check_tracker(table.trackers.get(name)(**table.TRACKER[name]), tmp_path / "run")


@pytest.mark.parametrize("name", sorted(table.OPTIMIZER))
def test_optimizer(name: str) -> None:
    """It walks downhill and keeps its state by parameter."""
    weight = torch.nn.Parameter(torch.tensor([3.0, -2.0]))
    optimizer = table.optimizers.get(name)([weight], **table.OPTIMIZER[name])
    before = float(weight.detach().square().sum())
    for _ in range(20):
        optimizer.zero_grad()
        weight.square().sum().backward()
        optimizer.step()
    assert float(weight.detach().square().sum()) < before
