"""ABD: a generator network that is trained against the previous model, without any data."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.core.types import Task
from lifelong_kd.generator.against import Against
from lifelong_kd.generator.base import Made
from lifelong_kd.generator.data_free import DataFree, at_least
from lifelong_kd.generator.pictures import Pictures
from lifelong_kd.generator.smoothness import roughness
from lifelong_kd.generator.statistics import Statistics, gaussian_kl
from lifelong_kd.knowledge.options import not_negative, positive

__all__ = ["Abd", "unevenness"]


def unevenness(logits: Tensor) -> Tensor:
    """``1 + sum_c p_c log p_c / log C`` with p the mean over the batch of the softmax: 0 if all classes come alike.

    Args:
        logits: shape (batch, C).

    Returns:
        A scalar in [0, 1]; 0 where there is one class only.

    >>> unevenness(torch.tensor([[9.0, -9.0], [-9.0, 9.0]]))
    tensor(0.)
    """
    if logits.shape[1] < 2:
        return logits.sum() * 0.0
    mean = F.softmax(logits, dim=1).mean(dim=0)
    return 1.0 + torch.xlogy(mean, mean).sum() / math.log(logits.shape[1])


class Abd(DataFree):
    """A generator trained against the previous model: what it makes, that model is sure of and its statistics fit.

    ``L = content * CE(z / tau, argmax z) + balance * (1 + sum_c p_c log p_c / log o) + statistics * mean over BatchNorm
    layers of KL(N(running) || N(batch)) + smoothness * ||x - blur(x)||^2``, with z the solver's logits of the o old
    classes on samples x and p the mean of their softmax. It is trained by Adam when a task begins, from the second on;
    draws are labelled by the solver. Nothing is learned from the stream.

    Paper: Smith et al. 2021, "Always Be Dreaming: A New Approach for Data-Free Class-Incremental Learning", arXiv
    2106.09701. Defaults are those of its code (learning rate 1e-3, statistics 5e1, smoothness 1e-3, tau 1e3,
    content 1, 10000 iterations); its images are normalised, and here smoothness is of raw ones in [0, 1]. R-DFCIL (Gao
    et al. 2022, arXiv 2203.13104) has the same losses, 5000 iterations and a new network for each task (``fresh``).

    A solver without BatchNorm has no statistics to match: the term is then missing, and ``generator/batch_norm_layers``
    is 0 in the log.

    Args:
        iterations: steps at the beginning of each task, at least 1.
        lr: Adam's learning rate, above 0.
        batch: samples a step, at least 2.
        latent: entries of the noise, at least 1.
        width: channels of the network, at least 2.
        content: weight of the cross-entropy, at least 0.
        tau: temperature of the cross-entropy, above 0.
        balance: weight of the class histogram's entropy, at least 0.
        statistics: weight of the BatchNorm statistics, at least 0.
        smoothness: weight of the distance to the blurred image, at least 0; of images only.
        fresh: whether each task begins with a new network, or goes on with that of the task before.

    Raises:
        BadCall: if an option is out of range.

    Example:
        generator: {name: abd, iterations: 500, latent: 64, width: 32}
    """

    def __init__(
        self,
        *,
        iterations: int = 10_000,
        lr: float = 0.001,
        batch: int = 128,
        latent: int = 1000,
        width: int = 128,
        content: float = 1.0,
        tau: float = 1000.0,
        balance: float = 1.0,
        statistics: float = 50.0,
        smoothness: float = 0.001,
        fresh: bool = False,
    ) -> None:
        super().__init__()
        at_least(1, iterations=iterations, latent=latent)
        at_least(2, batch=batch, width=width)
        self.iterations = iterations
        self.lr = positive("lr", lr)
        self.batch = batch
        self.latent = latent
        self.width = width
        self.content = not_negative("content", content)
        self.tau = positive("tau", tau)
        self.balance = not_negative("balance", balance)
        self.statistics = not_negative("statistics", statistics)
        self.smoothness = not_negative("smoothness", smoothness)
        self.fresh = fresh
        self._network: Pictures | None = None
        self._optimizer: torch.optim.Optimizer | None = None

    @property
    def ready(self) -> bool:
        return self._network is not None

    def prepare(self, against: Against, task: Task) -> None:
        if self._network is None or self.fresh:
            with self._seeds.default(f"abd/weights/{task.index}"):
                self._build(against.shape, bounded=against.bounded)
        self._train(against, torch.Generator().manual_seed(self._seeds.derive(f"abd/noise/{task.index}")))

    def _build(self, shape: tuple[int, ...], *, bounded: bool) -> tuple[Pictures, torch.optim.Optimizer]:
        network = Pictures(shape, latent=self.latent, width=self.width, bounded=bounded).to(self._device)
        self._network = network
        self._optimizer = torch.optim.Adam(network.parameters(), lr=self.lr)
        return self._network, self._optimizer

    def _train(self, against: Against, rng: torch.Generator) -> None:
        network, optimizer = self._network, self._optimizer
        if network is None or optimizer is None:
            raise RuntimeError("ABD's generator was trained before it was built")
        network.train()
        loss = torch.zeros(())
        with torch.enable_grad(), Statistics(against.module, gaussian_kl) as statistics:
            for _ in range(self.iterations):
                optimizer.zero_grad()
                loss = self.loss(against, network(self._noise(self.batch, rng)), statistics)
                loss.backward()
                optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        network.eval()
        self.values = {"loss": float(loss.detach()), "batch_norm_layers": float(len(statistics.layers))}

    def loss(self, against: Against, raw: Tensor, statistics: Statistics) -> Tensor:
        """What the network is trained to lower, a scalar.

        Args:
            against: the solver.
            raw: samples that the network made.
            statistics: listens to the solver.
        """
        logits = against.logits(raw)
        value = self.content * F.cross_entropy(logits / self.tau, logits.argmax(dim=1))
        value = value + self.balance * unevenness(logits)
        apart = statistics.total()
        if self.statistics and apart is not None:
            value = value + self.statistics * apart / len(statistics.layers)
        if self.smoothness and against.is_image:
            value = value + self.smoothness * roughness(raw)
        return value

    def _noise(self, count: int, rng: torch.Generator) -> Tensor:
        return torch.randn(count, self.latent, generator=rng).to(self._device)

    @torch.no_grad()
    def draw(self, count: int, generator: torch.Generator) -> Made:
        if self._network is None:
            raise RuntimeError("ABD was asked for samples before there was a network")
        return Made(self._network(self._noise(count, generator)))

    @property
    def nbytes(self) -> int:
        """Those of the network, which goes on from task to task; a fresh one is made from the solver alone."""
        if self._network is None or self.fresh:
            return 0
        held = [*self._network.parameters(), *self._network.buffers()]
        return sum(tensor.numel() * tensor.element_size() for tensor in held)

    def state_dict(self) -> dict[str, Any]:
        if self._network is None or self._optimizer is None:
            return {"shape": None}
        return {
            "shape": list(self._network.shape),
            "bounded": self._network.bounded,
            "network": dict(self._network.state_dict()),
            "optimizer": copy.deepcopy(self._optimizer.state_dict()),
            "values": dict(self.values),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._network = self._optimizer = None
        self.values = {}
        if state["shape"] is None:
            return
        # The weights are overwritten: what the generator gives them must not cost the run a draw.
        with torch.random.fork_rng(devices=[]):
            network, optimizer = self._build(tuple(state["shape"]), bounded=bool(state["bounded"]))
        network.load_state_dict(state["network"])
        network.eval()
        optimizer.load_state_dict(state["optimizer"])
        self.values = dict(state["values"])
