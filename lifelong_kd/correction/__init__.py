"""What is corrected when a task has been learned: biases, weights, prototypes, the rule of inference."""

from lifelong_kd.core.registry import Registry

registry = Registry(
    "correction",
    {
        "averaged_weights": "lifelong_kd.correction.averaged:AveragedWeights",
        "bias_layers": "lifelong_kd.correction.bias:BiasLayers",
        "il2m": "lifelong_kd.correction.il2m:Il2m",
        "nearest_mean": "lifelong_kd.correction.nearest_mean:NearestMean",
        "prototype_drift": "lifelong_kd.correction.drift:PrototypeDrift",
        "weight_alignment": "lifelong_kd.correction.weight_align:WeightAlignment",
    },
)
register = registry.register
