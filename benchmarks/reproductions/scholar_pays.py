"""Whether rounds of generator and solver pay: one round, scholar rounds, and one round of as many epochs as these took.

    python benchmarks/reproductions/scholar_pays.py
    python benchmarks/reproductions/scholar_pays.py --only 'vae/*' --seeds 2

Deep generative replay on Split-Digits by ``configs/split_digits/dgr_scholar.yaml``, five tasks of two digits in an
order drawn from the seed. A round has the ten epochs of the configuration. ``same`` is a single round a task of as many
epochs as the scholar's rounds of the same seed had on average, those that were rolled back among them; ``longest`` one
as long as the budget allows. A seed draws the same classes, weights and batches for all of them: differences are those
of pairs. A killed table goes on where it was.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from one_run import ROOT
from paired import Runs, arguments, shown

OUT = Path(__file__).parent / "results"
CONFIG = ROOT / "configs" / "split_digits" / "dgr_scholar.yaml"
EPOCHS, BUDGET = 10, 8
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


def overrides(generator: str, column: str, more: Sequence[str]) -> list[str]:
    """What is changed in the file; the epochs of a seed come on top."""
    rounds = {
        "scholar": f"{{name: scholar, budget: {BUDGET}}}",
        "patient": f"{{name: scholar, budget: {BUDGET}, patience: 2}}",
    }
    return [
        f"strategy={{name: dgr, generator: {GENERATORS[generator]}}}",
        f"rounds={rounds.get(column, 'single')}",
        *more,
    ]


def epochs_of(column: str, before: Mapping[str, Any]) -> int:
    """Epochs a round; ``before`` is what the scholar's rounds of the same seed had."""
    if column == "same":
        if not before:
            raise SystemExit("'same' has as many epochs as 'scholar', which has not been run with this seed")
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


def as_markdown(runs: Runs) -> str:
    """Mean and 95 % interval of each way to train, and of its difference to the scholar's on the same seeds."""
    lines = [
        "| generator | trained by | seeds | average accuracy, % | less `scholar`, points | epochs a task |"
        " balance of the classes generated |",
        "|---|---|---|---|---|---|---|",
    ]
    for generator in GENERATORS:
        for column, title in COLUMNS.items():
            name = f"{generator}/{column}"
            found = list(runs.seeds(name).values())
            if not found:
                continue
            cells = [
                f"`{generator}`",
                title,
                str(len(found)),
                shown(runs.scores(name, "accuracy")),
                "" if column == "scholar" else shown(runs.gaps(name, f"{generator}/scholar"), sign=True),
                f"{sum(one['epochs'] for one in found) / len(found):.0f}",
                f"{sum(one['balance'] for one in found) / len(found):.2f}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    words, changes, patterns = arguments(__doc__, "such as 'vae/*'", OUT)
    runs = Runs(words.out / "scholar_pays.json")
    names = [f"{generator}/{column}" for generator in GENERATORS for column in COLUMNS]
    for seed in range(words.seeds):
        for name in names:
            if any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
                generator, column = name.split("/")
                epochs = epochs_of(column, runs.seeds(f"{generator}/scholar").get(str(seed), {}))
                given = [f"training.epochs={epochs}", *overrides(generator, column, changes)]
                runs.measure(name, CONFIG, given, seed, measured, by_seed=("training.epochs",))
    runs.table(as_markdown(runs))


if __name__ == "__main__":
    main()
