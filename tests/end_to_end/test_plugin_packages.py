"""Components from outside: an installed package, found by its entry points, and a single file."""

from __future__ import annotations

import ensurepip
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from harness import HERE, LWF, Nursery, assert_same_run, written

MINE = '''"""A strategy in a single file."""

from lifelong_kd.strategy import register
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import TaskLoss


@register("mine")
def mine(*, over: str = "seen") -> Strategy:
    """Fine-tuning over the classes seen so far."""
    return Strategy(task_loss=TaskLoss(over))
'''


FAMILY_AND_ROUNDS = '''"""A family of scores and a controller of rounds in a single file."""

from lifelong_kd.rounds import register as register_rounds
from lifelong_kd.rounds.base import Controller, Proposal, Verdict
from lifelong_kd.training.families import register as register_family
from lifelong_kd.training.families.base import Family


@register_family("sureness")
class Sureness(Family):
    """How sure the student is of its answers.

    Args:
        samples: of each test task.
    """

    by_default = True

    def __init__(self, *, samples: int = 20) -> None:
        self.samples = samples

    def after_task(self, look, earlier):
        said = look.answers("test", look.task, limit=self.samples)
        return {"samples": len(said), "sure": float(said.logits.softmax(1).amax(1).mean())}

    def summary(self, found):
        return {"sure": found[-1]["sure"]}


@register_rounds("halving")
class Halving(Controller):
    """Halves the learning rate for as long as that helps the new task.

    Args:
        most: rounds a task.
    """

    def __init__(self, *, most: int = 3) -> None:
        self.most = most

    def first(self, view):
        return Proposal(why="as configured")

    def judge(self, view):
        best = view.best
        better = best is None or view.last.figures.new() > best.figures.new()
        lr = view.lr / 2 ** len(view.rounds)
        more = better and len(view.rounds) < self.most
        following = Proposal(lr=lr, why="half the rate") if more else None
        return Verdict(better, following, "better" if better else "no better")
'''


