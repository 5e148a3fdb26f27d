"""How the gradients of a strategy's terms lie to that of its task loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lifelong_kd.evaluation.generalisation import mean_of
from lifelong_kd.evaluation.gradients import angle, cosine, norm
from lifelong_kd.training.families.base import Look
from lifelong_kd.training.families.trial import batches, lesson_on, task_loss, terms, without_trace

if TYPE_CHECKING:
    # A configuration asks for a family's options without loading Avalanche.
    from lifelong_kd.training.plugin import DistillationPlugin

__all__ = ["conflict"]


def conflict(look: Look, plugin: DistillationPlugin, count: int) -> dict[str, dict[str, Any]]:
    """For each term ``cosine`` and ``angle`` (degrees) of its gradient and the task loss's, and the ``ratio`` of norms.

    With respect to all parameters of the student that are trained, means over ``count`` batches of the data that the
    task was trained on, by :func:`~lifelong_kd.training.families.trial.without_trace`: in evaluation mode, with a draw
    from memory as in a step. The ratio is that of the weighted losses, term by task loss; cosine and angle do not
    depend on weights. ``None`` where one of the two gradients is zero, as that of a distillation from what the student
    still is, or not finite, or where the task loss has weight 0. A term that is silent at the end of the task does not
    appear.
    """
    found: dict[str, list[tuple[float | None, float | None, float | None]]] = {}
    with without_trace(look.engine, plugin), torch.enable_grad():
        parameters = [one for one in look.engine.model.parameters() if one.requires_grad]
        for batch in batches(look, count):
            lesson = lesson_on(look, plugin, batch)
            share, loss = task_loss(plugin.strategy, lesson)
            task = _gradient(loss, parameters)
            for name, weight, value in terms(plugin.strategy, lesson):
                term = _gradient(value, parameters)
                length, size = share * norm(task), weight * norm(term)
                ratio = size / length if length and math.isfinite(size / length) else None
                pair = (cosine(task, term), angle(task, term)) if share else (None, None)
                found.setdefault(name, []).append((*pair, ratio))
    return {
        name: {key: mean_of(column) for key, column in zip(KEYS, zip(*rows, strict=True), strict=True)}
        for name, rows in found.items()
    }


KEYS = ("cosine", "angle", "ratio")


def _gradient(loss: Tensor, parameters: Sequence[Tensor]) -> Sequence[Tensor | None]:
    if not loss.requires_grad or not parameters:
        return [None] * len(parameters)
    # Several losses share the student's forward pass.
    return torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
