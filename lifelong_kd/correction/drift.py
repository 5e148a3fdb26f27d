"""Prototypes of old classes follow the features as they drift."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Wants
from lifelong_kd.correction.base import Asked, Correction
from lifelong_kd.correction.kept import Kept
from lifelong_kd.knowledge.options import positive
from lifelong_kd.memory.exemplars import described
from lifelong_kd.phase.base import Stage
from lifelong_kd.teacher.base import Rebuild

__all__ = ["PrototypeDrift", "drift"]


def drift(before: Tensor, after: Tensor, prototypes: Tensor, sigma: float) -> Tensor:
    """How far each prototype has moved, estimated by how far the samples around it have.

    ``D_c = sum_i w_ic (after_i - before_i) / sum_i w_ic``, ``w_ic = exp(-||before_i - p_c||^2 / (2
    sigma^2))``: Yu et al. 2020, arXiv 2004.00440, equations 6 and 7. A prototype far from every sample
    follows the nearest ones.

    Args:
        before: features of the samples at the task's start, shape (n, D).
        after: features of the same samples at its end, shape (n, D).
        prototypes: as they were at its start, shape (classes, D).
        sigma: width of the neighbourhood, above 0.

    Returns:
        Shape (classes, D).

    >>> drift(torch.tensor([[0.0]]), torch.tensor([[3.0]]), torch.tensor([[9.0]]), sigma=1.0)
    tensor([[3.]])
    """
    # A softmax over the samples is that quotient, and does not underflow far away.
    near = torch.cdist(prototypes, before, compute_mode="donot_use_mm_for_euclid_dist").square()
    share = torch.softmax(-near / (2 * sigma**2), dim=1)
    return share @ (after - before)


class PrototypeDrift(Correction):
    """Semantic drift compensation (SDC): the nearest prototype decides, without exemplars.

    ``y* = argmin_y ||phi(x) - p_y||``. A class's prototype is the mean feature of its training samples at the
    end of the task that brought it; at the end of each later task it is moved by :func:`drift`, estimated
    from that task's data under the student before and after it. A class that comes again, as all do in a
    domain-incremental stream, gets the mean of its moved prototype and of the new samples' features, weighted
    by their numbers. The score of a class is the negative squared distance, of a class without prototype
    minus infinity.

    Paper: Yu et al. 2020, "Semantic Drift Compensation for Class-Incremental Learning", arXiv 2004.00440,
    equations 5 to 8.

    Args:
        sigma: width of the neighbourhood whose drift is averaged, above 0, in units of the features.
        normalize: whether features are scaled to length 1 first, as a network trained to embed does.

    Raises:
        BadCall: if ``sigma`` is not above 0.

    Example:
        >>> PrototypeDrift(sigma=0.3).ready
        False
    """

    one_student = True

    def __init__(self, *, sigma: float = 0.3, normalize: bool = True) -> None:
        self.sigma = positive("sigma", sigma)
        self.normalize = normalize
        self._device = torch.device("cpu")
        # The student at the end of the last task, which is that at the start of this one.
        self._before = Kept()
        self.prototypes: Tensor | None = None
        self.classes: list[int] = []
        self.counts: list[int] = []

    @property
    def ready(self) -> bool:
        return self.prototypes is not None

    def begin(self, device: torch.device) -> None:
        self._device = device
        self._before.place(device)

    def fit(self, stage: Stage) -> None:
        y = stage.data.targets
        after = self._scaled(described(stage.data, torch.arange(len(y)), stage.describe)[1])
        moved: dict[int, Tensor] = {}
        if self.prototypes is not None:
            shift = drift(self._features_before(stage), after, self.prototypes, self.sigma)
            moved = dict(zip(self.classes, self.prototypes + shift, strict=True))
            stage.note("prototype_drift/length", float(shift.norm(dim=1).mean()))
        number = dict(zip(self.classes, self.counts, strict=True))
        for column in y.unique().tolist():
            mine = after[(y == column).to(after.device)]
            earlier = number.get(column, 0)
            total = mine.sum(dim=0) + (earlier * moved[column] if earlier else 0.0)
            number[column] = earlier + len(mine)
            moved[column] = total / number[column]
        self.classes = sorted(moved)
        self.counts = [number[column] for column in self.classes]
        self.prototypes = torch.stack([moved[column] for column in self.classes])
        self._before.keep(stage.model, stage.task.index)

    def _features_before(self, stage: Stage) -> Tensor:
        network = self._before.module
        if network is None:
            raise BadCall("there is no network of the last task to measure the drift from")

        def describe(raw: Tensor) -> tuple[Tensor, Tensor]:
            label = torch.full((len(raw),), stage.task.label, dtype=torch.int64, device=stage.device)
            with torch.no_grad():
                said = stage.say(network, stage.data.plain(raw.to(stage.device)), label, Wants(features=True))
            if said.features is None:
                raise RuntimeError("the network was asked for features and gave none")
            return said.logits, said.features.float()

        return self._scaled(described(stage.data, torch.arange(len(stage.data.targets)), describe)[1])

    def _scaled(self, features: Tensor) -> Tensor:
        return F.normalize(features.float(), dim=1) if self.normalize else features.float()

    def scores(self, logits: Tensor, asked: Asked) -> Tensor:
        if self.prototypes is None:
            raise RuntimeError("there are no prototypes before the end of the first task")
        features = self._scaled(asked.features())
        scores = torch.full(logits.shape, -torch.inf, dtype=torch.float32, device=logits.device)
        scores[:, self.classes] = -torch.cdist(features, self.prototypes).square()
        return scores

    def state_dict(self) -> dict[str, Any]:
        return {
            "prototypes": self.prototypes,
            "classes": list(self.classes),
            "counts": list(self.counts),
            "before": self._before.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any], rebuild: Rebuild | None = None) -> None:
        prototypes = state["prototypes"]
        self.prototypes = prototypes.to(self._device) if prototypes is not None else None
        self.classes, self.counts = list(state["classes"]), list(state["counts"])
        self._before.load_state_dict(state["before"], rebuild)
