"""Student and teacher compared: by hand, on a small run, and without leaving a trace."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from avalanche.models import MTSimpleMLP

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Task
from lifelong_kd.knowledge.hint import Hint
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.knowledge.mse import Mse
from lifelong_kd.memory.reservoir import Reservoir
from lifelong_kd.model.build import build_network
from lifelong_kd.model.freeze import digest
from lifelong_kd.model.multihead import ABSENT
from lifelong_kd.schedule.gradient_ratio import GradientRatio
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.cls_er import cls_er
from lifelong_kd.strategy.derpp import derpp
from lifelong_kd.strategy.icarl import icarl
from lifelong_kd.strategy.lwf import lwf
from lifelong_kd.strategy.lwm import lwm
from lifelong_kd.strategy.naive import naive
from lifelong_kd.strategy.pass_ import pass_
from lifelong_kd.strategy.podnet import podnet
from lifelong_kd.strategy.ta import ta
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.strategy.term import Distill, Rehearse
from lifelong_kd.strategy.xder import xder
from lifelong_kd.teacher.ema import Ema
from lifelong_kd.teacher.ensemble import Ensemble
from lifelong_kd.teacher.expert import Expert
from lifelong_kd.teacher.external import External
from lifelong_kd.teacher.snapshot import Snapshot
from lifelong_kd.teacher.stored import Stored
from lifelong_kd.testing.small import small_experiment
from lifelong_kd.training.families.asked import AskedSamples
from lifelong_kd.training.families.base import Look
from lifelong_kd.training.families.conflict import conflict
from lifelong_kd.training.families.reliability import compared, known_classes, unaskable
from lifelong_kd.training.families.teacher import Teaching
from tests.training.looks import difference, everything, found_by, look_at, run_with

CONV = ("cnn", {"width": 4, "stages": 2})
LOG3 = math.log(3)
FEW = {"epochs": 1}


def task(index: int = 1, scenario: Any = "class") -> Task:
    by_label = {0: (0, 1), 1: (2, 3)} if scenario == "task" else {0: (0, 1, 2, 3)}
    return Task(
        index,
        scenario,
        new=(2, 3),
        history=((0, 1),),
        by_label=by_label,
        label=1 if scenario == "task" else 0,
    )


# ---- what is compared -------------------------------------------------------------------------------------------


def test_numbers_by_hand() -> None:
    student = torch.tensor([[0.0, 0.0, 9.0], [5.0, 0.0, 9.0], [0.0, 5.0, 0.0]])
    teacher = torch.tensor([[LOG3, 0.0], [0.0, LOG3], [0.0, LOG3]])
    y, label = torch.tensor([0, 0, 2]), torch.zeros(3, dtype=torch.int64)
    found = compared(student, teacher, y, label, task(), (0, 1))
    assert found is not None
    # The student's third column does not compete; a tie goes to the first.
    assert found["samples"] == 3 and found["agreement"] == pytest.approx(2 / 3)
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert found["entropy"] == pytest.approx(entropy)
    # The third sample's class is unknown to the teacher: it counts for neither accuracy.
    assert (found["student_accuracy"], found["teacher_accuracy"]) == (1.0, 0.5)
    # Both at confidence 3/4, half of them right.
    assert found["calibration_error"] == pytest.approx(0.25)


def test_on_classes_that_it_does_not_know_a_teacher_has_no_accuracy() -> None:
    y, label = torch.tensor([2, 3]), torch.zeros(2, dtype=torch.int64)
    found = compared(torch.zeros(2, 4), torch.zeros(2, 2), y, label, task(), (0, 1))
    assert found is not None
    assert found["teacher_accuracy"] is found["student_accuracy"] is found["calibration_error"] is None
    assert (found["agreement"], found["kl"]) == (1.0, 0.0) and found["entropy"] == pytest.approx(math.log(2))


@pytest.mark.parametrize("missing", [torch.nan, -torch.inf, ABSENT])
def test_columns_that_a_teacher_does_not_say_are_not_known(missing: float) -> None:
    teacher = torch.tensor([[0.0, 1.0, missing]] * 2)
    student = torch.tensor([[0.0, 1.0, 5.0]] * 2)
    y, label = torch.tensor([1, 2]), torch.zeros(2, dtype=torch.int64)
    found = compared(student, teacher, y, label, task(), (0, 1, 2))
    assert found is not None and found["agreement"] == 1.0 and found["teacher_accuracy"] == 1.0
    assert compared(student, teacher, y, label, task(), (2,)) is None
    assert compared(student, teacher, y, label, task(), ()) is None


def test_in_a_task_incremental_stream_a_samples_own_classes_compete() -> None:
    student = torch.tensor([[1.0, 0.0, 9.0, 8.0], [9.0, 9.0, 0.0, 1.0]])
    teacher = torch.tensor([[1.0, 0.0, 8.0, 9.0], [9.0, 9.5, 0.0, 1.0]])
    y, label = torch.tensor([0, 3]), torch.tensor([0, 1])
    found = compared(student, teacher, y, label, task(scenario="task"), (0, 1, 2, 3))
    assert found is not None
    assert found["agreement"] == found["teacher_accuracy"] == found["student_accuracy"] == 1.0
    # A teacher of the first task alone: the second sample is read over that task's classes, where both differ.
    found = compared(student, teacher[:, :2], y, label, task(scenario="task"), (0, 1))
    assert found is not None and found["agreement"] == 0.5 and found["teacher_accuracy"] == 1.0


def test_over_several_earlier_tasks_the_numbers_are_means() -> None:
    now = Task(
        2, "task", new=(4,), history=((0, 1), (2, 3)), by_label={0: (0, 1), 1: (2, 3), 2: (4,)}, label=2
    )
    student, teacher = torch.tensor([[1.0, 0, 1, 0, 0]]), torch.tensor([[1.0, 0, 0, 1]])
    found = compared(student, teacher, torch.tensor([4]), torch.tensor([2]), now, (0, 1, 2, 3))
    assert found is not None and found["agreement"] == 0.5


def test_what_a_teacher_knows() -> None:
    network = build_network((1, 4, 4), 6, model=("mlp", {"hidden": [4]}), head=("linear", {}))
    snapshot, ema, expert = Snapshot(), Ema(), Expert()
    snapshot.keep(network, 0)
    ema.keep(network, 1)
    expert.keep(network, 1)
    elsewhere = External(network, class_map={0: 3, 1: 5})
    assert known_classes(snapshot, task()) == (0, 1)
    assert known_classes(ema, task()) == (0, 1, 2, 3)
    assert known_classes(expert, task()) == (2, 3)
    # Class 5 has not been met yet.
    assert known_classes(elsewhere, task()) == (3,)
    assert known_classes(External(network), task()) == (0, 1, 2, 3)
    assert known_classes(Ensemble(teachers=[ema, expert]), task()) == (2, 3)


# ---- a small run ------------------------------------------------------------------------------------------------


def test_a_run_with_a_snapshot(tmp_path: Path) -> None:
    found = found_by(Teaching(samples=7), lwf(), tmp_path / "run", dropout=0.0)
    assert found[0]["teachers"] == {} and found[0]["left_out"] == {"kd": "not ready in this task"}
    for number in (1, 2):
        sources = found[number]["teachers"]["kd"]
        # Without a memory there are no exemplars; of earlier tasks each has its share of the samples.
        assert sources.keys() == {"train", "held_out", "held_out_old"}
        assert [sources[name]["samples"] for name in ("train", "held_out")] == [7, 7]
        assert sources["held_out_old"]["samples"] == {1: 7, 2: 6}[number]
        assert sources["train"]["teacher_accuracy"] is None
        assert 0 <= sources["held_out_old"]["teacher_accuracy"] <= 1
        assert -1 <= found[number]["gradients"]["kd"]["cosine"] <= 1
        assert 0 <= found[number]["gradients"]["kd"]["angle"] <= 180
    summary = Teaching().summary(found)
    old = [one["teachers"]["kd"]["held_out_old"]["agreement"] for one in found[1:]]
    assert summary["agreement_held_out_old"] == pytest.approx(sum(old) / 2)
    assert summary["kl_memory"] is None and summary["fidelity_accuracy_correlation"] is None
    cosines = [one["gradients"]["kd"]["cosine"] for one in found[1:]]
    assert summary["gradient_cosine_kd"] == pytest.approx(sum(cosines) / 2)


def test_the_teacher_is_the_one_that_taught(tmp_path: Path) -> None:
    # After task 1 its accuracy on task 0 is that which the student had on the same samples after task 0.
    held: list[float] = []

    def after(look: Look) -> None:
        said = look.answers("valid", 0)
        held.append(float((said.logits[:, :2].argmax(1) == said.targets).double().mean()))

    found: list[Any] = []
    run_with(
        lwf(), tmp_path / "run", before=lambda look: found.append(Teaching().before_end(look)), after=after
    )
    assert found[1]["teachers"]["kd"]["held_out_old"]["teacher_accuracy"] == pytest.approx(held[0])


def test_a_student_that_is_its_teacher_agrees_with_it(tmp_path: Path) -> None:
    found: list[Any] = []

    def before(look: Look) -> None:
        teacher = look.plugin.strategy.teachers["kd"]  # type: ignore[union-attr]
        if look.task:
            teacher.keep(look.engine.model, look.task)  # type: ignore[attr-defined]
        found.append(Teaching().before_end(look))

    run_with(lwf(), tmp_path / "run", before=before)
    for one in found[1:]:
        for source in one["teachers"]["kd"].values():
            assert source["agreement"] == 1.0 and source["kl"] == pytest.approx(0, abs=1e-9)
            assert source["teacher_accuracy"] == source["student_accuracy"] is not None
        # The gradient of a distillation from oneself is 0 up to rounding, far below that of the task.
        assert one["gradients"]["kd"]["ratio"] < 1e-4


def test_exemplars_of_earlier_tasks_are_a_source(tmp_path: Path) -> None:
    found = found_by(Teaching(samples=10, gradient_batches=0), icarl(memory=24), tmp_path / "run", **FEW)
    (name,) = found[1]["teachers"]
    assert [one["teachers"][name]["memory"]["samples"] for one in found[1:]] == [10, 10]
    assert all("gradients" not in one for one in found)


def test_stored_logits_teach_on_the_memory_alone(tmp_path: Path) -> None:
    found = found_by(Teaching(samples=20), derpp(memory=40), tmp_path / "run", **FEW)
    assert not found[0]["teachers"] and not any(one["left_out"] for one in found)
    for one in found[1:]:
        assert set(one["teachers"]["logits"]) == {"memory"}
        numbers = one["teachers"]["logits"]["memory"]
        assert 0 < numbers["samples"] <= 20
        assert 0 <= numbers["agreement"] <= 1 and numbers["kl"] > 0 and 0 <= numbers["teacher_accuracy"] <= 1
    # The gradients of both its terms are compared all the same.
    assert len(found[1]["gradients"]) == 2


def test_columns_that_came_after_a_sample_was_stored_do_not_compete(tmp_path: Path) -> None:
    """Task 0's exemplars say nothing of task 1's classes: the student's preference for those is no disagreement."""
    logits = torch.tensor([[1.0, 0.0, torch.nan, torch.nan], [0.0, 1.0, torch.nan, torch.nan]])
    samples = AskedSamples(
        raw=torch.zeros(2, 1),
        y=torch.tensor([0, 1]),
        label=torch.zeros(2, dtype=torch.int64),
        data=None,  # type: ignore[arg-type]
        logits=torch.tensor([[1.0, 0.0, 9.0, 9.0], [0.0, 1.0, 9.0, 9.0]]),
        stored=logits,
    )
    task = Task(1, "class", (2, 3), ((0, 1),), {0: (0, 1, 2, 3)})
    look: Any = SimpleNamespace(engine=None)
    found = Teaching()._compare(look, None, Stored(), task, {"memory": samples})  # type: ignore[arg-type]
    assert found["memory"]["agreement"] == 1.0 and found["memory"]["kl"] == pytest.approx(0.0, abs=1e-6)
    assert found["memory"]["teacher_accuracy"] == found["memory"]["student_accuracy"] == 1.0


