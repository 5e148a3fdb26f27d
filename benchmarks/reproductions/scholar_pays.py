"""Whether rounds of generator and solver pay: one round, scholar rounds, and one round of as many epochs as these took.

    python benchmarks/reproductions/scholar_pays.py
    python benchmarks/reproductions/scholar_pays.py --only vae --seeds 2

Deep generative replay on Split-Digits by ``configs/split_digits/dgr_scholar.yaml``, five tasks of two digits in an
order drawn from the seed. A round has the ten epochs of the configuration. ``same`` is a single round a task of as many
epochs as the scholar's rounds of the same seed had on average, those that were rolled back among them; ``longest`` one
as long as the budget allows. A seed draws the same classes, weights and batches for all of them: differences are those
of pairs. A killed table goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from one_run import ROOT, load, run
from paired import shown

OUT = Path(__file__).parent / "results"
CONFIG = ROOT / "configs" / "split_digits" / "dgr_scholar.yaml"
EPOCHS, BUDGET = 10, 8
LEAN = tuple(
    f"evaluation.{name}=false"
    for name in ("before_first", "calibration", "cost", "generalisation", "teacher")
)
GENERATORS = {
    "vae": "{name: vae, hidden: [256, 256], latent: 8}",
    "conditional_vae": "{name: conditional_vae, hidden: [256, 256], latent: 16}",
}
COLUMNS = {
    "single": f"one round of {EPOCHS} epochs",
    "scholar": f"`scholar`, {EPOCHS} epochs a round, at most {BUDGET}",
    "patient": "the same, with `patience: 2`",
    "same": "one round, as many epochs as `scholar`",
    "longest": f"one round of {EPOCHS * BUDGET} epochs",
}


def overrides(generator: str, column: str, seed: int, epochs: int) -> list[str]:
    rounds = {
        "scholar": f"{{name: scholar, budget: {BUDGET}}}",
        "patient": f"{{name: scholar, budget: {BUDGET}, patience: 2}}",
    }
    return [
        *LEAN,
        f"strategy={{name: dgr, generator: {GENERATORS[generator]}}}",
        f"rounds={rounds.get(column, 'single')}",
        f"training.epochs={epochs}",
        f"seed={seed}",
    ]


def epochs_of(column: str, before: Mapping[str, Any]) -> int:
    """Epochs a round; ``before`` is what the scholar's rounds of the same seed had."""
    if column == "same":
        return round(before["epochs"])
    return EPOCHS * BUDGET if column == "longest" else EPOCHS


def measured(results: Mapping[str, Any]) -> dict[str, Any]:
    rounds = [done for entry in results["per_task"] for done in entry["rounds"]]
    cost, tasks = results["cost"], len(results["per_task"])
    return {
        "accuracy": results["average_accuracy"],
        "forgetting": results["forgetting"],
        "balance": results["samples"]["class_entropy"],
        "score_old": results["samples"]["score_old"],
        "epochs": sum(done["epochs"] for done in rounds) / tasks,
        "kept": [entry["kept_round"] + 1 for entry in results["per_task"]],
        "seconds": round(cost["training_seconds"] + cost["rounds_seconds"], 2),
    }


def as_markdown(table: Mapping[str, Any]) -> str:
    """Mean and 95 % interval of each way to train, and of its difference to the scholar's on the same seeds."""
    lines = [
        "| generator | trained by | seeds | average accuracy, % | less `scholar`, points | epochs a task |"
        " balance of the classes generated |",
        "|---|---|---|---|---|---|---|",
    ]
    for generator in GENERATORS:
        scholar = table.get(f"{generator}/scholar", {})
        for column, title in COLUMNS.items():
            found = table.get(f"{generator}/{column}", {})
            if not found:
                continue
            both = [100 * (found[s]["accuracy"] - scholar[s]["accuracy"]) for s in found if s in scholar]
            cells = [
                f"`{generator}`",
                title,
                str(len(found)),
                shown([100 * one["accuracy"] for one in found.values()]),
                "" if column == "scholar" else shown(both, sign=True),
                f"{sum(one['epochs'] for one in found.values()) / len(found):.0f}",
                f"{sum(one['balance'] for one in found.values()) / len(found):.2f}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", choices=list(GENERATORS), help="one generator alone")
    parser.add_argument("--out", type=Path, default=OUT)
    words = parser.parse_args()
    words.out.mkdir(parents=True, exist_ok=True)
    file = words.out / "scholar_pays.json"
    table: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    for seed in map(str, range(words.seeds)):
        for generator in [words.only] if words.only else GENERATORS:
            for column in COLUMNS:
                done = table.setdefault(f"{generator}/{column}", {})
                if seed not in done:
                    one_more(table, generator, column, seed)
                    keep(file, table)
    text = as_markdown(table)
    (words.out / "scholar_pays.md").write_text(text, encoding="utf-8")
    print(text)


def one_more(table: dict[str, Any], generator: str, column: str, seed: str) -> None:
    epochs = epochs_of(column, table.get(f"{generator}/scholar", {}).get(seed, {}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = run(load(CONFIG, overrides(generator, column, int(seed), epochs)))
    found = table[f"{generator}/{column}"][seed] = measured(results)
    print(f"{generator} {column} seed {seed}: {found}", flush=True)


def keep(file: Path, table: Mapping[str, Any]) -> None:
    part = file.with_suffix(".part")
    part.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    os.replace(part, file)


if __name__ == "__main__":
    main()
