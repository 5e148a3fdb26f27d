"""Choice, ensemble, concatenation, expert and all snapshots: what each takes from whom."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import LOGITS, Said, Task, Wants
from lifelong_kd.teacher.all_snapshots import AllSnapshots
from lifelong_kd.teacher.base import Teacher
from lifelong_kd.teacher.choice import Choice
from lifelong_kd.teacher.concatenation import Concatenation
from lifelong_kd.teacher.ema import Ema
from lifelong_kd.teacher.ensemble import Ensemble
from lifelong_kd.teacher.expert import Expert
from lifelong_kd.teacher.snapshot import Snapshot
from lifelong_kd.teacher.stored import Stored
from tests.teacher.life import (
    CPU,
    FIRST,
    SECOND,
    THIRD,
    Says,
    batch_of,
    call,
    inputs,
    network,
    rebuilder,
    saved,
)

NAN = math.nan


def rows(*values: list[float]) -> Tensor:
    return torch.tensor(values)


def of(y: list[int]) -> Any:
    return batch_of(inputs(0, len(y)), y=torch.tensor(y))


# ---- composites at large --------------------------------------------------------------------------------------


def test_a_composite_is_as_ready_and_as_steady_as_its_members() -> None:
    assert Ensemble(teachers=[Says(rows([0.0])), Says(rows([0.0]))]).ready
    assert not Ensemble(teachers=[Says(rows([0.0])), Says(None)]).ready
    assert Ensemble(teachers=[Snapshot(), Ema()]).adapts
    assert Ensemble(teachers=[Snapshot(), Ensemble(teachers=[Snapshot(bn="adapt")])]).adapts
    assert not Ensemble(teachers=[Snapshot(), Snapshot()]).adapts
    one, two = Snapshot(), Snapshot()
    assert Ensemble(teachers=[one, two]).members == (one, two)
    assert Ensemble(teachers=[one]).state_dict() == {}


def test_a_composite_teaches_where_all_members_can_and_asks_for_all_their_fields() -> None:
    mixed = Choice(teachers=[Snapshot(), Stored()])
    assert mixed.sources == {"memory", "memory2"} and mixed.needs_fields == {"logits"}
    assert Ensemble(teachers=[Snapshot()]).sources == Snapshot().sources
    assert "external" not in Choice(teachers=[Snapshot(), Snapshot()]).sources
    assert Snapshot().sources == Teacher.sources >= {"external"}  # nobody else's changed
    assert mixed.offers == {"logits"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Ensemble(teachers=[]), "Ensemble needs at least 1 teachers"),
        (lambda: Choice(teachers=[Snapshot()]), "Choice needs at least 2 teachers"),
        (lambda: Ensemble(teachers=[Snapshot(), "ema"]), "a member of Ensemble is a teacher, not 'ema'"),
        (lambda: Ensemble(teachers="ema"), "Ensemble needs"),
        (lambda: Concatenation(old=Snapshot(), new=3), "a member of Concatenation is a teacher, not 3"),
        (lambda: Ensemble(teachers=[Snapshot()], kind="median"), "'probabilities' or 'logits', not 'median'"),
    ],
)
def test_what_cannot_be_joined(make: Any, message: str) -> None:
    with pytest.raises(BadCall, match=message):
        make()


def test_networks_with_separate_heads_are_refused() -> None:
    class Heads(Says):
        def teach(self, batch: Any, wants: Wants = LOGITS) -> Said:
            return Said(torch.empty(1, 0), heads={0: torch.zeros(1, 2)})

    with pytest.raises(BadCall, match="separate heads for the task labels"):
        Ensemble(teachers=[Heads(rows([0.0]))]).teach(of([0]))


# ---- choice ---------------------------------------------------------------------------------------------------


def test_each_sample_gets_the_member_that_knows_its_class_better() -> None:
    one, two = rows([2.0, 0.0, 0.0], [0.0, 1.0, 0.0]), rows([1.0, 0.0, 0.0], [0.0, 3.0, 9.0])
    teacher = Choice(teachers=[Says(one), Says(two)])
    # Of the second sample's class the second member has the larger logit, but the smaller probability.
    assert torch.equal(teacher.teach(of([0, 1])).logits, one)
    assert torch.equal(teacher.teach(of([2, 2])).logits, torch.stack([two[0], two[1]]))


def test_of_equal_members_the_first_is_chosen() -> None:
    one, two = rows([1.0, 0.0]), rows([3.0, 2.0])
    assert torch.equal(Choice(teachers=[Says(one), Says(two)]).teach(of([0])).logits, one)


def test_a_member_without_the_class_is_not_chosen_for_it() -> None:
    narrow, wide = rows([5.0, -5.0], [5.0, 0.0]), rows([0.0, 1.0, 0.0], [0.0, 1.0, -9.0])
    teacher = Choice(teachers=[Says(narrow), Says(wide)])
    # At the columns that both have, so that nothing unknown is taught.
    assert torch.equal(teacher.teach(of([0, 2])).logits, rows([5.0, -5.0], [0.0, 1.0]))
    unknown = Choice(teachers=[Says(rows([NAN, 0.0]), (1,)), Says(rows([0.0, 0.0]))])
    assert torch.equal(unknown.teach(of([0])).logits, rows([0.0, 0.0]))
    assert unknown.columns == (1,)


# ---- ensemble -------------------------------------------------------------------------------------------------


def test_the_mean_of_probabilities_comes_back_from_a_softmax() -> None:
    one, two = torch.randn(4, 3), torch.randn(4, 3)
    said = Ensemble(teachers=[Says(one), Says(two)]).teach(of([0] * 4)).logits
    expected = (torch.softmax(one, 1) + torch.softmax(two, 1)) / 2
    torch.testing.assert_close(torch.softmax(said, 1), expected)
    torch.testing.assert_close(said.exp().sum(1), torch.ones(4))


def test_the_mean_of_logits() -> None:
    said = Ensemble(teachers=[Says(rows([1.0, 4.0])), Says(rows([3.0, 0.0, 7.0]))], kind="logits")
    assert torch.equal(said.teach(of([0])).logits, rows([2.0, 2.0]))


@pytest.mark.parametrize("kind", ["probabilities", "logits"])
def test_columns_that_a_member_does_not_know_are_unknown(kind: Any) -> None:
    some = Says(rows([NAN, 1.0, 2.0, NAN]), (1, 2))
    teacher = Ensemble(teachers=[some, Says(rows([9.0, 1.0, 2.0, 9.0]))], kind=kind)
    said = teacher.teach(of([0])).logits
    assert teacher.columns == (1, 2)
    assert said.isnan().tolist() == [[True, False, False, True]]
    torch.testing.assert_close(said[:, 1:3].softmax(1), rows([1.0, 2.0]).softmax(1))


def test_probabilities_too_small_for_their_precision_stay_finite() -> None:
    said = Ensemble(teachers=[Says(rows([1e4, -1e4])), Says(rows([1e4, -1e4]))]).teach(of([0])).logits
    assert said.isfinite().all()


# ---- concatenation --------------------------------------------------------------------------------------------


def test_old_classes_come_from_one_and_new_ones_from_the_other() -> None:
    old, new = Says(rows([1.0, 5.0])), Says(rows([9.0, 9.0, 2.0, 8.0]))
    teacher = Concatenation(old=old, new=new)
    assert not teacher.ready
    teacher.begin_task(FIRST)
    assert not teacher.ready  # nothing is old
    teacher.begin_task(SECOND)
    assert teacher.ready and teacher.columns == (0, 1, 2, 3)
    assert torch.equal(teacher.teach(of([0])).logits, rows([1.0, 5.0, 2.0, 8.0]))


def test_each_part_is_centred_over_its_own_classes() -> None:
    teacher = Concatenation(old=Says(rows([1.0, 5.0])), new=Says(rows([9.0, 9.0, 2.0, 8.0])), center=True)
    teacher.begin_task(SECOND)
    assert torch.equal(teacher.teach(of([0])).logits, rows([-2.0, 2.0, -3.0, 3.0]))
    assert torch.equal(
        teacher.members[0].teach(of([0])).logits, rows([1.0, 5.0])
    )  # the members' own are left alone


def test_classes_in_any_order() -> None:
    task = Task(2, "class", (1, 4), ((3,), (0,)))
    teacher = Concatenation(old=Says(rows([1.0, NAN, NAN, 2.0])), new=Says(rows([0.0, 3.0, 0.0, 0.0, 4.0])))
    teacher.begin_task(task)
    said = teacher.teach(of([0])).logits
    assert teacher.columns == (0, 1, 3, 4)
    assert said.isnan().tolist() == [[False, False, True, False, False]]
    assert said.nan_to_num(7.0).tolist() == [[1.0, 3.0, 7.0, 2.0, 4.0]]


def test_a_concatenation_refuses_what_it_cannot_split() -> None:
    teacher = Concatenation(old=Says(rows([1.0])), new=Says(rows([1.0])))
    with pytest.raises(BadCall, match="task 1 has classes of earlier tasks again"):
        teacher.begin_task(Task(1, "domain", (0, 1), ((0, 1),)))
    teacher.begin_task(SECOND)
    with pytest.raises(BadCall, match="says 1 columns, but class 1 was asked"):
        teacher.teach(of([0]))
    known = Says(rows([1.0, 2.0, 3.0, 4.0, 5.0]))
    teacher = Concatenation(old=Says(rows([1.0, NAN]), columns=(0,)), new=known)
    teacher.begin_task(SECOND)
    with pytest.raises(BadCall, match="does not know class 1"):
        teacher.teach(of([0]))


# ---- expert ---------------------------------------------------------------------------------------------------


def expert() -> Expert:
    teacher = Expert()
    teacher.begin(call, CPU)
    return teacher


def test_an_expert_speaks_in_its_own_task_only() -> None:
    teacher, model = expert(), network(grow=True, classes=4)
    teacher.begin_task(SECOND)
    assert not teacher.ready
    teacher.keep(model, SECOND.index)
    assert teacher.ready
    assert torch.equal(teacher.teach(batch_of(inputs(0))).logits, model.eval()(inputs(0)).detach())
    kept = teacher.module
    teacher.observe(network(5), SECOND)
    assert teacher.module is kept and teacher.ready
    teacher.begin_task(SECOND)  # as a resumed task begins again
    assert teacher.ready
    teacher.begin_task(THIRD)
    assert not teacher.ready and teacher.module is None
    teacher.keep(model, SECOND.index)  # handed over late
    assert not teacher.ready


def test_an_expert_survives_a_restart_inside_its_task_whichever_comes_first() -> None:
    teacher = expert()
    teacher.begin_task(SECOND)
    teacher.keep(network(1, grow=True, classes=4), 1)
    x = batch_of(inputs(0))
    for begin_first in (True, False):
        again = expert()
        if begin_first:
            again.begin_task(SECOND)
        again.load_state_dict(saved(teacher), rebuilder())
        if not begin_first:
            assert not again.ready
            again.begin_task(SECOND)
        assert again.ready
        assert torch.equal(again.teach(x).logits, teacher.teach(x).logits)
    late = expert()
    late.begin_task(THIRD)
    late.load_state_dict(saved(teacher), rebuilder())
    assert not late.ready


# ---- all snapshots --------------------------------------------------------------------------------------------


def all_snapshots() -> AllSnapshots:
    teacher = AllSnapshots()
    teacher.begin(call, CPU)
    return teacher


def test_each_class_is_said_by_the_model_of_its_task() -> None:
    teacher = all_snapshots()
    assert not teacher.ready
    models = [network(seed, grow=True, classes=2 * seed + 2) for seed in range(3)]
    for model, task in zip(models, (FIRST, SECOND, THIRD), strict=True):
        teacher.observe(model, task)
    said = teacher.teach(batch_of(inputs(0))).logits
    parts = [model.eval()(inputs(0)).detach()[:, 2 * k : 2 * k + 2] for k, model in enumerate(models)]
    torch.testing.assert_close(said, torch.cat(parts, 1))
    assert teacher.columns == (0, 1, 2, 3, 4, 5) and not said.requires_grad
    # Copies: training goes on without them.
    with torch.no_grad():
        for parameter in models[0].parameters():
            parameter += 1
    assert torch.equal(said, teacher.teach(batch_of(inputs(0))).logits)


def test_classes_of_several_tasks_are_averaged() -> None:
    teacher = all_snapshots()
    one, two = network(1), network(2)
    teacher.observe(one, Task(0, "domain", (0, 1)))
    teacher.observe(two, Task(1, "domain", (0, 1), ((0, 1),)))
    said = teacher.teach(batch_of(inputs(0))).logits
    expected = (one.eval()(inputs(0)) + two.eval()(inputs(0))).detach()[:, :2] / 2
    torch.testing.assert_close(said, expected)


def test_classes_that_no_snapshot_learned_are_unknown() -> None:
    teacher = all_snapshots()
    teacher.observe(network(1), Task(0, "class", (1, 3)))
    assert teacher.teach(batch_of(inputs(0, 1))).logits.isnan().tolist() == [[True, False, True, False]]
    assert teacher.columns == (1, 3)


def test_separate_heads_come_from_the_model_of_their_task() -> None:
    def heads(
        module: nn.Module, x: Tensor, label: Tensor, wants: Wants = LOGITS, at: str | None = None
    ) -> Said:
        columns = module(x)
        return Said(x.new_empty(len(x), 0), heads={0: columns[:, :2], 1: columns[:, 2:4]})

    teacher = AllSnapshots()
    teacher.begin(heads, CPU)
    models = [network(1), network(2)]
    teacher.observe(models[0], Task(0, "task", (0, 1), label=0))
    teacher.observe(models[1], Task(1, "task", (2, 3), ((0, 1),), label=1))
    said = teacher.teach(batch_of(inputs(0))).heads
    assert said is not None and set(said) == {0, 1}
    for label, model in enumerate(models):
        torch.testing.assert_close(
            said[label], model.eval()(inputs(0)).detach()[:, 2 * label : 2 * label + 2]
        )


def test_a_restart_restores_all_of_them() -> None:
    teacher = all_snapshots()
    teacher.observe(network(1, grow=True, classes=2), FIRST)
    teacher.observe(network(2, grow=True, classes=4), SECOND)
    asked: list[int] = []
    again = all_snapshots()
    again.observe(network(9), THIRD)  # of another life
    again.load_state_dict(saved(teacher), rebuilder(asked))
    assert asked == [0, 1] and list(again.modules) == [0, 1]
    x = batch_of(inputs(0))
    assert torch.equal(again.teach(x).logits, teacher.teach(x).logits)
    again.observe(network(3, grow=True, classes=6), THIRD)
    assert again.columns == (0, 1, 2, 3, 4, 5)
