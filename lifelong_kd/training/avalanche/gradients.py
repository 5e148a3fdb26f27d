"""Avalanche's strategies that work on gradients: projected, compared, or of a step ahead."""

from __future__ import annotations

from lifelong_kd.training.avalanche.strategy import AvalancheStrategy, Setting

__all__ = ["agem", "gem", "gss_greedy", "lamaml", "mer"]

SUPERVISED = "avalanche.training.supervised"


def agem(*, patterns_per_exp: int = 256, sample_size: int = 64) -> AvalancheStrategy:
    """A-GEM: the gradient is projected where it opposes the memory's mean gradient (Chaudhry et al. 2019).

    Args:
        patterns_per_exp: samples that are kept of each task. Avalanche has no default; 256 is ours.
        sample_size: stored samples a step.
    """
    options = {"patterns_per_exp": patterns_per_exp, "sample_size": sample_size}
    return AvalancheStrategy("avalanche/agem", f"{SUPERVISED}:AGEM", options)


def gem(*, patterns_per_exp: int = 256, memory_strength: float = 0.5) -> AvalancheStrategy:
    """Gradient episodic memory: no task's loss may rise, by a quadratic program a step (Lopez-Paz and Ranzato 2017).

    Args:
        patterns_per_exp: samples that are kept of each task. Avalanche has no default; 256 is the paper's.
        memory_strength: margin of the constraints.
    """
    options = {"patterns_per_exp": patterns_per_exp, "memory_strength": memory_strength}
    return AvalancheStrategy("avalanche/gem", f"{SUPERVISED}:GEM", options)


def gss_greedy(*, mem_size: int = 200, mem_strength: int = 1) -> AvalancheStrategy:
    """Gradient-based sample selection, greedy: keeps samples whose gradients differ (Aljundi et al. 2019).

    Args:
        mem_size: samples that are kept.
        mem_strength: batches of stored samples that a new one is compared with.
    """

    def prepare(setting: Setting) -> None:
        # From the second task on Avalanche's loader adds its own default, 32 stored samples, to each batch.
        largest = setting.batch_size + 32
        first = len(setting.stream.benchmark.train_stream[0].dataset) * int(setting.arguments["train_epochs"])
        if min(mem_size, first) < largest:
            raise setting.refuse(
                "Avalanche compares a batch with as many stored samples and fails where there are fewer:"
                f" training.batch_size ({setting.batch_size}) and 32 replayed samples make {largest}, and"
                f" {min(mem_size, first)} are kept after the first task. Raise mem_size, or lower training.batch_size."
            )
        setting.arguments["input_size"] = list(setting.stream.input_shape)

    options = {"mem_size": mem_size, "mem_strength": mem_strength}
    return AvalancheStrategy("avalanche/gss_greedy", f"{SUPERVISED}:GSS_greedy", options, prepare=prepare)


def mer(
    *,
    mem_size: int = 200,
    batch_size_mem: int = 10,
    n_inner_steps: int = 5,
    beta: float = 0.1,
    gamma: float = 0.1,
) -> AvalancheStrategy:
    """Meta-experience replay: Reptile steps over single samples, new and stored (Riemer et al. 2019).

    Args:
        mem_size: samples that are kept.
        batch_size_mem: stored samples a step.
        n_inner_steps: passes over each batch, sample by sample.
        beta: how far the weights go towards those after a pass.
        gamma: how far they go towards those after all passes.
    """

    def prepare(setting: Setting) -> None:
        from torch import nn

        from lifelong_kd.training.avalanche.students import without

        without(
            (nn.BatchNorm1d,),
            setting,
            lambda where: (
                f"it trains on single samples, of which {where} has no statistics. Use a model without it."
            ),
        )

    options = {
        "mem_size": mem_size,
        "batch_size_mem": batch_size_mem,
        "n_inner_steps": n_inner_steps,
        "beta": beta,
        "gamma": gamma,
    }
    return AvalancheStrategy("avalanche/mer", f"{SUPERVISED}:MER", options, prepare=prepare, own_steps=True)


def lamaml(
    *,
    n_inner_updates: int = 5,
    second_order: bool = True,
    grad_clip_norm: float = 1.0,
    learn_lr: bool = True,
    lr_alpha: float = 0.25,
    sync_update: bool = False,
    alpha_init: float = 0.1,
    max_buffer_size: int = 200,
    buffer_mb_size: int = 10,
) -> AvalancheStrategy:
    """La-MAML: look-ahead meta-learning with a learned rate for each parameter (Gupta et al. 2020).

    Avalanche's second version, which needs no further package. It draws the initial weights of all linear layers and
    convolutions of the backbone anew, by Kaiming's rule. An incomplete last batch of an epoch is left out.

    Args:
        n_inner_updates: pieces that a batch is cut into, and steps on a copy of the weights.
        second_order: whether the steps themselves are differentiated.
        grad_clip_norm: largest gradient.
        learn_lr: whether the learning rates are learned.
        lr_alpha: learning rate of the learning rates.
        sync_update: whether the optimiser takes the outer step rather than the learned rates.
        alpha_init: initial learning rates.
        max_buffer_size: samples that are kept.
        buffer_mb_size: stored samples a step.
    """

    def prepare(setting: Setting) -> None:
        from lifelong_kd.training.avalanche.students import Labelled

        if setting.batch_size < n_inner_updates:
            raise setting.refuse(
                f"n_inner_updates ({n_inner_updates}) is more than the samples of a batch, training.batch_size"
                f" ({setting.batch_size})"
            )
        setting.replace_model(Labelled(setting.network))

    options = {
        "n_inner_updates": n_inner_updates,
        "second_order": second_order,
        "grad_clip_norm": grad_clip_norm,
        "learn_lr": learn_lr,
        "lr_alpha": lr_alpha,
        "sync_update": sync_update,
        "alpha_init": alpha_init,
        "max_buffer_size": max_buffer_size,
        "buffer_mb_size": buffer_mb_size,
    }
    return AvalancheStrategy(
        "avalanche/lamaml",
        "avalanche.training.supervised.lamaml_v2:LaMAML",
        options,
        prepare=prepare,
        own_steps=True,
    )
