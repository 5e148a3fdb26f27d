"""How often, and how, each task is trained until it no longer pays: controllers of the rounds."""

from lifelong_kd.core.registry import Registry

registry = Registry(
    "rounds",
    {
        "balance": "lifelong_kd.rounds.balance:Balance",
        "born_again": "lifelong_kd.rounds.born_again:BornAgain",
        "plasticity_stability": "lifelong_kd.rounds.plasticity:PlasticityStability",
        "scholar": "lifelong_kd.rounds.scholar:Scholar",
        "search": "lifelong_kd.rounds.search:Search",
        "single": "lifelong_kd.rounds.single:Single",
    },
)
register = registry.register
