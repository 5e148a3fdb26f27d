"""Avalanche's strategies that cannot run: each says why, and what to use instead."""

from __future__ import annotations

from typing import NoReturn

from lifelong_kd.core.errors import BadCall

__all__ = ["ar1", "bic", "expert_gate", "joint_training", "l2p", "online_naive"]


def joint_training() -> NoReturn:
    """Joint training: refused, since it is fitted once on the whole stream; use ``joint``.

    Raises:
        BadCall: always.
    """
    raise BadCall(
        "avalanche/joint_training is fitted once on all tasks and refuses a second call, so that there is nothing to"
        " evaluate after each task. Use joint (all data so far, from the initial weights) or avalanche/cumulative."
    )


def online_naive() -> NoReturn:
    """Online naive training: refused, since Avalanche has deprecated it in favour of Naive; use ``avalanche/naive``.

    Raises:
        BadCall: always.
    """
    raise BadCall(
        "avalanche/online_naive is no class of its own any more: Avalanche 0.6.0 warns that it is deprecated and"
        " names Naive, which does the same. Use avalanche/naive with training.epochs 1."
    )


def bic() -> NoReturn:
    """BiC: refused, since Avalanche's correction stage does not run on this torch; use ``icarl`` or ``derpp``.

    Raises:
        BadCall: always.
    """
    raise BadCall(
        "avalanche/bic fails after the second task: Avalanche 0.6.0 gives MultiStepLR a 'verbose' that torch has"
        " removed. Its distillation would also normalise over the batch instead of the classes. Use icarl or derpp."
    )


def ar1() -> NoReturn:
    """AR1: refused, since it is tied to a downloaded MobileNet and an optimiser of its own.

    Raises:
        BadCall: always.
    """
    raise BadCall(
        "avalanche/ar1 takes neither a model nor an optimiser: Avalanche builds a MobileNet whose ImageNet weights it"
        " downloads, for RGB images, and trains it with an SGD of its own. Use avalanche/cwr_star or"
        " avalanche/synaptic_intelligence, which it combines."
    )


def l2p() -> NoReturn:
    """Learning to prompt: refused, since it is tied to a pretrained vision transformer.

    Raises:
        BadCall: always.
    """
    raise BadCall(
        "avalanche/l2p takes neither a model nor an optimiser: Avalanche builds a ViT for 224 x 224 RGB images and a"
        " frozen copy of it, whose pretrained weights it downloads through timm. Use avalanche/streaming_lda with a"
        " pretrained model."
    )


def expert_gate() -> NoReturn:
    """Expert gate: refused, since its autoencoders stand on a downloaded AlexNet.

    Raises:
        BadCall: always.
    """
    raise BadCall(
        "avalanche/expert_gate takes no model of ours: Avalanche gives every task an AlexNet and an autoencoder on a"
        " pretrained AlexNet, whose weights it downloads whatever it is told. Use avalanche/pnn."
    )
