"""The conformance check finds what is wrong with a knowledge."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.knowledge import registry
from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.testing import check_knowledge

OPTIONS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in registry.names()),
    ("zscore", {"intra": 1.0}),
    ("dist", {"gamma": 0.0}),
    ("feature_l2", {"squared": True}),
    ("feature_l2", {"whole_batch": True}),
    *(("pod", {"pool": pool}) for pool in ("width", "height", "gap", "channel", "pixel")),
    ("attention", {"power": 1.0}),
    ("gradcam", {"stages": "all"}),
    ("hint", {"projector": "none"}),
]


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_every_knowledge_keeps_its_promises(name: str, options: dict[str, Any]) -> None:
    knowledge = registry.get(name)(**options)
    check_knowledge(knowledge)
    check_knowledge(knowledge, samples=4, columns=9)


class Broken(Knowledge):
    def __init__(self, loss: Any, mixes: bool = False) -> None:
        self.loss = loss
        self.mixes_samples = mixes

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        said: Tensor = self.loss(student, teacher)
        return said


def divergence(student: Tensor, teacher: Tensor, dim: int = 1) -> Tensor:
    p, q = teacher.detach().float().softmax(dim), student.float().log_softmax(dim)
    return F.kl_div(q, p, reduction="none").sum(1)


BROKEN: dict[str, tuple[Any, str]] = {
    "a mean over the batch": (lambda s, t: (s - t).square().mean(), "not one value a sample"),
    "a softmax over the batch": (lambda s, t: divergence(s, t, dim=0), "not positive|mixes samples"),
    "a cross-entropy with its entropy": (
        lambda s, t: F.cross_entropy(s.float(), t.detach().float().softmax(1), reduction="none"),
        "at student = teacher, not 0",
    ),
    "a teacher that learns": (
        lambda s, t: (s.float() - t.float()).square().mean(1),
        "gives the teacher a gradient",
    ),
    "a student that does not": (
        lambda s, t: (s.detach() - t.detach()).square().mean(1),
        "no gradient|not require",
    ),
    "a norm without care at 0": (
        lambda s, t: (s.float() - t.detach().float()).square().sum(1).sqrt(),
        "no finite gradient at student = teacher",
    ),
    "half precision": (lambda s, t: (s - t.detach()).exp().sub(1).square().mean(1), "not finite"),
    "numbers of the batch": (
        lambda s, t: (s.float() - t.detach().float()).square().mean(1) / max(len(s), 1),
        "mixes samples",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_found(name: str) -> None:
    loss, message = BROKEN[name]
    with pytest.raises((AssertionError, RuntimeError), match=message):
        check_knowledge(Broken(loss))


def test_a_place_in_the_batch_is_no_relation() -> None:
    def first(student: Tensor, teacher: Tensor) -> Tensor:
        place = torch.arange(1.0, len(student) + 1)
        return (student.float() - teacher.detach().float()).square().mean(1) * place

    with pytest.raises(AssertionError, match="change places"):
        check_knowledge(Broken(first, mixes=True))
