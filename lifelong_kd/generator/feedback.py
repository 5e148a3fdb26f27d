"""What a student lacks to be an autoencoder: from its features to a code, and from a code back to samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Batch, Task, TaskData
from lifelong_kd.generator.base import Made
from lifelong_kd.generator.codes import ClassPrior, log_normal, reparameterised
from lifelong_kd.generator.gates import Gates
from lifelong_kd.generator.kept import Kept
from lifelong_kd.generator.likelihood import Likelihood, as_float, observed, reconstruction
from lifelong_kd.generator.networks import Dense, Latent, check_network
from lifelong_kd.model.network import Network

__all__ = ["Feedback"]


class _Back(nn.Module):
    """From features to a code's distribution, the prior of codes, and the decoder with its gates."""

    def __init__(self, shape: tuple[int, ...], features: int, hidden: tuple[int, ...], latent: int) -> None:
        super().__init__()
        self.latent = Latent(features, latent)
        self.decoder = Dense(shape, hidden, latent)
        self.prior = ClassPrior(latent)
        self.gates = Gates(tuple(reversed(hidden)))


class Feedback(Kept):
    """Draws a class, a code from the class's Gaussian, and decodes it with the class's gates.

    It is trained through the student: a term of the student's loss calls :meth:`losses` on the student's features, the
    gradient reaches both, and :meth:`learn` makes the step. Each hidden unit of the decoder is silent for a share
    ``gates`` of the classes, drawn once; in a domain-incremental stream, where all tasks have the same classes, for a
    share of the tasks.

    Args:
        hidden: units of the decoder's layers, in the order of the encoder that it mirrors.
        latent: entries of a code.
        gates: probability, in [0, 1), that a unit is silent for a class; 0: no gates.
        likelihood: ``bernoulli``, ``gaussian`` or ``auto``.
        lr: learning rate of its Adam.

    Raises:
        BadCall: for an option out of range, and when a task begins, for samples that it cannot make or a student
            without a head of its own.
    """

    def __init__(
        self,
        *,
        hidden: Sequence[int] = (400, 400),
        latent: int = 100,
        gates: float = 0.1,
        likelihood: Likelihood = "auto",
        lr: float = 0.001,
    ) -> None:
        super().__init__(lr=lr, likelihood=likelihood)
        if not 0 <= gates < 1:
            raise BadCall(f"a gate is shut with a probability in [0, 1), got {gates}")
        self.hidden = check_network("mlp", list(hidden), latent)
        self.latent = latent
        self.shut = gates
        self._features = 0
        self._by_task = False
        self._task = 0
        self._drawn: tuple[Tensor, Tensor] | None = None
        self._told: dict[str, Tensor] = {}

    @property
    def back(self) -> _Back:
        """The network that learns."""
        return cast(_Back, self.learning)

    # ---- the life of a run ------------------------------------------------------------------------------------

    def check(self, task: Task, data: TaskData, model: nn.Module) -> None:
        if not isinstance(model, Network):
            raise BadCall(
                "replay through feedback decodes the features of a network with a head of its own, which"
                f" {type(model).__name__} has not: give a network of lifelong_kd"
            )
        super().check(task, data, model)
        self._features = model.head.feature_size
        self._by_task = task.scenario == "domain"
        self._task = task.index

    def build(self) -> nn.Module:
        return _Back(self.shape, self._features, self.hidden, self.latent)

    def grow(self, network: nn.Module, classes: Sequence[int]) -> list[nn.Parameter]:
        back = cast(_Back, network)
        back.gates.grow(1 if self._by_task else len(classes), self.shut)
        return back.prior.grow(classes) if classes else []

    def learn(self, new: Batch, replayed: Batch | None, share: float) -> None:
        # The student's backward pass has left the gradients here.
        self.step(None, self._told)
        self._told = {}

    # ---- the loss ---------------------------------------------------------------------------------------------

    def losses(
        self, features: Tensor, batch: Batch, *, replayed: bool, log_chances: Tensor | None = None
    ) -> Tensor:
        """Reconstruction and divergence of each sample, seen from the student's features.

        ``mean over entries of -log p(x | z) + (log q(z | x) - log sum_c p_c N(z; m_c, s_c^2)) / entries`` with one draw
        z of q; p is one at the sample's class, or ``exp(log_chances)``, by which the gates are mixed too.

        Args:
            features: the input of the student's head, shape (batch, features).
            batch: the samples.
            replayed: whether :meth:`draw` has just made them.
            log_chances: logarithms of the probabilities of each row's class of the prior, shape (batch, rows); the
                batch's own classes if ``None``.

        Returns:
            Shape (batch,).
        """
        back, x = self.back, as_float(batch.raw)
        mean, logvar = back.latent(features)
        z = reparameterised(mean, logvar, self.noise)
        means, logvars = back.prior.table
        if log_chances is None:
            rows = back.prior.rows(batch.y)
            log_p = log_normal(z, means[rows], logvars[rows])
        else:
            log_p = (log_chances + log_normal(z[:, None], means, logvars)).logsumexp(dim=1)
        gates = back.gates(self._chosen(batch, replayed, log_chances)) if self.shut else None
        lost = reconstruction(back.decoder(z, gates), x, self.fitted)
        divergence = (log_normal(z, mean, logvar) - log_p) / x[0].numel()
        end = "_replayed" if replayed else ""
        told = {f"reconstruction{end}": lost.detach().mean(), f"divergence{end}": divergence.detach().mean()}
        self._told = {**self._told, **told}
        return lost + divergence

    def _chosen(self, batch: Batch, replayed: bool, log_chances: Tensor | None) -> Tensor:
        """Whose gates are used: rows, shape (batch,), or how much of each, shape (batch, rows)."""
        if not self._by_task:
            return self.back.prior.rows(batch.y) if log_chances is None else log_chances.exp()
        if not replayed:
            return torch.full_like(batch.y, self._task)
        if self._drawn is None or self._drawn[0] is not batch.raw:
            raise RuntimeError("these samples are not those that were drawn last")
        return self._drawn[1]

    # ---- drawing ----------------------------------------------------------------------------------------------

    def sample(self, network: nn.Module, count: int, generator: torch.Generator) -> Made:
        back = cast(_Back, network)
        means, logvars = back.prior.table
        rows = torch.randint(len(means), (count,), generator=generator)
        tasks = torch.randint(back.gates.rows, (count,), generator=generator) if self._by_task else rows
        drawn = torch.randn(count, self.latent, generator=generator).to(self.device)
        there, tasks = rows.to(self.device), tasks.to(self.device)
        z = means[there] + (logvars[there] / 2).exp() * drawn
        raw = observed(back.decoder(z, back.gates(tasks) if self.shut else None), self.fitted)
        self._drawn = (raw, tasks)
        return Made(raw, torch.tensor(back.prior.columns)[rows].to(self.device))

    # ---- what is kept -----------------------------------------------------------------------------------------

    def extra_state(self) -> dict[str, Any]:
        return {"features": self._features, "by_task": self._by_task}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        self._features, self._by_task = int(state["features"]), bool(state["by_task"])
