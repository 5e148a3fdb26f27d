"""The tables of "Dark Experience for General Continual Learning" on MNIST (Buzzega et al. 2020, arXiv 2004.07211).

    python benchmarks/reproductions/dark_experience.py stream.root=DATA
    python benchmarks/reproductions/dark_experience.py --only 'derpp-*' --seeds 2 stream.root=DATA

S-MNIST: five tasks of two digits in order, one epoch, batches of 10, plain SGD, pixels in [0, 1], an MLP of two
layers of 100 units. P-MNIST and R-MNIST: twenty tasks of all digits, batches of 128. Rates, weights and batches are
those that the authors' ``utils/best_args.py`` names for each buffer. A killed table goes on where it was.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from cells import Cell, Published, Recipe, Table
from prepare import mean_over_seen, only_last_task
from reproduce import main

SPLIT, PERMUTED, ROTATED = "split_mnist/derpp.yaml", "permuted_mnist/derpp.yaml", "rotated_mnist/derpp.yaml"
GLOROT = ("model.initialisation=xavier", "model.head={name: linear, initialisation: xavier}")


def split(
    name: str, strategy: str, lr: float, *more: str, prepare: tuple[Callable[[Any], None], ...] = ()
) -> Recipe:
    return Recipe(name, SPLIT, (*GLOROT, f"strategy={strategy}", f"optimizer.lr={lr}", *more), prepare)


def domain(name: str, config: str, strategy: str, *more: str, angles: bool = False) -> Recipe:
    overrides = (*GLOROT, f"strategy={strategy}", "optimizer.lr=0.2", *more)
    return Recipe(name, config, overrides, by_seed=turned if angles else None)


def turned(seed: int) -> list[str]:
    """Twenty angles drawn uniformly from [0, 180), as mammoth draws one a task."""
    drawn = random.Random(seed)
    return [f"stream.angles={[round(drawn.uniform(0, 180), 3) for _ in range(20)]}"]


def both(
    method: str, buffer: int | None, recipe: Recipe, by_class: float, by_task: float, tried: str = ""
) -> list[Cell]:
    """The two readings of one run."""
    where = "S-MNIST" if buffer is None else f"S-MNIST, {buffer}"
    return [
        Cell(method, f"{where}, Class-IL", recipe, Published(by_class), "class", tried),
        Cell(method, f"{where}, Task-IL", recipe, Published(by_task), "task", tried),
    ]


def replay(memory: int, batch: int) -> str:
    return f"{{name: replay, memory: {memory}, memory_batch: {batch}, balance: samples}}"


def fdr(memory: int) -> str:
    return f"{{name: fdr, memory: {memory}, memory_batch: 128}}"


def der(memory: int, batch: int, alpha: float) -> str:
    return f"{{name: der, memory: {memory}, memory_batch: {batch}, alpha: {alpha}}}"


def derpp(memory: int, batch: int, alpha: float, beta: float) -> str:
    return f"{{name: derpp, memory: {memory}, memory_batch: {batch}, alpha: {alpha}, beta: {beta}}}"


def icarl(memory: int) -> Recipe:
    return split(f"icarl-{memory}", f"{{name: icarl, memory: {memory}}}", 0.1, prepare=(mean_over_seen,))


LWF = "{name: lwf, temperature: 2.0, weight: 0.25, task_loss: seen, over: old, warm_up: 1}"
"""Weight 1 without T^2 is 1 / T^2 with it."""

WIDE = "training.batch_size=128"

JOINT = "The authors' list names no rate for Joint; only that of SGD, 0.03, was tried."

TABLE = Table(
    "dark_experience",
    "Published: Buzzega et al. 2020, tables 1, 2 and 5; means of 10 runs.",
    (
        *both("Joint", None, split("joint", "joint", 0.03, prepare=(only_last_task,)), 95.57, 99.51, JOINT),
        *both("SGD", None, split("sgd", "naive", 0.03), 19.60, 94.94),
        *both("LwF", None, split("lwf", LWF, 0.03, "optimizer.weight_decay=0.0005"), 19.62, 94.11),
        *both("ER", 200, split("er-200", replay(200, 10), 0.01), 80.43, 97.86),
        *both("ER", 500, split("er-500", replay(500, 10), 0.1), 86.12, 99.04),
        *both("ER", 5120, split("er-5120", replay(5120, 10), 0.1), 93.40, 99.33),
        *both("FDR", 200, split("fdr-200", fdr(200), 0.03, WIDE), 79.43, 97.66),
        *both("FDR", 500, split("fdr-500", fdr(500), 0.1, WIDE), 85.87, 97.54),
        *both("FDR", 5120, split("fdr-5120", fdr(5120), 0.1, WIDE), 87.47, 97.79),
        *both("iCaRL", 200, icarl(200), 70.51, 98.28),
        *both("iCaRL", 500, icarl(500), 70.10, 98.32),
        *both("iCaRL", 5120, icarl(5120), 70.60, 98.32),
        *both("DER", 200, split("der-200", der(200, 10, 0.2), 0.03), 84.55, 98.80),
        *both("DER", 500, split("der-500", der(500, 128, 1.0), 0.03), 90.54, 98.84),
        *both("DER", 5120, split("der-5120", der(5120, 128, 0.5), 0.1), 94.90, 99.29),
        *both("DER++", 200, split("derpp-200", derpp(200, 128, 0.2, 1.0), 0.03), 85.61, 98.76),
        *both("DER++", 500, split("derpp-500", derpp(500, 10, 1.0, 0.5), 0.03), 91.00, 98.94),
        *both("DER++", 5120, split("derpp-5120", derpp(5120, 64, 0.2, 0.5), 0.1), 95.30, 99.47),
        Cell(
            "DER",
            "P-MNIST, 500",
            domain("permuted-der-500", PERMUTED, der(500, 128, 1.0), "stream.first_plain=false"),
            Published(87.29),
        ),
        Cell(
            "DER++",
            "P-MNIST, 500",
            domain("permuted-derpp-500", PERMUTED, derpp(500, 128, 1.0, 0.5), "stream.first_plain=false"),
            Published(88.21),
        ),
        Cell(
            "DER",
            "R-MNIST, 500",
            domain("rotated-der-500", ROTATED, der(500, 128, 0.5), angles=True),
            Published(92.24),
        ),
        Cell(
            "DER++",
            "R-MNIST, 500",
            domain("rotated-derpp-500", ROTATED, derpp(500, 128, 0.5, 1.0), angles=True),
            Published(92.77),
        ),
    ),
)

if __name__ == "__main__":
    main(TABLE, __doc__)
