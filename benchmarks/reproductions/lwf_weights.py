"""LwF whose weights a loop of rounds chooses, beside the published hand-set ones (van de Ven et al. 2022, table 2).

    python benchmarks/reproductions/lwf_weights.py stream.root=DATA

The protocol of ``three_scenarios.py`` (doi:10.1038/s42256-022-00568-3), but that 10 % of the training data are kept for
validation and that the weight is not the authors', which they found on test accuracy: every task starts from weight 1,
and the controller turns it by what it measures on validation data. The learning rate stays the protocol's. Controllers
are as they come. A killed table goes on where it was.
"""

from __future__ import annotations

from cells import Cell, Published, Recipe, Table
from reproduce import main
from three_scenarios import COLUMNS, CONFIG, DOMAIN, TASK

PUBLISHED = {TASK: Published(99.60, 0.03), DOMAIN: Published(71.18, 1.42)}
OVER = {TASK: "old", DOMAIN: "all"}
ROUNDS = {
    "plasticity_stability": "{name: plasticity_stability, learning_rates: [0.001], first_learning_rates: [0.001]}",
    "balance": "balance",
}

TABLE = Table(
    "lwf_weights",
    "Published: van de Ven et al. 2022, table 2, weights found on test accuracy; mean and standard error of 20 runs.",
    tuple(
        Cell(
            f"LwF, {controller}",
            COLUMNS[scenario],
            Recipe(
                f"{controller}-{scenario}",
                CONFIG,
                (
                    f"stream.scenario={scenario}",
                    "stream.validation=0.1",
                    f"strategy={{name: lwf, temperature: 2.0, weight: 1.0, over: {OVER[scenario]}}}",
                    f"rounds={rounds}",
                    "evaluation.teacher=false",
                ),
            ),
            published,
        )
        for scenario, published in PUBLISHED.items()
        for controller, rounds in ROUNDS.items()
    ),
)

if __name__ == "__main__":
    main(TABLE, __doc__)
