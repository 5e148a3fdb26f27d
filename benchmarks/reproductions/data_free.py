"""Learning without keeping a sample: inverted, adversarial, generated and latent replay on split_digits.

    python benchmarks/reproductions/data_free.py
    python benchmarks/reproductions/data_free.py --only abd r_dfcil --seeds 2

The 1,797 handwritten digits of scikit-learn as five tasks of two, class-incremental, in an order drawn from the seed;
the files of ``configs/split_digits`` as they are, all but two with the same small convolutional student with BatchNorm:
the GAN's and the latent replay's student is their files' perceptron. Nothing is kept of earlier tasks but networks. How
options were chosen stands in the files. Average test accuracy after the last task. A seed draws the same
tasks, weights and batches for every row with the same student: differences are those of pairs. A killed table goes on
where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from one_run import ROOT, load, run
from rounds_pay import shown

from lifelong_kd.comparison.groups import flatten

OUT = Path(__file__).parent / "results"
LEAN = tuple(
    f"evaluation.{name}=false"
    for name in ("before_first", "calibration", "cost", "generalisation", "teacher")
)
STUDENT = (
    "model={name: cnn, width: 16, stages: 2}",
    "optimizer.lr=0.02",
    "training.epochs=10",
)
NAIVE = "naive"
ROWS: dict[str, tuple[str, tuple[str, ...]]] = {
    NAIVE: ("naive", STUDENT),
    "lwf": ("lwf", STUDENT),
    "deep_inversion": ("deep_inversion", ()),
    "abd": ("abd", ()),
    "r_dfcil": ("r_dfcil", ()),
    "dgr, gan": ("dgr_gan", ()),
    "latent_replay": ("latent_replay", ()),
}
"""The file of each row, and what is changed in it."""
OUTSIDE = ("seed", "name", "device", "imports", "tracking", "evaluation", "training.threads")


def configuration(row: str, more: Sequence[str]) -> tuple[Path, list[str]]:
    """The file and the overrides of a row."""
    file, changed = ROWS[row]
    return ROOT / "configs" / "split_digits" / f"{file}.yaml", [*changed, *LEAN, *more]


def settings(row: str, more: Sequence[str]) -> dict[str, Any]:
    """Everything that decides what a seed gives."""
    found = flatten(load(*configuration(row, more)).settings)
    read: dict[str, Any] = json.loads(
        json.dumps({key: value for key, value in found.items() if not key.startswith(OUTSIDE)})
    )
    return read


def as_markdown(table: Mapping[str, Any]) -> str:
    """Mean and 95 % interval of each row."""
    lines = ["| strategy | seeds | average accuracy, % | forgetting, points |", "|---|---|---|---|"]
    for row in ROWS:
        found = table.get(row, {}).get("seeds", {})
        if found:
            scores = [
                shown([100 * one[score] for one in found.values()]) for score in ("accuracy", "forgetting")
            ]
            lines.append(f"| {' | '.join([row, str(len(found)), *scores])} |")
    return "\n".join(lines) + "\n"


def measure(table: dict[str, Any], file: Path, row: str, seed: int, more: Sequence[str]) -> None:
    """One run, unless it is there, added to the file."""
    now = settings(row, more)
    if table.get(row, {}).get("settings") != now:
        table[row] = {"settings": now, "seeds": {}}
    if str(seed) in table[row]["seeds"]:
        return
    config, given = configuration(row, more)
    results = run(load(config, [*given, f"seed={seed}"]))
    found = {"accuracy": results["average_accuracy"], "forgetting": results["forgetting"]}
    table[row]["seeds"][str(seed)] = found
    part = file.with_suffix(".part")
    part.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    os.replace(part, file)
    print(f"{row} seed {seed}: " + ", ".join(f"{k} {100 * v:.2f}" for k, v in found.items()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=list(ROWS), default=list(ROWS), help="some of the rows")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the results")
    words = parser.parse_args()
    warnings.simplefilter("ignore")
    file = words.out.resolve() / "data_free.json"
    table: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    file.parent.mkdir(parents=True, exist_ok=True)
    # Seed by seed, so that a table that is not finished says something about every row.
    for seed in range(words.seeds):
        for row in words.only:
            measure(table, file, row, seed, words.overrides)
    text = as_markdown(table)
    file.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
