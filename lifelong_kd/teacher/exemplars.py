"""A teacher that compares samples with a few examples that a person picked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import Component
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Batch, Task, TaskData, Wants
from lifelong_kd.knowledge.options import chosen, positive
from lifelong_kd.teacher.base import Rebuild, Teacher
from lifelong_kd.teacher.labeller import Classes, Labeller, smoothed, unknown_label
from lifelong_kd.teacher.picked import first_rows, picked, read_picks, unknown

__all__ = ["Exemplars"]


class Exemplars(Labeller):
    """Soft labels by the distance to a few examples of each class, of earlier tasks' classes as well.

    With ``d`` the distance between features of length 1, ``mean``: ``p_c = softmax_c(-d(f, m_c)^2 / T)``, m_c the
    normalised mean of the class's examples, as in prototypical networks (Snell et al. 2017, arXiv 1703.05175) and
    iCaRL's rule (arXiv 1611.07725). ``knn``: ``p_c = (1 - s) sum_k [y_k = c] w_k / sum_k w_k + s / K`` over the nearest
    k examples, ``w_k = exp(-d_k^2 / T)``.

    Features are the input as the model sees it, or those that another teacher has of it, such as a snapshot of the
    student; the examples are then passed through that network at the beginning of every task. They are kept for the
    whole run and counted as bytes that remember earlier tasks.

    Args:
        path: a YAML or JSON file, relative to the working directory, with a list of examples for every class of the
            stream: texts; image files, relative to that file; or n for the n-th training sample of the class.
        per_class: instead of a file, the first so many training samples of each class.
        rule: ``mean`` or ``knn``.
        k: neighbours of ``knn``, at least 1.
        temperature: T > 0; larger is softer.
        smoothing: s, share of a label of ``knn`` that is spread over all classes the sample can be of, in [0, 1).
        features_of: the teacher whose features are compared; the input if null.
        classes: which classes a sample can be of: all that have been ``seen``, or the ``new`` ones of the task.

    Raises:
        BadCall: for both or none of ``path`` and ``per_class``, options out of range, a class of the stream without
            examples, or examples of a class that it does not have.
        DataMissing: if the file is not there.

    Example:
        strategy:
          name: compose
          teachers: {album: {name: exemplars, per_class: 5}}
          terms:
            album: {teacher: album, knowledge: {name: kd, temperature: 1.0}, over: seen, weight: 0.5}
    """

    def __init__(
        self,
        *,
        path: str | None = None,
        per_class: int | None = None,
        rule: Literal["mean", "knn"] = "mean",
        k: int = 3,
        temperature: float = 0.1,
        smoothing: float = 0.1,
        features_of: Annotated[object, Component("teacher")] | None = None,
        classes: Classes = "seen",
    ) -> None:
        super().__init__(classes)
        if (path is None) == (per_class is None):
            raise BadCall("the teacher 'exemplars' needs one of path and per_class")
        for name, value in (("per_class", per_class), ("k", k)):
            if value is not None and value < 1:
                raise BadCall(f"{name} must be at least 1, got {value}")
        if not 0 <= smoothing < 1:
            raise BadCall(f"smoothing must lie in [0, 1), got {smoothing}")
        if features_of is not None and (
            not isinstance(features_of, Teacher) or "features" not in features_of.offers
        ):
            raise BadCall(f"features_of is a teacher that offers features, not {features_of!r}")
        self.path = path
        self.per_class = per_class
        self.rule = chosen("rule", rule, ("mean", "knn"))
        self.k = k
        self.temperature = positive("temperature", temperature)
        self.smoothing = smoothing
        self.features_of = features_of if isinstance(features_of, Teacher) else None
        if self.features_of is not None:
            self.sources = self.features_of.sources
            self.needs_fields = self.features_of.needs_fields
        self._picks = read_picks(path) if path is not None else {}
        self._kept: dict[str, Tensor] = {}
        self._data: TaskData | None = None
        self._features: Tensor | None = None

    @property
    def members(self) -> tuple[Teacher, ...]:
        return () if self.features_of is None else (self.features_of,)

    @property
    def adapts(self) -> bool:
        return self.features_of is not None and self.features_of.adapts

    @property
    def ready(self) -> bool:
        return bool(self._kept) and (self.features_of is None or self.features_of.ready)

    @property
    def nbytes(self) -> int:
        """Bytes of the examples that are kept."""
        return self._kept["raw"].nbytes if self._kept else 0

    def check_labels(self, names: Sequence[str]) -> None:
        if self.path is None or not names:
            return
        other, missing = unknown(self._picks, names)
        if other:
            raise BadCall(f"{self.path}: {unknown_label(other[0], names)}")
        if missing:
            raise BadCall(f"{self.path} has no examples of {', '.join(map(repr, missing))}")

    def study(self, task: Task, data: TaskData, seeds: Seeds) -> None:
        self._data, self._features = data, None
        found = {column: self._of(column, data) for column in sorted(set(task.new))}
        # On the CPU, as a checkpoint gives them back: those of later tasks are put beside them.
        raw = torch.cat(list(found.values())).cpu()
        y = torch.cat([torch.full((len(one),), column) for column, one in found.items()])
        new = {
            "raw": raw,
            "y": y,
            "label": torch.full_like(y, task.label),
            "task": torch.full_like(y, task.index),
        }
        if self._kept:
            # A task that is told twice replaces its own.
            before = self._kept["task"] != task.index
            new = {name: torch.cat([self._kept[name][before], value]) for name, value in new.items()}
        self._kept = new

    def _of(self, column: int, data: TaskData) -> Tensor:
        if self.per_class is not None:
            return first_rows(data, column, self.per_class)
        name = self.name(column)
        if name not in self._picks or self.path is None:
            raise BadCall(f"{self.path} has no examples of {name!r}")
        return picked(self._picks[name], name, column, data, Path(self.path).expanduser().parent)

    def label(self, batch: Batch) -> tuple[Tensor, Tensor]:
        mine, place = self._compared()
        asked = self._normalised(batch)
        allowed = self.allowed(batch.label).to(asked.device)
        # Of each example whether it is of each competing class, (examples, competing).
        belongs = F.one_hot(place, len(self.competing)).to(asked)
        possible = allowed[:, place]
        if self.rule == "mean":
            some = allowed & (belongs.sum(dim=0) > 0)
            near = self._nearness(asked, F.normalize(belongs.T @ mine, dim=1))
            return near.masked_fill(~some, -torch.inf).softmax(dim=1), possible.any(dim=1)
        near = self._nearness(asked, mine).masked_fill(~possible, -torch.inf)
        nearest = near.topk(min(self.k, near.shape[1]))
        weight = nearest.values.softmax(dim=1)
        share = (belongs[nearest.indices] * weight[:, :, None]).sum(dim=1)
        return smoothed(share, allowed, self.smoothing), possible.any(dim=1)

    def _nearness(self, one: Tensor, other: Tensor) -> Tensor:
        return -torch.cdist(one, other).square() / self.temperature

    def _compared(self) -> tuple[Tensor, Tensor]:
        """Features of the examples of competing classes, and the place of the class of each."""
        if self._features is None or self.adapts:
            kept = {name: value.to(self.device) for name, value in self._kept.items()}
            x = kept["raw"] if self._data is None else self._data.plain(kept["raw"])
            self._features = self._normalised(Batch(x, kept["y"], kept["label"], kept["raw"]))
        columns = torch.tensor(self.competing, device=self._features.device)
        y = self._kept["y"].to(columns)
        chosen = torch.isin(y, columns)
        return self._features[chosen], torch.searchsorted(columns, y[chosen])

    def _normalised(self, batch: Batch) -> Tensor:
        features = batch.x
        if self.features_of is not None:
            # Without an index, by which a cache would answer that holds what others asked.
            said = self.features_of.teach(replace(batch, index=None), Wants(features=True)).features
            if said is None:
                raise BadCall(f"{type(self.features_of).__name__} says no features")
            features = said
        return F.normalize(features.flatten(1).float(), dim=1)

    def state_dict(self) -> dict[str, Any]:
        return {"kept": dict(self._kept)}

    def load_state_dict(self, state: Mapping[str, Any], rebuild: Rebuild) -> None:
        self._kept = {name: value.cpu() for name, value in state["kept"].items()}
        self._features = None
