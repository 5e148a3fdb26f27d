"""What a small run takes, counted by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.memory.reservoir import Reservoir
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.lwf import lwf
from lifelong_kd.strategy.naive import naive
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.strategy.term import Distill, Rehearse
from lifelong_kd.teacher.snapshot import Snapshot
from lifelong_kd.training.families.base import Look
from lifelong_kd.training.families.cost import Cost
from tests.training.looks import difference, everything, found_by, look_at, run_with

# Images of 4x4 pixels, 16 hidden units with BatchNorm, a head of six classes; batches of 16.
BATCH, INPUT, HIDDEN, CLASSES = 16, 16, 16, 6
STEPS = 3
"""Of 60 samples a task a fifth is held out for validation."""


def forward(batch: int = BATCH) -> int:
    return 2 * batch * (INPUT * HIDDEN + HIDDEN * CLASSES)


def backward(batch: int = BATCH) -> int:
    """The gradient of both layers' weights, and of what reaches the head."""
    return 2 * batch * (INPUT * HIDDEN + 2 * HIDDEN * CLASSES)


PARAMETERS = INPUT * HIDDEN + HIDDEN + 2 * HIDDEN + HIDDEN * CLASSES + CLASSES


def test_fine_tuning_by_hand(tmp_path: Path) -> None:
    found = found_by(Cost(), naive(), tmp_path / "run", epochs=2)
    for one in found:
        assert one["step_flops"] == forward() + backward()
        assert (one["batch"], one["steps"]) == (BATCH, 2 * STEPS)
        assert one["training_flops"] == one["step_flops"] * one["steps"]
        assert one["teacher_step_flops"] == one["teacher_flops"] == one["teacher_parameters"] == 0
        assert one["parameters"] == one["trainable_parameters"] == PARAMETERS
        assert one["memory_bytes"] == 0 and one["peak_memory_bytes"] > 2**20
        assert 0 <= one["average_accuracy"] <= 1 and one["training_seconds"] is None


@pytest.mark.parametrize(("cache", "epochs"), [("off", 2), ("auto", 1)])
def test_a_teacher_takes_a_forward_pass(cache: str, epochs: int, tmp_path: Path) -> None:
    found = found_by(Cost(), lwf(), tmp_path / "run", epochs=2, teacher_cache=cache)
    assert found[0]["teacher_step_flops"] == 0
    for one in found[1:]:
        assert one["teacher_step_flops"] == forward()
        assert one["step_flops"] == forward() + backward() + forward()
        assert one["teacher_parameters"] == PARAMETERS
        # What is kept for the task is asked in the first epoch only.
        assert one["teacher_flops"] == forward() * epochs * STEPS
        assert one["training_flops"] == (forward() + backward()) * 2 * STEPS + one["teacher_flops"]


def test_replay_and_a_step_of_its_own_are_counted(tmp_path: Path) -> None:
    teacher = Snapshot()
    terms = {
        "replay": Rehearse(TaskLoss()),
        "apart": Distill(teacher, Kd(temperature=2.0), separate=True),
    }
    strategy = Strategy(terms=terms, memory=Reservoir(capacity=40), memory_batch=8)
    found = found_by(Cost(), strategy, tmp_path / "run", epochs=1)
    once, again = forward() + backward(), forward(8) + backward(8)
    # The new batch a second time for the step of its own; the loss looks at two columns, its gradient at all.
    assert found[1]["step_flops"] == 2 * once + again + forward()
    # Images as bytes, class and task label as int64.
    assert found[1]["memory_bytes"] == 40 * (16 + 8 + 8)


def test_a_strategy_of_avalanches_own_is_one_pass(tmp_path: Path) -> None:
    found: list[Any] = []

    def before(look: Look) -> None:
        kept = everything(run_of(look))
        other = Look(look.task, look.stream, look.engine, None, look.asker, look.seeds)
        found.append(Cost().before_end(other))
        assert difference(kept, everything(run_of(look))) is None

    experiment = run_with(naive(), tmp_path / "run", before=before, epochs=1)
    assert [one["step_flops"] for one in found] == [forward() + backward()] * 3
    last = look_at(experiment, 2)
    assert Cost().after_task(last, [])["memory_bytes"] == 0
    # It may have a buffer of its own.
    other = Look(last.task, last.stream, last.engine, None, last.asker, last.seeds)
    assert Cost().after_task(other, [])["memory_bytes"] is None
    assert found[0]["teacher_parameters"] == 0


def run_of(look: Look) -> Any:
    return type("Run", (), {"engine": look.engine, "plugin": look.plugin, "seeds": look.seeds})


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    def before(look: Look) -> None:
        kept = everything(run_of(look))
        Cost().before_end(look)
        assert difference(kept, everything(run_of(look))) is None

    def after(look: Look) -> None:
        kept = everything(run_of(look))
        Cost().after_task(look, [])
        assert difference(kept, everything(run_of(look))) is None

    run_with(lwf(), tmp_path / "run", before=before, after=after, augment=True)


def test_seconds_are_those_that_are_told(tmp_path: Path) -> None:
    found: list[Any] = []

    def after(look: Look) -> None:
        told = Look(
            look.task,
            look.stream,
            look.engine,
            look.plugin,
            look.asker,
            look.seeds,
            {},
            {"training_seconds": 2.5},
        )
        found.append(Cost().after_task(told, []))

    experiment = run_with(naive(), tmp_path / "run", after=after, epochs=1)
    assert [one["training_seconds"] for one in found] == [2.5] * 3
    said = look_at(experiment, 2).answers("test", 2)
    own = float((said.logits.argmax(1) == said.targets).double().mean())
    others = [look_at(experiment, 2).answers("test", j) for j in (0, 1)]
    accuracy = (own + sum(float((o.logits.argmax(1) == o.targets).double().mean()) for o in others)) / 3
    assert found[2]["average_accuracy"] == pytest.approx(accuracy)


def test_the_summary_by_hand() -> None:
    def one(accuracy: float, flops: int, teacher: int) -> dict[str, Any]:
        return {
            "average_accuracy": accuracy,
            "training_flops": flops,
            "teacher_flops": teacher,
            "training_seconds": 4.0,
            "memory_bytes": 500_000,
            "parameters": 2_000_000,
        }

    found = [one(1.0, 10**9, 0), one(0.5, 3 * 10**9, 10**9)]
    assert Cost().summary(found) == {
        "accuracy_per_second": 0.125,
        "accuracy_per_gflop": 0.125,
        "accuracy_per_stored_megabyte": 1.0,
        "accuracy_per_million_parameters": 0.25,
        "training_gflops": 4.0,
        "teacher_flops_share": 0.25,
    }
    assert Cost().summary([]) == {}
    unknown = [
        {**found[0], "training_seconds": None},
        {k: v for k, v in found[1].items() if "flops" not in k},
    ]
    summary = Cost().summary(unknown)
    assert (
        summary["training_gflops"] is summary["accuracy_per_gflop"] is summary["teacher_flops_share"] is None
    )
    assert summary["accuracy_per_second"] == 0.125
