"""Losses of stage outputs, one sample at a time, written out with loops; used by tests only.

A map is ``values[channel][row][column]``: rows go down the height, columns along the width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.reference.losses import mean
from tests.reference.relations import minus, scaled, size

Map = Sequence[Sequence[Sequence[float]]]


def pooled(values: Map, pool: str) -> list[float]:
    """The squares, summed as ``pool`` says, as one vector."""
    channels, height, width = range(len(values)), range(len(values[0])), range(len(values[0][0]))
    if pool == "width":
        return [sum(values[c][h][w] ** 2 for w in width) for c in channels for h in height]
    if pool == "height":
        return [sum(values[c][h][w] ** 2 for h in height) for c in channels for w in width]
    if pool == "spatial":
        return pooled(values, "width") + pooled(values, "height")
    if pool == "gap":
        return [sum(values[c][h][w] ** 2 for h in height for w in width) for c in channels]
    if pool == "channel":
        return [sum(values[c][h][w] ** 2 for c in channels) for h in height for w in width]
    assert pool == "pixel"
    return [values[c][h][w] ** 2 for c in channels for h in height for w in width]


def pod(student: Sequence[Map], teacher: Sequence[Map], pool: str) -> float:
    """Mean over the stages of the distance of the pooled outputs at length 1."""
    return mean(
        [
            size(minus(scaled(pooled(s, pool)), scaled(pooled(t, pool))))
            for s, t in zip(student, teacher, strict=True)
        ]
    )


def attention(student: Sequence[Map], teacher: Sequence[Map], power: float) -> float:
    """Sum over the stages of the mean squared difference of activation maps at length 1."""

    def active(values: Map) -> list[float]:
        places = [(h, w) for h in range(len(values[0])) for w in range(len(values[0][0]))]
        return scaled([sum(abs(channel[h][w]) ** power for channel in values) for h, w in places])

    return sum(
        mean([gap**2 for gap in minus(active(s), active(t))]) for s, t in zip(student, teacher, strict=True)
    )


def afc(student: Sequence[Map], teacher: Sequence[Map], importance: Sequence[Sequence[float]]) -> float:
    """Mean over stages and channels of importance times the distance of squared channels at length 1."""

    def profile(channel: Sequence[Sequence[float]]) -> list[float]:
        return scaled([value**2 for row in channel for value in row])

    stages = []
    for s, t, weights in zip(student, teacher, importance, strict=True):
        stages.append(
            mean([w * size(minus(profile(a), profile(b))) for a, b, w in zip(s, t, weights, strict=True)])
        )
    return mean(stages)


def channel_importance(gradients: Sequence[Map]) -> list[float]:
    """Mean over the samples of the summed squares of each channel's gradient."""
    return [
        mean([sum(value**2 for row in sample[c] for value in row) for sample in gradients])
        for c in range(len(gradients[0]))
    ]


def cam(values: Map, logit: Callable[[Map], float], step: float = 1e-5) -> list[float]:
    """ReLU(sum_k alpha_k A_k) place by place, the gradient in alpha taken by moving each value up and down."""
    height, width = len(values[0]), len(values[0][0])
    alpha = []
    for k in range(len(values)):
        slopes = []
        for h in range(height):
            for w in range(width):
                moved = [[[list(row) for row in channel] for channel in values] for _ in range(2)]
                moved[0][k][h][w] += step
                moved[1][k][h][w] -= step
                slopes.append((logit(moved[0]) - logit(moved[1])) / (2 * step))
        alpha.append(mean(slopes))
    return [
        max(0.0, sum(alpha[k] * values[k][h][w] for k in range(len(values))))
        for h in range(height)
        for w in range(width)
    ]


def gradcam(student: Map, teacher: Map, logit: Callable[[Map], float], goal: Callable[[Map], float]) -> float:
    """Sum of the absolute differences of the two class activation maps at length 1."""
    return sum(abs(gap) for gap in minus(scaled(cam(teacher, goal)), scaled(cam(student, logit))))
