"""The loop of rounds: what a proposal changes, what is rolled back, what is counted, what a controller can see."""

from __future__ import annotations

import gc
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lifelong_kd.core.errors import BadCall, RunFailed
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.memory import registry as memories
from lifelong_kd.model.freeze import digest
from lifelong_kd.phase.balanced import BalancedFineTuning
from lifelong_kd.phase.base import Phase
from lifelong_kd.phase.expert import ExpertPhase
from lifelong_kd.rounds.base import Controller, Proposal, Verdict, View
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.derpp import derpp
from lifelong_kd.strategy.icarl import icarl
from lifelong_kd.strategy.lwf import lwf
from lifelong_kd.strategy.naive import naive
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.cache import OutputCache
from lifelong_kd.teacher.expert import Expert
from lifelong_kd.teacher.snapshot import Snapshot
from lifelong_kd.testing.small import small_experiment
from lifelong_kd.tracking.jsonl import JsonlTracker, read
from lifelong_kd.training import checkpoint
from lifelong_kd.training.experiment import Experiment
from lifelong_kd.training.folder import RunFolder
from lifelong_kd.training.interrupt import Interrupted
from lifelong_kd.training.keeper import Keeper
from lifelong_kd.training.rounds import decide


class Script(Controller):
    """Trains each task by the proposals of a list; keeps the rounds whose numbers are given."""

    generations = True

    def __init__(self, *proposals: Proposal, keep: tuple[int, ...] = (0,)) -> None:
        self.proposals = proposals or (Proposal(),)
        self.keep = keep
        self.views: list[View] = []

    def first(self, view: View) -> Proposal:
        self.views.append(view)
        return self.proposals[0]

    def judge(self, view: View) -> Verdict:
        self.views.append(view)
        done = len(view.rounds)
        following = self.proposals[done] if done < len(self.proposals) else None
        return Verdict(done - 1 in self.keep, following, "as written")


class Plain(Script):
    """The same without a second teacher."""

    generations = False


def end(experiment: Experiment, folder: Path, *, resume: bool = False) -> tuple[str, Any]:
    results = experiment.run(folder, resume=resume)
    return digest(experiment.engine.model), results["accuracy_matrix"]


# ---- what a proposal changes --------------------------------------------------------------------------------------


def steps_of(experiment: Experiment, folder: Path) -> list[dict[str, Any]]:
    """Task, learning rate and weighted parts of every step of a run."""
    found: list[dict[str, Any]] = []
    template = experiment.engine

    def note() -> None:
        parts = experiment.plugin.strategy.parts if experiment.plugin is not None else {}
        found.append(
            {
                "task": template.clock.train_exp_counter,
                "lr": template.optimizer.param_groups[0]["lr"],
                "parts": {name: part.weight for name, part in parts.items()},
            }
        )

    session = experiment._session

    def watched(place: Any) -> Any:
        made = session(place)
        progress = made._progress

        def step() -> None:
            progress()
            note()

        made._progress = step
        return made

    experiment._session = watched  # type: ignore[method-assign]
    experiment.run(folder)
    return found


def per_round(steps: list[dict[str, Any]], task: int, each: int) -> list[list[dict[str, Any]]]:
    mine = [step for step in steps if step["task"] == task]
    return [mine[start : start + each] for start in range(0, len(mine), each)]


def test_weights_rate_and_epochs_are_those_of_the_proposal(tmp_path: Path) -> None:
    controller = Plain(
        Proposal(),
        Proposal(factors={"kd": 3.0}, lr=0.01, epochs=1),
        Proposal(factors={"kd": 0.0}, epochs=1),
        Proposal(plain=True, epochs=1),
        Proposal(epochs=1),
    )
    steps = steps_of(small_experiment(lwf(weight=2.0), controller=controller), tmp_path / "run")
    second = [step for step in steps if step["task"] == 1]
    # 48 samples in batches of 16: three steps an epoch; two epochs as configured, then one in each further round.
    assert [step["lr"] for step in second] == [0.05] * 6 + [0.01] * 3 + [0.05] * 9
    assert [step["parts"].get("kd") for step in second] == [2.0] * 6 + [6.0] * 3 + [None] * 6 + [2.0] * 3


