"""How the options of the table of expert teachers were chosen: accuracy on validation texts after all tasks, seed 0.

    python benchmarks/reproductions/expert_choices.py stream.root=DATA
    python benchmarks/reproductions/expert_choices.py --only "pool: rules" stream.root=DATA

A row of ``expert_teachers.py`` with 5 labelled texts an intent and one option changed at a time. Validation texts are
CLINC150's own, 20 an intent, on which nothing is trained; the test texts decide nothing.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

from expert_teachers import EXPERT, NONE, PREVIOUS, SMOOTHING, configuration
from one_run import ROOT, load

from lifelong_kd.config.build import build

LABELLED = 5
RATES = ("optimizer.lr=0.003", "optimizer.lr=0.01", "optimizer.lr=0.03")
WEIGHTS = tuple(f"strategy.terms.expert.weight={weight}" for weight in (0.5, 1.0, 2.0))
BOTH = tuple(f"{weight} {weight.replace('expert.', 'expert_memory.')}" for weight in WEIGHTS)
GRID: dict[str, tuple[str, ...]] = {
    NONE: RATES,
    SMOOTHING: (*RATES, *BOTH),
    PREVIOUS: WEIGHTS,
    "pool: exemplars": (*WEIGHTS, f"{EXPERT}.temperature=0.3"),
    "pool: rules": (*WEIGHTS, f"{EXPERT}.classes=seen strategy.terms.expert.over=seen"),
}
"""For each row the options that are tried, those of one run with blanks between."""


def validation_accuracy(row: str, options: Sequence[str], more: Sequence[str]) -> float:
    """Mean over the tasks of the share of their validation texts that the last student gets right."""
    config, given = configuration(row, LABELLED, more)
    kept = [one for one in given if one != "stream.validation=0" and one.split("=")[0] not in _keys(options)]
    experiment = build(load(config, [*kept, *options, "seed=0"]))
    with tempfile.TemporaryDirectory() as folder:
        experiment.run(Path(folder) / "run")
    found = [experiment.evaluator.validation(task) for task in range(len(experiment.stream))]
    scores = [one.accuracy for one in found if one is not None]
    return sum(scores) / len(scores)


def _keys(options: Sequence[str]) -> set[str]:
    return {option.split("=")[0] for option in options}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="such as stream.root=DATA")
    parser.add_argument("--only", choices=GRID, action="append", help="a row; may be given again")
    words = parser.parse_args()
    warnings.simplefilter("ignore")
    os.chdir(ROOT)
    for row in words.only or GRID:
        for options in GRID[row]:
            score = validation_accuracy(row, options.split(" "), words.overrides)
            print(f"{row}, {options}: {100 * score:.2f} % of validation texts", flush=True)


if __name__ == "__main__":
    main()
