"""What is corrected when a task has been learned: biases, weights, prototypes, the rule of inference."""

from lifelong_kd.core.registry import Registry

registry = Registry("correction", {"nearest_mean": "lifelong_kd.correction.nearest_mean:NearestMean"})
register = registry.register
