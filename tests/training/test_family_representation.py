"""What the family about representation finds in small runs, against features taken by hand."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from avalanche.models import MTSimpleMLP
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Task
from lifelong_kd.evaluation.representation import knn_accuracy, linear_probe
from lifelong_kd.evaluation.similarity import linear_cka
from lifelong_kd.model.freeze import digest
from lifelong_kd.model.taps import penultimate
from lifelong_kd.strategy import registry
from lifelong_kd.strategy.lwf import lwf
from lifelong_kd.strategy.naive import naive
from lifelong_kd.teacher.all_snapshots import AllSnapshots
from lifelong_kd.teacher.ema import Ema
from lifelong_kd.teacher.ensemble import Ensemble
from lifelong_kd.teacher.snapshot import Snapshot
from lifelong_kd.testing.small import small_experiment
from lifelong_kd.training.ask import Asker
from lifelong_kd.training.families.base import Found, Look
from lifelong_kd.training.families.representation import Representation, _student_before


class Watched(Representation):
    """Keeps the student as it was when it was asked about it."""

    def before_end(self, look: Look) -> Found:
        self.__dict__.setdefault("ends", []).append(copy.deepcopy(look.engine.model))
        return Representation.before_end(self, look)

    def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
        self.__dict__.setdefault("students", []).append(copy.deepcopy(look.engine.model))
        self.__dict__["look"] = look
        return Representation.after_task(self, look, earlier)


def run(family: Representation, folder: Path, strategy: Any = None, **options: Any) -> Any:
    """The experiment after its run, and what was found."""
    experiment = small_experiment(strategy or lwf(), families={"representation": family}, **options)
    results = experiment.run(folder)
    found = experiment.ledger.found["representation"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    return experiment, found, results


def described(look: Look, model: nn.Module, split: Any, task: int, limit: int) -> tuple[Tensor, Tensor]:
    """Features by hand, all at once, and targets."""
    data, index = look.data(split, task), look.pick(split, task, limit)
    model.eval()
    with torch.no_grad():
        return model.backbone(data.plain(data.raw(index))), data.targets[index]  # type: ignore[operator]


@pytest.mark.parametrize("scenario", ["class", "task", "domain"])
def test_rows_are_those_of_probes_fitted_by_hand(scenario: Any, tmp_path: Path) -> None:
    family = Watched(samples=18, neighbours=3, seen=True)
    _, found, results = run(family, tmp_path / "run", scenario=scenario)
    look, students = family.__dict__["look"], family.__dict__["students"]
    for after, one in enumerate(found):
        train = [described(look, students[after], "train", task, 18) for task in range(after + 1)]
        test = [described(look, students[after], "test", task, 18) for task in range(after + 1)]
        assert all(len(y) == 18 for _, y in (*train, *test))
        pairs = [(*a, *b) for a, b in zip(train, test, strict=True)]
        assert one["probe"] == [linear_probe(*pair) for pair in pairs]
        assert one["neighbours"] == [knn_accuracy(*pair, neighbours=3) for pair in pairs]
        union = [torch.cat(parts) for both in (train, test) for parts in zip(*both, strict=True)]
        if scenario == "class":
            assert one["probe_seen"] == linear_probe(*union)
            assert one["neighbours_seen"] == knn_accuracy(*union, neighbours=3)
        else:
            assert "probe_seen" not in one
    P, R = [one["probe"] for one in found], [one["head"] for one in found]
    assert found[2]["deep_forgetting"] == pytest.approx([P[0][0] - P[2][0], P[1][1] - P[2][1]])
    assert found[2]["shallow_forgetting"] == pytest.approx([R[0][0] - R[2][0], R[1][1] - R[2][1]])
    expected = [R[j][j] - R[2][j] - P[j][j] + P[2][j] for j in (0, 1)]
    assert found[2]["head_forgetting"] == pytest.approx(expected)
    assert results["representation"]["probe_accuracy"] == pytest.approx(sum(P[2]) / 3)
    assert (tmp_path / "run" / "plots" / "forgetting_by_depth.png").is_file()


def test_the_heads_own_accuracy_is_that_of_the_matrix(tmp_path: Path) -> None:
    """With as many samples as there are, and in each scenario's own reading."""
    for scenario in ("class", "task"):
        _, found, results = run(Representation(), tmp_path / scenario, scenario=scenario)
        for after, one in enumerate(found):
            assert one["head"] == pytest.approx(results["accuracy_matrix"][after][: after + 1])


