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
    for noun, name in (("strategy", "twin_lwf"), ("stream", "stripes")):
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
    nursery.finish("run", config, "--out", run, path=path)
    results = json.loads((run / "results.json").read_text())
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
