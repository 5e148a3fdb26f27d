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
from collections.abc import Sequence
from pathlib import Path

from one_run import ROOT
from paired import Runs, shown

OUT = Path(__file__).parent / "results"
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


def configuration(row: str, more: Sequence[str]) -> tuple[Path, list[str]]:
    """The file and the overrides of a row."""
    file, changed = ROWS[row]
    return ROOT / "configs" / "split_digits" / f"{file}.yaml", [*changed, *more]


def as_markdown(runs: Runs) -> str:
    """Mean and 95 % interval of each row."""
    lines = ["| strategy | seeds | average accuracy, % | forgetting, points |", "|---|---|---|---|"]
    for row in ROWS:
        if runs.seeds(row):
            scores = [shown(runs.scores(row, score)) for score in ("accuracy", "forgetting")]
            lines.append(f"| {' | '.join([row, str(len(runs.seeds(row))), *scores])} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=list(ROWS), default=list(ROWS), help="some of the rows")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the results")
    words = parser.parse_args()
    runs = Runs(words.out / "data_free.json")
    # Seed by seed, so that a table that is not finished says something about every row.
    for seed in range(words.seeds):
        for row in words.only:
            runs.measure(row, *configuration(row, words.overrides), seed)
    runs.table(as_markdown(runs))


if __name__ == "__main__":
    main()
