"""Average accuracy and forgetting of configurations over seeds, in one process, as a Markdown table.

    python benchmarks/reproductions/seeds.py split_digits
    python benchmarks/reproductions/seeds.py split_mnist --only lwf_all lwf_new lwf derpp stream.root=DATA

Each row is ``configs/<folder>/<name>.yaml`` as it stands; the interval is a 95 % Student t-interval over the
seeds, each of which draws its own class order (unless the configuration gives one), initial weights and data
order.
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path
from typing import Any

from one_run import ROOT, load, run

from lifelong_kd.comparison.statistics import t_interval

OUT = Path(__file__).parent / "results"


def measured(config: Path, seeds: int, overrides: list[str]) -> dict[str, list[float]]:
    """Scores of each seed."""
    scores: dict[str, list[float]] = {
        "average_accuracy": [],
        "forgetting": [],
        "task_reading": [],
        "seconds": [],
    }
    for seed in range(seeds):
        results = run(load(config, [*overrides, f"seed={seed}"]))
        scores["average_accuracy"].append(results["average_accuracy"])
        scores["forgetting"].append(results["forgetting"])
        scores["task_reading"].append(results["readings"]["task"]["average_accuracy"])
        scores["seconds"].append(results["cost"]["training_seconds"])
    return scores


def cell(values: list[float]) -> str:
    """Mean and half the interval, in percent."""
    interval = t_interval(values)
    half = "" if interval.half_width is None else f" ± {100 * interval.half_width:.1f}"
    return f"{100 * interval.mean:.1f}{half}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", help="a folder of configs/")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME")
    words, more = parser.parse_known_args()
    names = [name for name in words.only if "=" not in name]
    overrides = [text for text in [*words.overrides, *words.only, *more] if "=" in text]
    warnings.simplefilter("ignore")
    lines = [
        "| configuration | average accuracy, % | forgetting, points | tasks told apart, % | training, s |",
        "|---|---|---|---|---|",
    ]
    found: dict[str, Any] = {}
    for config in sorted((ROOT / "configs" / words.folder).glob("*.yaml")):
        if names and config.stem not in names:
            continue
        scores = found[config.stem] = measured(config, words.seeds, overrides)
        seconds = sum(scores["seconds"]) / words.seeds
        row = [cell(scores[key]) for key in ("average_accuracy", "forgetting", "task_reading")]
        lines.append(f"| `{words.folder}/{config.stem}.yaml` | {' | '.join(row)} | {seconds:.1f} |")
        print(lines[-1], flush=True)
    OUT.mkdir(exist_ok=True)
    (OUT / f"{words.folder}.json").write_text(
        json.dumps({"seeds": words.seeds, "scores": found}, indent=2) + "\n", encoding="utf-8"
    )
    (OUT / f"{words.folder}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