def test_a_temperature_is_turned_and_turned_back(tmp_path: Path) -> None:
    seen: list[float] = []

    class Looks(Plain):
        def judge(self, view: View) -> Verdict:
            seen.append(strategy.knobs.temperature("kd") or 0.0)
            return super().judge(view)

    strategy = lwf(temperature=2.0)
    controller = Looks(Proposal(), Proposal(temperatures={"kd": 5.0}), Proposal())
    small_experiment(strategy, controller=controller, epochs=1).run(tmp_path / "run")
    assert seen == [2.0, 5.0, 2.0] * 3


def test_a_plain_round_is_what_fine_tuning_does(tmp_path: Path) -> None:
    plain = Plain(Proposal(plain=True))
    with_terms = end(small_experiment(lwf(), controller=plain), tmp_path / "a")
    assert with_terms == end(small_experiment(naive()), tmp_path / "b")


def test_of_two_kept_rounds_the_last_one_stays(tmp_path: Path) -> None:
    def rounds(*proposals: Proposal, keep: tuple[int, ...]) -> Experiment:
        return small_experiment(lwf(), controller=Plain(*proposals, keep=keep))

    both = rounds(Proposal(lr=0.3), Proposal(lr=0.01), Proposal(lr=0.1), keep=(0, 1))
    assert end(both, tmp_path / "a") == end(rounds(Proposal(lr=0.01), keep=(0,)), tmp_path / "b")
    entries = both.ledger.per_task
    assert [entry["kept_round"] for entry in entries] == [1, 1, 1]
    assert [done["kept"] for done in entries[1]["rounds"]] == [True, True, False]
    assert [done["tried"] for done in entries[1]["rounds"]] == [{"lr": 0.3}, {"lr": 0.01}, {"lr": 0.1}]


def test_a_round_may_begin_with_the_kept_student_or_a_fresh_one(tmp_path: Path) -> None:
    weights: list[dict[str, torch.Tensor]] = []

    class Looks(Plain):
        def judge(self, view: View) -> Verdict:
            if view.task == 1:
                weights.append({k: v.clone() for k, v in experiment.engine.model.state_dict().items()})
            return super().judge(view)

    # A learning rate of almost nothing: the student stays what the round began with.
    still = {"lr": 1e-12, "epochs": 1, "plain": True}
    controller = Looks(
        Proposal(),
        Proposal(start="kept", **still),  # type: ignore[arg-type]
        Proposal(start="task", **still),  # type: ignore[arg-type]
        Proposal(start="fresh", **still),  # type: ignore[arg-type]
    )
    experiment = small_experiment(naive(), controller=controller)
    experiment.run(tmp_path / "run")
    trained, kept, task, fresh = map(first, weights)
    assert torch.allclose(kept, trained, atol=1e-6)
    assert not torch.allclose(task, trained, atol=1e-4)
    assert not torch.allclose(fresh, task, atol=1e-2) and not torch.allclose(fresh, trained, atol=1e-2)


def first(state: dict[str, torch.Tensor]) -> torch.Tensor:
    return next(value for value in state.values() if value.ndim == 2)


@pytest.mark.parametrize("scenario", ["class", "task", "domain"])
def test_the_kept_student_is_a_second_teacher(tmp_path: Path, scenario: Any) -> None:
    controller = Script(Proposal(epochs=1), Proposal(generation=0.5, epochs=1), Proposal(epochs=1))
    experiment = small_experiment(derpp(memory=20), scenario=scenario, controller=controller)
    steps = steps_of(experiment, tmp_path / "run")
    in_second = [step["parts"] for step in steps if step["task"] == 1]
    each = len(in_second) // 3
    assert all("generation_new" not in parts for parts in in_second[:each] + in_second[2 * each :])
    for parts in in_second[each : 2 * each]:
        assert parts["generation_new"] == 0.5 and parts["generation_memory"] == 0.5


