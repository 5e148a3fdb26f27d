"""What a smaller student owes to its teacher's weights, to its answers, and to both: compared on the same seeds.

    python benchmarks/reproductions/parameter_distillation.py stream.root=DATA
    python benchmarks/reproductions/parameter_distillation.py --only 'digits-*' --seeds 2

A perceptron of two layers learns the first of five tasks of two classes; with the second a new student of an eighth of
its units takes its place and goes on to the end. It begins with new weights, or with units of its teacher: the first
(``slice``), those of the largest weights (``norm``) or the most important ones (``importance``). It learns each task's
labels alone, or also what the model before says of the new samples (LwF, T = 2, weight 2.5). No memory. Digits: 10
epochs of batches of 32, SGD at 0.03 with momentum 0.9. MNIST: 150 steps of 64 samples a task, at 0.01. The rates are
those of 0.01, 0.03 and 0.1 with which the small student with new weights learns best from labels and answers, by
validation accuracy (``choices.py``). A killed table goes on where it was.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from one_run import ROOT
from paired import Runs, arguments, shown

OUT = Path(__file__).parent / "results"
CONFIGS = ROOT / "configs"
DIGITS = ("model.hidden=[256, 256]", "training.epochs=10", "optimizer={name: sgd, lr: 0.03, momentum: 0.9}")
MNIST = (
    "model.hidden=[400, 400]",
    "training.iterations=150",
    "training.batch_size=64",
    "stream.class_order=null",
    "optimizer={name: sgd, lr: 0.01, momentum: 0.9}",
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
    found = [*given, LEARNING[learning]]
    if begin != LARGE:
        found += [f"model.student={{name: mlp, hidden: [{units}, {units}]}}", f"model.transfer={begin}"]
    if "stream.scenario=task" in given:
        found.append("model.head=multihead")
    return [*found, *more]


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


def as_markdown(runs: Runs) -> str:
    """Mean and 95 % interval, and the difference to a new student that learns from labels alone, on the same seeds."""
    lines = [
        "| stream | learns from | begins with | parameters | seeds | task 0 after task 1, % | average accuracy, % |"
        " less new weights and labels, points |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for setting, (title, *_) in SETTINGS.items():
        base = f"{setting}/labels/none"
        for learning, begin in rows():
            name = f"{setting}/{learning}/{begin}"
            found = runs.seeds(name)
            if not found:
                continue
            cells = [
                title,
                learning,
                begin if begin == LARGE else f"`{begin}`",
                f"{next(iter(found.values()))['parameters']:,}",
                str(len(found)),
                shown(runs.scores(name, "handed_on")),
                shown(runs.scores(name, "accuracy")),
                "" if name == base else shown(runs.gaps(name, base), sign=True),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    words, changes, patterns = arguments(__doc__, "such as 'digits-*'", OUT)
    runs = Runs(words.out / "parameter_distillation.json")
    chosen = [name for name in SETTINGS if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
    for seed in range(words.seeds):
        for setting in chosen:
            for learning, begin in rows():
                given = overrides(setting, learning, begin, changes)
                runs.measure(f"{setting}/{learning}/{begin}", config(setting), given, seed, measured)
    runs.table(as_markdown(runs))


if __name__ == "__main__":
    main()
