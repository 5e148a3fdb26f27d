"""What ``lifelong-kd compare`` takes for many runs: 500 run folders of five strategies, twenty settings and five seeds.

    python benchmarks/speed/comparison.py
    python benchmarks/speed/comparison.py --runs 2000

The folders are made here, with files as large as those of a run on ten tasks: 30 kB of results, 1.5 kB of
configuration. ``whole command`` is the process from its start to its end; the parts are those of another process, which
does the same step by step. Shown are wall seconds, the least of ``--repeats``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

OUT = Path(__file__).parent / "results" / "comparison.md"
STRATEGIES = ("lwf", "derpp", "icarl", "naive", "joint")
SEEDS, TASKS, CLASSES = 5, 10, 45

PARTS = """
import sys, time
from pathlib import Path
marks = [("start", time.perf_counter())]
def mark(name): marks.append((name, time.perf_counter()))
from lifelong_kd.comparison.compare import compare_runs
from lifelong_kd.comparison.groups import group_runs, varying
from lifelong_kd.comparison.read import read_runs
from lifelong_kd.comparison.render import as_text
mark("importing our own modules")
import scipy.stats
mark("importing SciPy")
records, left = read_runs([Path(sys.argv[1])])
mark("reading")
rows, remarks = group_runs(records)
varying(rows)
mark("grouping")
comparison = compare_runs(records, left)
mark("grouping and statistics")
as_text(comparison)
mark("rendering")
for (_, begun), (name, ended) in zip(marks, marks[1:]):
    print(f"{name}\\t{ended - begun}")
"""


def settings(number: int) -> dict[str, Any]:
    """A configuration as a run writes it, every default filled in."""
    strategy = STRATEGIES[number // SEEDS % len(STRATEGIES)]
    return {
        "seed": number % SEEDS,
        "name": None,
        "device": "cpu",
        "precision": "float32",
        "stream": {"name": "split_cifar100", "scenario": "class", "experiences": TASKS, "validation": 0.1},
        "model": {"name": "resnet32", "head": {"name": "linear", "grow": False}, "init": "torch"},
        "strategy": {"name": strategy, **{f"option_{letter}": 0.5 for letter in "abcdefghijkl"}},
        "optimizer": {"name": "sgd", "lr": 0.05 * (1 + number // (SEEDS * len(STRATEGIES))), "momentum": 0.9},
        "training": {
            "epochs": 5,
            "batch_size": 32,
            **{f"key_{letter}": None for letter in "abcdefghijklmnop"},
        },
        "evaluation": {f"family_{letter}": True for letter in "abcdefghijkl"},
        "tracking": {"wandb": {"mode": "offline", "project": "lifelong-kd", "tags": []}, "console": "off"},
        "imports": [],
    }


def results(about: dict[str, Any]) -> dict[str, Any]:
    """Results of ten tasks; the numbers are drawn by the configuration."""
    draw = random.Random(json.dumps(about))
    matrix = [[draw.random() for _ in range(TASKS)] for _ in range(TASKS)]
    scores = ("average_accuracy", "average_incremental_accuracy", "learning_accuracy", "forgetting")
    return {
        "name": f"split_cifar100-class-{about['strategy']['name']}-s{about['seed']}",
        "seed": about["seed"],
        "strategy": about["strategy"],
        "stream": about["stream"],
        "scenario": "class",
        "class_order": list(range(CLASSES)),
        "data": f"digest {about['seed']}",
        "status": "finished",
        **{name: draw.random() for name in (*scores, "backward_transfer", "forward_transfer")},
        "accuracy_matrix": matrix,
        "per_task": [{"task": task, "accuracy": matrix[task]} for task in range(TASKS)],
        "confusion_matrix": [[draw.randrange(100) for _ in range(CLASSES)] for _ in range(CLASSES)],
        "calibration": {"nll": draw.random(), "calibration_error": draw.random()},
        "cost": {"training_seconds": 100 * draw.random(), "parameters": 466906},
    }


def make(study: Path, runs: int) -> tuple[int, int]:
    """Make the run folders; the bytes of the results and of the configuration of one."""
    for number in range(runs):
        about = settings(number)
        folder = study / f"{number:05}"
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(yaml.safe_dump(about, sort_keys=False), encoding="utf-8")
        (folder / "results.json").write_text(json.dumps(results(about), indent=2), encoding="utf-8")
        (folder / "run.json").write_text('{"status": "finished"}', encoding="utf-8")
        versions = {"python": "3.11.7", "packages": {"torch": "2.15.0"}, "code": "0123456789"}
        (folder / "environment.json").write_text(json.dumps(versions, indent=2), encoding="utf-8")
    return (folder / "results.json").stat().st_size, (folder / "config.yaml").stat().st_size


def least(command: list[str], repeats: int) -> tuple[float, list[str]]:
    """Wall seconds of a process, the least of some, and what the last one printed."""
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        seconds.append(time.perf_counter() - begun)
        if done.returncode:
            raise SystemExit(done.stderr)
    return min(seconds), done.stdout.splitlines()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3)
    words = parser.parse_args()
    lines = ["| part | seconds |", "|---|---|"]
    with tempfile.TemporaryDirectory() as place:
        study = Path(place) / "study"
        sizes = make(study, words.runs)
        print(f"{words.runs} runs, {sizes[0]} bytes of results and {sizes[1]} of configuration each")
        whole, table = least([sys.executable, "-m", "lifelong_kd", "compare", str(study)], words.repeats)
        print(f"{len(table)} lines of output")
        nothing, _ = least([sys.executable, "-m", "lifelong_kd", "--help"], words.repeats)
        lines.append(f"| whole command, {words.runs} runs | {whole:.2f} |")
        lines.append(f"| of it Python and the command line | {nothing:.2f} |")
        parts: dict[str, float] = {}
        for _ in range(words.repeats):
            _, printed = least([sys.executable, "-c", PARTS, str(study)], 1)
            for name, seconds in (line.split("\t") for line in printed):
                parts[name] = min(float(seconds), parts.get(name, float("inf")))
        lines += [f"| {name} | {seconds:.2f} |" for name, seconds in parts.items()]
    text = "\n".join(lines) + "\n"
    print(text)
    if words.runs == parser.get_default("runs"):
        OUT.parent.mkdir(parents=True, exist_ok=True)
        OUT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