def test_similarity_is_that_of_the_student_to_itself_before_the_task(tmp_path: Path) -> None:
    family = Watched(samples=15)
    _, found, results = run(family, tmp_path / "run")
    look, ends, students = (family.__dict__[name] for name in ("look", "ends", "students"))
    assert found[0]["similarity"] is None
    for task in (1, 2):
        expected = []
        for seen in range(task + 1):
            now, _ = described(look, ends[task], "test", seen, 15)
            then, _ = described(look, students[task - 1], "test", seen, 15)
            expected.append(linear_cka(now, then))
        assert found[task]["similarity"] == pytest.approx(expected, abs=1e-5)
        assert all(0 < value < 0.9999 for value in found[task]["similarity"])
    earlier = [found[1]["similarity"][0], *found[2]["similarity"][:2]]
    assert results["representation"]["feature_similarity"] == pytest.approx(sum(earlier) / 3)


def test_nothing_is_disturbed(tmp_path: Path) -> None:
    """Dropout, BatchNorm and augmentation draw as they would; a teacher whose statistics follow is left alone."""
    for bn in ("frozen", "adapt"):
        ends = []
        for families in ({}, {"representation": Representation(samples=10)}):
            strategy = lwf()
            strategy.teachers["kd"].__dict__["bn"] = bn
            experiment = small_experiment(strategy, augment=True, families=families)
            experiment.run(tmp_path / f"{bn}{len(families)}")
            ends.append(digest(experiment.engine.model))
        assert ends[0] == ends[1]


