"""How options that no paper gives were chosen: accuracy on validation data after all tasks, seed 0 and on.

    python benchmarks/reproductions/choices.py stream.root=DATA
    python benchmarks/reproductions/choices.py --only 'split_audio/*' --seeds 1 stream.root=DATA

A file of ``configs/`` with some options changed at a time, and the mean over the tasks of the share of their validation
samples that the last student gets right; the test data decide nothing. CLINC150 has validation texts of its own, 20 an
intent; of the other streams a tenth of each task's training data is kept for it. ``experts/`` are rows of
``expert_teachers.py`` with 5 or 20 labelled texts an intent, ``parameters/`` rows of ``parameter_distillation.py``: the
small student with new weights that learns from labels and answers. Bold is the best of a file, and the last column says
which one the file has. A killed table goes on where it was.
"""

from __future__ import annotations

import fnmatch
import itertools
import os
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import parameter_distillation as parameters
from expert_teachers import NONE, PREVIOUS, SMOOTHING
from expert_teachers import configuration as expert
from one_run import ROOT, load
from paired import LEAN, Runs, arguments, shown

from lifelong_kd.comparison.groups import flatten
from lifelong_kd.config.build import build

OUT = Path(__file__).parent / "results"


def each(key: str, *values: object) -> list[list[str]]:
    """One override for each value."""
    return [[f"{key}={value}"] for value in values]


def both(*keys: list[list[str]]) -> list[list[str]]:
    """Every combination."""
    return [[text for part in parts for text in part] for parts in itertools.product(*keys)]


RATES = each("optimizer.lr", 0.002, 0.005, 0.01, 0.02)
AUDIO = each("optimizer.lr", 0.0003, 0.001, 0.003)
WEIGHTS = each("strategy.weight", 1.0, 2.5, 10.0)
TERMS = [
    [f"strategy.terms.expert.weight={weight}", f"strategy.terms.expert_memory.weight={weight}"]
    for weight in (0.25, 0.5, 1.0)
]
TERM = each("strategy.terms.expert.weight", 0.25, 0.5, 1.0)
STEPS = each("optimizer.lr", 0.01, 0.03)
GRID: dict[str, list[list[str]]] = {
    "split_digits/r_dfcil": both(
        each("strategy.hard", 0.15, 0.5, 1.0), each("strategy.head_lr", 0.005, 0.02)
    ),
    "split_digits/dgr_gan": both(
        each("strategy.generator.lr", 0.0003, 0.001), each("training.epochs", 20, 40, 80)
    ),
    "split_text/joint": RATES,
    "split_text/derpp": RATES,
    "split_text/icarl": RATES,
    "split_text/lwf": RATES,
    "split_text/derpp_embedding_bag": RATES,
    "split_text/derpp_transformer": each("optimizer.lr", 0.0005, 0.001, 0.002),
    "split_audio/joint": AUDIO,
    "split_audio/derpp": AUDIO,
    "split_audio/icarl": AUDIO,
    "split_audio/lwf": both(AUDIO, WEIGHTS),
    **{f"parameters/{setting}": each("optimizer.lr", 0.01, 0.03, 0.1) for setting in parameters.SETTINGS},
    f"experts/5/{NONE}": each("optimizer.lr", 0.003, 0.01, 0.03, 0.1),
    **{f"experts/5/{row}": both(STEPS, TERMS) for row in (SMOOTHING, "rules", "exemplars", "semantics")},
    **{
        f"experts/5/{row}": both(STEPS, TERM)
        for row in ("sklearn", PREVIOUS, "pool: exemplars", "pool: rules")
    },
    **{f"experts/20/{row}": STEPS for row in (NONE, SMOOTHING, "sklearn", "pool: rules")},
}
"""For each file the overrides that are tried; what the files have is among them."""


def configuration(name: str, more: Sequence[str]) -> tuple[Path, list[str]]:
    """The file of a name and what is changed in it before anything is tried."""
    room, _, rest = name.partition("/")
    if room == "parameters":
        given = parameters.overrides(rest, "labels and answers", "none", more)
        return parameters.config(rest), [*given, "stream.validation=0.1"]
    if room != "experts":
        return ROOT / "configs" / f"{name}.yaml", list(more)
    labelled, _, row = rest.partition("/")
    file, given = expert(row, int(labelled), more)
    return file, [one for one in given if one != "stream.validation=0"]


def overridden(name: str, options: Sequence[str], more: Sequence[str]) -> tuple[Path, list[str]]:
    """The file of a name and all that is changed in it; what is tried comes in the place of what was given."""
    file, given = configuration(name, more)
    keys = {one.partition("=")[0] for one in options}
    return file, [*(one for one in given if one.partition("=")[0] not in keys), *options]


def settings(name: str, options: Sequence[str], more: Sequence[str]) -> dict[str, Any]:
    """Everything that decides what a seed gives."""
    file, given = overridden(name, options, more)
    return flatten(load(file, given).settings)


def measured(name: str, options: Sequence[str], more: Sequence[str], seed: int) -> Mapping[str, float]:
    """Mean over the tasks of the share of their validation samples that the last student gets right."""
    file, given = overridden(name, options, more)
    experiment = build(load(file, [*LEAN, *given, f"seed={seed}"]))
    with tempfile.TemporaryDirectory() as folder:
        experiment.run(Path(folder) / "run")
    found = [experiment.evaluator.validation(task) for task in range(len(experiment.stream))]
    scores = [one.accuracy for one in found if one is not None]
    return {"accuracy": sum(scores) / len(scores)}


def as_markdown(runs: Runs) -> str:
    """Mean over seeds for everything tried, file by file."""
    lines = ["| file | options | seeds | validation accuracy, % | in the file |", "|---|---|---|---|---|"]
    for name, tried in GRID.items():
        means = {}
        for options in tried:
            scores = runs.scores(key(name, options), "accuracy")
            if scores:
                means[key(name, options)] = sum(scores) / len(scores)
        for options in tried:
            if (found := key(name, options)) not in means:
                continue
            score = shown(runs.scores(found, "accuracy"))
            cells = [f"`{name}`", f"`{' '.join(options)}`", str(len(runs.seeds(found)))]
            cells.append(f"**{score}**" if means[found] == max(means.values()) else score)
            cells.append("yes" if settings(name, options, ()) == settings(name, (), ()) else "")
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def key(name: str, options: Sequence[str]) -> str:
    """The name of a run in the store."""
    return f"{name}, {' '.join(options)}"


def main() -> None:
    words, changes, patterns = arguments(__doc__, "such as 'split_audio/*'", OUT)
    warnings.simplefilter("ignore")
    runs = Runs(words.out / "choices.json")
    # The rules' file is named from the top of the repository.
    os.chdir(ROOT)
    for seed in range(words.seeds):
        for name, tried in GRID.items():
            if any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
                for options in tried:
                    if runs.missing(key(name, options), settings(name, options, changes), seed):
                        runs.keep(key(name, options), seed, measured(name, options, changes, seed))
    runs.table(as_markdown(runs))


if __name__ == "__main__":
    main()
