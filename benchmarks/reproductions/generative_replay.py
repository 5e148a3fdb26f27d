"""Generative replay on Split-MNIST: DGR, DGR with distillation, and brain-inspired replay.

    python benchmarks/reproductions/generative_replay.py stream.root=DATA
    python benchmarks/reproductions/generative_replay.py --only 'bir-*' --seeds 2 stream.root=DATA

The protocol of "Three types of incremental learning" (van de Ven, Tuytelaars and Tolias 2022, Nature Machine
Intelligence 4:1185, doi:10.1038/s42256-022-00568-3), table 2: five tasks of two digits in an order drawn from the
seed, pixels in [0, 1], an MLP of two layers of 400 units, 2000 steps of 128 new and 128 generated samples a task, Adam
at 0.001 for student and generator, neither made anew; the mean accuracy over the five tasks in the end. DGR with
distillation is not in that table: its values are those of "Three scenarios for continual learning" (van de Ven and
Tolias 2019, arXiv 1904.07734), of the same network and steps. All weights, sizes and shares of gated units are the
authors'; none was chosen by us. Matrices are multiplied in bfloat16 with float32 sums (``training.matmul=medium``),
twice as fast where a processor has such instructions. A killed table goes on where it was.
"""

from __future__ import annotations

from collections.abc import Mapping

from cells import Cell, Published, Recipe, Table
from reproduce import main

TASK, DOMAIN, CLASS = "task", "domain", "class"
COLUMNS = {TASK: "Task-IL", DOMAIN: "Domain-IL", CLASS: "Class-IL"}
GATES = {TASK: 0.0, DOMAIN: 0.1, CLASS: 0.1}
"""Share of the decoder's units that are silent for a class or task, in the authors' code for Split-MNIST."""


def row(method: str, name: str, published: Mapping[str, tuple[float, float | None]]) -> list[Cell]:
    """A method's cells."""
    made = []
    for scenario, (value, error) in published.items():
        gates = (f"strategy.gates={GATES[scenario]}",) if name == "bir" else ()
        recipe = Recipe(
            f"{name}-{scenario}",
            f"split_mnist/{name}_three_scenarios.yaml",
            (f"stream.scenario={scenario}", "training.matmul=medium", *gates),
        )
        made.append(Cell(method, COLUMNS[scenario], recipe, Published(value, error)))
    return made


TABLE = Table(
    "generative_replay",
    "Published: van de Ven et al. 2022, table 2, mean and standard error of 20 runs; DGR+distill: van de Ven and Tolias"
    " 2019.",
    (
        *row("DGR", "dgr", {TASK: (99.50, None), DOMAIN: (95.57, 0.30), CLASS: (90.35, 0.24)}),
        *row(
            "DGR+distill", "dgr_distill", {TASK: (99.61, None), DOMAIN: (96.83, None), CLASS: (91.79, None)}
        ),
        *row("BI-R", "bir", {TASK: (99.61, None), DOMAIN: (97.26, 0.15), CLASS: (94.41, 0.15)}),
    ),
)

if __name__ == "__main__":
    main(TABLE, __doc__)