def _install(package: Path, target: Path) -> None:
    """Without the network, and without a trace in the source."""
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-build-isolation",
        "--no-deps",
    ]
    words = [*pip, "--disable-pip-version-check", "--no-compile", "--target", str(target), str(package)]
    environment = dict(os.environ)
    if importlib.util.find_spec("pip") is None:  # an environment without one; Python itself brings it
        (wheel,) = (Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl")
        environment["PYTHONPATH"] = str(wheel)
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packages")
    shutil.copytree(HERE / "plugin_package", folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    _install(folder / "source", folder / "site")
    return folder / "site"


def test_a_package_is_found_by_its_entry_points(nursery: Nursery, tmp_path: Path, installed: Path) -> None:
    path = [str(installed)]
    for noun, name in (("strategy", "twin_lwf"), ("stream", "stripes"), ("family", "margin")):
        said = nursery.finish("list", noun, path=path).said
        (line,) = [line for line in said.splitlines() if name in line]
        assert "[package lifelong-kd-twins]" in line
        assert name not in nursery.finish("list", noun).said
    said = nursery.finish("show", "strategy", "twin_lwf", path=path).said
    assert said.startswith("strategy twin_lwf, from package lifelong-kd-twins\n")
    assert "LwF whose distillation counts twice." in said
    assert "temperature: a number; default 2.0\n      of the softened outputs." in said

    stream = {"name": "stripes", "experiences": 3, "each": 24}
    changed = {**LWF, "stream": stream, "strategy": {"name": "twin_lwf", "twice": False}}
    config, run = written(tmp_path / "config.yaml", changed), tmp_path / "run"
    nursery.finish("run", config, "evaluation.margin.scale=2", "--out", run, path=path)
    results = json.loads((run / "results.json").read_text())
    margins = [entry["margin"]["margin"] for entry in results["per_task"]]
    assert results["margin"]["margin"] == pytest.approx(sum(margins) / 3) and min(margins) > 0
    assert results["strategy"] == {"name": "twin_lwf", "temperature": 2.0, "twice": False}
    assert len(results["accuracy_matrix"]) == 3
    ended = nursery.call("run", config, "strategy.twise=true", path=path)
    assert ended.status == 2 and "Did you mean 'twice'?" in ended.said
    ended = nursery.call("run", config)
    assert ended.status == 2 and "there is no strategy called 'twin_lwf'" in ended.said


def test_two_owners_of_a_name(nursery: Nursery, tmp_path: Path, installed: Path) -> None:
    """A second package, as pip leaves it: its metadata is all that is looked at."""
    facts = tmp_path / "other_twins-0.1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: other-twins\nVersion: 0.1\n")
    (facts / "entry_points.txt").write_text("[lifelong_kd.strategy]\ntwin_lwf = other_twins:twin\n")
    ended = nursery.call("list", "strategy", path=[str(installed), str(tmp_path)])
    assert ended.status == 2
    assert "two components are called strategy 'twin_lwf'" in ended.said
    assert "package lifelong-kd-twins" in ended.said and "package other-twins" in ended.said

    (facts / "entry_points.txt").write_text("[lifelong_kd.strategy]\nlwf = other_twins:twin\n")
    config = written(tmp_path / "config.yaml", LWF)
    ended = nursery.call("run", config, "--out", tmp_path / "run", path=[str(tmp_path)])
    assert ended.status == 2 and not (tmp_path / "run").exists()
    assert "'lwf': one from lifelong_kd, one from package other-twins" in ended.said


def test_a_single_file(nursery: Nursery, tmp_path: Path) -> None:
    file = tmp_path / "my_method.py"
    file.write_text(MINE)
    config = written(tmp_path / "config.yaml", {**LWF, "strategy": "mine"})
    assert (
        "Fine-tuning over the classes seen so far."
        in nursery.finish("list", "strategy", "--import", file).said
    )
    words = ("run", config, "--import", file, "--out")
    nursery.finish(*words, tmp_path / "whole")
    # A run that is resumed finds the file by itself.
    run = tmp_path / "killed"
    assert nursery.call(*words, run, moment=[30, None, ""]).status == -signal.SIGKILL
    nursery.finish("resume", run)
    assert_same_run(run, tmp_path / "whole")

    file.write_text(MINE.replace('"mine"', '"lwf"'))
    ended = nursery.call("validate", config, "--import", file)
    assert ended.status == 2 and "Traceback" not in ended.said
    assert "'lwf': one from lifelong_kd, one from" in ended.said and str(file) in ended.said


def test_a_family_and_a_controller_of_rounds_in_a_single_file(nursery: Nursery, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(FAMILY_AND_ROUNDS)
    said = nursery.finish("list", "rounds", "--import", file).said
    assert "Halves the learning rate for as long as that helps the new task." in said
    said = nursery.finish("show", "family", "sureness", "--import", file).said
    assert "\n  evaluation:\n    sureness:\n      samples: 20\n" in said
    assert "  sureness: true, false or {option: ...}; default true\n" in (
        nursery.finish("show", "evaluation", "--import", file).said
    )
    settings = {**LWF, "stream": {"name": "split_digits", "experiences": 2}}
    config = written(tmp_path / "config.yaml", settings, training={"epochs": 1, "checkpoint_every": None})
    words = (
        "run",
        config,
        "rounds=halving",
        "rounds.most=2",
        "evaluation.sureness.samples=7",
        "--import",
        file,
    )
    said = nursery.finish(*words, "--out", tmp_path / "run").said
    assert "task 1 round 1: half the rate; validation new " in said
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["rounds"] == {"name": "halving", "most": 2}
    assert "the rounds of 'halving'" in results["chosen_by"]
    for entry in results["per_task"]:
        assert entry["sureness"]["samples"] == 7 and 0 < entry["sureness"]["sure"] <= 1
        assert [done["tried"] for done in entry["rounds"]] == [{}, {"lr": 0.025}]
        first, second = (done["validation"][str(entry["task"])] for done in entry["rounds"])
        assert entry["kept_round"] == int(second > first)
    assert results["sureness"] == {"sure": results["per_task"][-1]["sureness"]["sure"]}
    ended = nursery.call("run", config, "rounds=halvin", "--import", file, "--out", tmp_path / "other")
    assert ended.status == 2 and "Did you mean 'halving'?" in ended.said
    ended = nursery.call("run", config, "evaluation.surness=true", "--import", file)
    assert ended.status == 2 and "Did you mean 'sureness'?" in ended.said
