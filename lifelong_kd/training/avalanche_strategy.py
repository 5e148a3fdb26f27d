"""Avalanche's own strategies inside the engine: the same data, evaluation and tracking, their own method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from lifelong_kd.stream.stream import Stream
from lifelong_kd.training.engine import EngineMixin

__all__ = ["AvalancheStrategy", "ewc"]


class AvalancheStrategy:
    """A class of ``avalanche.training`` and the options it was asked for.

    Its state is spread over Avalanche's plugins and cannot be saved without pickle, so a resumed run begins again from
    the first task, with the same numbers.

    Args:
        kind: the template class.
        arguments: further arguments of its constructor, which may depend on the stream and the network.
    """

    def __init__(self, kind: type, arguments: Callable[[Stream, nn.Module], dict[str, Any]]) -> None:
        self.kind = kind
        self.arguments = arguments

    def template(self, stream: Stream, common: dict[str, Any]) -> Any:
        """The strategy as a template with the engine mixed in."""
        mixed = type(self.kind.__name__, (EngineMixin, self.kind), {})
        extra = self.arguments(stream, common["model"])
        return mixed(criterion=nn.CrossEntropyLoss(), plugins=[], **common, **extra)


def ewc(*, ewc_lambda: float = 0.4, mode: str = "separate", decay_factor: float | None = None) -> AvalancheStrategy:
    """Elastic weight consolidation (Kirkpatrick et al. 2017).

    Args:
        ewc_lambda: weight of the penalty.
        mode: ``separate`` (a penalty for each earlier task) or ``online`` (one running penalty).
        decay_factor: share of the running penalty that is kept a task, in ``online`` mode.
    """
    from avalanche.training.supervised import EWC

    return AvalancheStrategy(
        EWC, lambda stream, model: {"ewc_lambda": ewc_lambda, "mode": mode, "decay_factor": decay_factor}
    )
