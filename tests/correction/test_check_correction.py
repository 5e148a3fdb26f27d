"""The check of corrections finds what is wrong with one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from lifelong_kd.correction.base import Asked, Correction
from lifelong_kd.phase.base import Stage
from lifelong_kd.testing import check_correction


class Narrow(Correction):
    def scores(self, logits: Tensor, asked: Asked) -> Tensor:
        return logits[:, :2]


class InPlace(Correction):
    def scores(self, logits: Tensor, asked: Asked) -> Tensor:
        return logits.add_(1.0)


class NotANumber(Correction):
    def scores(self, logits: Tensor, asked: Asked) -> Tensor:
        return logits / 0


class Draws(Correction):
    def fit(self, stage: Stage) -> None:
        torch.rand(1)


class Forgets(Correction):
    def __init__(self) -> None:
        self.tasks = 0

    def fit(self, stage: Stage) -> None:
        self.tasks += 1

    def scores(self, logits: Tensor, asked: Asked) -> Tensor:
        return logits * self.tasks


class Remembers(Forgets):
    def state_dict(self) -> dict[str, Any]:
        return {"tasks": self.tasks}

    def load_state_dict(self, state: Mapping[str, Any], rebuild: Any = None) -> None:
        self.tasks = state["tasks"]


class Detached(Correction):
    in_training = True

    def rectify(self, logits: Tensor) -> Tensor:
        return (2 * logits.detach()).requires_grad_()


class Refits(Correction):
    """As often as anyone has made one."""

    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        self.number = self.made

    def scores(self, logits: Tensor, asked: Asked) -> Tensor:
        return logits + self.number

    def state_dict(self) -> dict[str, Any]:
        return {"number": self.number}

    def load_state_dict(self, state: Mapping[str, Any], rebuild: Any = None) -> None:
        self.number = state["number"]


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        (Narrow, "shape"),
        (InPlace, "in place"),
        (NotANumber, "no numbers"),
        (Draws, "default generator"),
        (Forgets, "after state_dict"),
        (Detached, "no gradient"),
        (Refits, "other scores when it is fitted again"),
    ],
)
def test_it_says_what_is_wrong(kind: type[Correction], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_correction(kind, strategy=False)


def test_it_lets_a_whole_one_pass() -> None:
    check_correction(Remembers, strategy=False)
    check_correction(Correction, strategy=False)
