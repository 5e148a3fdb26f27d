"""The validation loss inside a task: when to lower the learning rate, when to stop, which weights were best."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import nn

from lifelong_kd.training.options import TrainingOptions

__all__ = ["Watch"]


class Watch:
    """Follows the validation loss of one task, or one round of it.

    ``factor`` is what the learning rate is multiplied by. FACIL trains like this (Masana et al. 2022,
    arXiv:2010.15277): the rate is divided when the loss on the current task's validation data has not fallen for some
    epochs, training ends when it would become too small, and the best weights are taken. Where the rate is lowered, its
    code goes back to the best weights at once; here training goes on from where it is.

    Args:
        options: ``lr_schedule``, ``lr_patience``, ``lr_factor``, ``lr_min`` and ``early_stopping``.
    """

    def __init__(self, options: TrainingOptions) -> None:
        self.options = options
        self.factor = 1.0
        self.best = math.inf
        self.best_epoch = 0
        self._lowered = 0
        self._weights: dict[str, Any] | None = None

    @staticmethod
    def wanted(options: TrainingOptions) -> bool:
        """Whether a task is trained under a watch at all."""
        return options.lr_schedule == "plateau" or options.early_stopping is not None

    def see(self, epoch: int, loss: float | None, model: nn.Module) -> bool:
        """Take notice of the loss after ``epoch`` epochs (from 1); whether the task is to end here.

        Args:
            epoch: how many are done.
            loss: mean cross-entropy on the validation data; ``None`` counts as infinite.
            model: whose weights are kept if they are the best so far.
        """
        value = math.inf if loss is None or math.isnan(loss) else loss
        if value < self.best or self._weights is None:
            self.best, self.best_epoch, self._lowered = value, epoch, epoch
            self._weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
            return False
        options = self.options
        if options.lr_schedule == "plateau" and epoch - self._lowered >= options.lr_patience:
            # 0.7 * 0.7 is a little less than 0.49.
            if self.factor * options.lr_factor < options.lr_min * (1 - 1e-9):
                return True
            self.factor *= options.lr_factor
            self._lowered = epoch
        return options.early_stopping is not None and epoch - self.best_epoch >= options.early_stopping

    def finish(self, model: nn.Module) -> None:
        """Give ``model`` the best weights."""
        if self._weights is not None:
            model.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        return {
            "factor": self.factor,
            "best": self.best,
            "best_epoch": self.best_epoch,
            "lowered": self._lowered,
            "weights": self._weights,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave."""
        self.factor, self.best = float(state["factor"]), float(state["best"])
        self.best_epoch, self._lowered = int(state["best_epoch"]), int(state["lowered"])
        self._weights = dict(state["weights"]) if state["weights"] is not None else None
