"""What a smaller student owes to its teacher's weights, to its answers, and to both: compared on the same seeds.

    python benchmarks/reproductions/parameter_distillation.py stream.root=DATA
    python benchmarks/reproductions/parameter_distillation.py --only 'digits-*' --seeds 2

A perceptron of two layers learns the first of five tasks of two classes; with the second a new student of an eighth of
its units takes its place and goes on to the end. It begins with new weights, or with units of its teacher: the first
(``slice``), those of the largest weights (``norm``) or the most important ones (``importance``). It learns each task's
labels alone, or also what the model before says of the new samples (LwF, T = 2, weight 2.5). No memory. Digits: 10
epochs of batches of 32. MNIST: 150 steps of 64 samples a task. SGD at 0.01 with momentum 0.9. A killed table goes on
where it was.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from one_run import ROOT, load, run

from lifelong_kd.comparison.groups import flatten
from lifelong_kd.comparison.statistics import t_interval

OUT = Path(__file__).parent / "results"
CONFIGS = ROOT / "configs"
DIGITS = ("model.hidden=[256, 256]", "training.epochs=10")
MNIST = (
    "model.hidden=[400, 400]",
    "training.iterations=150",
    "training.batch_size=64",
    "stream.class_order=null",
)
LEAN = tuple(
    f"evaluation.{name}=false"
    for name in ("before_first", "calibration", "cost", "generalisation", "teacher")
)
SETTINGS: dict[str, tuple[str, str, int, tuple[str, ...]]] = {
    "digits-task": (
        "Split-Digits, task-IL",
        "split_digits/naive.yaml",
        32,
        (*DIGITS, "stream.scenario=task"),
    ),
    "digits-class": (
        "Split-Digits, class-IL",
        "split_digits/naive.yaml",
        32,
        (*DIGITS, "stream.scenario=class"),
    ),
    "mnist-task": (
        "Split-MNIST, task-IL",
        "split_mnist/naive_three_scenarios.yaml",
        50,
        (*MNIST, "stream.scenario=task"),
    ),
}
"""Title, configuration, units a layer of the small student, and the rest."""

LEARNING = {
    "labels": "strategy=naive",
    "labels and answers": "strategy={name: lwf, temperature: 2.0, weight: 2.5, task_loss: new}",
}
TRANSFERS = ("none", "slice", "norm", "importance")
LARGE = "size unchanged"


def rows() -> list[tuple[str, str]]:
    """Learning and begin of each row of the table."""
    return [(learning, begin) for learning in LEARNING for begin in (*TRANSFERS, LARGE)]


def overrides(setting: str, learning: str, begin: str, more: Sequence[str]) -> list[str]:
    _, _, units, given = SETTINGS[setting]
    found = [*given, LEARNING[learning], "optimizer={name: sgd, lr: 0.01, momentum: 0.9}"]
    if begin != LARGE:
        found += [f"model.student={{name: mlp, hidden: [{units}, {units}]}}", f"model.transfer={begin}"]
    if "stream.scenario=task" in given:
        found.append("model.head=multihead")
    return [*found, *more]


def settings(setting: str, learning: str, begin: str, more: Sequence[str]) -> dict[str, Any]:
    """Everything that decides what a seed gives."""
    found = flatten(load(config(setting), overrides(setting, learning, begin, more)).settings)
    outside = (
        "seed",
        "name",
        "device",
        "imports",
        "tracking",
        "evaluation",
        "stream.root",
        "training.threads",
    )
    kept = {key: value for key, value in found.items() if not key.startswith(outside)}
    read: dict[str, Any] = json.loads(json.dumps(kept))
    return read


def config(setting: str) -> Path:
    return CONFIGS / SETTINGS[setting][1]


def measured(results: Mapping[str, Any]) -> dict[str, Any]:
    matrix = results["accuracy_matrix"]
    return {
        "accuracy": results["average_accuracy"],
        "forgetting": results["forgetting"],
        # What the old student had learned, as the new one answers after its first task.
        "handed_on": matrix[1][0],
        "parameters": results["cost"]["parameters"],
    }


def as_markdown(table: Mapping[str, Any]) -> str:
    """Mean and 95 % interval, and the difference to a new student that learns from labels alone, on the same seeds."""
    lines = [
        "| stream | learns from | begins with | parameters | seeds | task 0 after task 1, % | average accuracy, % |"
        " less new weights and labels, points |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for setting, (title, *_) in SETTINGS.items():
        base = table.get(f"{setting}/labels/none", {}).get("seeds", {})
        for learning, begin in rows():
            found = table.get(f"{setting}/{learning}/{begin}", {}).get("seeds", {})
            if not found:
                continue
            both = [seed for seed in found if seed in base]
            differences = [100 * (found[seed]["accuracy"] - base[seed]["accuracy"]) for seed in both]
            first = (learning, begin) == ("labels", "none")
            cells = [
                title,
                learning,
                begin if begin == LARGE else f"`{begin}`",
                f"{next(iter(found.values()))['parameters']:,}",
                str(len(found)),
                shown([100 * one["handed_on"] for one in found.values()]),
                shown([100 * one["accuracy"] for one in found.values()]),
                "" if first or not both else shown(differences, sign=True),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def shown(values: Sequence[float], *, sign: bool = False) -> str:
    interval = t_interval(values)
    half = "" if interval.half_width is None else f" ± {interval.half_width:.1f}"
    return f"{interval.mean:{'+' if sign else ''}.1f}{half}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="such as stream.root=DATA")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="such as 'digits-*'")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the results")
    words, more = parser.parse_known_args()
    given = [*words.overrides, *words.only, *more]
    changes = [text for text in given if "=" in text]
    patterns = [text for text in words.only if "=" not in text] or ["*"]
    warnings.simplefilter("ignore")
    file = words.out / "parameter_distillation.json"
    table: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    file.parent.mkdir(parents=True, exist_ok=True)
    chosen = [name for name in SETTINGS if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
    for seed in range(words.seeds):
        for setting in chosen:
            for learning, begin in rows():
                measure(table, file, (setting, learning, begin), seed, changes)
    file.with_suffix(".md").write_text(as_markdown(table), encoding="utf-8")
    print(as_markdown(table))


def measure(
    table: dict[str, Any], file: Path, row: tuple[str, str, str], seed: int, more: Sequence[str]
) -> None:
    """One run, unless it is there, added to the file."""
    now, name = settings(*row, more), "/".join(row)
    entry = table.get(name)
    if entry is None or entry["settings"] != now:
        entry = table[name] = {"settings": now, "seeds": {}}
    if str(seed) in entry["seeds"]:
        return
    found = measured(run(load(config(row[0]), [*overrides(*row, more), *LEAN, f"seed={seed}"])))
    entry["seeds"][str(seed)] = found
    part = file.with_suffix(".part")
    part.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    os.replace(part, file)
    print(f"{name} seed {seed}: {100 * found['handed_on']:.2f}, {100 * found['accuracy']:.2f}", flush=True)


if __name__ == "__main__":
    main()
