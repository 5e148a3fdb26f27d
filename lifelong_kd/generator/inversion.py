"""DeepInversion: samples found by changing noise until the previous model is sure of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.core.types import Task
from lifelong_kd.generator.against import Against
from lifelong_kd.generator.base import Made
from lifelong_kd.generator.data_free import DataFree, at_least
from lifelong_kd.generator.smoothness import total_variation
from lifelong_kd.generator.statistics import Statistics, statistics_l2
from lifelong_kd.knowledge.options import not_negative, positive

__all__ = ["DeepInversion"]


class DeepInversion(DataFree):
    """Samples inverted from the previous model: noise is changed until that model takes it for a class it knows.

    ``L = CE(solver(x), y) + statistics * sum over BatchNorm layers of (||mean - running mean||_2 + ||variance - running
    variance||_2) + variation * TV(x) + l2 * ||x||_2``, by Adam on the samples themselves. At the beginning of a task,
    from the second on, a bank of ``samples`` is made, with the same number of each old class; a draw takes some of
    them, and y is the class that was asked for. Nothing is learned from the stream, and nothing is kept between tasks.

    Paper: Yin et al. 2020, "Dreaming to Distill: Data-free Knowledge Transfer via DeepInversion", arXiv 1912.08795. The
    numbers of its code for CIFAR-10: 2000 iterations on batches of 256 in units of the normalised image at lr 0.1,
    statistics 100, l2 0, and a variation of 2.5e-5 of the batch's length, which is 4e-4 for the mean of 256 images'
    lengths, as here. Samples are in [0, 1] here and stay there. Without its random shifts of the image, and without the
    competition with the student, which is the solver itself when a task begins.

    A solver without BatchNorm has no statistics to match: the term is then missing, and ``generator/batch_norm_layers``
    is 0 in the log. Images that only the cross-entropy and the priors shape look like noise, and teach less.

    Args:
        samples: in the bank, at least 1.
        iterations: steps on each batch of them, at least 1.
        lr: Adam's learning rate, above 0.
        batch: samples that are changed together, whose statistics are compared, at least 2.
        statistics: weight of the BatchNorm statistics, at least 0.
        variation: weight of the total variation, at least 0; of images only.
        l2: weight of the length, at least 0.

    Raises:
        BadCall: if an option is out of range.

    Example:
        generator: {name: deep_inversion, samples: 512, iterations: 500}
    """

    def __init__(
        self,
        *,
        samples: int = 1024,
        iterations: int = 2000,
        lr: float = 0.05,
        batch: int = 256,
        statistics: float = 100.0,
        variation: float = 4e-4,
        l2: float = 0.0,
    ) -> None:
        super().__init__()
        at_least(1, samples=samples, iterations=iterations)
        at_least(2, batch=batch)
        self.samples = samples
        self.iterations = iterations
        self.lr = positive("lr", lr)
        self.batch = batch
        self.statistics = not_negative("statistics", statistics)
        self.variation = not_negative("variation", variation)
        self.l2 = not_negative("l2", l2)
        self._raw: Tensor | None = None
        self._y: Tensor | None = None

    @property
    def ready(self) -> bool:
        return self._raw is not None

    def prepare(self, against: Against, task: Task) -> None:
        rng = torch.Generator().manual_seed(self._seeds.derive(f"deep_inversion/{task.index}"))
        y = torch.arange(self.samples) % len(task.old)
        y = y[torch.randperm(self.samples, generator=rng)].to(self._device)
        # Batches of nearly the same size: statistics of a few left over would say nothing.
        pieces = y.tensor_split(-(-self.samples // self.batch))
        made = [self._invert(against, piece, rng) for piece in pieces]
        self._raw = torch.cat([raw for raw, _ in made])
        self._y = against.classes[y]
        self.values = {
            "confidence": float(torch.cat([sure for _, sure in made]).mean()),
            "batch_norm_layers": float(len(Statistics(against.module, statistics_l2).layers)),
        }

    def _invert(self, against: Against, y: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Samples of the classes at the positions ``y``, and the probability that the solver gives each its class."""
        size = (len(y), *against.shape)
        noise = torch.rand(size, generator=rng) if against.bounded else torch.randn(size, generator=rng)
        raw = noise.to(self._device).requires_grad_()
        optimizer = torch.optim.Adam([raw], lr=self.lr)
        with torch.enable_grad(), Statistics(against.module, statistics_l2) as statistics:
            for _ in range(self.iterations):
                optimizer.zero_grad()
                self.loss(against, raw, y, statistics).backward()
                optimizer.step()
                if against.bounded:
                    with torch.no_grad():
                        raw.clamp_(0.0, 1.0)
        raw = raw.detach()
        with torch.no_grad():
            sure = F.softmax(against.logits(raw), dim=1).gather(1, y[:, None]).squeeze(1)
        return raw, sure

    def loss(self, against: Against, raw: Tensor, y: Tensor, statistics: Statistics) -> Tensor:
        """What a batch is changed to lower, a scalar.

        Args:
            against: the solver.
            raw: the samples.
            y: positions of their classes among the solver's.
            statistics: listens to the solver.
        """
        value = F.cross_entropy(against.logits(raw), y)
        apart = statistics.total()
        if self.statistics and apart is not None:
            value = value + self.statistics * apart
        if self.variation and against.is_image:
            value = value + self.variation * total_variation(raw).mean()
        if self.l2:
            value = value + self.l2 * torch.linalg.vector_norm(raw.flatten(1), dim=1).mean()
        return value

    def draw(self, count: int, generator: torch.Generator) -> Made:
        if self._raw is None or self._y is None:
            raise RuntimeError("deep inversion was asked for samples before there were any")
        rows = torch.randint(len(self._raw), (count,), generator=generator).to(self._raw.device)
        return Made(self._raw[rows], self._y[rows])

    def state_dict(self) -> dict[str, Any]:
        return {"raw": self._raw, "y": self._y, "values": dict(self.values)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._raw, self._y = (
            None if state[name] is None else state[name].to(self._device).clone() for name in ("raw", "y")
        )
        self.values = dict(state["values"])
