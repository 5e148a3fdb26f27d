"""What a task consists of beside its main training: an expert, a warm-up, a balanced fine-tuning, a consolidation."""

from lifelong_kd.core.registry import Registry

registry = Registry("phase", {})
register = registry.register