def test_the_second_teacher_is_the_student_that_was_kept(tmp_path: Path) -> None:
    asked: dict[str, str] = {}

    class Looks(Script):
        def judge(self, view: View) -> Verdict:
            verdict = super().judge(view)
            if view.task == 1:
                asked[f"student {len(view.rounds)}"] = digest(experiment.engine.model)
            return verdict

    experiment = small_experiment(lwf(), controller=Looks(Proposal(), Proposal(generation=1.0)), epochs=1)
    teacher = experiment.plugin.strategy.terms["generation_new"].teacher  # type: ignore[union-attr]
    become = teacher.become  # type: ignore[union-attr]

    def noted(weights: Any, task: int, rebuild: Any) -> None:
        become(weights, task, rebuild)
        if task == 1:
            asked["teacher"] = digest(teacher.module)  # type: ignore[union-attr]

    teacher.become = noted  # type: ignore[union-attr]
    experiment.run(tmp_path / "run")
    assert asked["teacher"] == asked["student 1"] != asked["student 2"]
    # What was kept is the first round, which had no second teacher.
    assert not teacher.ready  # type: ignore[union-attr]


# ---- rolling back -------------------------------------------------------------------------------------------------


def test_phases_before_a_task_run_once_and_those_after_it_in_every_round(tmp_path: Path) -> None:
    ran: list[str] = []

    class Before(ExpertPhase):
        def run(self, stage: Any) -> None:
            ran.append(f"before {stage.task.index}")
            super().run(stage)

    class After(BalancedFineTuning):
        def run(self, stage: Any) -> None:
            ran.append(f"after {stage.task.index}")
            super().run(stage)

    strategy = Strategy(
        memory=memories.get("herding")(total=12),
        train_on="new_and_memory",
        phases=[Before(Expert(), epochs=1), After(epochs=1, lr=0.01)],
    )
    results = small_experiment(strategy, controller=Plain(Proposal(), Proposal()), epochs=1).run(
        tmp_path / "run"
    )
    assert ran == [word for task in range(3) for word in (f"before {task}", f"after {task}", f"after {task}")]
    first_round, second = results["per_task"][2]["rounds"]
    assert first_round["validation"] == second["validation"]


@pytest.mark.parametrize("make", [lwf, lambda: derpp(memory=20), lambda: icarl(memory=12)])
@pytest.mark.parametrize("moment", [(2, 1, 1), (2, 1, 0), (1, 2, 1)])
def test_stopped_in_any_round_it_resumes_to_the_same_end(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[], Strategy],
    moment: tuple[int, int, int],
) -> None:
    """``moment``: task, round and finished epochs of the checkpoint after which the run is stopped."""

    def experiment() -> Experiment:
        proposals = (Proposal(), Proposal(lr=0.2), Proposal(generation=0.5, start="fresh", lr=0.02))
        return small_experiment(make(), controller=Script(*proposals, keep=(0, 2)))

    whole = end(experiment(), tmp_path / "whole")
    save = Keeper.save

    def stop(keeper: Keeper, state: Any) -> None:
        save(keeper, state)
        here = (state["task"], len(state["rounds"]["rounds"]), state["epoch"])
        if state["inside"] and here == moment:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "save", stop)
        with pytest.raises(Interrupted):
            experiment().run(tmp_path / "part")
    part = experiment()
    assert end(part, tmp_path / "part", resume=True) == whole
    both = [_without_seconds(tmp_path / name) for name in ("whole", "part")]
    assert both[0] == both[1]


def _without_seconds(folder: Path) -> Any:
    import json

    entries = json.loads((folder / "results.json").read_text())["per_task"]
    for entry in entries:
        del entry["seconds"]
        for done in entry["rounds"]:
            del done["seconds"]
    return entries


# ---- costs --------------------------------------------------------------------------------------------------------