def test_a_strategy_without_teachers_has_no_scores(tmp_path: Path) -> None:
    found = found_by(Teaching(), naive(), tmp_path / "run", **FEW)
    assert found == [{"teachers": {}, "left_out": {}}] * 3
    assert Teaching().summary(found) == {} == Teaching().summary([])


def test_teachers_in_task_and_domain_incremental_streams(tmp_path: Path) -> None:
    found = found_by(Teaching(), lwf(), tmp_path / "task", scenario="task", **FEW)
    sources = found[2]["teachers"]["kd"]
    assert sources["train"]["teacher_accuracy"] is None and sources["train"]["agreement"] is not None
    assert sources["held_out_old"]["teacher_accuracy"] is not None
    found = found_by(Teaching(), lwf(), tmp_path / "domain", scenario="domain", **FEW)
    assert found[1]["teachers"]["kd"]["train"]["teacher_accuracy"] is not None


def test_models_that_are_told_task_labels_are_left_out() -> None:
    snapshot = Snapshot()
    assert unaskable(snapshot, multitask=True) == "not ready in this task"
    snapshot.keep(MTSimpleMLP(input_size=16, hidden_size=4), 0)
    assert unaskable(snapshot, multitask=False) is None
    assert "answers by head" in str(unaskable(snapshot, multitask=True))


