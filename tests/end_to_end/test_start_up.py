"""How long it takes until something happens."""

from __future__ import annotations

import json
import os
import resource
import statistics
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import LWF, ROOT, written

HEAVY = ("torch", "avalanche", "wandb", "pydantic")


def _environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def _processor_seconds(words: list[str]) -> float:
    """User and system time of a process and its children, the median of three."""
    taken = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env=_environment())
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(taken)


@pytest.mark.parametrize("words", [["--help"], ["list", "strategy"]], ids=" ".join)
def test_help_and_lists_come_at_once(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "empty.py").touch()
    nothing = _processor_seconds([sys.executable, str(tmp_path / "empty.py")])
    ours = _processor_seconds([sys.executable, "-m", "lifelong_kd", *words])
    assert ours - nothing < 0.5, f"{ours:.2f} s of processor time, an empty script {nothing:.2f} s"
    code = f"import sys; from lifelong_kd.cli import main; main({words!r}, standalone_mode=False)"
    code += f"; sys.exit(str([name for name in {HEAVY!r} if name in sys.modules] or ''))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=_environment(), check=False
    )
    assert done.stderr.strip() == "", f"imported: {done.stderr}"


def _made_mnist(folder: Path) -> Path:
    """Files of MNIST's names, format and size, with noise in them."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    draw = np.random.default_rng(0)
    for name, count in (("train", 60_000), ("t10k", 10_000)):
        images = draw.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        (raw / f"{name}-images-idx3-ubyte").write_bytes(
            struct.pack(">4i", 2051, count, 28, 28) + images.tobytes()
        )
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 2049, count) + labels.tobytes())
    return folder


@pytest.fixture(scope="module")
def mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real data where they lie, else files of the same size."""
    for folder in (os.environ.get("LIFELONG_KD_DATA"), ROOT.parent / "shared" / "data"):
        if folder is not None and (Path(folder) / "MNIST" / "raw" / "train-images-idx3-ubyte").is_file():
            return Path(folder).resolve()
    return _made_mnist(tmp_path_factory.mktemp("data"))


# Imports what it is told to, then runs until the first step is taken; says when that was and what was imported since.
PROBE = """
import json, sys, time
with open({out!r}) as file:
    names = json.load(file)
began = time.perf_counter()
for name in names:
    __import__(name)
imported = time.perf_counter()
known = dict(sys.modules)
from lifelong_kd.training.recorder import Recorder

def first(recorder, strategy, *args, **kwargs):
    reached = time.perf_counter()
    more = [name for name in sys.modules if name not in known]
    with open({out!r}, "w") as file:
        json.dump([imported - began, reached - began, more], file)
    raise KeyboardInterrupt

Recorder.after_training_iteration = first
from lifelong_kd.cli import main
main({words!r})
"""


def _first_step(modules: list[str], words: list[str], folder: Path) -> tuple[float, float, list[str]]:
    out = folder / "times.json"
    out.write_text(json.dumps(modules))
    code = PROBE.format(words=words, out=str(out))
    environment = _environment(OMP_NUM_THREADS="1")
    subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=environment, cwd=folder, check=False
    )
    answer: tuple[float, float, list[str]] = tuple(json.loads(out.read_text()))
    return answer


def test_the_first_step_comes_soon_after_the_imports(tmp_path: Path, mnist: Path) -> None:
    """Start to first training step on split MNIST, at most 1.2 times the imports alone.

    Whatever else the machine does only adds to a time, so the least of several tries is taken of both; with one thread,
    because threads that wait for each other are slowed most by other processes.
    """
    settings: dict[str, Any] = {
        **{name: value for name, value in LWF.items() if name not in ("tracking", "training", "device")},
        "stream": {"name": "split_mnist", "root": str(mnist), "download": False},
        "model": {"name": "mlp", "hidden": [400, 400]},
    }
    config = written(tmp_path / "config.yaml", settings)
    words = ["run", str(config), "--out"]
    _, _, loaded = _first_step([], [*words, str(tmp_path / "look")], tmp_path)
    # In the order of the run; all others are imported by these.
    # What W&B imports when a run begins, pandas where it is installed, is imported whoever asks for it.
    packages = ("lifelong_kd", "opentelemetry", "pandas", "rich", "sklearn", "wandb")
    modules = [name for name in loaded if name.partition(".")[0] in packages]
    tries: list[tuple[float, float]] = []
    for number in range(4):
        imports, reached, more = _first_step(modules, [*words, str(tmp_path / f"try_{number}")], tmp_path)
        assert len(more) < 0.01 * len(loaded), f"not imported beforehand: {more}"
        tries.append((imports, reached - imports))
        ratio = 1.0 + min(rest for _, rest in tries) / min(alone for alone, _ in tries)
        if ratio <= 1.2:
            return
    raise AssertionError(f"{ratio:.2f} times the imports; imports and the rest in seconds: {tries}")
