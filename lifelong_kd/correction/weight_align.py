"""New classes get rows as long as those of the old ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.correction.base import Correction
from lifelong_kd.model.classifier import class_weights
from lifelong_kd.model.cosine import CosineHead
from lifelong_kd.model.freeze import unwrapped
from lifelong_kd.phase.base import Stage
from lifelong_kd.phase.classes import first_met

__all__ = ["WeightAlignment"]


class WeightAlignment(Correction):
    """Weight aligning (WA): ``w_c <- gamma w_c`` for new classes c, ``gamma = mean_old ||w|| / mean_new ||w||``.

    The student's classifier itself is changed, at the end of each task but the first, and the next task goes
    on from it. The paper's derivation has no biases; those of a head that has them are left as they are, as
    PyCIL leaves them. What an optimiser remembers of the rows is not changed.

    In a domain-incremental stream no later task brings classes, and in a task-incremental one classes of
    different tasks never compete: there nothing is changed.

    Paper: Zhao et al. 2020, "Maintaining Discrimination and Fairness in Class Incremental Learning", arXiv
    1911.07053, section 4, equations 4 to 7.

    Args:
        positive: keep the rows of the classifier at or above 0 by clipping them after each step, as the paper
            does so that their lengths say more about the logits.

    Raises:
        BadCall: for a head whose logits do not depend on the length of its rows, or that has no rows of all
            classes.

    Example:
        >>> WeightAlignment().in_training
        False
    """

    def __init__(self, *, positive: bool = False) -> None:
        self.positive = positive
        self._clips = False

    def begin_task(self, stage: Stage) -> None:
        if stage.task.scenario == "task":
            return
        model = unwrapped(stage.model)
        if isinstance(getattr(model, "head", None), CosineHead):
            raise BadCall(
                "a cosine head has no lengths to align: its logits do not depend on those of its rows"
            )
        class_weights(model)
        self._clips = self.positive

    @torch.no_grad()
    def after_step(self, model: nn.Module) -> None:
        if self._clips:
            class_weights(model)[0].clamp_(min=0.0)

    @torch.no_grad()
    def fit(self, stage: Stage) -> None:
        old, new = stage.task.old, first_met(stage.task)
        if not old or not new or stage.task.scenario == "task":
            return
        weight, _ = class_weights(stage.model)
        gamma = _length(weight, old) / _length(weight, new)
        if not torch.isfinite(gamma):
            raise BadCall(f"the rows of the new classes {list(new)} are all 0: they have no length to align")
        weight[list(new)] = weight[list(new)] * gamma
        stage.note("weight_alignment/gamma", float(gamma))


def _length(weight: Tensor, classes: tuple[int, ...]) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(weight[list(classes)], dim=1)
    return length.mean()
