"""Methods put together in YAML are the methods."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lifelong_kd.config.build import build_parts
from lifelong_kd.config.load import load_config
from lifelong_kd.core.errors import BadCall, ConfigError
from lifelong_kd.knowledge.cosine import Cosine
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.memory.exemplars import Herding
from lifelong_kd.model.freeze import digest
from lifelong_kd.schedule.ratio import SqrtOldNew
from lifelong_kd.strategy.ancl import ancl
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.compose import compose
from lifelong_kd.strategy.derpp import derpp
from lifelong_kd.strategy.ebll import ebll
from lifelong_kd.strategy.icarl import icarl
from lifelong_kd.strategy.lucir import lucir
from lifelong_kd.strategy.lwf import lwf
from lifelong_kd.strategy.term import Distill, Rehearse
from lifelong_kd.strategy.xder import xder
from lifelong_kd.teacher.snapshot import Snapshot
from lifelong_kd.testing.small import small_experiment

HEAD = "stream: split_digits\nmodel: mlp\n"

LWF = """
strategy:
  name: compose
  task_loss: new
  terms:
    kd: {teacher: snapshot, knowledge: {name: kd, temperature: 3.0}, weight: 2.0}
"""

DERPP = """
strategy:
  name: compose
  memory: 40
  memory_batch: 8
  terms:
    logits: {teacher: stored, knowledge: mse, source: memory, weight: 0.2, over: all}
    labels: {name: rehearse, source: memory2, weight: 1.0}
"""

ICARL = """
strategy:
  name: compose
  task_loss: new
  task_loss_kind: bce
  memory: 24
  train_on: new_and_memory
  terms:
    distill: {teacher: snapshot, knowledge: bce}
  corrections: [nearest_mean]
"""

LUCIR = """
strategy:
  name: compose
  task_loss: seen
  memory: {name: herding, total: 24}
  train_on: new_and_memory
  terms:
    features: {teacher: snapshot, knowledge: cosine, weight: {name: sqrt_old_new, scale: 5.0}}
    margin: {name: margin_ranking, k: 1}
  phases: [imprint]
"""

EBLL = """
strategy:
  name: compose
  teachers: {old: snapshot}
  terms:
    kd: {teacher: old, knowledge: kd, weight: 0.5, over: per_task}
    codes: {name: codes, teacher: old, size: 4, epochs: 1, weight: 0.1}
"""

XDER = """
strategy:
  name: compose
  task_loss: new
  memory: {name: balanced, total: 24}
  memory_batch: 8
  terms:
    logits: {name: transplant, weight: 0.3}
    labels: {name: rehearse, source: memory2, over: old, weight: 0.8}
    past: {name: past_cap, weight: 0.5}
    future: {name: future_cap, weight: 0.5}
"""

TWO = """
strategy:
  name: compose
  teachers: {old: snapshot}
  memory: {name: herding, per_class: 4}
  train_on: new_and_memory
  terms:
    features: {teacher: old, knowledge: cosine, weight: {name: sqrt_old_new, scale: 5.0}}
    labels: {teacher: old, knowledge: kd, weight: [0.0, 0.5, 0.25]}
"""

ANCL = """
strategy:
  name: compose
  teachers: {old: snapshot, new: expert}
  task_loss: new
  terms:
    old: {teacher: old, knowledge: kd, weight: 2.0}
    new: {teacher: new, knowledge: kd, over: new}
  phases:
    - {name: expert, teacher: new, epochs: 1}
