"""Avalanche's strategies that hold parameters, outputs or features where they were."""

from __future__ import annotations

from typing import Literal

from lifelong_kd.core.errors import BadCall
from lifelong_kd.training.avalanche.strategy import AvalancheStrategy, Setting

__all__ = ["ewc", "feature_distillation", "lfl", "lwf", "mas", "rwalk", "synaptic_intelligence"]

SUPERVISED = "avalanche.training.supervised"
TEMPLATE = "avalanche.training.templates:SupervisedTemplate"


def ewc(
    *,
    ewc_lambda: float = 0.4,
    mode: Literal["separate", "online"] = "separate",
    decay_factor: float | None = None,
    keep_importance_data: bool = False,
) -> AvalancheStrategy:
    """Elastic weight consolidation (Kirkpatrick et al. 2017).

    Args:
        ewc_lambda: weight of the penalty.
        mode: ``separate`` (a penalty for each earlier task) or ``online`` (one running penalty).
        decay_factor: share of the running penalty that is kept a task; ``online`` needs it, ``separate`` has none.
        keep_importance_data: whether ``separate`` keeps every task's importances (``online`` needs only the last).

    Raises:
        BadCall: if ``decay_factor`` and ``mode`` do not fit.
    """
    if (mode == "online") != (decay_factor is not None):
        raise BadCall(
            f"avalanche/ewc: mode {mode!r} with decay_factor {decay_factor}; online needs one, separate has none"
        )
    options = {
        "ewc_lambda": ewc_lambda,
        "mode": mode,
        "decay_factor": decay_factor,
        "keep_importance_data": keep_importance_data,
    }
    return AvalancheStrategy("avalanche/ewc", f"{SUPERVISED}:EWC", options, grows=True)


def synaptic_intelligence(*, si_lambda: float | list[float] = 1.0, eps: float = 1e-7) -> AvalancheStrategy:
    """Synaptic intelligence (Zenke, Poole and Ganguli 2017).

    Avalanche 0.6.0 does not copy the weights before a step, so that on the CPU its penalty stays 0; here they are
    copied.

    Args:
        si_lambda: weight of the penalty, or one a task. Avalanche has no default; 1 is ours.
        eps: damping of the importances.
    """

    def prepare(setting: Setting) -> None:
        from lifelong_kd.training.avalanche.mended import SynapticIntelligence

        setting.arguments["plugins"].append(SynapticIntelligence(si_lambda, eps=eps))

    return AvalancheStrategy("avalanche/synaptic_intelligence", TEMPLATE, prepare=prepare)


def mas(*, lambda_reg: float = 1.0, alpha: float = 0.5) -> AvalancheStrategy:
    """Memory-aware synapses (Aljundi et al. 2018).

    Args:
        lambda_reg: weight of the penalty.
        alpha: share of the new importances in the running mean.
    """
    options = {"lambda_reg": lambda_reg, "alpha": alpha}
    return AvalancheStrategy("avalanche/mas", f"{SUPERVISED}:MAS", options, grows=True)


def rwalk(*, ewc_lambda: float = 0.1, ewc_alpha: float = 0.9, delta_t: int = 10) -> AvalancheStrategy:
    """Riemannian walk: EWC with path importances (Chaudhry et al. 2018), a plugin in Avalanche.

    Args:
        ewc_lambda: weight of the penalty.
        ewc_alpha: share of the new step in the running Fisher information, in [0, 1].
        delta_t: steps between two path importances, at least 1.
    """

    def prepare(setting: Setting) -> None:
        from avalanche.training.plugins import RWalkPlugin

        setting.arguments["plugins"].append(RWalkPlugin(ewc_lambda, ewc_alpha, delta_t))

    return AvalancheStrategy("avalanche/rwalk", TEMPLATE, prepare=prepare)


def lwf(*, alpha: float | list[float] = 1.0, temperature: float = 2.0) -> AvalancheStrategy:
    """Learning without forgetting (Li and Hoiem 2016) as Avalanche has it: the teacher stays in training mode.

    Its term has no factor T^2: ``alpha`` here is ``temperature``^2 times the weight of our own ``lwf``.

    Args:
        alpha: weight of the distillation, or one a task. Avalanche has no default; 1 is ours.
        temperature: softens both outputs. Avalanche has no default; 2 is ours and the paper's.
    """

    def prepare(setting: Setting) -> None:
        if isinstance(alpha, list) and len(alpha) < len(setting.stream):
            raise setting.refuse(f"alpha has {len(alpha)} values for {len(setting.stream)} tasks")

    return AvalancheStrategy(
        "avalanche/lwf",
        f"{SUPERVISED}:LwF",
        {"alpha": alpha, "temperature": temperature},
        prepare=prepare,
        grows=True,
        # On a stream with task labels it distils the classes of label 0 for ever, and no others.
        scenarios=("class", "domain"),
    )


def lfl(*, lambda_e: float | list[float] = 1.0) -> AvalancheStrategy:
    """Less-forgetting learning: features stay near the last task's (Jung et al. 2016).

    Made for streams in which all tasks share their classes: Avalanche freezes the last layer after the first task, and
    leaves the student in evaluation mode (no dropout, BatchNorm fixed) in the later ones.

    Args:
        lambda_e: weight of the distance, or one a task. Avalanche has no default; 1 is ours.
    """

    def prepare(setting: Setting) -> None:
        from lifelong_kd.training.avalanche.students import plain_student

        setting.replace_model(plain_student(setting))

    return AvalancheStrategy("avalanche/lfl", f"{SUPERVISED}:LFL", {"lambda_e": lambda_e}, prepare=prepare)


def feature_distillation(
    *, alpha: float = 1.0, mode: Literal["cosine", "mse"] = "cosine"
) -> AvalancheStrategy:
    """Distillation of the features behind the backbone, a plugin in Avalanche without a paper.

    Args:
        alpha: weight of the distance.
        mode: ``cosine``; Avalanche also lists ``mse``, which it cannot compute.

    Raises:
        BadCall: for ``mse``.
    """
    if mode == "mse":
        raise BadCall(
            "avalanche/feature_distillation: mode 'mse' ends in a TypeError in Avalanche 0.6.0, which passes mse_loss()"
            " a 'dim' that it does not have. Use mode 'cosine'."
        )

    def prepare(setting: Setting) -> None:
        from avalanche.models import FeatureExtractorModel
        from avalanche.training.plugins import FeatureDistillationPlugin

        network = setting.network
        setting.replace_model(FeatureExtractorModel(network.backbone, network.head))
        setting.arguments["plugins"].append(FeatureDistillationPlugin(alpha, mode))

    return AvalancheStrategy("avalanche/feature_distillation", TEMPLATE, prepare=prepare)
