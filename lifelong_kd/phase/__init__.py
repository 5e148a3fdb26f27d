"""What a task consists of beside its main training: an expert, a warm-up, a balanced fine-tuning, a consolidation."""

from lifelong_kd.core.registry import Registry

registry = Registry(
    "phase",
    {
        "balanced_fine_tuning": "lifelong_kd.phase.balanced:BalancedFineTuning",
        "consolidation": "lifelong_kd.phase.consolidation:Consolidation",
        "expert": "lifelong_kd.phase.expert:ExpertPhase",
        "freeze": "lifelong_kd.phase.freeze:Freeze",
        "fresh_start": "lifelong_kd.phase.fresh:FreshStart",
        "head_fine_tuning": "lifelong_kd.phase.head_fine_tuning:HeadFineTuning",
        "imprint": "lifelong_kd.phase.imprint:Imprint",
        "warm_up": "lifelong_kd.phase.warm_up:WarmUp",
    },
)
register = registry.register