def test_what_was_rolled_back_is_counted_apart(tmp_path: Path) -> None:
    single = small_experiment(lwf()).run(tmp_path / "single")["cost"]
    controller = Plain(Proposal(), Proposal(epochs=4), Proposal(epochs=1))
    cost = small_experiment(lwf(), controller=controller).run(tmp_path / "rounds")["cost"]
    assert single["rounds"] == 3 and cost["rounds"] == 9
    assert single["rounds_seconds"] == 0.0 and cost["rounds_seconds"] > 0.0
    assert cost["samples"] == single["samples"] == 3 * 48 * 2
    parts = ("training_seconds", "evaluation_seconds", "rounds_seconds")
    assert cost["seconds"] == pytest.approx(sum(cost[part] for part in parts))
    assert 0 <= cost["teacher_share"] < 1


def test_what_a_phase_before_the_first_round_took_is_not_rolled_back_with_it(tmp_path: Path) -> None:
    class Slow(Phase):
        def run(self, stage: Any) -> None:
            time.sleep(0.3)

    controller = Plain(Proposal(), Proposal(), keep=(0, 1))
    cost = small_experiment(Strategy(phases=[Slow()]), controller=controller).run(tmp_path / "run")["cost"]
    assert cost["training_seconds"] >= 3 * 0.3


def test_writing_a_checkpoint_between_two_rounds_is_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Keeper.save

    def slow(keeper: Keeper, state: Any) -> None:
        time.sleep(0.3 if state["inside"] else 0.0)
        save(keeper, state)

    monkeypatch.setattr(Keeper, "save", slow)
    controller = Plain(Proposal(), Proposal(), keep=(0, 1))
    experiment = small_experiment(lwf(), controller=controller, checkpoint_every=None)
    cost = experiment.run(tmp_path / "run")["cost"]
    assert cost["rounds_seconds"] >= 3 * 0.3


def test_the_axes_of_the_log_only_go_forward(tmp_path: Path) -> None:
    experiment = small_experiment(lwf(), controller=Plain(Proposal(), Proposal()), trackers=[JsonlTracker()])
    experiment.run(tmp_path / "run")
    lines = read(tmp_path / "run")
    for axis in ("iteration", "epoch"):
        counts = [line[axis] for line in lines]
        assert counts == sorted(counts)
    judged = [line["values"] for line in lines if "round/index" in line["values"]]
    assert [values["round/index"] for values in judged] == [0, 1] * 3
    assert [values["round/kept"] for values in judged] == [1, 0] * 3
    assert all(0 <= values["round/validation/new"] <= 1 for values in judged)


# ---- what a controller can see ------------------------------------------------------------------------------------


def test_a_controller_that_asks_for_the_test_stream_cannot_be_written() -> None:
    with pytest.raises(BadCall, match=r"Peeks looks at 'test'.*validation"):

        class Peeks(Controller):
            looks = frozenset({"validation", "test"})


def test_one_that_asks_for_it_by_an_option_is_refused_before_training(tmp_path: Path) -> None:
    controller = Plain()
    controller.looks = frozenset({"test"})
    with pytest.raises(BadCall, match="Plain looks at 'test'"):
        small_experiment(lwf(), controller=controller)


def test_what_a_controller_gets_leads_neither_to_test_data_nor_to_later_tasks(tmp_path: Path) -> None:
    controller = Plain(Proposal(), Proposal())
    controller.looks = frozenset({"train", "validation", "memory"})
    experiment = small_experiment(derpp(memory=20), controller=controller)
    experiment.run(tmp_path / "run")
    assert len(controller.views) == 9
    for view in controller.views:
        tensors = [thing for thing in reached(view) if isinstance(thing, torch.Tensor)]
        # Of samples nothing but whether the student was right.
        assert all(tensor.dtype == torch.bool for tensor in tensors)
        others = {type(thing).__module__.partition(".")[0] for thing in reached(view)}
        assert "avalanche" not in others
        from_us = {
            type(thing).__name__
            for thing in reached(view)
            if type(thing).__module__.startswith("lifelong_kd")
        }
        assert from_us <= {"View", "Round", "Figures", "Reading", "Proposal", "Outcome", "Knob"}
        seen = [done.figures for done in view.rounds] + [view.before]
        for figures in filter(None, seen):
            assert set(figures.validation) | set(figures.memory) <= set(range(view.task + 1))
            with pytest.raises(BadCall, match="cannot see 'test'"):
                figures.of("test")
            with pytest.raises(BadCall, match=f"cannot see task {view.task + 1} while task {view.task}"):
                figures.of("validation", view.task + 1)
    last = controller.views[-1]
    assert set(last.last.figures.validation) == {0, 1, 2} and last.last.figures.train is not None
    assert last.last.figures.of("memory", 0).samples > 0
    # As many samples as the validation data have, and not those of the test data.
    assert last.last.figures.of("validation", 1).samples == 12


