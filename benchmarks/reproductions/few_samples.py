"""The learning curve over few samples, with and without distillation.

    python benchmarks/reproductions/few_samples.py
    python benchmarks/reproductions/few_samples.py --streams split_digits split_mnist stream.root=DATA

``stream.per_class`` training samples of each class, five tasks of two classes in an order drawn from the seed; those of
5 are among those of 10, and so on. Two pairs that differ in distillation alone: naive training and LwF, which keep no
sample, and DER++ without its logits (replay of the labels) and with them, which keep one in five
of all there are. The same number of steps for every number of samples. A killed table goes on where it was.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from one_run import ROOT
from paired import Runs, shown

OUT = Path(__file__).parent / "results"
SAMPLES = (5, 10, 20, 50, 100)
STEPS = 150
CLASSES = 10
PAIRS = {"naive": "lwf", "replay": "derpp"}
"""Without distillation: with."""
TITLES = {"naive": "naive", "lwf": "LwF", "replay": "replay", "derpp": "DER++"}


def overrides(stream: str, strategy: str, samples: int) -> list[str]:
    """A configuration of split_digits with another stream, strategy and number of samples."""
    memory = CLASSES * samples // 5
    options = {
        "naive": "{name: naive, task_loss: new}",
        "lwf": "{name: lwf, temperature: 2.0, weight: 2.5, task_loss: new}",
        "replay": f"{{name: derpp, alpha: 0.0, beta: 1.0, memory: {memory}}}",
        "derpp": f"{{name: derpp, alpha: 0.2, beta: 1.0, memory: {memory}}}",
    }
    return [
        f"stream={{name: {stream}, experiences: 5, per_class: {samples}}}",
        f"strategy={options[strategy]}",
        f"training.iterations={STEPS}",
        "training.batch_size=10",
        "optimizer={name: sgd, lr: 0.02, momentum: 0.9}",
    ]


def name_of(stream: str, strategy: str, samples: int) -> str:
    return f"{stream}/{strategy}/{samples}"


def as_markdown(runs: Runs) -> str:
    lines = [
        "| stream | samples a class | without | accuracy, % | with | accuracy, % | difference, points |",
        "|---|---|---|---|---|---|---|",
    ]
    for stream in sorted({name.partition("/")[0] for name in runs.found}):
        for without, taught in PAIRS.items():
            for samples in SAMPLES:
                ours, theirs = name_of(stream, taught, samples), name_of(stream, without, samples)
                if not runs.seeds(ours):
                    continue
                cells = [f"`{stream}`", str(samples), TITLES[without], shown(runs.scores(theirs, "accuracy"))]
                cells += [TITLES[taught], shown(runs.scores(ours, "accuracy"))]
                lines.append(f"| {' | '.join(cells)} | {shown(runs.gaps(ours, theirs), sign=True)} |")
    return "\n".join(lines) + "\n"


def draw(runs: Runs, file: Path) -> None:
    """A panel a stream: accuracy over samples a class with 95 % intervals; those that are taught are drawn solid."""
    from matplotlib.figure import Figure

    from lifelong_kd.comparison.statistics import t_interval

    streams = sorted({name.partition("/")[0] for name in runs.found})
    figure = Figure(figsize=(5.2 * len(streams), 4), layout="constrained", dpi=120)
    panels = figure.subplots(1, len(streams), squeeze=False)[0]
    for panel, stream in zip(panels, streams, strict=True):
        for number, pair in enumerate(PAIRS.items()):
            for strategy, style in zip(pair, ("--", "-"), strict=True):
                points = [
                    (samples, t_interval(runs.scores(name, "accuracy")))
                    for samples in SAMPLES
                    if runs.seeds(name := name_of(stream, strategy, samples))
                ]
                panel.errorbar(
                    [samples for samples, _ in points],
                    [interval.mean for _, interval in points],
                    [interval.half_width or 0.0 for _, interval in points],
                    fmt=f"o{style}",
                    color=f"C{number}",
                    capsize=3,
                    label=TITLES[strategy],
                )
        panel.set_xscale("log")
        panel.set_xticks(SAMPLES, [str(samples) for samples in SAMPLES])
        panel.minorticks_off()
        panel.set(title=stream, xlabel="training samples a class", ylabel="average accuracy, %")
        panel.legend()
    figure.savefig(file)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="such as stream.root=DATA")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--streams", nargs="+", default=["split_digits"], metavar="STREAM")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the results")
    words, more = parser.parse_known_args()
    given = [*words.overrides, *words.streams, *more]
    changes = [text for text in given if "=" in text]
    runs = Runs(words.out / "few_samples.json")
    config = ROOT / "configs" / "split_digits" / "naive.yaml"
    for seed in range(words.seeds):
        for stream in (text for text in words.streams if "=" not in text):
            for samples in SAMPLES:
                for strategy in TITLES:
                    name = name_of(stream, strategy, samples)
                    runs.measure(name, config, [*overrides(stream, strategy, samples), *changes], seed)
    draw(runs, runs.file.with_suffix(".png"))
    runs.table(as_markdown(runs))


if __name__ == "__main__":
    main()
