"""Avalanche's strategies that classify by class means, prototypes or consolidated rows of the last layer."""

from __future__ import annotations

import contextlib
import io
from typing import Any

from lifelong_kd.training.avalanche.strategy import AvalancheStrategy, Setting, linear_head

__all__ = ["cope", "cwr_star", "icarl", "scr", "streaming_lda"]

SUPERVISED = "avalanche.training.supervised"


def icarl(*, memory_size: int = 200, fixed_memory: bool = True) -> AvalancheStrategy:
    """iCaRL (Rebuffi et al. 2017) as Avalanche has it: binary cross-entropy, herding, nearest means.

    Args:
        memory_size: exemplars that are kept, of all classes if ``fixed_memory``, else of each. Avalanche has no
            default; 200 is ours.
        fixed_memory: whether the classes share the memory.
    """

    def prepare(setting: Setting) -> None:
        network = setting.network
        del setting.arguments["model"], setting.arguments["criterion"]
        setting.arguments.update(feature_extractor=network.backbone, classifier=network.head)

    def finish(template: Any, setting: Setting) -> None:
        from lifelong_kd.training.avalanche.students import NearestMean

        template.model.eval_classifier = NearestMean(setting.stream.classes, normalize=True)

    options = {"memory_size": memory_size, "fixed_memory": fixed_memory, "buffer_transform": None}
    return AvalancheStrategy(
        "avalanche/icarl",
        f"{SUPERVISED}:ICaRL",
        options,
        prepare=prepare,
        finish=finish,
        scenarios=("class",),
    )


def cope(
    *, mem_size: int = 200, p_size: int = 100, alpha: float = 0.99, T: float = 0.1, batches: int | None = None
) -> AvalancheStrategy:
    """CoPE: prototypes of the classes that follow the features slowly (De Lange and Tuytelaars 2021).

    The student's last layer gives way to one of ``p_size`` outputs, and Avalanche's own loss takes the place of the
    cross-entropy. Avalanche moves the prototypes once a task, and by itself stops after one batch of a task, as in a
    stream whose tasks are batches; on others nothing would be learned, so that all batches are the default here.

    Args:
        mem_size: samples that are kept.
        p_size: size of the prototypes.
        alpha: share of a prototype that is kept when it moves, in [0, 1].
        T: temperature of the loss.
        batches: steps a task, or all.
    """

    def prepare(setting: Setting) -> None:
        from lifelong_kd.training.avalanche.students import plain_student

        setting.replace_model(plain_student(setting, outputs=p_size))
        setting.arguments["n_classes"] = setting.stream.classes

    def finish(template: Any, setting: Setting) -> None:
        from avalanche.training.plugins import CoPEPlugin

        plugin = next(plugin for plugin in template.plugins if isinstance(plugin, CoPEPlugin))
        plugin.max_it_cnt = -1 if batches is None else batches
        # It changes the last layer and prints; both before the optimiser learns the names of the parameters.
        with contextlib.redirect_stdout(io.StringIO()):
            plugin.before_training(template)

    options = {"mem_size": mem_size, "p_size": p_size, "alpha": alpha, "T": T}
    return AvalancheStrategy("avalanche/cope", f"{SUPERVISED}:CoPE", options, prepare=prepare, finish=finish)


def scr(
    *, mem_size: int = 100, batch_size_mem: int = 100, temperature: float = 0.1, projection: int = 128
) -> AvalancheStrategy:
    """Supervised contrastive replay: a contrastive loss over new and stored samples, nearest means (Mai et al. 2021).

    The second view of a batch is the batch itself, as is Avalanche's default; the first is augmented by
    ``stream.augment``.

    Args:
        mem_size: samples that are kept.
        batch_size_mem: stored samples a step.
        temperature: temperature of the contrastive loss.
        projection: outputs of the projection behind the features. Avalanche leaves it open; 128 is the paper's.
    """

    def prepare(setting: Setting) -> None:
        from avalanche.models import SCRModel
        from torch import nn

        from lifelong_kd.training.avalanche.students import NearestMean

        size = setting.network.head.feature_size
        head = nn.Sequential(nn.Linear(size, size), nn.ReLU(), nn.Linear(size, projection))
        model = SCRModel(setting.network.backbone, head)
        # Avalanche keeps the classifier under two names, so that its means would be saved twice.
        del model.ncm
        model.eval_classifier = NearestMean(setting.stream.classes, normalize=False)
        setting.replace_model(model)
        del setting.arguments["criterion"]

    options = {"mem_size": mem_size, "batch_size_mem": batch_size_mem, "temperature": temperature}
    return AvalancheStrategy("avalanche/scr", f"{SUPERVISED}:SCR", options, prepare=prepare)


def streaming_lda(*, shrinkage_param: float = 1e-4, streaming_update_sigma: bool = True) -> AvalancheStrategy:
    """Deep streaming LDA: class means and one covariance on the features of a frozen backbone (Hayes and Kanan 2020).

    The backbone is never trained: give it weights that know something, such as ``model.weights`` of torchvision's. The
    optimiser has nothing to do, and the means are not part of the exported model.

    Args:
        shrinkage_param: share of the identity in the covariance, in [0, 1].
        streaming_update_sigma: whether the covariance goes on being updated.
    """

    def prepare(setting: Setting) -> None:
        arguments = setting.arguments
        arguments["slda_model"] = setting.network.backbone
        arguments["input_size"] = setting.network.head.feature_size
        arguments["num_classes"] = setting.stream.classes
        del arguments["model"], arguments["optimizer"]

    def finish(template: Any, setting: Setting) -> None:
        # Avalanche leaves it out; the engine reads the learning rate from it.
        template.optimizer = setting.optimizer

    options = {"shrinkage_param": shrinkage_param, "streaming_update_sigma": streaming_update_sigma}
    return AvalancheStrategy(
        "avalanche/streaming_lda",
        f"{SUPERVISED}:StreamingLDA",
        options,
        prepare=prepare,
        finish=finish,
        own_steps=True,
    )


def cwr_star() -> AvalancheStrategy:
    """CWR*: the backbone is frozen after the first task, rows of the last layer are consolidated (Lomonaco 2020)."""

    def prepare(setting: Setting) -> None:
        linear_head(setting)
        setting.arguments["cwr_layer_name"] = "head"

    return AvalancheStrategy("avalanche/cwr_star", f"{SUPERVISED}:CWRStar", prepare=prepare)
