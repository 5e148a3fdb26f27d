"""What the family about compression finds in small runs, counted by hand and asked once more."""

from __future__ import annotations

import io
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.scores import forgetting
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.memory.reservoir import Reservoir
from lifelong_kd.model.build import build_network
from lifelong_kd.phase.expert import ExpertPhase
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.der import der
from lifelong_kd.strategy.naive import naive
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.ensemble import Ensemble
from lifelong_kd.teacher.expert import Expert
from lifelong_kd.teacher.external import External
from lifelong_kd.teacher.snapshot import Snapshot
from lifelong_kd.testing.small import small_experiment
from lifelong_kd.tracking.base import Tracker
from lifelong_kd.tracking.console import ConsoleTracker
from lifelong_kd.training.families.base import Look
from lifelong_kd.training.families.compression import Compression
from tests.training.looks import difference, everything, found_by, look_at, run_with

# Images of 4x4 pixels, 16 hidden units with BatchNorm, a head of six classes.
PARAMETERS = 16 * 16 + 16 + 2 * 16 + 16 * 6 + 6
BYTES = 4 * (PARAMETERS + 2 * 16) + 8
FLOPS = 2 * (16 * 16 + 16 * 6)
LATENCIES = ("latency_1_ms", "latency_64_ms")


def large(seed: int = 0) -> torch.nn.Module:
    """A network of 40 hidden units without BatchNorm that knows nothing."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_network((1, 4, 4), 6, model=("mlp", {"hidden": [40]}))


LARGE = {
    "parameters": 16 * 40 + 40 + 40 * 6 + 6,
    "flops": 2 * (16 * 40 + 40 * 6),
    "bytes": 4 * (16 * 40 + 40 + 40 * 6 + 6),
}


def sizes(found: Any) -> dict[str, int]:
    return {name: found[name] for name in ("parameters", "flops", "bytes")}


def test_an_external_teacher_and_the_student_by_hand(tmp_path: Path) -> None:
    teacher = External(large())
    strategy = Strategy(terms={"large": Distill(teacher, Kd(temperature=2.0), over="all")})
    looks: list[Look] = []
    experiment = run_with(strategy, tmp_path / "asked", after=looks.append, epochs=1)
    look = look_at(experiment, 2)
    data = [look.data("test", task) for task in range(3)]
    expected = []
    with torch.no_grad():
        for one in data:
            said = teacher.module(one.plain(one.raw(torch.arange(len(one.targets)))))
            # After the last task all six classes are known to a teacher that declares none.
            expected.append(float((said.argmax(dim=1) == one.targets).double().mean()))

    teacher = External(large())
    strategy = Strategy(terms={"large": Distill(teacher, Kd(temperature=2.0), over="all")})
    found = found_by(Compression(repeats=3), strategy, tmp_path / "run", epochs=1)
    for number, one in enumerate(found):
        assert sizes(one["student"]) == {"parameters": PARAMETERS, "flops": FLOPS, "bytes": BYTES}
        assert sizes(one["teachers"]["large"]) == LARGE
        assert all(
            side[name] > 0 for side in (one["student"], one["teachers"]["large"]) for name in LATENCIES
        )
        # Never at tasks to come.
        assert len(one["student"]["accuracy"]) == len(one["teachers"]["large"]["accuracy"]) == number + 1
    assert found[2]["teachers"]["large"]["accuracy"] == expected
    assert found[2]["left_out"] == {}


def test_a_snapshot_is_the_student_before_and_an_expert_knows_its_task(tmp_path: Path) -> None:
    expert = Expert()
    strategy = Strategy(
        terms={
            "old": Distill(Snapshot(), Kd(temperature=2.0)),
            "new": Distill(expert, Kd(temperature=2.0), over="new"),
        },
        phases=[ExpertPhase(expert, epochs=1)],
    )
    found = found_by(Compression(repeats=3), strategy, tmp_path / "run", epochs=1)
    assert found[0]["teachers"] == {}
    assert found[0]["left_out"] == dict.fromkeys(("old", "new"), "is no network")
    for before, one in itertools.pairwise(found):
        teachers = one["teachers"]
        assert sizes(teachers["old"]) == sizes(teachers["new"]) == sizes(one["student"])
        *earlier, last = teachers["new"]["accuracy"]
        assert last is not None and set(earlier) == {None}
        assert teachers["old"]["accuracy"][-1] is None
        # Nobody but the task's own classes competes: the student is compared with the expert on even terms.
        assert one["student"]["beside"].keys() == {"old", "new"}
        assert None not in one["student"]["beside"]["new"][1:]
        pairs = zip(one["student"]["beside"]["new"], one["student"]["accuracy"], strict=True)
        assert all(among >= of_all for among, of_all in pairs if among is not None)
        # Fewer classes compete in the snapshot's answer than in the student's.
        pairs = zip(teachers["old"]["accuracy"], before["student"]["accuracy"], strict=False)
        assert all(snapshot >= student for snapshot, student in pairs)


def test_an_ensemble_costs_what_its_members_cost_and_stored_logits_nothing(tmp_path: Path) -> None:
    both = Ensemble(teachers=[External(large(1)), External(large(2))])
    terms = {"both": Distill(both, Kd(temperature=2.0), over="all"), **der(memory=20).terms}
    strategy = Strategy(terms=terms, memory=Reservoir(capacity=20), memory_batch=8)
    (one, *_) = found_by(Compression(repeats=3), strategy, tmp_path / "run", epochs=1)
    assert list(one["teachers"]) == ["both/0", "both/1", "both"]
    assert sizes(one["teachers"]["both"]) == {name: 2 * value for name, value in LARGE.items()}
    assert list(one["left_out"].values()) == ["is no network"]


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    def before(look: Look) -> None:
        kept = everything(look_run(look))
        Compression(repeats=3).before_end(look)
        assert difference(kept, everything(look_run(look))) is None

    def after(look: Look) -> None:
        kept = everything(look_run(look))
        Compression(repeats=3).after_task(look, [])
        assert difference(kept, everything(look_run(look))) is None

    strategy = Strategy(terms={"kd": Distill(Snapshot(bn="adapt"), Kd(temperature=2.0))})
    run_with(strategy, tmp_path / "run", before=before, after=after, epochs=1)


def look_run(look: Look) -> Any:
    return type("Run", (), {"engine": look.engine, "plugin": look.plugin, "seeds": look.seeds})


def one(costs: float, accuracy: list[float | None], **beside: list[float | None]) -> dict[str, Any]:
    names = ("parameters", "flops", "bytes", *LATENCIES)
    return {**dict.fromkeys(names, costs), "accuracy": accuracy, "beside": beside}


def test_the_summary_is_about_the_largest_teacher() -> None:
    found = [
        {"student": one(9, [0.75]), "teachers": {"large": one(40, [1.0])}, "left_out": {}},
        {
            "student": one(10, [0.5, 1.0], large=[0.5, 0.25], small=[0.5, 0.5]),
            "teachers": {"small": one(20, [0.5, 0.5]), "large": one(40, [None, 0.5])},
            "left_out": {},
        },
    ]
    family = Compression()
    summary = family.summary(found)
    assert summary["parameters"] == 10 and summary["teacher_parameters"] == 40
    assert summary["latency_64_ms_ratio"] == summary["bytes_ratio"] == 0.25
    assert (summary["accuracy"], summary["teacher_accuracy"], summary["accuracy_ratio"]) == (0.75, 0.75, 0.5)
    assert (summary["forgetting"], summary["teacher_forgetting"]) == (0.25, None)
    assert family.varies <= set(summary)
    alone = family.summary([{"student": one(9, [0.75]), "teachers": {}, "left_out": {}}])
    assert alone.keys() == summary.keys() and alone["accuracy_ratio"] is alone["teacher_bytes"] is None
    assert family.summary([]) == {}
    table = family.table(found)
    assert table.columns == ["compression", "student", "large", "student / large", "small", "student / small"]


class Heard(Tracker):
    def __init__(self) -> None:
        self.tables: dict[str, Any] = {}

    def start(self, run: Any) -> None: ...

    def log(self, values: Any, axis: Any, step: Any) -> None: ...

    def finish(self, status: Any) -> None: ...

    def table(self, key: str, columns: Any, rows: Any, step: Any) -> None:
        self.tables[key] = (list(columns), rows)


def test_the_run_ends_with_the_report(tmp_path: Path) -> None:
    strategy = Strategy(terms={"large": Distill(External(large()), Kd(temperature=2.0), over="all")})
    strategy.called = {"giant": strategy.teachers["large"]}
    heard, console = Heard(), ConsoleTracker(mode="plain")
    console.output = Console(file=io.StringIO(), width=200)
    families = {"compression": Compression(repeats=3)}
    experiment = small_experiment(strategy, families=families, trackers=[heard, console], epochs=1)
    results = experiment.run(tmp_path / "run")
    columns, rows = heard.tables["report/compression"]
    assert columns == ["compression", "student", "giant", "student / giant"]
    assert rows[0] == ["parameters", PARAMETERS, LARGE["parameters"], PARAMETERS / LARGE["parameters"]]
    said = console.output.file.getvalue()  # type: ignore[attr-defined]
    (line,) = [line for line in said.splitlines() if line.startswith("  parameters ")]
    assert line.split() == ["parameters", "406", "926", "0.4384"] and said.index("finished in") < said.index(
        line
    )
    assert "accuracy_matrix" not in said
    kept = json.loads((tmp_path / "run" / "results.json").read_text())
    assert kept["compression"]["parameters_ratio"] == PARAMETERS / LARGE["parameters"]
    assert kept["compression"]["accuracy"] == results["average_accuracy"]
    assert kept["compression"]["forgetting"] == pytest.approx(forgetting(results["accuracy_matrix"]))
    assert kept["per_task"][2]["compression"]["teachers"]["giant"]["parameters"] == 926
    plots = tmp_path / "run" / "plots"
    assert "| parameters | 406 | 926 | 0.4384 |" in (plots / "compression.md").read_text()
    assert (plots / "compression.png").is_file()


def test_a_run_without_teachers_has_a_report_of_the_student(tmp_path: Path) -> None:
    found = found_by(Compression(repeats=3), naive(), tmp_path / "run", epochs=1)
    assert all(one["teachers"] == {} == one["left_out"] for one in found)
    assert Compression().table(found).columns == ["compression", "student"]


def test_too_few_repeats() -> None:
    with pytest.raises(BadCall, match="repeats must be at least 3, got 2"):
        Compression(repeats=2)
