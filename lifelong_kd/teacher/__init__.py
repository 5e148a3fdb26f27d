"""WHO teaches: sources of a signal, never a bare module."""

from lifelong_kd.core.registry import Registry

registry = Registry(
    "teacher",
    {
        "all_snapshots": "lifelong_kd.teacher.all_snapshots:AllSnapshots",
        "choice": "lifelong_kd.teacher.choice:Choice",
        "concatenation": "lifelong_kd.teacher.concatenation:Concatenation",
        "ema": "lifelong_kd.teacher.ema:Ema",
        "ensemble": "lifelong_kd.teacher.ensemble:Ensemble",
        "exemplars": "lifelong_kd.teacher.exemplars:Exemplars",
        "expert": "lifelong_kd.teacher.expert:Expert",
        "external": "lifelong_kd.teacher.external:External",
        "rules": "lifelong_kd.teacher.rules:Rules",
        "semantics": "lifelong_kd.teacher.semantics:Semantics",
        "sklearn": "lifelong_kd.teacher.from_sklearn:Sklearn",
        "snapshot": "lifelong_kd.teacher.snapshot:Snapshot",
        "stored": "lifelong_kd.teacher.stored:Stored",
    },
)
register = registry.register
