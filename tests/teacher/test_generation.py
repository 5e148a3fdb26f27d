"""The student of an earlier round as a teacher: whose words it says, for how long, and that nothing moves it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from lifelong_kd.core.errors import RunFailed
from lifelong_kd.core.types import Wants
from lifelong_kd.model.freeze import digest
from lifelong_kd.rounds.base import Controller, Proposal, Verdict, View
from lifelong_kd.rounds.born_again import BornAgain
from lifelong_kd.strategy.lwf import lwf
from lifelong_kd.strategy.naive import naive
from lifelong_kd.teacher.cache import OutputCache
from lifelong_kd.teacher.generation import Generation
from lifelong_kd.testing.small import small_experiment
from tests.teacher.life import (
    CPU,
    SECOND,
    THIRD,
    batch_of,
    call,
    inputs,
    network,
    rebuilder,
    same,
    saved,
    state_of,
)


def teacher_of(student: Any = None, task: int = 1) -> Generation:
    teacher = Generation()
    teacher.begin(call, CPU)
    teacher.begin_task(SECOND)
    if student is not None:
        teacher.become(student.state_dict(), task, rebuilder())
    return teacher


def grown(seed: int = 0, classes: int = 4) -> Any:
    made = network(seed, grow=True, classes=classes)
    made(inputs(9))  # moves the BatchNorm statistics away from 0 and 1
    return made


def test_it_is_silent_until_it_becomes_somebody() -> None:
    teacher = teacher_of()
    assert not teacher.ready and not teacher.adapts
    with pytest.raises(RuntimeError, match="Generation was asked before it had a network"):
        teacher.teach(batch_of(inputs(0)))
    teacher.become(grown().state_dict(), 1, rebuilder())
    assert teacher.ready


def test_it_says_what_that_student_said_in_evaluation() -> None:
    asked: list[int] = []
    student, teacher = grown(), teacher_of()
    teacher.become(student.state_dict(), 1, rebuilder(asked))
    assert asked == [1]
    said = teacher.teach(batch_of(inputs(1)), Wants(features=True))
    student.eval()
    assert torch.equal(said.logits, student(inputs(1)).detach())
    assert said.features is not None and torch.equal(said.features, student.features(inputs(1)).detach())
    assert not said.logits.requires_grad
    # Another generation takes its place.
    other = grown(5)
    teacher.become(other.state_dict(), 1, rebuilder())
    assert torch.equal(teacher.teach(batch_of(inputs(1))).logits, other.eval()(inputs(1)).detach())


def test_nothing_moves_it() -> None:
    student = grown()
    teacher = teacher_of(student)
    module = teacher.module
    assert module is not None and module is not student
    before, said = state_of(module), teacher.teach(batch_of(inputs(1))).logits
    assert not any(parameter.requires_grad for parameter in module.parameters())
    module.train()  # a frozen network does not listen
    for seed in range(5):
        teacher.teach(batch_of(inputs(seed)))
        teacher.after_step(student, torch.Generator())
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(1.0)
    teacher.observe(student, SECOND)
    assert teacher.module is module and same(state_of(module), before)
    assert torch.equal(teacher.teach(batch_of(inputs(1))).logits, said)


def test_it_keeps_its_own_copy_of_the_weights() -> None:
    weights = {name: value.clone() for name, value in grown().state_dict().items()}
    teacher = teacher_of()
    teacher.become(weights, 1, rebuilder())
    said = teacher.teach(batch_of(inputs(1))).logits
    for value in weights.values():
        value.zero_()
    assert torch.equal(teacher.teach(batch_of(inputs(1))).logits, said)


def test_observing_a_student_leaves_it_silent() -> None:
    teacher = teacher_of()
    teacher.observe(grown(), SECOND)
    assert not teacher.ready and saved(teacher)["task"] == -1


def test_it_is_silent_in_the_next_task() -> None:
    teacher = teacher_of(grown())
    teacher.cache = OutputCache.fill("key", 16, lambda index: teacher.ask(batch_of(inputs(0)[index])))  # type: ignore[arg-type]
    teacher.observe(grown(), SECOND)
    teacher.begin_task(THIRD)
    assert not teacher.ready and teacher.cache is None
    assert saved(teacher)["task"] == -1


@pytest.mark.parametrize("student", [None, grown()], ids=["silent", "teaching"])
def test_it_survives_a_restart(student: Any) -> None:
    teacher, asked = teacher_of(student), []
    restored = teacher_of()
    restored.load_state_dict(saved(teacher), rebuilder(asked))
    assert restored.ready is teacher.ready
    if student is None:
        assert asked == []
    else:
        assert asked == [1]
        said = [one.teach(batch_of(inputs(3))).logits for one in (teacher, restored)]
        assert torch.equal(*said)
        assert not any(parameter.requires_grad for parameter in restored.module.parameters())  # type: ignore[union-attr]


def test_a_silent_state_silences_it() -> None:
    teacher = teacher_of(grown())
    teacher.load_state_dict(saved(teacher_of()), rebuilder())
    assert not teacher.ready


# ---- in rounds ----------------------------------------------------------------------------------------------------


class Again(Controller):
    """Two rounds, the second taught by the first and kept."""

    generations = True

    def first(self, view: View) -> Proposal:
        return Proposal()

    def judge(self, view: View) -> Verdict:
        more = Proposal(generation=0.5) if len(view.rounds) == 1 else None
        return Verdict(True, more, "as written")


def second_teacher(experiment: Any) -> Generation:
    teacher = experiment.plugin.strategy.terms["generation_new"].teacher
    assert isinstance(teacher, Generation)
    return teacher


@pytest.mark.parametrize("make", [naive, lwf])
def test_its_cached_answers_are_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any) -> None:
    """``check`` asks every time and compares; each task has a network of its own to ask."""
    keys: list[str] = []
    checks: list[str] = []
    fill, check = OutputCache.fill.__func__, OutputCache.check  # type: ignore[attr-defined]

    def filled(cls: Any, key: Any, count: int, say: Any) -> OutputCache:
        keys.append(key.teacher)
        made: OutputCache = fill(cls, key, count, say)
        return made

    def checked(cache: OutputCache, *given: Any) -> None:
        checks.append(cache.key.teacher)
        check(cache, *given)

    monkeypatch.setattr(OutputCache, "fill", classmethod(filled))
    monkeypatch.setattr(OutputCache, "check", checked)
    experiment = small_experiment(make(), controller=Again(), teacher_cache="check")
    generation = second_teacher(experiment)
    taught: list[str] = []
    become = generation.become

    def noted(*given: Any) -> None:
        become(*given)
        taught.append(digest(generation.module))  # type: ignore[arg-type]

    generation.become = noted  # type: ignore[method-assign]
    experiment.run(tmp_path / "run")
    assert len(set(taught)) == 3
    # 48 samples in batches of 16, two epochs: six steps of each task's second round.
    assert [checks.count(one) for one in taught] == [6, 6, 6]
    assert [keys.count(one) for one in taught] == [1, 1, 1]
    # The snapshot's answers are asked for once a task, not once a round.
    others = [key for key in keys if key not in taught]
    assert len(others) == len(set(others)) == (2 if make is lwf else 0)


def test_a_cache_that_is_wrong_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill = OutputCache.fill.__func__  # type: ignore[attr-defined]

    def wrong(cls: Any, key: Any, count: int, say: Any) -> OutputCache:
        made: OutputCache = fill(cls, key, count, say)
        made.outputs["logits"] += 1.0
        return made

    monkeypatch.setattr(OutputCache, "fill", classmethod(wrong))
    with pytest.raises(RunFailed, match=r"the cached outputs of teacher .* differ from fresh ones by 1"):
        small_experiment(naive(), controller=Again(), teacher_cache="check").run(tmp_path / "run")


def test_cached_or_not_the_student_is_the_same(tmp_path: Path) -> None:
    weights = []
    for mode in ("off", "on"):
        experiment = small_experiment(lwf(), controller=Again(), teacher_cache=mode)
        experiment.run(tmp_path / mode)
        weights.append(experiment.engine.model.state_dict())
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-3, atol=1e-4)


def test_where_no_generation_pays_the_run_is_as_if_there_were_none(tmp_path: Path) -> None:
    ends = []
    for name, controller in (("rounds", BornAgain(generations=1, noise=1e6)), ("single", None)):
        experiment = small_experiment(lwf(), controller=controller)
        results = experiment.run(tmp_path / name)
        ends.append((digest(experiment.engine.model), results["accuracy_matrix"]))
    assert ends[0] == ends[1]


def test_it_is_not_part_of_the_student(tmp_path: Path) -> None:
    experiment = small_experiment(naive(), controller=Again())
    plain = small_experiment(naive())
    experiment.run(tmp_path / "run")
    plain.run(tmp_path / "plain")
    assert experiment.engine.model.state_dict().keys() == plain.engine.model.state_dict().keys()
