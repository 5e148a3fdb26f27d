"""What a person knows, as a teacher beside few labels: each kind of expert teacher on CLINC150, paired by seed.

    python benchmarks/reproductions/expert_teachers.py stream.root=DATA
    python benchmarks/reproductions/expert_teachers.py --only rules --labelled 5 --seeds 2 stream.root=DATA

The 10 domains of CLINC150 (Larson et al. 2019) are 10 tasks of 15 intents, class-incremental, with 5 or 20 labelled
texts an intent, drawn from the seed; every labelled text is kept for replay, since where labels are few keeping them is
cheap: the difference is then what a teacher adds to few labels, and less what is forgotten. A perceptron of 256
units on hashed words and pairs of words, 100 steps of 32 new and 32 replayed texts a task with Adam at 0.01 (with 0.003
the run without a teacher ends 7 points lower). Every teacher's term has weight 0.5, kd at temperature 1;
``expert_choices.py`` tries other learning rates, weights and options on validation texts, seed 0. Test accuracy over
all 150 intents after the last task.

``rules`` are one pattern an intent, written from the names of the intents, without a look at the texts;
``exemplars`` the nearest 5 of the first 5 labelled texts of each intent; ``semantics`` TF-IDF of the intents' names;
``sklearn`` a logistic regression on TF-IDF weights, fitted on each task's labelled texts. The first three know all
intents seen and teach on new and replayed texts, the last on new ones. ``smoothing`` is the control that knows
nothing: ``semantics`` at a temperature at which all wrong classes are alike, 0.8 on the label and the rest spread
evenly.

The rows on the ``pool`` have the teacher of ``smoothing`` on the labelled texts, and another one on as many texts of
the task a step that have no label: those that ``stream.per_class`` leaves out. There ``rules`` and ``exemplars`` are as
above, over the intents of the task, of which these texts are (with ``rules`` over all intents seen, validation accuracy
is 9 points lower on seed 0); ``previous student`` is a snapshot, over the intents of earlier tasks, and ``even`` says
of every text that all intents of the task are as likely: two controls that have the unlabelled texts and no expert.

A seed draws the same texts, weights and batches for every row: differences are those of pairs. A killed table goes on
where it was. A run takes about 10 s of one core, on the pool 20.
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

from lifelong_kd.comparison.groups import flatten
from lifelong_kd.comparison.statistics import t_interval

OUT = Path(__file__).parent / "results"
LEAN = (
    "stream.validation=0",
    *(
        f"evaluation.{name}=false"
        for name in ("before_first", "calibration", "cost", "generalisation", "teacher")
    ),
)
NONE, SMOOTHING, PREVIOUS = "none", "smoothing", "pool: previous student"
EXPERT = "strategy.teachers.expert"
PICKED = f"{EXPERT}={{name: exemplars, per_class: 5, rule: knn, k: 5, classes: new}}"
# Its options make what it says even: of a sample it knows nothing.
EVEN = f"{EXPERT}={{name: exemplars, per_class: 1, temperature: 100000.0, classes: new}}"
ROWS: dict[str, tuple[str, tuple[str, ...]]] = {
    NONE: ("sklearn", ("strategy.terms.expert.weight=0",)),
    SMOOTHING: ("semantics", (f"{EXPERT}.temperature=1000",)),
    "rules": ("rules", ()),
    "exemplars": ("exemplars", ()),
    "semantics": ("semantics", ()),
    "sklearn": ("sklearn", ()),
    "pool: even": ("unlabelled", (EVEN,)),
    PREVIOUS: ("unlabelled", (f"{EXPERT}=snapshot", "strategy.terms.expert.over=old")),
    "pool: exemplars": ("unlabelled", (PICKED,)),
    "pool: rules": ("unlabelled", ()),
}
"""The file of each row, and what is changed in it: without a teacher its term has weight 0."""
CONTROLS = (NONE, SMOOTHING, PREVIOUS)
TEACHERS = tuple(ROWS)
LABELLED = (5, 20)
OUTSIDE = ("seed", "name", "device", "imports", "tracking", "evaluation", "stream.root", "training.threads")

SINCE = {"training.matmul": "highest"}
"""Keys that came later, with the default that is what was done before: results from then stand."""


def configuration(teacher: str, labelled: int, more: Sequence[str]) -> tuple[Path, list[str]]:
    """The file and the overrides of a row."""
    file, changed = ROWS[teacher]
    given = [f"stream.per_class={labelled}", f"strategy.memory.per_class={labelled}", *changed, *LEAN, *more]
    return ROOT / "configs" / "split_text" / f"{file}.yaml", given


def settings(teacher: str, labelled: int, more: Sequence[str]) -> dict[str, Any]:
    """Everything that decides what a seed gives."""
    found = flatten(load(*configuration(teacher, labelled, more)).settings)
    kept = {
        key: value
        for key, value in found.items()
        if not key.startswith(OUTSIDE) and (key, value) not in SINCE.items()
    }
    read: dict[str, Any] = json.loads(json.dumps(kept))
    return read


def measured(results: Mapping[str, Any]) -> dict[str, float]:
    return {
        "accuracy": results["average_accuracy"],
        "learning": results["learning_accuracy"],
        "forgetting": results["forgetting"],
    }


def as_markdown(table: Mapping[str, Any]) -> str:
    """Mean and 95 % interval of each row, and of its differences to the controls on the same seeds."""
    lines = [
        "| labelled texts an intent | teacher | seeds | average accuracy, % | less none, points |"
        " less smoothing, points | less previous student on the pool, points | learning accuracy, % |"
        " forgetting, points |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for labelled in LABELLED:
        controls = {name: table.get(f"{name}/{labelled}", {}).get("seeds", {}) for name in CONTROLS}
        for teacher in TEACHERS:
            found = table.get(f"{teacher}/{labelled}", {}).get("seeds", {})
            if not found:
                continue
            less = [
                shown(
                    [100 * (found[k]["accuracy"] - one[k]["accuracy"]) for k in found if k in one], sign=True
                )
                if compared(teacher, name) and any(k in one for k in found)
                else ""
                for name, one in controls.items()
            ]
            scores = [
                shown([100 * one[score] for one in found.values()])
                for score in ("accuracy", "learning", "forgetting")
            ]
            cells = [str(labelled), teacher, str(len(found)), scores[0], *less, *scores[1:]]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def compared(teacher: str, control: str) -> bool:
    """Whether a difference says something: the previous student is a control of what is taught on the pool."""
    return teacher != control and (control != PREVIOUS or teacher.startswith("pool:"))


def shown(values: Sequence[float], *, sign: bool = False) -> str:
    interval = t_interval(values)
    half = "" if interval.half_width is None else f" ± {interval.half_width:.1f}"
    return f"{interval.mean:{'+' if sign else ''}.1f}{half}"


def measure(
    table: dict[str, Any], file: Path, teacher: str, labelled: int, seed: int, more: Sequence[str]
) -> None:
    """One run, unless it is there, added to the file."""
    now = settings(teacher, labelled, more)
    name = f"{teacher}/{labelled}"
    if table.get(name, {}).get("settings") != now:
        table[name] = {"settings": now, "seeds": {}}
    if str(seed) in table[name]["seeds"]:
        return
    config, given = configuration(teacher, labelled, more)
    found = measured(run(load(config, [*given, f"seed={seed}"])))
    table[name]["seeds"][str(seed)] = found
    part = file.with_suffix(".part")
    part.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    os.replace(part, file)
    print(f"{name} seed {seed}: " + ", ".join(f"{k} {100 * v:.2f}" for k, v in found.items()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="such as stream.root=DATA")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", choices=TEACHERS, action="append", help="a teacher; may be given again")
    parser.add_argument("--labelled", type=int, choices=LABELLED, action="append", help="texts an intent")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the results")
    words = parser.parse_args()
    warnings.simplefilter("ignore")
    # The rules' file is named from the top of the repository.
    os.chdir(ROOT)
    file = words.out.resolve() / "expert_teachers.json"
    table: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    file.parent.mkdir(parents=True, exist_ok=True)
    for seed in range(words.seeds):
        for labelled in words.labelled or LABELLED:
            for teacher in words.only or TEACHERS:
                measure(table, file, teacher, labelled, seed, words.overrides)
    file.with_suffix(".md").write_text(as_markdown(table), encoding="utf-8")
    print(as_markdown(table))


if __name__ == "__main__":
    main()
