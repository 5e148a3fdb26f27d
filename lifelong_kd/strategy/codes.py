"""EBLL's under-complete autoencoders: what of the features matters to each earlier task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import Component
from lifelong_kd.core.types import Batch, Wants
from lifelong_kd.model.network import Network
from lifelong_kd.phase.base import Stage
from lifelong_kd.phase.fit import fit
from lifelong_kd.strategy.lesson import Lesson
from lifelong_kd.strategy.term import Term
from lifelong_kd.teacher.base import Teacher

__all__ = ["Codes"]


class Autoencoder(nn.Module):
    """Features (B, D) to a code (B, size) by one sigmoid layer, and back by one linear layer."""

    def __init__(self, features: int, size: int) -> None:
        super().__init__()
        self.encoder = nn.Linear(features, size)
        self.decoder = nn.Linear(size, features)

    def code(self, features: Tensor) -> Tensor:
        """The code, each entry in (0, 1)."""
        coded: Tensor = self.encoder(features)
        return torch.sigmoid(coded)

    def forward(self, features: Tensor) -> Tensor:
        restored: Tensor = self.decoder(self.code(features))
        return restored


class Codes(Term):
    """The codes of the student's features stay those of the teacher's, one autoencoder a finished task.

    ``sum_k || sigma(W_k f_student) - sigma(W_k f_teacher) ||_2^2`` over the earlier tasks k, mean over the
    batch. At the end of a task an autoencoder r is trained on its features, the student being fixed: ``task
    loss(head(r(f))) + reconstruction * || r(f) - f ||_2^2`` (EBLL: Rannen Triki et al. 2017, arXiv 1704.01920).

    Args:
        teacher: the student before this task.
        size: of a code; at most half as many as there are features.
        reconstruction: weight of the distance between features and what is restored of them.
        epochs: in which an autoencoder is trained; as many as the task if null.
        lr: learning rate of that.
        weight: when and how much: a schedule, a number or a list.

    Raises:
        BadCall: if an option is out of range, or, at the end of a task, for a network that is not of
            lifelong_kd.
    """

    one_student = True
    wants = Wants(features=True)

    def __init__(
        self,
        teacher: Annotated[Teacher, Component("teacher")],
        *,
        size: int = 100,
        reconstruction: float = 1e-6,
        epochs: int | None = 50,
        lr: float = 0.01,
        weight: Annotated[object, Component("schedule")] = 1.0,
    ) -> None:
        super().__init__("new", weight)
        if size < 1 or reconstruction < 0 or (epochs is not None and epochs < 1) or not lr > 0:
            raise BadCall(
                "a code has at least 1 entry, reconstruction is at least 0, there is at least 1 epoch and a lr"
                f" above 0; got {size}, {reconstruction}, {epochs} and {lr}"
            )
        self._teacher = teacher
        self.size = size
        self.reconstruction = reconstruction
        self.epochs = epochs
        self.lr = lr
        self.autoencoders: list[Autoencoder] = []
        self._device = torch.device("cpu")

    @property
    def teacher(self) -> Teacher:
        return self._teacher

    def begin_task(self, stage: Stage) -> None:
        self._device = stage.device
        for autoencoder in self.autoencoders:
            autoencoder.to(stage.device)

    def value(self, lesson: Lesson) -> Tensor | None:
        student = lesson.student("new").features
        if not self._teacher.ready or not self.autoencoders or student is None:
            return None
        taught = lesson.taught(self._teacher, "new").features
        if taught is None:
            return None
        distances = [
            (autoencoder.code(student) - autoencoder.code(taught)).square().sum(dim=1)
            for autoencoder in self.autoencoders
        ]
        return torch.stack(distances).sum(dim=0).mean()

    def end_task(self, stage: Stage) -> None:
        model = stage.model
        if not isinstance(model, Network):
            raise BadCall(
                "EBLL puts an autoencoder between a network's body and its head;"
                f" {type(model).__name__} has no head of its own: give a network of lifelong_kd"
            )
        features = model.head.feature_size
        with stage.seeds.default(f"codes/{stage.task.index}"):
            autoencoder = Autoencoder(features, min(self.size, max(features // 2, 1)))
        autoencoder.to(next(model.parameters()))
        modes = {part: part.training for part in model.modules()}
        model.eval()

        def loss(batch: Batch) -> Tensor:
            with torch.no_grad():
                said = stage.say(model, batch.x, batch.label, Wants(features=True)).features
            if said is None:
                raise RuntimeError("the network told no features")
            restored: Tensor = autoencoder(said)
            distance = (restored - said).square().sum(dim=1).mean()
            return stage.loss(model.head(restored), batch.y, batch.label) + self.reconstruction * distance

        fit(stage, autoencoder, loss, name="codes", epochs=self.epochs, lr=self.lr)
        # The head, too, has got gradients on the way, which the next step must not find.
        model.zero_grad(set_to_none=True)
        for part, mode in modes.items():
            part.training = mode
        self.autoencoders.append(autoencoder.requires_grad_(False))

    def state_dict(self) -> dict[str, Any]:
        return {"autoencoders": [dict(autoencoder.state_dict()) for autoencoder in self.autoencoders]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.autoencoders = []
        for weights in state["autoencoders"]:
            size, features = weights["encoder.weight"].shape
            # The weights are overwritten: what the generator gives them must not cost the run a draw.
            with torch.random.fork_rng(devices=[]):
                autoencoder = Autoencoder(features, size)
            autoencoder.to(weights["encoder.weight"].dtype).load_state_dict(weights)
            autoencoder.to(self._device).requires_grad_(False)
            self.autoencoders.append(autoencoder)
