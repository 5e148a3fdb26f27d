"""Families of scores beyond the accuracy matrix: each measured after every task, each switched by one key."""

from lifelong_kd.core.registry import Registry

registry = Registry(
    "family",
    {
        "calibration": "lifelong_kd.training.families.calibration:Calibration",
        "compression": "lifelong_kd.training.families.compression:Compression",
        "cost": "lifelong_kd.training.families.cost:Cost",
        "examples": "lifelong_kd.training.families.examples:Examples",
        "generalisation": "lifelong_kd.training.families.generalisation:Generalisation",
        "outliers": "lifelong_kd.training.families.outliers:Outliers",
        "representation": "lifelong_kd.training.families.representation:Representation",
        "robustness": "lifelong_kd.training.families.robustness:Robustness",
        "samples": "lifelong_kd.training.families.samples:SampleSheets",
        "stability": "lifelong_kd.training.families.stability:StabilityGap",
        "teacher": "lifelong_kd.training.families.teacher:Teaching",
    },
)
register = registry.register
