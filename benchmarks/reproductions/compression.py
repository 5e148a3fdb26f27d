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

import argparse
import fnmatch
import json
import os
import statistics
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from one_run import ROOT, load
from paired import shown

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
    *(
        f"evaluation.{name}=false"
        for name in ("before_first", "calibration", "cost", "generalisation", "teacher")
    ),
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


def settings(name: str, more: Sequence[str]) -> list[str]:
    """Everything that decides what a seed gives."""
    return [text for text in overrides(name, more, "large") if not text.startswith("stream.root")]


def measured(results: Mapping[str, Any]) -> dict[str, Any]:
    found = results["compression"]
    return {name: found[name] for name in (*COSTS, "accuracy", "forgetting", "teacher_accuracy")}


def one_seed(table: dict[str, Any], file: Path, names: Sequence[str], seed: int, more: Sequence[str]) -> None:
    """Every row that is not there yet, each added to the file when it is done."""
    missing = []
    for name in names:
        entry = table.get(name)
        if entry is None or entry["settings"] != settings(name, more):
            entry = table[name] = {"settings": settings(name, more), "seeds": {}}
        missing += [name] if str(seed) not in entry["seeds"] else []
    if "finished" in missing and "large" not in missing:
        # Its weights were not kept; it ends with the same ones.
        missing = ["large", *missing]
    with tempfile.TemporaryDirectory() as folder:
        for name in missing:
            given = overrides(name, more, f"{folder}/large:4")
            results = build(load(CONFIG, [*given, f"seed={seed}"])).run(Path(folder) / name)
            found = measured(results)
            table.setdefault(name, {"settings": settings(name, more), "seeds": {}})["seeds"][str(seed)] = (
                found
            )
            part = file.with_suffix(".part")
            part.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
            os.replace(part, file)
            print(f"{name} seed {seed}: accuracy {100 * found['accuracy']:.2f}", flush=True)


def as_markdown(table: Mapping[str, Any]) -> str:
    """Mean and 95 % interval of each row, and of its difference to the student alone on the same seeds."""
    lines = [
        "| network | seeds | parameters | FLOPs a sample | bytes | CPU ms, batch of 1 | batch of 64 |"
        " average accuracy, % | less alone, points | forgetting, points | accuracy of its teacher, % |",
        "|---|" + "---:|" * 10,
    ]
    alone = table.get("alone", {}).get("seeds", {})
    for name, (title, _, _) in ROWS.items():
        seeds = table.get(name, {}).get("seeds", {})
        if not seeds:
            continue
        found = list(seeds.values())
        cells = [
            title,
            str(len(found)),
            *(f"{found[0][cost]:,}" for cost in ("parameters", "flops", "bytes")),
        ]
        for batch in (1, 64):
            cells.append(f"{statistics.median(one[f'latency_{batch}_ms'] for one in found):.3g}")
        cells.append(shown([100 * one["accuracy"] for one in found]))
        both = [100 * (seeds[seed]["accuracy"] - alone[seed]["accuracy"]) for seed in seeds if seed in alone]
        cells.append(shown(both, sign=True) if both and name != "alone" else "")
        cells.append(shown([100 * one["forgetting"] for one in found]))
        taught = [100 * one["teacher_accuracy"] for one in found if one["teacher_accuracy"] is not None]
        cells.append(shown(taught) if taught else "")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="such as stream.root=DATA")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the results")
    words, more = parser.parse_known_args()
    given = [*words.overrides, *words.only, *more]
    changes = [text for text in given if "=" in text]
    patterns = [text for text in words.only if "=" not in text] or ["*"]
    warnings.simplefilter("ignore")
    file = words.out / "compression.json"
    table: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    file.parent.mkdir(parents=True, exist_ok=True)
    names = [name for name in ROWS if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
    for seed in range(words.seeds):
        one_seed(table, file, names, seed, changes)
    file.with_suffix(".md").write_text(as_markdown(table), encoding="utf-8")
    print(as_markdown(table))


if __name__ == "__main__":
    main()