"""


def by_hand() -> Strategy:
    old = Snapshot()
    return Strategy(
        terms={
            "features": Distill(old, Cosine(), weight=SqrtOldNew(scale=5.0)),
            "labels": Distill(old, Kd(), weight=[0.0, 0.5, 0.25]),
        },
        memory=Herding(per_class=4),
        train_on="new_and_memory",
    )


def composed(text: str, tmp_path: Path, *overrides: str) -> Strategy:
    path = tmp_path / "config.yaml"
    path.write_text(HEAD + text)
    strategy = build_parts(load_config(path, overrides))[0]
    assert isinstance(strategy, Strategy)
    return strategy


@pytest.mark.parametrize(
    ("text", "method", "head"),
    [
        pytest.param(LWF, lambda: lwf(temperature=3.0, weight=2.0, task_loss="new"), None, id="lwf"),
        pytest.param(DERPP, lambda: derpp(memory=40, alpha=0.2, beta=1.0, memory_batch=8), None, id="derpp"),
        pytest.param(ICARL, lambda: icarl(memory=24), None, id="icarl"),
        pytest.param(LUCIR, lambda: lucir(memory=24, k=1, fix_old=False), "cosine", id="lucir"),
        pytest.param(ANCL, lambda: ancl(weight=2.0, auxiliary=1.0, expert_epochs=1), None, id="ancl"),
        pytest.param(
            EBLL, lambda: ebll(weight=0.5, code_weight=0.1, code_size=4, encoder_epochs=1), None, id="ebll"
        ),
        pytest.param(XDER, lambda: xder(memory=24, memory_batch=8, eta=0.5), None, id="xder"),
        pytest.param(TWO, by_hand, "cosine", id="two_terms"),
    ],
)
def test_a_composed_method_ends_with_the_same_weights(
    text: str, method: Callable[[], Any], head: str | None, tmp_path: Path
) -> None:
    ends = []
    for name, strategy in (("composed", composed(text, tmp_path)), ("method", method())):
        experiment = small_experiment(strategy, head=head)
        results = experiment.run(tmp_path / name)
        ends.append((digest(experiment.engine.model), results["accuracy_matrix"]))
    assert ends[0] == ends[1]


def test_a_named_teacher_is_one_object_and_a_written_out_one_is_not(tmp_path: Path) -> None:
    shared = composed(TWO, tmp_path)
    assert shared.terms["features"].teacher is shared.terms["labels"].teacher
    assert len(shared.teachers) == 1
    apart = composed(TWO, tmp_path, "strategy.terms.labels.teacher=snapshot")
    assert len(apart.teachers) == 2
    expert = composed(ANCL, tmp_path)
    assert expert.phases[0].teachers == (expert.terms["new"].teacher,)


def test_what_was_resolved_is_read_back_to_the_same(tmp_path: Path) -> None:
    for text in (LWF, DERPP, ICARL, LUCIR, TWO, ANCL, EBLL, XDER):
        path = tmp_path / "config.yaml"
        path.write_text(HEAD + text)
        first = load_config(path)
        path.write_text(first.dump())
        assert load_config(path).settings == first.settings


def test_every_mistake_is_found_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        HEAD
        + """strategy:
  name: compose
  task_los: new
  teachers: {old: snapshto}
  terms:
    kd:
      teacher: odl
      knowledge: {name: kd, temprature: 2.0}
      weigth: 2.0
    b d: {name: rehers}
  phases:
    - {name: expert, techer: old}
  corrections: {a: nearest_mean}
"""
    )
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    found = [(p.where.rpartition(":")[2], p.key, p.hint) for p in caught.value.problems]
    assert found == [
        ("5", "strategy.task_los", "task_loss"),
        ("6", "strategy.teachers.old.name", "snapshot"),
        ("11", "strategy.terms.kd.weigth", "weight"),
        ("9", "strategy.terms.kd.teacher.name", "old"),
        ("10", "strategy.terms.kd.knowledge.temprature", "temperature"),
        ("12", "strategy.terms.b d", None),
        ("12", "strategy.terms.b d.name", "rehearse"),
        ("14", "strategy.phases[0].techer", "teacher"),
        ("14", "strategy.phases[0].teacher", None),
        ("15", "strategy.corrections", None),
    ]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["strategy.teachers.late=snapshot"],
            r"strategy: teachers\.late: no term, phase or correction asks it",
        ),
        (["strategy.terms.kd.weight=-1"], r"strategy\.terms\.kd\.weight: .*at least 0"),
        (
            ["strategy.terms.kd.source=memory"],
            r"strategy: term 'kd' works on 'memory', but the strategy has no memory",
        ),
        (["strategy.terms.kd.at=[layers]"], r"strategy\.terms\.kd: Kd compares no modules' outputs"),
        (["strategy.held=1.0"], r"strategy: .*\[0, 1\)"),
        (["strategy.noise=-1"], r"strategy: .*at least 0"),
        (["strategy.memory_batch=0"], r"strategy: memory_batch must be at least 1"),
    ],
)
def test_parts_that_do_not_fit_are_refused_by_their_key(
    overrides: list[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(BadCall, match=message):
        composed(LWF, tmp_path, *overrides)


def test_a_teacher_may_refer_to_those_before_it(tmp_path: Path) -> None:
    text = """
