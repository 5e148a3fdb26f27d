"""What makes samples of earlier tasks instead of keeping them: learned generators, samples inverted from a teacher."""

from lifelong_kd.core.registry import Registry

registry = Registry("generator", {})
register = registry.register
