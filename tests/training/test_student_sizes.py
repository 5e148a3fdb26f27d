"""Students of another architecture than the one before: taught, resumed, rolled back, exported, refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.correction.averaged import AveragedWeights
from lifelong_kd.correction.drift import PrototypeDrift
from lifelong_kd.knowledge.cosine import Cosine
from lifelong_kd.knowledge.hint import Hint
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.model.freeze import digest
from lifelong_kd.model.saved import load_saved, read_metadata
from lifelong_kd.phase.base import Phase, Stage
from lifelong_kd.phase.expert import ExpertPhase
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.bir import bir
from lifelong_kd.strategy.compress import compress
from lifelong_kd.strategy.derpp import derpp
from lifelong_kd.strategy.ebll import ebll
from lifelong_kd.strategy.icarl import icarl
from lifelong_kd.strategy.lwf import lwf
from lifelong_kd.strategy.naive import naive
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.ema import Ema
from lifelong_kd.teacher.expert import Expert
from lifelong_kd.teacher.snapshot import Snapshot
from lifelong_kd.testing.small import small_experiment
from lifelong_kd.testing.strategy import _RollsBack, _run, _stopped_and_resumed

SMALL = ("mlp", {"hidden": [6], "batch_norm": True, "dropout": 0.1})
DEEP = ("mlp", {"hidden": [24, 20]})
IMAGES = ("cnn", {"width": 4, "stages": 2})


def hinted() -> Strategy:
    teacher = Snapshot()
    return Strategy(terms={"hint": Distill(teacher, Hint()), "kd": Distill(teacher, Kd(temperature=2.0))})


def averaged() -> Strategy:
    ema = Ema(decay=0.9)
    return Strategy(terms={"ema": Distill(ema, Kd(), over="seen")}, corrections=[AveragedWeights(ema)])


def begun_by_its_expert() -> Strategy:
    """With the first task the student begins with units of a larger expert, in a later one another takes its place."""
    return compress(
        large=("mlp", {"hidden": [24], "batch_norm": True}), expert_epochs=1, transfer="importance"
    )


MAKES: dict[str, tuple[Callable[[], Any], dict[int, Any], dict[str, Any]]] = {
    "lwf": (partial(lwf, task_loss="new"), {1: IMAGES, 2: SMALL}, {}),
    "stored logits": (partial(derpp, memory=30), {2: SMALL}, {"transfer": "slice", "reset_optimizer": False}),
    "herding": (partial(icarl, memory=12), {1: DEEP}, {}),
    "hint": (hinted, {1: SMALL}, {"transfer": "importance"}),
    "average": (averaged, {2: SMALL}, {"scenario": "domain", "head": "cosine"}),
    "expert's weights": (begun_by_its_expert, {2: SMALL}, {"transfer": "norm"}),
    "multi-head": (lwf, {1: SMALL}, {"scenario": "task", "transfer": "norm"}),
}


@pytest.mark.parametrize("case", MAKES)
def test_a_run_is_resumed_and_rolled_back_across_a_change_of_size(case: str, tmp_path: Path) -> None:
    make, students, options = MAKES[case]
    build = partial(small_experiment, students=students, **options)
    whole = _run(build(make()), tmp_path / "whole")
    # The last state that was kept is inside the last task, or at the end of the one before, where a student changes.
    for every in (1, None) if "transfer" in options else (1,):
        stopped = partial(build, checkpoint_every=every)
        assert _stopped_and_resumed(stopped, make, tmp_path / f"stopped_{every}", "task") == whole
    assert _run(build(make(), controller=_RollsBack()), tmp_path / "rolled") == whole


def test_each_task_has_its_own_network_and_the_teacher_stays_the_old_one(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    class Watched(Snapshot):
        def teach(self, batch: Any, wants: Any = None) -> Any:
            if len(seen) == len(experiment.plugin.tasks) - 2:
                seen.append((self.module.head.feature_size, experiment.engine.model.head.feature_size))
            return self.ask(batch)

    strategy = Strategy(terms={"kd": Distill(Watched(), Kd())})
    experiment: Any = small_experiment(strategy, students={1: SMALL, 2: DEEP}, teacher_cache="off")
    results = experiment.run(tmp_path / "run")
    assert seen == [(16, 6), (6, 20)]
    # What the results say of cost is that of the last student.
    assert results["cost"]["parameters"] == 16 * 24 + 24 + 24 * 20 + 20 + 20 * 6 + 6
    assert results["cost"]["flops"] == 2 * (16 * 24 + 24 * 20 + 20 * 6)
    # Each parameter once: one that is there twice makes two steps at a time.
    held = [id(p) for group in experiment.engine.optimizer.param_groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in experiment.engine.model.parameters())


def test_the_first_student_begins_with_units_of_its_expert_and_later_ones_do_not(tmp_path: Path) -> None:
    expert, found = Expert(model=("mlp", {"hidden": [24], "batch_norm": True})), []

    class Looks(Phase):
        when = "before"

        def run(self, stage: Stage) -> None:
            large, small = (dict(one.named_parameters()) for one in (expert.module, stage.model))
            rows = [name for name in small if name.startswith("backbone") and small[name].dim() == 2]
            alike = (small[rows[0]][:, None] == large[rows[0]][None]).all(dim=2)
            found.append((int(alike.any(dim=1).sum()), torch.equal(small["head.bias"], large["head.bias"])))

    phases = [ExpertPhase(expert, first_task=True, epochs=1, transfer="norm"), Looks()]
    small_experiment(Strategy(phases=phases), epochs=1).run(tmp_path / "run")
    # All sixteen units of the student's layer.
    assert found == [(16, True), (0, False), (0, False)]


def test_an_expert_whose_weights_do_not_fit_is_refused_before_training() -> None:
    with pytest.raises(BadCall, match="set first_task to true"):
        ExpertPhase(Expert(), transfer="norm")
    with pytest.raises(BadCall, match="did you mean 'slice'"):
        ExpertPhase(Expert(), first_task=True, transfer="slise")  # type: ignore[arg-type]
    with pytest.raises(
        BadCall, match="cannot begin with weights of its expert: weights of CNN do not fit MLP"
    ):
        small_experiment(compress(large=IMAGES, transfer="slice"))


def test_rows_of_the_head_are_carried_where_the_features_have_one_size() -> None:
    same = ("mlp", {"hidden": [9, 16]})
    experiment: Any = small_experiment(lwf(), students={1: same})
    old = experiment.engine.model
    experiment.plugin.enter(experiment.engine, experiment.benchmark.train_stream[0])
    experiment.plugin.enter(experiment.engine, experiment.benchmark.train_stream[1])
    new = experiment.engine.model
    assert new is not old and torch.equal(new.head.weight, old.head.weight)
    # What it was carried from is one of its parents.
    assert not experiment.plugin.succession.begins_anew(1)
    smaller: Any = small_experiment(lwf(), students={1: SMALL})
    pristine = smaller.plugin.succession.later[1]
    for experience in smaller.benchmark.train_stream[:2]:
        smaller.plugin.enter(smaller.engine, experience)
    assert digest(smaller.engine.model) == digest(pristine)


def test_the_saved_models_say_what_they_are(tmp_path: Path) -> None:
    experiment: Any = small_experiment(lwf(), students={1: SMALL, 2: DEEP})
    experiment.settings["model"] = {
        "name": "mlp",
        "hidden": [16],
        "batch_norm": True,
        "head": {"name": "linear"},
    }
    experiment.run(tmp_path / "run")
    for task, size in enumerate((16, 6, 20)):
        path = tmp_path / "run" / "checkpoints" / f"task_{task}.safetensors"
        network = load_saved(path)
        assert network.head.feature_size == size
        assert digest(network) == read_metadata(path)["digest"]
    lineage = experiment.plugin.succession
    assert [lineage.begins_anew(task) for task in range(3)] == [False, True, True]


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (partial(Strategy, corrections=[PrototypeDrift()]), "PrototypeDrift compares the student"),
        (ebll, "Codes compares the student"),
        (partial(bir, hidden=[8]), "Reconstruct compares the student"),
        (
            partial(Strategy, corrections=[AveragedWeights(Snapshot())]),
            "AveragedWeights compares the student",
        ),
        (
            lambda: Strategy(terms={"deep": Distill(Snapshot(), Cosine())}),
            "term 'deep' cannot compare the student of task 1",
        ),
    ],
)
def test_what_needs_one_architecture_is_refused_before_training(strategy: Any, message: str) -> None:
    with pytest.raises(BadCall, match=message):
        small_experiment(strategy(), students={1: SMALL})


def test_features_of_one_size_are_compared_whatever_the_architecture(tmp_path: Path) -> None:
    strategy = Strategy(task_loss=TaskLoss("all"), terms={"deep": Distill(Snapshot(), Cosine())})
    experiment = small_experiment(strategy, students={1: ("mlp", {"hidden": [5, 16]})}, epochs=1)
    assert experiment.run(tmp_path / "run")["status"] == "finished"


@pytest.mark.parametrize(("task", "message"), [(0, "no task 0"), (3, "no task 3 with a student")])
def test_a_task_that_is_not_there_is_refused(task: int, message: str) -> None:
    with pytest.raises(BadCall, match=message):
        small_experiment(naive(), students={task: SMALL})


def test_weights_that_do_not_fit_are_refused_before_training() -> None:
    with pytest.raises(BadCall, match=r"model.transfer: in task 1: weights of MLP do not fit CNN"):
        small_experiment(naive(), students={1: IMAGES}, transfer="norm")
    with pytest.raises(BadCall, match="did you mean 'norm'"):
        small_experiment(naive(), students={1: SMALL}, transfer="nrom")  # type: ignore[arg-type]