def reached(start: object) -> list[object]:
    """Everything that can be reached from an object without going through classes, modules or functions' globals."""
    seen: dict[int, object] = {}
    waiting = [start]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, type | types.ModuleType):
            continue
        assert not isinstance(thing, types.FunctionType | types.MethodType), f"a function: {thing}"
        seen[id(thing)] = thing
        if not isinstance(thing, torch.Tensor):
            waiting.extend(gc.get_referents(thing))
    return list(seen.values())


def test_figures_are_those_of_the_engine(tmp_path: Path) -> None:
    controller = Plain(Proposal())
    controller.looks = frozenset({"train", "validation"})
    experiment = small_experiment(icarl(memory=12), controller=controller)
    results = experiment.run(tmp_path / "run")
    for view, entry in zip(controller.views[1::2], results["per_task"], strict=True):
        assert view.last.figures.new() == pytest.approx(entry["validation_accuracy"])
        assert view.last.figures.of("train").accuracy == pytest.approx(entry["train_accuracy"])


def test_the_student_as_the_task_found_it_is_that_of_the_task_before(tmp_path: Path) -> None:
    controller = Plain(Proposal(), Proposal(lr=0.2))
    small_experiment(lwf(), controller=controller).run(tmp_path / "run")
    first_of_second = controller.views[3]
    assert controller.views[0].before is None
    assert first_of_second.before is not None
    assert set(first_of_second.before.validation) == {0}
    kept = controller.views[2].rounds[0].figures
    assert first_of_second.before.validation[0] is kept.validation[0]
    fallen = first_of_second.forgetting(controller.views[4].last.figures)
    assert fallen == pytest.approx(
        kept.of("validation").accuracy - controller.views[4].last.figures.of("validation", 0).accuracy
    )


def test_it_is_told_which_terms_it_can_turn(tmp_path: Path) -> None:
    controller = Plain(Proposal())
    small_experiment(derpp(memory=20, alpha=0.1, beta=0.5), controller=controller).run(tmp_path / "run")
    first_task, second = controller.views[0].knobs, controller.views[2].knobs
    assert {name: knob.kind for name, knob in second.items()} == {"logits": "distill", "labels": "rehearse"}
    assert {name: knob.weight for name, knob in second.items()} == {"logits": 0.1, "labels": 0.5}
    assert all(knob.speaks for knob in second.values()) and not any(k.speaks for k in first_task.values())


# ---- what goes wrong ----------------------------------------------------------------------------------------------


class Fails(Plain):
    """Raises in the second round of the second task, until it is mended."""

    mended = False

    def judge(self, view: View) -> Verdict:
        if view.task == 1 and len(view.rounds) == 2 and not self.mended:
            raise ZeroDivisionError("no luck")
        return super().judge(view)


def test_a_controller_that_raises_ends_the_run_by_name_and_it_can_be_resumed(tmp_path: Path) -> None:
    def experiment(*, mended: bool) -> Experiment:
        controller = Fails(Proposal(), Proposal(lr=0.2), Proposal())
        controller.mended = mended
        return small_experiment(lwf(), controller=controller)

    whole = end(experiment(mended=True), tmp_path / "whole")
    with pytest.raises(
        RunFailed, match=r"controller Fails failed in task 1, round 2: ZeroDivisionError: no luck.*resumed"
    ):
        experiment(mended=False).run(tmp_path / "part")
    assert end(experiment(mended=True), tmp_path / "part", resume=True) == whole


