"""One scale and one offset for the logits of each later task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.core.errors import BadCall, RunFailed
from lifelong_kd.correction.base import Correction
from lifelong_kd.knowledge.options import not_negative, positive
from lifelong_kd.phase.base import Stage
from lifelong_kd.phase.classes import first_met
from lifelong_kd.teacher.base import Rebuild

__all__ = ["BiasLayers"]

AT_ONCE = 1024
"""Samples passed through the student at a time."""


class BiasLayers(Correction):
    """Bias layers (BiC): ``q_c = alpha_k z_c + beta_k`` for the classes c that task k brought, fitted on held-out data.

    After a task its own pair (alpha, beta) is learned on the samples that the strategy's ``held`` kept out of
    training, by cross-entropy over the classes seen plus ``penalty * beta^2 / 2``; earlier pairs stay.
    Classes of the first task, and those of the current one until then, are left as they are. The logits are
    corrected in training as well, and a snapshot that is ``corrected_by`` this correction teaches corrected
    logits.

    In a domain-incremental stream no later task brings classes, and in a task-incremental one classes of
    different tasks never compete: there nothing is fitted.

    Paper: Wu et al. 2019, "Large Scale Incremental Learning", arXiv 1905.13260, section 3, equations 4 and 5.

    200 epochs, the learning rate 0.1 with momentum 0.9 and the penalty 0.1 are those of FACIL, which has the
    penalty from the authors' code. The held-out samples are seen without augmentation.

    Args:
        epochs: passes over the held-out samples, at least 1.
        lr: learning rate of gradient descent with momentum, above 0.
        momentum: in [0, 1).
        penalty: factor of ``beta^2 / 2``, at least 0.
        batch_size: held-out samples a step, at least 1; as many as in training if null.

    Raises:
        BadCall: if an option is out of range.

    Example:
        >>> BiasLayers(epochs=200).rectify(torch.tensor([[1.0, 2.0]]))
        tensor([[1., 2.]])
    """

    in_training: ClassVar[bool] = True
    needs_held: ClassVar[bool] = True
    needs_memory: ClassVar[bool] = True

    def __init__(
        self,
        *,
        epochs: int = 200,
        lr: float = 0.1,
        momentum: float = 0.9,
        penalty: float = 0.1,
        batch_size: int | None = None,
    ) -> None:
        if epochs < 1:
            raise BadCall(f"bias layers need at least 1 epoch, got {epochs}")
        if not 0 <= momentum < 1:
            raise BadCall(f"momentum must lie in [0, 1), got {momentum}")
        if batch_size is not None and batch_size < 1:
            raise BadCall(f"batch_size must be at least 1, got {batch_size}")
        self.epochs = epochs
        self.lr = positive("lr", lr)
        self.momentum = momentum
        self.penalty = not_negative("penalty", penalty)
        self.batch_size = batch_size
        self._device = torch.device("cpu")
        # By column, 1 and 0 where nothing is corrected; as wide as the largest corrected class.
        self.alpha = torch.ones(0)
        self.beta = torch.zeros(0)

    @property
    def ready(self) -> bool:
        return len(self.alpha) > 0

    def begin(self, device: torch.device) -> None:
        self._device = device
        self.alpha, self.beta = self.alpha.to(device), self.beta.to(device)

    def begin_task(self, stage: Stage) -> None:
        if self._fits(stage) and stage.held is None:
            raise BadCall(
                "bias layers are fitted on samples kept out of training: set the strategy's 'held' to a share such as"
                " 0.1"
            )

    @staticmethod
    def _fits(stage: Stage) -> bool:
        task = stage.task
        return task.scenario != "task" and bool(task.old) and bool(first_met(task))

    def rectify(self, logits: Tensor) -> Tensor:
        if not self.ready:
            return logits
        width = logits.shape[1]
        beyond = (0, max(width - len(self.alpha), 0))
        alpha = F.pad(self.alpha, beyond, value=1.0)[:width]
        beta = F.pad(self.beta, beyond)[:width]
        return logits * alpha.to(logits) + beta.to(logits)

    def fit(self, stage: Stage) -> None:
        task, held = stage.task, stage.held
        if not self._fits(stage) or held is None:
            return
        logits = torch.cat([stage.describe(part)[0] for part in held["raw"].split(AT_ONCE)])
        seen, mine = torch.tensor(task.seen), torch.tensor(first_met(task))
        # Two numbers and a table of logits: there is nothing for a GPU to do.
        known = self.rectify(logits).double().cpu()[:, seen]
        y = torch.searchsorted(seen, held["y"].cpu())
        alpha, beta = self._fitted(stage, known, torch.isin(seen, mine), y)
        if not (torch.isfinite(alpha) and torch.isfinite(beta)):
            raise RunFailed(f"the bias layer of task {task.index} is no longer finite: lower its lr")
        beyond = (0, max(int(mine.max()) + 1 - len(self.alpha), 0))
        self.alpha = F.pad(self.alpha, beyond, value=1.0)
        self.beta = F.pad(self.beta, beyond)
        self.alpha[mine.to(self._device)] = float(alpha)
        self.beta[mine.to(self._device)] = float(beta)
        stage.note("bias_layers/alpha", float(alpha))
        stage.note("bias_layers/beta", float(beta))

    def _fitted(self, stage: Stage, logits: Tensor, mine: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The pair of the columns ``mine`` for logits (n, classes) and positions ``y`` (n) of the right ones."""
        alpha, beta = torch.ones((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
        pair = [alpha.requires_grad_(), beta.requires_grad_()]
        # Not the run's optimiser: its weight decay would pull alpha to 0.
        optimizer = torch.optim.SGD(pair, lr=self.lr, momentum=self.momentum)
        generator = stage.seeds.generator("correction/bias_layers")
        for _ in range(self.epochs):
            for rows in torch.randperm(len(y), generator=generator).split(
                self.batch_size or stage.batch_size
            ):
                z = logits[rows]
                loss = F.cross_entropy(torch.where(mine, alpha * z + beta, z), y[rows])
                optimizer.zero_grad()
                (loss + self.penalty * beta.square() / 2).backward()
                optimizer.step()
        return alpha.detach(), beta.detach()

    def state_dict(self) -> dict[str, Any]:
        return {"alpha": self.alpha, "beta": self.beta}

    def load_state_dict(self, state: Mapping[str, Any], rebuild: Rebuild | None = None) -> None:
        self.alpha = state["alpha"].to(self._device, copy=True)
        self.beta = state["beta"].to(self._device, copy=True)
