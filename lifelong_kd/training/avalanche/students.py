"""The student in the shapes that single strategies of Avalanche ask for; parameters are shared, not copied."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, cast

import torch
from avalanche.models import PNN, NCMClassifier
from avalanche.models.base_model import BaseModel
from avalanche.models.dynamic_modules import MultiTaskModule
from avalanche.models.packnet import PackNetModel, PackNetModule
from torch import Tensor, nn

from lifelong_kd.training.avalanche.strategy import Setting, linear_head

__all__ = ["Labelled", "NearestMean", "Progressive", "Pruned", "plain_student"]


class PlainStudent(BaseModel, nn.Module):
    """Backbone and ``nn.Linear``, with the features under the name that Avalanche looks for."""

    def __init__(self, backbone: nn.Module, head: nn.Linear) -> None:
        nn.Module.__init__(self)
        self.backbone = backbone
        self.head = head

    def get_features(self, x: Tensor) -> Tensor:
        """The input of the head."""
        return cast(Tensor, self.backbone(x))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.head(self.backbone(x)))


def plain_student(setting: Setting, *, outputs: int | None = None) -> PlainStudent:
    """The student with its head as an ``nn.Linear``, or with a fresh one of another width.

    Raises:
        BadCall: if its head is not linear.
    """
    head = linear_head(setting)
    layer = nn.Linear(head.feature_size, outputs or head.width, bias=head.bias is not None)
    if outputs is None:
        layer.weight = head.weight
        layer.register_parameter("bias", head.bias)
    return PlainStudent(setting.network.backbone, layer)


class Labelled(MultiTaskModule):
    """A network that may be told task labels, and does not need them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, task_labels: Any = None) -> Tensor:
        return cast(Tensor, self.network(x))


class Progressive(PNN):
    """Avalanche's progressive network, which also answers (with zeros) for tasks that it has not met."""

    def __init__(self, setting: Setting, *, layers: int, hidden: int, adapter: str) -> None:
        inputs = math.prod(setting.stream.input_shape)
        super().__init__(
            num_layers=layers, in_features=inputs, hidden_features_per_column=hidden, adapter=adapter
        )

    def forward(self, x: Tensor, task_labels: Any = None) -> Any:
        return super().forward(x, task_labels)

    def forward_single_task(self, x: Tensor, task_label: int) -> Tensor:
        if task_label not in self.layers[-1].task_to_module_idx:
            return x.new_zeros(len(x), self.max_class_label)
        return cast(Tensor, super().forward_single_task(x, task_label))


class Pruned(PackNetModel):
    """Avalanche's pruned network; evaluating it is possible at any moment and leaves its masks as they were.

    Without a task label it is asked as the task that it is at.
    """

    def forward(self, input: Tensor, task_id: Any = None) -> Tensor:
        if task_id is None:
            task_id = torch.full((len(input),), self.active_task, device=input.device)
        with nullcontext() if self.training else self.undisturbed():
            return cast(Tensor, super().forward(input, task_id))

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Inside, any task may be asked for, also between pruning and the end of a task."""
        parts = [module for module in self.modules() if isinstance(module, PackNetModule)]
        kept = [
            {name: buffer.clone() for name, buffer in part.named_buffers(recurse=False)} for part in parts
        ]
        try:
            for part in parts:
                if part.state == part.State.POST_PRUNE:
                    part._state.fill_(part.State.EVAL.value)
            yield
        finally:
            for part, buffers in zip(parts, kept, strict=True):
                for name, buffer in buffers.items():
                    setattr(part, name, buffer)


class NearestMean(NCMClassifier):
    """Avalanche's nearest-mean classifier, which also answers (with zeros) before it has a mean."""

    def __init__(self, classes: int, *, normalize: bool) -> None:
        super().__init__(normalize=normalize)
        self.columns = classes

    def forward(self, x: Tensor) -> Tensor:
        if not self.class_means_dict:
            return x.new_zeros(len(x), self.columns)
        return cast(Tensor, super().forward(x))


def without(kinds: tuple[type[nn.Module], ...], setting: Setting, why: Callable[[str], str]) -> None:
    """Refuse a student that has a module of one of ``kinds``."""
    for name, module in setting.network.named_modules():
        if isinstance(module, kinds):
            raise setting.refuse(why(f"{name} ({type(module).__name__})"))