def test_without_a_strategy_of_ours_nothing_is_found() -> None:
    look = look_at(small_experiment(naive()), 0)
    assert Teaching().before_end(Look(0, look.stream, look.engine, None, look.asker, look.seeds)) == {}


@pytest.mark.parametrize("options", [{"samples": 0}, {"gradient_batches": -1}])
def test_options_out_of_range(options: dict[str, int]) -> None:
    with pytest.raises(BadCall, match=next(iter(options))):
        Teaching(**options)


# ---- gradients --------------------------------------------------------------------------------------------------


def test_replay_of_what_is_learned_pulls_the_same_way(tmp_path: Path) -> None:
    # Before the first task ends memory and task hold the same classes; a term that is minus the task loss is opposed.
    class Against(Rehearse):
        def value(self, lesson: Any) -> Any:
            batch = lesson.batch("new")
            return -2 * TaskLoss()(lesson.student("new").logits, batch.y, batch.label, lesson.task)

    strategy = Strategy(
        terms={
            "replay": Rehearse(TaskLoss()),
            "against": Against(TaskLoss(), weight=0.25),
            "silent": Rehearse(TaskLoss(), weight=0.0),
        },
        memory=Reservoir(capacity=20),
    )
    found: list[Any] = []
    run_with(
        strategy,
        tmp_path / "run",
        before=lambda look: found.append(conflict(look, look.plugin, 2)),  # type: ignore[arg-type]
        **FEW,
    )
    assert found[0].keys() == {"replay", "against"}
    assert found[0]["replay"]["cosine"] > 0
    assert found[0]["against"]["cosine"] == pytest.approx(-1) and found[0]["against"][
        "angle"
    ] == pytest.approx(180)
    # Weighted: a quarter of twice the task loss.
    assert found[0]["against"]["ratio"] == pytest.approx(0.5)


