"""Avalanche's strategies that keep samples of earlier tasks and train on them again."""

from __future__ import annotations

import torch

from lifelong_kd.training.avalanche.strategy import AvalancheStrategy, Setting

__all__ = ["der", "er_ace", "er_aml", "gdumb", "mir", "replay"]

SUPERVISED = "avalanche.training.supervised"


def replay(*, mem_size: int = 200) -> AvalancheStrategy:
    """Experience replay: as many stored samples as new ones in each step, the memory shared evenly by the tasks.

    Args:
        mem_size: samples that are kept.
    """
    return AvalancheStrategy("avalanche/replay", f"{SUPERVISED}:Replay", {"mem_size": mem_size}, grows=True)


def gdumb(*, mem_size: int = 200) -> AvalancheStrategy:
    """GDumb: trains from scratch on a class-balanced memory alone (Prabhu, Torr and Dokania 2020).

    Args:
        mem_size: samples that are kept.
    """
    return AvalancheStrategy("avalanche/gdumb", f"{SUPERVISED}:GDumb", {"mem_size": mem_size})


def mir(*, mem_size: int = 200, subsample: int = 200, batch_size_mem: int = 10) -> AvalancheStrategy:
    """Maximally interfered retrieval: replays what the next step would forget most (Aljundi et al. 2019).

    Args:
        mem_size: samples that are kept.
        subsample: stored samples that are looked at in each step.
        batch_size_mem: how many of them are replayed. Avalanche's default is 1; 10 is the paper's.
    """
    options = {"mem_size": mem_size, "subsample": subsample, "batch_size_mem": batch_size_mem}
    return AvalancheStrategy("avalanche/mir", f"{SUPERVISED}:MIR", options)


def er_ace(*, mem_size: int = 200, batch_size_mem: int = 10) -> AvalancheStrategy:
    """ER-ACE: new samples compete among new classes only, stored ones among all (Caccia et al. 2022).

    Args:
        mem_size: samples that are kept.
        batch_size_mem: stored samples a step.
    """
    options = {"mem_size": mem_size, "batch_size_mem": batch_size_mem}
    return AvalancheStrategy("avalanche/er_ace", f"{SUPERVISED}:ER_ACE", options, grows=True)


def er_aml(
    *,
    mem_size: int = 200,
    batch_size_mem: int = 10,
    temp: float = 0.1,
    base_temp: float = 0.07,
    same_task_neg: bool = True,
) -> AvalancheStrategy:
    """ER-AML: new samples are drawn to stored ones of their class by a metric loss (Caccia et al. 2022).

    Args:
        mem_size: samples that are kept. Every class needs a full batch of them: see ``training.batch_size``.
        batch_size_mem: stored samples a step.
        temp: temperature of the metric loss.
        base_temp: what that temperature is measured against.
        same_task_neg: whether negatives are of the sample's own task label only.
    """

    def prepare(setting: Setting) -> None:
        least = min(mem_size // setting.stream.classes, fewest_samples(setting))
        if least < setting.batch_size:
            raise setting.refuse(
                "Avalanche waits for ever for a full batch of a class that has less than training.batch_size"
                f" ({setting.batch_size}) samples in memory, and some class will have {least}. Lower"
                f" training.batch_size, or set mem_size to at least {setting.batch_size * setting.stream.classes}; or"
                " use avalanche/er_ace."
            )
        setting.arguments["feature_extractor"] = setting.network.backbone

    options = {
        "mem_size": mem_size,
        "batch_size_mem": batch_size_mem,
        "temp": temp,
        "base_temp": base_temp,
        "same_task_neg": same_task_neg,
    }
    return AvalancheStrategy("avalanche/er_aml", f"{SUPERVISED}:ER_AML", options, prepare=prepare)


def fewest_samples(setting: Setting) -> int:
    """Training samples of the smallest class within a task."""
    fewest = []
    for experience in setting.stream.benchmark.train_stream:
        targets = torch.as_tensor([int(target) for target in experience.dataset.targets])
        fewest.append(int(targets.unique(return_counts=True)[1].min()))
    return min(fewest)


def der(
    *, mem_size: int = 200, batch_size_mem: int | None = None, alpha: float = 0.1, beta: float = 0.5
) -> AvalancheStrategy:
    """Dark experience replay (Buzzega et al. 2020) as Avalanche has it: logits are stored after each task.

    Args:
        mem_size: samples that are kept.
        batch_size_mem: stored samples a step; as many as new ones if null.
        alpha: weight of the squared distance to the stored logits.
        beta: weight of the stored samples' cross-entropy; 0 for DER, above for DER++.
    """
    options = {"mem_size": mem_size, "batch_size_mem": batch_size_mem, "alpha": alpha, "beta": beta}
    return AvalancheStrategy("avalanche/der", f"{SUPERVISED}:DER", options)
