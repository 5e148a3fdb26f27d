"""The terms that a configuration can name; each is written where its kind is at home."""

from lifelong_kd.core.registry import Registry

registry = Registry(
    "term",
    {
        "distill": "lifelong_kd.strategy.term:Distill",
        "margin_ranking": "lifelong_kd.strategy.margin:MarginRanking",
        "rehearse": "lifelong_kd.strategy.term:Rehearse",
    },
)
register = registry.register