def test_a_task_loss_that_takes_no_part_has_no_direction(tmp_path: Path) -> None:
    strategy = Strategy(
        terms={"replay": Rehearse(TaskLoss())}, memory=Reservoir(capacity=20), task_weight=[0.0, 1.0, 1.0]
    )
    found: list[Any] = []
    run_with(
        strategy,
        tmp_path / "run",
        before=lambda look: found.append(conflict(look, look.plugin, 1)),  # type: ignore[arg-type]
        **FEW,
    )
    assert found[0]["replay"] == {"cosine": None, "angle": None, "ratio": None}
    assert found[1]["replay"]["ratio"] > 0


def test_a_gradient_that_is_not_finite_has_no_direction(tmp_path: Path) -> None:
    class Root(Rehearse):
        broken = False

        def value(self, lesson: Any) -> Any:
            batch = lesson.batch("new")
            loss = TaskLoss()(lesson.student("new").logits, batch.y, batch.label, lesson.task)
            # The root has no slope at 0.
            return (0 * loss).sqrt() if self.broken else loss

    term, found = Root(TaskLoss()), []

    def before(look: Look) -> None:
        Root.broken = True
        found.append(conflict(look, look.plugin, 1))  # type: ignore[arg-type]
        Root.broken = False

    strategy = Strategy(terms={"root": term}, memory=Reservoir(capacity=20))
    run_with(strategy, tmp_path / "run", before=before, **FEW)
    assert found == [{"root": {"cosine": None, "angle": None, "ratio": None}}] * 3


