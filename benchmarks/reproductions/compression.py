"""A small student in the place of a large network: what it costs, what it reaches, with and without distillation.

    python benchmarks/reproductions/compression.py stream.root=DATA
    python benchmarks/reproductions/compression.py --only large alone --seeds 2 stream.root=DATA

Split-MNIST, class-incremental, five tasks of two digits in an order drawn from the seed, 500 samples kept in a
reservoir and replayed, 200 steps of 64 samples a task with Adam at 0.001. The large network has two layers of 1200
units, as in Hinton et al. 2015 (arXiv 1503.02531), the student two of 50, an assistant two of 200. `experts`: in each
task a large network learns the new digits alone and teaches them to the student; `assistant`: it teaches an assistant
first (Mirzadeh et al. 2020, arXiv 1902.03393); `finished`: the large network has learned all tasks before and teaches
on new and replayed samples. A seed draws the same digits and batches for every row: differences are those of pairs.
A killed table goes on where it was.
"""

from __future__ import annotations

import fnmatch
import statistics
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from one_run import ROOT, load
from paired import LEAN, Runs, arguments, shown

from lifelong_kd.comparison.groups import flatten
from lifelong_kd.config.build import build
from lifelong_kd.evaluation.compression import COSTS

OUT = Path(__file__).parent / "results"
CONFIG = ROOT / "configs" / "split_mnist" / "naive_three_scenarios.yaml"
COMMON = (
    "stream.scenario=class",
    "training.iterations=200",
    "training.batch_size=64",
    "training.reset_optimizer=true",
    "evaluation.compression=true",
    *LEAN,
)
LARGE = "{name: mlp, hidden: [1200, 1200]}"
MIDDLE = "{name: mlp, hidden: [200, 200]}"
SMALL = "{name: mlp, hidden: [50, 50]}"
TAUGHT = "{{teacher: near, knowledge: {{name: kd, temperature: 2.0}}, over: {}, source: {}}}"
OF_NEW = f"taught: {TAUGHT.format('new', 'new')}"
EVERYWHERE = f"on_new: {TAUGHT.format('all', 'new')}, on_kept: {TAUGHT.format('all', 'memory')}"
FIRST, SECOND = "first_task: true", "taught_by: far, first_task: true"

ROWS: dict[str, tuple[str, str, str]] = {
    "large": ("large, no teacher", LARGE, ""),
    "alone": ("student, no teacher", SMALL, ""),
    "experts": (
        "student, an expert a task",
        SMALL,
        f"{OF_NEW} | near: {{name: expert, model: {LARGE}}} | {{name: expert, teacher: near, {FIRST}}}",
    ),
    "assistant": (
        "student, an expert and an assistant a task",
        SMALL,
        f"{OF_NEW} | far: {{name: expert, model: {LARGE}}}, near: {{name: expert, model: {MIDDLE}}}"
        f" | {{name: expert, teacher: far, {FIRST}}}, {{name: expert, teacher: near, {SECOND}}}",
    ),
    "finished": ("student, the large network that is done", SMALL, f"{EVERYWHERE} | near: external |"),
}
"""Title, student, and what teaches it: terms, teachers, phases."""


def overrides(name: str, more: Sequence[str], large: str) -> list[str]:
    """The settings of a row; ``large`` is the large network after its last task."""
    _, model, taught = ROWS[name]
    terms, teachers, phases = (*(part.strip() for part in taught.split(" |")), "", "")[:3]
    teachers = teachers.replace("external", f"{{name: external, path: '{large}'}}")
    strategy = (
        f"strategy={{name: compose, memory: 500, terms: {{replay: {{name: rehearse}}, {terms}}},"
        f" teachers: {{{teachers}}}, phases: [{phases}]}}"
    )
    given = [*COMMON, f"model={model}", strategy, *more]
    return list({text.partition("=")[0]: text for text in given}.values())


def settings(name: str, more: Sequence[str]) -> Mapping[str, Any]:
    """Everything that decides what a seed gives."""
    return flatten(load(CONFIG, overrides(name, more, "large")).settings)


def measured(results: Mapping[str, Any]) -> dict[str, Any]:
    found = results["compression"]
    return {name: found[name] for name in (*COSTS, "accuracy", "forgetting", "teacher_accuracy")}


def one_seed(runs: Runs, names: Sequence[str], seed: int, more: Sequence[str]) -> None:
    """Every row that is not there yet, each added to the file when it is done."""
    missing = [name for name in names if runs.missing(name, settings(name, more), seed)]
    if "finished" in missing and "large" not in missing:
        # Its weights were not kept; it ends with the same ones.
        missing = ["large", *missing]
    with tempfile.TemporaryDirectory() as folder:
        for name in missing:
            given = overrides(name, more, f"{folder}/large:4")
            results = build(load(CONFIG, [*given, f"seed={seed}"])).run(Path(folder) / name)
            runs.missing(name, settings(name, more), seed)
            runs.keep(name, seed, measured(results))


def as_markdown(runs: Runs) -> str:
    """Mean and 95 % interval of each row, and of its difference to the student alone on the same seeds."""
    lines = [
        "| network | seeds | parameters | FLOPs a sample | bytes | CPU ms, batch of 1 | batch of 64 |"
        " average accuracy, % | less alone, points | forgetting, points |"
        " accuracy of its largest teacher, among the classes that it knows, % |",
        "|---|" + "---:|" * 10,
    ]
    for name, (title, _, _) in ROWS.items():
        found = list(runs.seeds(name).values())
        if not found:
            continue
        cells = [
            title,
            str(len(found)),
            *(f"{found[0][cost]:,}" for cost in ("parameters", "flops", "bytes")),
        ]
        for batch in (1, 64):
            cells.append(f"{statistics.median(one[f'latency_{batch}_ms'] for one in found):.3g}")
        cells.append(shown(runs.scores(name, "accuracy")))
        cells.append("" if name == "alone" else shown(runs.gaps(name, "alone"), sign=True))
        cells.append(shown(runs.scores(name, "forgetting")))
        cells.append(shown([100 * one["teacher_accuracy"] for one in found if one["teacher_accuracy"]]))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    words, changes, patterns = arguments(__doc__, f"of {', '.join(ROWS)}", OUT)
    warnings.simplefilter("ignore")
    runs = Runs(words.out / "compression.json")
    names = [name for name in ROWS if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
    for seed in range(words.seeds):
        one_seed(runs, names, seed, changes)
    runs.table(as_markdown(runs))


if __name__ == "__main__":
    main()