strategy:
  name: compose
  teachers:
    snapshot: snapshot
    every: all_snapshots
    both: {name: ensemble, teachers: [snapshot, every]}
  terms:
    a: {teacher: both, knowledge: kd}
    b: {teacher: snapshot, knowledge: cosine}
"""
    strategy = composed(text, tmp_path)
    with pytest.raises(ConfigError, match=r"'every' is a name given here to one teacher; its options stand"):
        composed(text, tmp_path, "strategy.terms.b.teacher={name: every, bn: adapt}")
    ensemble, snapshot = strategy.terms["a"].teacher, strategy.terms["b"].teacher
    assert ensemble is not None and ensemble.members[0] is snapshot
    with pytest.raises(
        ConfigError, match=r"teachers\.both\.teachers\[0\]\.name: there is no teacher called 'later'"
    ):
        composed(
            text + "    c: {teacher: later, knowledge: kd}\n",
            tmp_path,
            "strategy.teachers.both.teachers=[later]",
        )


def test_noise_and_held_samples_reach_the_strategy(tmp_path: Path) -> None:
    memory = ("strategy.memory=200", "strategy.train_on=new_and_memory", "strategy.task_loss=seen")
    changes = ("strategy.noise=0.3", "strategy.held=0.1", "strategy.task_weight=0.5")
    strategy = composed(LWF, tmp_path, *memory, *changes)
    assert strategy.noise is not None and (strategy.noise.eta, strategy.noise.gamma) == (0.3, 0.55)
    assert strategy.held.share == 0.1
    assert composed(LWF, tmp_path).noise is None


def test_rehearsal_has_the_strategys_own_loss(tmp_path: Path) -> None:
    strategy = composed(DERPP, tmp_path, "strategy.task_loss=seen")
    term = strategy.terms["labels"]
    assert isinstance(term, Rehearse) and term.task_loss is strategy.task_loss
    strategy = composed(DERPP, tmp_path, "strategy.smoothing=0.1", "strategy.terms.labels.over=old")
    term = strategy.terms["labels"]
    assert isinstance(term, Rehearse) and term.task_loss is not None
    assert (term.task_loss.over, term.task_loss.smoothing, strategy.task_loss.over) == ("old", 0.1, "all")


def test_a_snapshot_teaches_what_is_corrected_in_training(tmp_path: Path) -> None:
    text = LWF.replace(
        "task_loss: new", "task_loss: seen\n  memory: 20\n  held: 0.1\n  corrections: [bias_layers]"
    )
    strategy = composed(text, tmp_path)
    teacher = strategy.terms["kd"].teacher
    assert isinstance(teacher, Snapshot) and teacher._correction is strategy.corrections[0]


def test_from_python_parts_are_objects() -> None:
    assert compose(terms={"kd": Distill(Snapshot(), Kd())}).teachers.keys() == {"kd"}
    for options, place in (
        ({"terms": {"kd": {"teacher": "snapshot", "knowledge": "kd"}}}, r"terms\.kd is \{.*not a Term"),
        ({"phases": ["imprint"]}, r"phases\.0 is 'imprint', not a Phase"),
        ({"corrections": [Kd()]}, r"corrections\.0 is .* not a Correction"),
    ):
        with pytest.raises(BadCall, match=place):
            compose(**options)  # type: ignore[arg-type]


def test_an_expert_that_nobody_trains_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadCall, match="a teacher 'expert' says nothing unless a phase trains it"):
        composed(ANCL, tmp_path, "strategy.phases=[]")