# ---- nothing is left behind -------------------------------------------------------------------------------------


def adapting() -> Strategy:
    """A teacher whose BatchNorm follows, a projector that learns, an adaptive weight, a step of its own."""
    teacher = Snapshot(bn="adapt")
    terms = {
        "hint": Distill(teacher, Hint(projector="linear"), weight=GradientRatio(every=3)),
        "average": Distill(Ema(bn="adapt", decay=0.9), Mse(), source="memory", over="seen"),
        "apart": Distill(teacher, Kd(temperature=2.0), separate=True),
        "replay": Rehearse(TaskLoss(), source="memory2"),
    }
    return Strategy(terms=terms, memory=Reservoir(capacity=30))


CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "lwf": (lwf, {"augment": True}),
    "cached": (lwf, {}),
    "icarl": (lambda: icarl(memory=24), {}),
    "derpp": (lambda: derpp(memory=40), {"augment": True}),
    "cls_er": (lambda: cls_er(memory=40), {}),
    "ta": (lambda: ta(warm_up=1), {}),
    "adapting": (adapting, {"augment": True}),
    "xder": (lambda: xder(memory=24), {}),
    "pass": (pass_, {"model": CONV}),
    "podnet": (lambda: podnet(memory=24, fine_tuning_epochs=1), {"head": "lsc", "model": CONV}),
    "lwm": (lwm, {"model": CONV}),
    "task": (lwf, {"scenario": "task"}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_run_with_the_family_ends_as_one_without(name: str, tmp_path: Path) -> None:
    make, options = CASES[name]
    asked: list[Any] = []

    def before(look: Look) -> None:
        kept = everything(experiment_of(look))
        asked.append(Teaching(samples=20).before_end(look))
        assert difference(kept, everything(experiment_of(look))) is None

    def experiment_of(look: Look) -> Any:
        return type("Run", (), {"engine": look.engine, "plugin": look.plugin, "seeds": look.seeds})

    plain = run_with(make(), tmp_path / "plain", **options)
    watched = run_with(make(), tmp_path / "watched", before=before, **options)
    assert len(asked) == 3 and (asked[1]["teachers"] or asked[1]["left_out"]) and asked[1]["gradients"]
    assert digest(watched.engine.model) == digest(plain.engine.model)
    kept, other = everything(plain), everything(watched)
    kept.pop("teaching"), other.pop("teaching")
    assert difference(kept, other) is None
