"""What evaluation costs beside training, family by family: seconds of evaluation by seconds of training, one process.

    python benchmarks/speed/evaluation.py --root DATA
    python benchmarks/speed/evaluation.py --root DATA --rounds 1 --only lwf

``configs/split_mnist/derpp.yaml`` (one epoch) and ``lwf.yaml`` (four), with 10 % of the training data for validation
and one thread. ``accuracies alone`` is the accuracy matrix, the untrained model and the training accuracy; ``by
default`` has the families that are on unless switched off; the other rows have one family each beside the accuracies.
Every variant is run in turn, ``--rounds`` times; shown are the medians of each, and that of the share in each run.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import warnings
from pathlib import Path

from lifelong_kd.config.build import build
from lifelong_kd.config.load import load_config
from lifelong_kd.training.families import registry

ROOT = Path(__file__).parents[2]
OUT = Path(__file__).parent / "results" / "evaluation.md"
CONFIGS = ("derpp", "lwf")


def variants() -> dict[str, list[str]]:
    """Overrides by name."""
    names = registry.names()
    none = [f"evaluation.{name}=false" for name in names]
    return {
        "accuracies alone": none,
        "by default": [],
        **{
            f"and `{name}`": [*(o for o in none if name not in o), f"evaluation.{name}=true"]
            for name in names
        },
    }


def share(config: str, overrides: list[str], root: str) -> tuple[float, float]:
    """Seconds of training and of evaluation."""
    given = [
        "tracking.wandb.mode=disabled",
        "tracking.console=off",
        f"stream.root={root}",
        "stream.validation=0.1",
        "training.threads=1",
        *overrides,
    ]
    experiment = build(load_config(ROOT / "configs" / "split_mnist" / f"{config}.yaml", given))
    with tempfile.TemporaryDirectory() as folder:
        cost = experiment.run(Path(folder) / "run")["cost"]
    return cost["training_seconds"], cost["evaluation_seconds"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", required=True, help="folder with MNIST/raw")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=CONFIGS, default=list(CONFIGS))
    words = parser.parse_args()
    warnings.simplefilter("ignore")
    lines = [
        "| configuration | evaluation | training, s | evaluation, s | share, % |",
        "|---|---|---|---|---|",
    ]
    for config in words.only:
        seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in variants()}
        for _ in range(words.rounds):
            for name, overrides in variants().items():
                seconds[name].append(share(config, overrides, words.root))
        for name, runs in seconds.items():
            shares = [100 * evaluation / training for training, evaluation in runs]
            training, evaluation = (statistics.median(column) for column in zip(*runs, strict=True))
            lines.append(
                f"| `{config}` | {name} | {training:.2f} | {evaluation:.2f} | {statistics.median(shares):.1f} |"
            )
    text = "\n".join(lines) + "\n"
    print(text)
    if words.only == list(CONFIGS):
        OUT.parent.mkdir(parents=True, exist_ok=True)
        OUT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
