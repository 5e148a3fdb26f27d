"""The terms that a configuration can name; each is written where its kind is at home."""

from lifelong_kd.core.registry import Registry

registry = Registry(
    "term",
    {
        "codes": "lifelong_kd.strategy.codes:Codes",
        "distill": "lifelong_kd.strategy.term:Distill",
        "future_cap": "lifelong_kd.strategy.caps:FutureCap",
        "head_alone": "lifelong_kd.strategy.old_head:HeadAlone",
        "important_maps": "lifelong_kd.strategy.importance:Important",
        "margin_ranking": "lifelong_kd.strategy.margin:MarginRanking",
        "old_head": "lifelong_kd.strategy.old_head:OldHead",
        "past_cap": "lifelong_kd.strategy.caps:PastCap",
        "rehearse": "lifelong_kd.strategy.term:Rehearse",
        "transplant": "lifelong_kd.strategy.transplant:Transplant",
    },
)
register = registry.register