@pytest.mark.parametrize(
    ("proposal", "message"),
    [
        (Proposal(lr=-1.0), "proposed lr -1.0"),
        (Proposal(epochs=0), "proposed 0 epochs"),
        (Proposal(factors={"kdd": 1.0}), "proposed to turn kdd"),
        (Proposal(factors={"kd": float("inf")}), "proposed the factors"),
        (Proposal(temperatures={"kd": 0.0}), "proposed the temperatures"),
        (Proposal(start="kept"), "start from a kept round, and there is none"),
        (Proposal(start="lately"), "start from 'lately'"),  # type: ignore[arg-type]
        (Proposal(generation=1.0), "kept round as teacher, and there is none"),
        ("faster", "proposed str, not a Proposal"),
        (Proposal(epochs=1.5), "proposed Proposal.*'float' object cannot be interpreted as an integer"),  # type: ignore[arg-type]
        (Proposal(lr="fast"), "proposed Proposal.*could not convert string to float"),  # type: ignore[arg-type]
        (Proposal(factors=["kd"]), "proposed Proposal.*no attribute 'items'"),  # type: ignore[arg-type]
    ],
)
def test_nonsense_is_refused_by_name(tmp_path: Path, proposal: Any, message: str) -> None:
    with pytest.raises(RunFailed, match=f"controller Plain failed in task 0.*{message}"):
        small_experiment(lwf(), controller=Plain(proposal)).run(tmp_path / "run")


def test_a_second_teacher_has_to_be_announced(tmp_path: Path) -> None:
    controller = Plain(Proposal(), Proposal(generation=1.0))
    with pytest.raises(RunFailed, match="generations = True"):
        small_experiment(lwf(), controller=controller).run(tmp_path / "run")


def test_a_task_cannot_end_without_a_kept_round(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="without having kept a round"):
        small_experiment(lwf(), controller=Plain(Proposal(), keep=())).run(tmp_path / "run")


def test_a_controller_that_draws_leaves_the_runs_draws_alone(tmp_path: Path) -> None:
    class Draws(Plain):
        def judge(self, view: View) -> Verdict:
            torch.rand(7)
            return super().judge(view)

    drawn = end(small_experiment(lwf(), controller=Draws(Proposal())), tmp_path / "a")
    assert drawn == end(small_experiment(lwf()), tmp_path / "b")


def test_memory_is_looked_at_only_where_there_is_one(tmp_path: Path) -> None:
    controller = Plain()
    controller.looks = frozenset({"memory"})
    with pytest.raises(BadCall, match="looks at the memory, and the strategy has none"):
        small_experiment(lwf(), controller=controller)


