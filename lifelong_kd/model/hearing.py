"""What a network says on its way to the logits: features and the maps of its stages, from one forward pass."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Said, Wants
from lifelong_kd.model.freeze import unwrapped
from lifelong_kd.model.network import Network
from lifelong_kd.model.taps import tap_path

__all__ = ["Hearing", "stage_names"]

STAGE = re.compile(r"(stage|layer|block)\d+")
"""How networks of ours, of torchvision and of timm name their stages."""


def stage_names(model: nn.Module) -> tuple[str, ...]:
    """The paths of a network's stages in order: its shallowest modules named ``stage1``, ``layer1`` and so on.

    Raises:
        BadCall: if it has none.

    >>> from lifelong_kd.model.build import build_network
    >>> stage_names(build_network((1, 8, 8), 2, model=("cnn", {"width": 4})))
    ('backbone.stages.stage1', 'backbone.stages.stage2', 'backbone.stages.stage3')
    """
    found = [path for path, _ in unwrapped(model).named_modules() if STAGE.fullmatch(path.rpartition(".")[2])]
    depth = min((path.count(".") for path in found), default=0)
    names = tuple(path for path in found if path.count(".") == depth)
    if not names:
        raise BadCall(
            f"{type(model).__name__} has no modules named stage1, stage2, ... whose outputs could be compared."
            " Name the modules with the term's option 'at'."
        )
    return names


class Hearing:
    """Inside the ``with``, what each forward pass of ``model`` gives besides its logits is kept until the next pass.

    Args:
        model: any network. A compiled one tells nothing of its stages.
        wants: what is kept.
        leaves: begin a graph at the first map, so that a frozen network's logits can be differentiated with respect to
            its maps.

    Raises:
        BadCall: for a network without features or stages, where they are wanted.
    """

    def __init__(self, model: nn.Module, wants: Wants, *, leaves: bool = False) -> None:
        model = unwrapped(model)
        self.wants = wants
        self.leaves = leaves
        named = (*(stage_names(model) if wants.maps else ()), *wants.at)
        self._stages = {name: model.get_submodule(tap_path(model, name)) for name in dict.fromkeys(named)}
        self._tops: list[nn.Module] = []
        if wants.features:
            linear: list[nn.Module] = [module for module in model.modules() if isinstance(module, nn.Linear)]
            self._tops = [model.head] if isinstance(model, Network) else linear
            if not self._tops:
                raise BadCall(
                    f"{type(model).__name__} has no linear layer whose input could be taken for features"
                )
        self._handles: list[RemovableHandle] = []
        self._features: Tensor | None = None
        self._maps: dict[str, Tensor] = {}

    def __enter__(self) -> Self:
        for top in self._tops:
            self._handles.append(top.register_forward_pre_hook(self._keep_features))
        for name, stage in self._stages.items():
            self._handles.append(stage.register_forward_hook(self._keep_map(name)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _keep_features(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        # Of several linear layers the last one to run is the classifier.
        self._features = inputs[0]

    def _keep_map(self, name: str) -> Callable[[nn.Module, Any, Tensor], Tensor | None]:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> Tensor | None:
            if not isinstance(output, Tensor):
                raise BadCall(
                    f"the output of {name!r} is no tensor but a {type(output).__name__}: name a layer inside"
                )
            # Only the first stage: the others follow from it, and are differentiable through it.
            begins = self.leaves and not output.requires_grad
            kept = output.detach().requires_grad_() if begins else output
            self._maps[name] = kept
            return kept if begins else None

        return hook

    def said(self, logits: Tensor) -> Said:
        """The logits of the last pass together with what was kept from it, in at least single precision.

        Raises:
            BadCall: if a stage or the head did not see the whole batch.
        """
        features, maps = (
            self._features,
            {name: self._maps[name] for name in self._stages if name in self._maps},
        )
        self._features, self._maps = None, {}
        lost = [name for name in self._stages if name not in maps]
        if lost or (self.wants.features and features is None):
            raise BadCall(
                f"nothing passed {', '.join(lost) or 'the head'}: a network that ran compiled tells nothing of its"
                " layers; set training.compile to false"
            )
        if features is not None and len(features) != len(logits):
            raise BadCall(
                "the features are those of a part of the batch: a model that is told task labels splits batches that"
                " mix tasks; give a network of lifelong_kd"
            )
        # A gradient is taken with respect to the very tensor that the network went on with.
        kept = maps if self.wants.gradients else {name: _single(value) for name, value in maps.items()}
        return Said(logits, _single(features) if features is not None else None, kept)


def _single(value: Tensor) -> Tensor:
    return value.float() if value.dtype in (torch.float16, torch.bfloat16) else value
