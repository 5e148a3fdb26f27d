"""WHO teaches: sources of a signal, never a bare module."""

from lifelong_kd.core.registry import Registry

registry = Registry(
    "teacher",
    {
        "snapshot": "lifelong_kd.teacher.snapshot:Snapshot",
        "stored": "lifelong_kd.teacher.stored:Stored",
    },
)
register = registry.register
