"""Every registered knowledge against its slow derivation, on several shapes and seeds."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from lifelong_kd.core.types import Said
from lifelong_kd.knowledge import registry
from tests.reference import losses, maps, relations

Rows = list[list[float]]
Slow = Callable[[Any, Any], list[float]]


def rows(one: Callable[..., float], *options: float) -> Slow:
    """A derivation of one sample, for each sample."""
    return lambda student, teacher: [one(s, t, *options) for s, t in zip(student, teacher, strict=True)]


# Name, options, derivation; the last one says whether it gives each sample's value or the batch's mean only.
FLAT: list[tuple[str, dict[str, Any], Slow, bool]] = [
    ("kd", {"temperature": 3.0}, rows(losses.kd, 3.0), True),
    ("ce", {"temperature": 3.0}, rows(losses.ce, 3.0), True),
    ("lwf_original", {"temperature": 3.0}, rows(losses.lwf_original, 3.0), True),
    ("bce", {}, rows(losses.bce), True),
    ("mse", {}, rows(losses.mse), True),
    ("l1", {}, rows(losses.l1), True),
    ("probability_l2", {}, rows(losses.probability_l2, 1.0), True),
    ("dkd", {}, rows(losses.dkd, 4.0, 1.0, 8.0), True),
    ("dkd", {"temperature": 1.0, "alpha": 2.0, "beta": 0.5}, rows(losses.dkd, 1.0, 2.0, 0.5), True),
    ("zscore", {}, rows(losses.zscore_inter, 2.0), True),
    (
        "zscore",
        {"temperature": 3.0, "intra": 0.25},
        lambda s, t: [
            losses.mean(rows(losses.zscore_inter, 3.0)(s, t)) + 0.25 * losses.zscore_intra(s, t, 3.0)
        ],
        False,
    ),
    ("dist", {}, lambda s, t: [losses.dist(s, t, 1.0, 1.0, 1.0)], False),
    (
        "dist",
        {"temperature": 4.0, "beta": 2.0, "gamma": 0.5},
        lambda s, t: [losses.dist(s, t, 4.0, 2.0, 0.5)],
        False,
    ),
    ("hint", {}, rows(relations.hint), True),
    ("cosine", {}, rows(relations.cosine), True),
    ("feature_l2", {}, rows(relations.feature_l2), True),
    (
        "feature_l2",
        {"squared": True},
        lambda s, t: [relations.feature_l2(a, b) ** 2 for a, b in zip(s, t, strict=True)],
        True,
    ),
    ("feature_l2", {"whole_batch": True}, lambda s, t: [relations.batch_l2(s, t)], False),
    ("rkd_distance", {}, relations.rkd_distance, True),
    ("rkd_angle", {}, relations.rkd_angle, True),
    ("similarity", {}, relations.similarity, True),
    ("correlation", {}, lambda s, t: relations.correlation(s, t, 0.4, 2), True),
    ("correlation", {"gamma": 1.5, "order": 4}, lambda s, t: relations.correlation(s, t, 1.5, 4), True),
]
STAGED: list[tuple[str, dict[str, Any], Callable[..., float]]] = [
    *(
        ("pod", {"pool": pool}, lambda s, t, pool=pool: maps.pod(s, t, pool))
        for pool in ("spatial", "width", "height", "gap", "channel", "pixel")
    ),
    ("attention", {}, lambda s, t: maps.attention(s, t, 2.0)),
    ("attention", {"power": 3.0}, lambda s, t: maps.attention(s, t, 3.0)),
    ("afc", {}, lambda s, t: maps.afc(s, t, [[1.0] * len(each) for each in s])),
]


def test_every_registered_knowledge_has_a_derivation() -> None:
    covered = {case[0] for case in FLAT} | {case[0] for case in STAGED} | {"gradcam"}
    assert covered == {entry.name for entry in registry if entry.owner == "lifelong_kd"}


def drawn(*shape: int, seed: int, scale: float = 1.5) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("batch", "columns"), [(2, 3), (5, 4), (4, 9), (7, 2)])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", FLAT, ids=lambda case: f"{case[0]}-{'-'.join(map(str, case[1].values()))}")
def test_logits_and_features(
    case: tuple[str, dict[str, Any], Slow, bool], batch: int, columns: int, seed: int
) -> None:
    name, options, reference, each = case
    student, teacher = drawn(batch, columns, seed=seed), drawn(batch, columns, seed=100 + seed)
    said = registry.get(name)(**options)(student, teacher)
    expected = torch.tensor(reference(student.tolist(), teacher.tolist()), dtype=torch.float64)
    assert said.shape == (batch,) and (said > -1e-12).all()
    torch.testing.assert_close(said if each else said.mean()[None], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shapes", [[(3, 4, 2)], [(2, 3, 3), (4, 1, 5)], [(1, 2, 2), (2, 1, 1), (3, 4, 3)]])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", STAGED, ids=lambda case: f"{case[0]}-{'-'.join(map(str, case[1].values()))}")
def test_maps(
    case: tuple[str, dict[str, Any], Callable[..., float]], shapes: list[tuple[int, ...]], seed: int
) -> None:
    name, options, reference = case
    student = [drawn(3, *shape, seed=seed + 10 * n) for n, shape in enumerate(shapes)]
    teacher = [drawn(3, *shape, seed=seed + 10 * n + 5) for n, shape in enumerate(shapes)]
    said = registry.get(name)(**options)(student, teacher)
    expected = [
        reference([each[i].tolist() for each in student], [each[i].tolist() for each in teacher])
        for i in range(3)
    ]
    torch.testing.assert_close(said, torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_class_activation_maps(seed: int) -> None:
    # Two networks that square, mix and pool: their logits as a tensor and as plain loops.
    height, width, channels, columns, batch = 3, 2, 4, 3, 3
    weights = [drawn(columns, channels, seed=20 + seed), drawn(columns, channels, seed=40 + seed)]

    def tensor(values: Tensor, weight: Tensor) -> Said:
        leaf = values.clone().requires_grad_()
        places = torch.linspace(0.5, 1.5, height * width, dtype=torch.float64).reshape(height, width)
        pooled = (leaf.square() * places).sum(dim=(2, 3)) + leaf.sum(dim=(2, 3)).tanh()
        return Said(pooled @ weight.T, maps={"stage1": leaf})

    def loops(weight: Tensor) -> Callable[[maps.Map], list[float]]:
        def logits(values: maps.Map) -> list[float]:
            pooled = []
            for channel in values:
                flat = [value for row in channel for value in row]
                places = [0.5 + n / (height * width - 1) for n in range(height * width)]
                pooled.append(
                    sum(p * v * v for p, v in zip(places, flat, strict=True)) + math.tanh(sum(flat))
                )
            return [sum(w * v for w, v in zip(row, pooled, strict=True)) for row in weight.tolist()]

        return logits

    student, teacher = (
        drawn(batch, channels, height, width, seed=seed),
        drawn(batch, channels, height, width, seed=60 + seed),
    )
    said = registry.get("gradcam")()(tensor(student, weights[0]), tensor(teacher, weights[1]))
    ours, theirs = loops(weights[0]), loops(weights[1])
    expected = []
    for s, t in zip(student.tolist(), teacher.tolist(), strict=True):
        top = theirs(t).index(max(theirs(t)))
        expected.append(
            maps.gradcam(s, t, lambda m, top=top: ours(m)[top], lambda m, top=top: theirs(m)[top])
        )
    torch.testing.assert_close(said, torch.tensor(expected, dtype=torch.float64), rtol=1e-6, atol=1e-8)