def test_no_two_checkpoints_of_a_run_share_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between a checkpoint and its pointer a run goes on from the one before, which must still be there."""
    written: list[str] = []
    write = checkpoint.write_atomically

    def noted(path: Path, *args: Any) -> None:
        if path.suffix == ".pt":
            written.append(path.name)
        write(path, *args)

    monkeypatch.setattr(checkpoint, "write_atomically", noted)
    small_experiment(lwf(), controller=Plain(Proposal(), Proposal(), Proposal())).run(tmp_path / "run")
    # Three tasks of three rounds: one inside each round, one before each further round, one after each task.
    assert len(written) == 3 * (3 + 2 + 1)
    assert len(set(written)) == len(written)


def test_a_checkpoint_that_cannot_be_read_says_what_is_in_it(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    checkpoint.save(folder, {"of a component": np.float64(1.0)}, task=0, epoch=1)
    with pytest.raises(
        RunFailed, match=r"state_000_000_00001.pt cannot be read.*holds numpy\S*multiarray.scalar"
    ):
        checkpoint.latest(folder)


def test_exemplars_count_for_the_task_that_was_noted_with_them(tmp_path: Path) -> None:
    """In a stream of domains classes tell nothing of the task; a memory that notes the task does."""
    controller = Plain(Proposal())
    controller.looks = frozenset({"memory"})
    strategy = Strategy(memory=memories.get("random")(per_task=6), train_on="new_and_memory")
    small_experiment(strategy, scenario="domain", controller=controller).run(tmp_path / "run")
    last = controller.views[-1].last.figures
    assert {task: reading.samples for task, reading in last.memory.items()} == {0: 6, 1: 6, 2: 6}


@pytest.mark.parametrize("number", [np.float64, np.float32, torch.tensor])
def test_a_controller_may_reckon_with_numpy_or_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: Callable[[float], Any]
) -> None:
    """Neither the checkpoint nor the results could be read or written with such numbers."""

    class Reckons(Plain):
        def judge(self, view: View) -> Verdict:
            verdict = super().judge(view)
            return Verdict(np.bool_(verdict.keep), verdict.next, verdict.why)  # type: ignore[arg-type]

    def experiment() -> Experiment:
        turned = Proposal(
            lr=number(0.25),  # type: ignore[arg-type]
            epochs=np.int64(1),  # type: ignore[arg-type]
            factors={"kd": number(2.0)},  # type: ignore[dict-item]
            temperatures={"kd": number(4.0)},  # type: ignore[dict-item]
            plain=np.bool_(False),  # type: ignore[arg-type]
        )
        return small_experiment(lwf(), controller=Reckons(turned, turned, keep=(0, 1)))

    save = Keeper.save

    def stop(keeper: Keeper, state: Any) -> None:
        save(keeper, state)
        if state["inside"] and state["task"] == 1 and len(state["rounds"]["rounds"]) == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "save", stop)
        with pytest.raises(Interrupted):
            experiment().run(tmp_path / "run")
    results = experiment().run(tmp_path / "run", resume=True)
    tried = {"lr": 0.25, "epochs": 1, "factors": {"kd": 2.0}, "temperatures": {"kd": 4.0}}
    assert [done["tried"] for done in results["per_task"][1]["rounds"]] == [tried, tried]


@pytest.mark.parametrize("controller", [None, Plain(Proposal(), Proposal())])
def test_the_teachers_answers_of_a_task_that_is_over_are_not_kept(
    tmp_path: Path, controller: Controller | None
) -> None:
    experiment = small_experiment(lwf(), controller=controller)
    sessions: list[Any] = []
    make = experiment._session

    def made(place: Any) -> Any:
        sessions.append(make(place))
        return sessions[-1]

    experiment._session = made  # type: ignore[method-assign]
    before = _caches()
    experiment.run(tmp_path / "run")
    assert sessions and _caches() == before


def _caches() -> int:
    gc.collect()
    return sum(isinstance(thing, OutputCache) for thing in gc.get_objects())


def test_a_rule_without_an_end_is_ended_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(Plain):
        def judge(self, view: View) -> Verdict:
            return Verdict(view.kept is None, Proposal(epochs=1), "once more")

    monkeypatch.setattr(decide, "MOST", 4)
    with pytest.raises(
        RunFailed, match=r"controller Endless failed in task 0, round 4: it proposed another round after 4"
    ):
        small_experiment(lwf(), controller=Endless(Proposal(epochs=1))).run(tmp_path / "run")


def test_the_record_says_how_long_a_round_was_and_which_epoch_was_best(tmp_path: Path) -> None:
    controller = Plain(Proposal(epochs=3), Proposal(epochs=1))
    results = small_experiment(lwf(), controller=controller).run(tmp_path / "a")
    assert [(done["epochs"], done["best_epoch"]) for done in results["per_task"][1]["rounds"]] == [
        (3, None),
        (1, None),
    ]
    watched = small_experiment(lwf(), epochs=12, early_stopping=2).run(tmp_path / "b")
    (done,) = watched["per_task"][0]["rounds"]
    assert 1 <= done["best_epoch"] <= done["epochs"] <= 12
    assert done["epochs"] == min(done["best_epoch"] + 2, 12)


def test_a_term_of_ones_own_is_not_taken_for_the_second_teacher_by_its_name(tmp_path: Path) -> None:
    strategy = Strategy(terms={"generation_gap": Distill(Snapshot(), Kd(temperature=2.0), weight=2.0)})
    controller = Plain(Proposal())
    steps = steps_of(small_experiment(strategy, controller=controller), tmp_path / "run")
    assert {step["parts"].get("generation_gap") for step in steps if step["task"] == 1} == {2.0}
    assert set(controller.views[0].knobs) == {"generation_gap"}
