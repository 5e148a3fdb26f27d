"""Texts and recordings: accuracy after all tasks, and how far it is from training on all of them at once.

    python benchmarks/reproductions/text_and_speech.py stream.root=DATA
    python benchmarks/reproductions/text_and_speech.py --only 'split_audio/*' --seeds 2 stream.root=DATA

CLINC150 (Larson et al. 2019), ten tasks of a domain each, and the Free Spoken Digit Dataset (its own test recordings),
five tasks of two digits, each as ``configs/split_text/`` and ``configs/split_audio/`` have it, in an order drawn from
the seed. There are no published numbers of these protocols: ``joint``, trained on all classes at once, is the bound,
``naive`` the floor, and the gap to the bound is that of pairs with the same seed. DATA holds ``clinc150/`` and
``fsdd/``. A killed table goes on where it was.
"""

from __future__ import annotations

import fnmatch
from pathlib import Path

from one_run import ROOT
from paired import Runs, arguments, shown

OUT = Path(__file__).parent / "results"
STREAMS = {"split_text": "CLINC150, 10 domains", "split_audio": "spoken digits, 5 x 2"}
STRATEGIES = {
    "joint": "joint (the bound)",
    "derpp": "DER++",
    "derpp_embedding_bag": "DER++, embedding bag",
    "derpp_transformer": "DER++, transformer",
    "icarl": "iCaRL",
    "lwf": "LwF",
    "naive": "naive (the floor)",
}


def names() -> list[str]:
    """The configurations that there are."""
    found = [f"{stream}/{strategy}" for stream in STREAMS for strategy in STRATEGIES]
    return [name for name in found if (ROOT / "configs" / f"{name}.yaml").is_file()]


def as_markdown(runs: Runs) -> str:
    lines = [
        "| stream | strategy | seeds | average accuracy, % | less joint, points | forgetting, points |",
        "|---|---|---|---|---|---|",
    ]
    for stream, data in STREAMS.items():
        for strategy, title in STRATEGIES.items():
            name = f"{stream}/{strategy}"
            if not (seeds := runs.seeds(name)):
                continue
            gap = "" if strategy == "joint" else shown(runs.gaps(name, f"{stream}/joint"), sign=True)
            cells = [data, title, str(len(seeds)), shown(runs.scores(name, "accuracy")), gap]
            forgotten = "" if strategy == "joint" else shown(runs.scores(name, "forgetting"))
            lines.append(f"| {' | '.join([*cells, forgotten])} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    words, changes, patterns = arguments(__doc__, "such as 'split_audio/*'", OUT)
    runs = Runs(words.out / "text_and_speech.json")
    for seed in range(words.seeds):
        for name in names():
            if any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
                runs.measure(name, ROOT / "configs" / f"{name}.yaml", changes, seed)
    runs.table(as_markdown(runs))


if __name__ == "__main__":
    main()