def test_a_teacher_that_adapts_is_asked_in_evaluation_mode(tmp_path: Path) -> None:
    experiment, _, _ = run(Representation(samples=5), tmp_path / "run")
    teacher = Snapshot(bn="adapt")
    teacher.observe(experiment.engine.model, Task(index=0, scenario="class", new=(0, 1)))
    module = teacher.module
    assert module is not None
    before = {name: value.clone() for name, value in module.state_dict().items()}
    modes = [part.training for part in module.modules()]
    assert True in modes
    asker = Asker(experiment.engine, experiment.plugin, experiment.benchmark)
    data = asker.data("test", 0)
    found = asker.features_of(module, data, torch.arange(5))
    assert [part.training for part in module.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    # It is the student's own weights, so the student says the same.
    assert torch.equal(found, asker.ask(data, torch.arange(5), features=True).features)  # type: ignore[arg-type]


def test_the_student_before_is_found_among_members_and_no_other_is_taken(tmp_path: Path) -> None:
    experiment, _, _ = run(Representation(samples=5), tmp_path / "run")
    model = experiment.engine.model

    def before(task: int, *teachers: Any) -> Any:
        strategy = SimpleNamespace(teachers=dict(enumerate(teachers)))
        plugin: Any = SimpleNamespace(strategy=strategy)
        return _student_before(
            Look(
                task=task,
                stream=experiment.stream,
                engine=experiment.engine,
                plugin=plugin,
                asker=Asker(experiment.engine, experiment.plugin, experiment.benchmark),
                seeds=experiment.seeds,
            )
        )

    snapshot, every, ema = Snapshot(), AllSnapshots(), Ema()
    assert before(0, snapshot, every) is None
    task = Task(index=1, scenario="class", new=(2, 3))
    for teacher in (snapshot, every, ema):
        teacher.begin(experiment.plugin.adapter.forward, torch.device("cpu"))
        teacher.observe(model, task)
    assert before(2, ema, Ensemble(teachers=[ema, snapshot])) is snapshot.module
    assert before(2, every) is every.modules[1]
    # Of another task, or no earlier student at all.
    assert before(1, snapshot) is None and before(3, snapshot, every) is None
    assert before(2, ema) is None and before(2) is None


def test_a_student_that_diverges_has_no_similarity(tmp_path: Path) -> None:
    """The loop finds that out later and may try again: it must not end here."""
    experiment, _, _ = run(Representation(samples=5), tmp_path / "run")
    engine, snapshot = experiment.engine, Snapshot()
    snapshot.begin(experiment.plugin.adapter.forward, torch.device("cpu"))
    snapshot.observe(engine.model, Task(index=0, scenario="class", new=(0, 1)))
    plugin: Any = SimpleNamespace(strategy=SimpleNamespace(teachers={"kd": snapshot}))
    asker = Asker(engine, experiment.plugin, experiment.benchmark)
    look = Look(1, experiment.stream, engine, plugin, asker, experiment.seeds)
    assert Representation(samples=5).before_end(look)["similarity"] == pytest.approx([1.0, 1.0])
    with torch.no_grad():
        next(iter(engine.model.parameters())).fill_(torch.inf)
    assert Representation(samples=5).before_end(look) == {"similarity": [None, None]}


def test_without_a_snapshot_there_is_no_similarity(tmp_path: Path) -> None:
    _, found, results = run(Representation(samples=10), tmp_path / "run", naive())
    assert [one["similarity"] for one in found] == [None, None, None]
    assert results["representation"]["feature_similarity"] is None
    assert results["representation"]["deep_forgetting"] is not None


def test_a_strategy_of_avalanches_own(tmp_path: Path) -> None:
    family = Watched(samples=12)
    _, found, _ = run(family, tmp_path / "run", registry.get("avalanche/naive")())
    look, student = family.__dict__["look"], family.__dict__["students"][-1]
    pair = (*described(look, student, "train", 1, 12), *described(look, student, "test", 1, 12))
    assert found[2]["probe"][1] == linear_probe(*pair)
    assert found[2]["similarity"] is None


def test_without_the_probe(tmp_path: Path) -> None:
    _, found, results = run(Representation(samples=10, probe=False, seen=True), tmp_path / "run")
    assert found[2]["probe"] == [None, None, None] and found[2]["probe_seen"] is None
    assert found[2]["deep_forgetting"] == found[2]["head_forgetting"] == [None, None]
    scores = results["representation"]
    assert scores["probe_accuracy"] is scores["deep_forgetting"] is scores["head_forgetting"] is None
    assert scores["neighbour_accuracy"] is not None and scores["shallow_forgetting"] is not None


def asker_of(model: nn.Module, plugin: Any) -> Asker:
    return Asker(SimpleNamespace(model=model), plugin, None)


def test_a_model_whose_features_cannot_be_asked_for(tmp_path: Path) -> None:
    ours = SimpleNamespace(adapter=SimpleNamespace(multitask=False))
    several = SimpleNamespace(adapter=SimpleNamespace(multitask=True))
    plain, bare = nn.Sequential(nn.Linear(2, 2)), nn.Sequential(nn.Flatten())
    assert asker_of(plain, ours).describes and not asker_of(bare, ours).describes
    assert not asker_of(MTSimpleMLP(input_size=4), several).describes
    # What Avalanche's own strategies train may be anything.
    assert not asker_of(plain, None).describes
    family = Representation()
    look: Any = SimpleNamespace(asker=asker_of(plain, None), task=1, plugin=None)
    found = [{**family.before_end(look), **family.after_task(look, [])}] * 2
    assert found[0] == {"similarity": None}
    assert set(family.summary(found).values()) == {None} and family.draw(tmp_path, found) == []
    assert set(family.summary([]).values()) == {None} and family.draw(tmp_path, []) == []


def test_features_are_refused_by_name(tmp_path: Path) -> None:
    experiment, _, _ = run(Representation(samples=5), tmp_path / "run")
    experiment.engine.model = nn.Sequential(nn.Flatten())
    asker = Asker(experiment.engine, experiment.plugin, experiment.benchmark)
    with pytest.raises(BadCall, match="features of this model"):
        asker.ask(asker.data("test", 0), features=True)
    with pytest.raises(BadCall, match=r"no torch\.nn\.Linear ran"):
        penultimate(experiment.engine.model, torch.zeros(1, 1, 4, 4))


def test_the_scores_by_hand(tmp_path: Path) -> None:
    found: list[Found] = [
        {"similarity": None, "probe": [1.0], "neighbours": [0.5], "shallow_forgetting": []},
        {
            "similarity": [0.5, 0.1],
            "probe": [0.75, 0.25],
            "neighbours": [1.0, 0.0],
            "probe_seen": 0.3,
            "deep_forgetting": [0.25],
            "shallow_forgetting": [1.0],
            "head_forgetting": [0.75],
        },
        {
            "similarity": [0.25, None, 0.1],
            "probe": [0.5, 0.0, 0.25],
            "neighbours": [1.0, 0.5, 0.0],
            "probe_seen": 0.2,
            "deep_forgetting": [0.5, 0.25],
            "shallow_forgetting": [1.0, 0.5],
            "head_forgetting": [0.5, 0.25],
        },
    ]
    assert Representation().summary(found) == {
        "probe_accuracy": 0.25,
        "neighbour_accuracy": 0.5,
        "probe_accuracy_seen": 0.2,
        "neighbour_accuracy_seen": None,
        "deep_forgetting": 0.375,
        "shallow_forgetting": 0.75,
        "head_forgetting": 0.375,
        "feature_similarity": 0.375,
    }
    assert Representation().draw(tmp_path, found[:1]) == []
    ((key, path),) = Representation().draw(tmp_path, found)
    assert key == "plots/forgetting_by_depth" and path.is_file()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"samples": 1}, "samples must be at least 2, found 1"),
        ({"neighbours": 0}, "neighbours must be at least 1"),
    ],
)
def test_options_out_of_range(options: Any, words: str) -> None:
    with pytest.raises(BadCall, match=words):
        Representation(**options)
