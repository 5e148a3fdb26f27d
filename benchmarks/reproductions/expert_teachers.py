"""What a person knows, as a teacher beside few labels: each kind of expert teacher on CLINC150, paired by seed.

    python benchmarks/reproductions/expert_teachers.py stream.root=DATA
    python benchmarks/reproductions/expert_teachers.py --only rules --labelled 5 --seeds 2 stream.root=DATA

The 10 domains of CLINC150 (Larson et al. 2019) are 10 tasks of 15 intents, class-incremental, with 5 or 20 labelled
texts an intent, drawn from the seed; every labelled text is kept for replay, since where labels are few keeping them is
cheap: the difference is then what a teacher adds to few labels, and less what is forgotten. A perceptron of 256
units on hashed words and pairs of words, 100 steps of 32 new and 32 replayed texts a task with Adam at 0.01 (with 0.003
the run without a teacher ends 7 points lower). Every teacher's term has weight 0.5, kd at temperature 1;
``choices.py`` tries other learning rates, weights and options on validation texts. Test accuracy over
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
import os
from collections.abc import Sequence
from pathlib import Path

from one_run import ROOT
from paired import Runs, shown

OUT = Path(__file__).parent / "results"
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


def configuration(teacher: str, labelled: int, more: Sequence[str]) -> tuple[Path, list[str]]:
    """The file and the overrides of a row."""
    file, changed = ROWS[teacher]
    given = [
        f"stream.per_class={labelled}",
        f"strategy.memory.per_class={labelled}",
        "stream.validation=0",
        *changed,
        *more,
    ]
    return ROOT / "configs" / "split_text" / f"{file}.yaml", given


def as_markdown(runs: Runs) -> str:
    """Mean and 95 % interval of each row, and of its differences to the controls on the same seeds."""
    lines = [
        "| labelled texts an intent | teacher | seeds | average accuracy, % | less none, points |"
        " less smoothing, points | less previous student on the pool, points | learning accuracy, % |"
        " forgetting, points |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for labelled in LABELLED:
        for teacher in TEACHERS:
            name = f"{teacher}/{labelled}"
            if not runs.seeds(name):
                continue
            less = [
                shown(runs.gaps(name, f"{control}/{labelled}"), sign=True)
                if compared(teacher, control)
                else ""
                for control in CONTROLS
            ]
            scores = [shown(runs.scores(name, score)) for score in ("accuracy", "learning", "forgetting")]
            cells = [str(labelled), teacher, str(len(runs.seeds(name))), scores[0], *less, *scores[1:]]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def compared(teacher: str, control: str) -> bool:
    """Whether a difference says something: the previous student is a control of what is taught on the pool."""
    return teacher != control and (control != PREVIOUS or teacher.startswith("pool:"))


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
    # Taken from where the command was given: the rules' file is named from the top of the repository.
    runs = Runs(words.out / "expert_teachers.json")
    os.chdir(ROOT)
    for seed in range(words.seeds):
        for labelled in words.labelled or LABELLED:
            for teacher in words.only or TEACHERS:
                runs.measure(
                    f"{teacher}/{labelled}", *configuration(teacher, labelled, words.overrides), seed
                )
    runs.table(as_markdown(runs))


if __name__ == "__main__":
    main()
