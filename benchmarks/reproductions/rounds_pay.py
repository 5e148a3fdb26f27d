"""Where a loop of rounds pays: a single round against three controllers, paired by seed, with what each costs.

    python benchmarks/reproductions/rounds_pay.py stream.root=DATA
    python benchmarks/reproductions/rounds_pay.py --only 'derpp-*' --seeds 2 stream.root=DATA

Split-MNIST, five tasks of two digits in an order drawn from the seed, 10 % of the training data kept for validation,
an MLP of two layers of 100 units, 400 steps of 64 samples a task with Adam at 0.001, so that a single run takes
seconds. Controllers are as they come, but for a bound on their rounds where one is said. A seed draws
the same classes, weights and batches for every controller: differences are those of pairs. A killed table goes on where
it was.
"""

from __future__ import annotations

import fnmatch
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from one_run import ROOT, load, run
from paired import arguments, shown

from lifelong_kd.comparison.groups import flatten

OUT = Path(__file__).parent / "results"
CONFIG = ROOT / "configs" / "split_mnist" / "naive_three_scenarios.yaml"
SHORT = (
    "model.hidden=[100, 100]",
    "training.iterations=400",
    "training.batch_size=64",
    "training.reset_optimizer=true",
    "stream.validation=0.1",
)
LEAN = tuple(
    f"evaluation.{name}=false"
    for name in ("before_first", "calibration", "cost", "generalisation", "teacher")
)

STRATEGIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "lwf-task": ("LwF, task-IL", ("stream.scenario=task", "strategy={name: lwf, weight: 1.0, over: old}")),
    "lwf-domain": (
        "LwF, domain-IL",
        ("stream.scenario=domain", "strategy={name: lwf, weight: 1.0, over: all}"),
    ),
    "lwf-class": (
        "LwF, class-IL",
        ("stream.scenario=class", "strategy={name: lwf, weight: 1.0, task_loss: new}"),
    ),
    "derpp-class": ("DER++, class-IL", ("stream.scenario=class", "strategy={name: derpp, memory: 500}")),
    "icarl-class": ("iCaRL, class-IL", ("stream.scenario=class", "strategy={name: icarl, memory: 500}")),
}
CONTROLLERS = {
    "single": "single",
    "plasticity_stability": "plasticity_stability",
    "balance": "balance",
    "born_again": "{name: born_again, generations: 2}",
}
BY_HAND = "single, weights by hand"
"""A single round with the weights that van de Ven et al. (2022) found on test accuracy, in our scale."""
HAND_SET = {
    "lwf-task": "strategy={name: lwf, weight: 0.25, over: old}",
    "lwf-domain": "strategy={name: lwf, weight: [0.0, 0.25, 0.5, 0.75, 1.0], over: all}",
}


def columns(strategy: str) -> list[str]:
    """What a strategy is run with."""
    return [*CONTROLLERS, *([BY_HAND] if strategy in HAND_SET else [])]


def overrides(strategy: str, controller: str, more: Sequence[str]) -> list[str]:
    given = [*SHORT, *STRATEGIES[strategy][1], f"rounds={CONTROLLERS.get(controller, 'single')}", *more]
    if controller == BY_HAND:
        given.append(HAND_SET[strategy])
    if "stream.scenario=task" in given:
        given.append("model.head=multihead")
    return list({text.partition("=")[0]: text for text in given}.values())


def settings(strategy: str, controller: str, more: Sequence[str]) -> dict[str, Any]:
    """Everything that decides what a seed gives."""
    found = flatten(load(CONFIG, overrides(strategy, controller, more)).settings)
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


def measured(results: Mapping[str, Any]) -> dict[str, Any]:
    cost = results["cost"]
    return {
        "accuracy": results["average_accuracy"],
        "learning": results["learning_accuracy"],
        "forgetting": results["forgetting"],
        "seconds": round(cost["training_seconds"] + cost["rounds_seconds"], 2),
        "rounds": cost["rounds"],
        "kept": [entry["kept_round"] for entry in results["per_task"]],
    }


def as_markdown(table: Mapping[str, Any]) -> str:
    """Mean and 95 % interval of each controller, and of its difference to a single round on the same seeds."""
    lines = [
        "| strategy | rounds | seeds | average accuracy, % | less single, points | forgetting, points |"
        " less single, points | rounds a task | time, in singles |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for strategy, (title, _) in STRATEGIES.items():
        single = table.get(f"{strategy}/single", {}).get("seeds", {})
        for controller in columns(strategy):
            found = table.get(f"{strategy}/{controller}", {}).get("seeds", {})
            if not found:
                continue
            both = [seed for seed in found if seed in single]
            cells = [title, controller if controller == BY_HAND else f"`{controller}`", str(len(found))]
            for score in ("accuracy", "forgetting"):
                cells.append(shown([100 * one[score] for one in found.values()]))
                differences = [100 * (found[seed][score] - single[seed][score]) for seed in both]
                cells.append("" if controller == "single" else shown(differences, sign=True))
            tasks = sum(len(one["kept"]) for one in found.values())
            cells.append(f"{sum(one['rounds'] for one in found.values()) / tasks:.1f}")
            times = [found[seed]["seconds"] / single[seed]["seconds"] for seed in both]
            cells.append("1" if controller == "single" else f"{sorted(times)[len(times) // 2]:.1f}")
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    words, changes, patterns = arguments(__doc__, "such as 'derpp-*'", OUT)
    warnings.simplefilter("ignore")
    file = words.out / "rounds_pay.json"
    table: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    file.parent.mkdir(parents=True, exist_ok=True)
    chosen = [name for name in STRATEGIES if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
    for seed in range(words.seeds):
        for strategy in chosen:
            for controller in columns(strategy):
                measure(table, file, strategy, controller, seed, changes)
    file.with_suffix(".md").write_text(as_markdown(table), encoding="utf-8")
    print(as_markdown(table))


def measure(
    table: dict[str, Any], file: Path, strategy: str, controller: str, seed: int, more: Sequence[str]
) -> None:
    """One run, unless it is there, added to the file."""
    now = settings(strategy, controller, more)
    entry = table.get(f"{strategy}/{controller}")
    if entry is None or entry["settings"] != now:
        entry = table[f"{strategy}/{controller}"] = {"settings": now, "seeds": {}}
    if str(seed) in entry["seeds"]:
        return
    given = [*overrides(strategy, controller, more), *LEAN, f"seed={seed}"]
    found = measured(run(load(CONFIG, given)))
    entry["seeds"][str(seed)] = found
    part = file.with_suffix(".part")
    part.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    os.replace(part, file)
    print(
        f"{strategy} {controller} seed {seed}: accuracy {100 * found['accuracy']:.2f}, forgetting"
        f" {100 * found['forgetting']:.2f}, {found['rounds']} rounds, {found['seconds']:.1f} s",
        flush=True,
    )


if __name__ == "__main__":
    main()
