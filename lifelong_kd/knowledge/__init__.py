"""WHAT is transferred: per-sample losses between what the student says and what the teacher says."""

from lifelong_kd.core.registry import Registry

registry = Registry(
    "knowledge",
    {
        # Logits.
        "kd": "lifelong_kd.knowledge.kd:Kd",
        "ce": "lifelong_kd.knowledge.ce:Ce",
        "lwf_original": "lifelong_kd.knowledge.lwf_original:LwfOriginal",
        "zscore": "lifelong_kd.knowledge.zscore:Zscore",
        "dkd": "lifelong_kd.knowledge.dkd:Dkd",
        "dist": "lifelong_kd.knowledge.dist:Dist",
        "bce": "lifelong_kd.knowledge.bce:Bce",
        "mse": "lifelong_kd.knowledge.mse:Mse",
        "l1": "lifelong_kd.knowledge.l1:L1",
        "probability_l2": "lifelong_kd.knowledge.probability_l2:ProbabilityL2",
        # Features.
        "hint": "lifelong_kd.knowledge.hint:Hint",
        "cosine": "lifelong_kd.knowledge.cosine:Cosine",
        "feature_l2": "lifelong_kd.knowledge.feature_l2:FeatureL2",
        # Relations between samples.
        "rkd_distance": "lifelong_kd.knowledge.rkd_distance:RkdDistance",
        "rkd_angle": "lifelong_kd.knowledge.rkd_angle:RkdAngle",
        "similarity": "lifelong_kd.knowledge.similarity:Similarity",
        "correlation": "lifelong_kd.knowledge.correlation:Correlation",
        # Maps of the stages.
        "pod": "lifelong_kd.knowledge.pod:Pod",
        "attention": "lifelong_kd.knowledge.attention:Attention",
        "afc": "lifelong_kd.knowledge.afc:Afc",
        "gradcam": "lifelong_kd.knowledge.gradcam:GradCam",
    },
)
register = registry.register
