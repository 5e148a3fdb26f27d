"""Gaps of a small run, against counting by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lifelong_kd.core.types import Task
from lifelong_kd.memory.exemplars import Balanced
from lifelong_kd.memory.reservoir import Reservoir
from lifelong_kd.strategy.icarl import icarl
from lifelong_kd.strategy.naive import naive
from lifelong_kd.strategy.replay import replay
from lifelong_kd.testing.small import small_experiment
from lifelong_kd.training.ask import Answers
from lifelong_kd.training.families.asked import exemplars_of
from lifelong_kd.training.families.base import Look
from lifelong_kd.training.families.generalisation import Generalisation
from tests.training.looks import difference, everything, found_by, run_with

FEW = {"epochs": 1}


def heard(columns: list[int], targets: list[int], width: int = 6) -> Answers:
    """Answers that name these columns."""
    return Answers(torch.eye(width)[torch.tensor(columns)], torch.tensor(targets))


def made_up(scenario: Any = "class", **answers: Answers) -> Look:
    """After the first of three tasks, with made-up answers: ``train_0`` and so on."""
    experiment = small_experiment(naive(), scenario=scenario)
    known: Any = {(name.split("_")[0], int(name.split("_")[1])): said for name, said in answers.items()}
    return Look(0, experiment.stream, experiment.engine, None, None, experiment.seeds, known)  # type: ignore[arg-type]


BASE = {
    "train_0": heard([0, 0, 1, 1], [0, 0, 1, 1]),
    "valid_0": heard([0, 1, 1, 1], [0, 0, 1, 1]),
    "test_0": heard([0, 5, 5, 1], [0, 0, 1, 1]),
}


def test_gaps_by_hand() -> None:
    found = Generalisation().after_task(made_up(**BASE), [])
    assert (found["train_accuracy"], found["validation_accuracy"], found["test_accuracy"]) == (1.0, 0.75, 0.5)
    assert (found["generalisation_gap"], found["validation_gap"]) == (0.5, 0.25)
    assert found["memory"] == [] and found["memory_overfit_gap"] is None
    # Class-incremental: the classes to come have no answer that could be right.
    assert found["unseen_accuracy"] is None


def test_in_a_task_incremental_stream_only_the_own_columns_compete() -> None:
    # The test answers name column 5, which is of another task: of the others a tie goes to the first, class 0.
    unseen = {"test_1": heard([0], [2], width=2), "test_2": heard([0], [4], width=2)}
    found = Generalisation().after_task(made_up("task", **BASE, **unseen), [])
    assert found["test_accuracy"] == 0.75 and found["unseen_accuracy"] is None
    # A head that has the columns already says something about the tasks to come.
    unseen = {"test_1": heard([2, 0], [2, 3]), "test_2": heard([5, 5], [4, 5])}
    assert Generalisation().after_task(made_up("task", **BASE, **unseen), [])["unseen_accuracy"] == 0.5


def test_domains_to_come_are_unseen_but_answerable() -> None:
    unseen = {"test_1": heard([0, 0], [0, 1], width=2), "test_2": heard([0, 1], [0, 1], width=2)}
    found = Generalisation().after_task(made_up("domain", **BASE, **unseen), [])
    assert found["unseen_accuracy"] == 0.75


def test_the_summary() -> None:
    def one(gap: float, memory: float | None, unseen: float | None) -> dict[str, Any]:
        return {
            "generalisation_gap": gap,
            "validation_gap": None,
            "memory_overfit_gap": memory,
            "unseen_accuracy": unseen,
        }

    assert Generalisation().summary([one(0.5, None, 0.25), one(0.25, 0.125, 0.75), one(0.0, 0.5, None)]) == {
        "generalisation_gap": 0.25,
        "validation_gap": None,
        "memory_overfit_gap": 0.5,
        "unseen_accuracy": 0.5,
    }
    assert set(Generalisation().summary([]).values()) == {None}


# ---- the memory -------------------------------------------------------------------------------------------------


def memory_of(**fields: Tensor) -> Reservoir:
    memory = Reservoir(capacity=10)
    memory.samples = {"raw": torch.zeros(len(fields["y"]), 1), **fields}
    memory.size = len(fields["y"])
    return memory


def test_exemplars_by_where_they_come_from() -> None:
    y, zero = torch.tensor([2, 0, 1, 3]), torch.zeros(4, dtype=torch.int64)

    def groups(memory: Reservoir, task: Task) -> list[tuple[tuple[int, ...], list[int]]]:
        return [(tasks, samples["y"].tolist()) for tasks, samples in exemplars_of(memory, task)]

    by_class = Task(1, "class", (2, 3), ((0, 1),), {0: (0, 1, 2, 3)})
    assert groups(memory_of(y=y, label=zero), by_class) == [((0,), [0, 1]), ((1,), [2, 3])]
    by_label = Task(1, "task", (0, 1), ((0, 1),), {4: (0, 1), 2: (0, 1)}, label=2)
    label = torch.tensor([2, 4, 4, 2])
    assert groups(memory_of(y=y % 2, label=label), by_label) == [((0,), [0, 1]), ((1,), [0, 1])]
    domains = Task(1, "domain", (0, 1), ((0, 1),), {0: (0, 1)})
    assert groups(memory_of(y=y % 2, label=zero), domains) == [((0, 1), [0, 0, 1, 1])]
    noted = memory_of(y=y % 2, label=zero, task=torch.tensor([1, 0, 0, 1]))
    assert groups(noted, domains) == [((0,), [0, 1]), ((1,), [0, 1])]
    assert exemplars_of(None, domains) == exemplars_of(Reservoir(capacity=1), domains) == []


@pytest.mark.parametrize("scenario", ["class", "task", "domain"])
def test_the_memorys_gap_of_a_run(scenario: Any, tmp_path: Path) -> None:
    found: list[Any] = []
    expected: list[Any] = []

    def after(look: Look) -> None:
        kept = everything(run_of(look))
        found.append(Generalisation().after_task(look, []))
        assert difference(kept, everything(run_of(look))) is None
        gaps = []
        for task in range(look.task + 1):
            classes = list(look.stream.tasks[task].classes)
            rows = look.plugin.strategy.memory.samples  # type: ignore[union-attr]
            mine = rows["task"] == task
            x = look.plugin.strategy.data.plain(rows["raw"][mine])  # type: ignore[union-attr]
            model = look.engine.model.eval()
            with torch.no_grad():
                logits = model(x)
            if scenario == "task":
                logits = torch.where(
                    torch.isin(torch.arange(logits.shape[1]), torch.tensor(classes)), logits, -1e9
                )
            stored = float((logits.argmax(1) == rows["y"][mine]).double().mean())
            said = look.answers("valid", task).logits
            if scenario == "task":
                said = torch.where(torch.isin(torch.arange(said.shape[1]), torch.tensor(classes)), said, -1e9)
            held = float((said.argmax(1) == look.answers("valid", task).targets).double().mean())
            gaps.append((stored, held))
        expected.append(gaps)

    def run_of(look: Look) -> Any:
        return type("Run", (), {"engine": look.engine, "plugin": look.plugin, "seeds": look.seeds})

    strategy = replay(memory=Balanced(per_class=6))
    run_with(strategy, tmp_path / "run", after=after, scenario=scenario, **FEW)
    for number, one in enumerate(found):
        assert [(part["stored_accuracy"], part["held_out_accuracy"]) for part in one["memory"]] == expected[
            number
        ]
        assert [part["tasks"] for part in one["memory"]] == [[task] for task in range(number + 1)]
    assert found[0]["memory_overfit_gap"] is None
    earlier = [stored - held for stored, held in expected[2][:2]]
    assert found[2]["memory_overfit_gap"] == pytest.approx(sum(earlier) / 2)


def test_a_reservoir_of_domains_is_one_group(tmp_path: Path) -> None:
    found = found_by(Generalisation(), replay(memory=30), tmp_path / "run", scenario="domain", **FEW)
    assert [[part["tasks"] for part in one["memory"]] for one in found] == [[[0]], [[0, 1]], [[0, 1, 2]]]
    assert found[0]["unseen_accuracy"] is not None and found[2]["unseen_accuracy"] is None
    assert found[0]["memory_overfit_gap"] is None and found[1]["memory_overfit_gap"] is not None


def test_with_a_classifier_of_exemplars(tmp_path: Path) -> None:
    # What is predicted is what evaluation predicts: by the nearest class mean.
    found = found_by(Generalisation(), icarl(memory=24), tmp_path / "run", **FEW)
    assert [len(one["memory"]) for one in found] == [1, 2, 3]
    assert all(0 <= part["stored_accuracy"] <= 1 for one in found for part in one["memory"])
