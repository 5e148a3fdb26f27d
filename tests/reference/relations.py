"""Losses of features and of relations between samples, written out with loops; used by tests only."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tests.reference.losses import mean

Vector = Sequence[float]
Vectors = Sequence[Vector]


def dot(one: Vector, other: Vector) -> float:
    """The inner product."""
    return sum(a * b for a, b in zip(one, other, strict=True))


def size(vector: Vector) -> float:
    """Euclid's length."""
    return math.sqrt(dot(vector, vector))


def minus(one: Vector, other: Vector) -> list[float]:
    """The difference."""
    return [a - b for a, b in zip(one, other, strict=True)]


def scaled(vector: Vector) -> list[float]:
    """At length 1; a zero vector stays."""
    length = size(vector)
    return [a / length for a in vector] if length > 0 else list(vector)


def huber(gap: float) -> float:
    """Half the square up to 1, then the line."""
    return gap * gap / 2 if abs(gap) < 1 else abs(gap) - 0.5


def hint(student: Vector, teacher: Vector) -> float:
    """Mean of the squared differences."""
    return mean([gap**2 for gap in minus(student, teacher)])


def cosine(student: Vector, teacher: Vector) -> float:
    """1 - cos."""
    return 1.0 - dot(student, teacher) / (size(student) * size(teacher))


def feature_l2(student: Vector, teacher: Vector) -> float:
    """The length of the difference."""
    return size(minus(student, teacher))


def batch_l2(student: Vectors, teacher: Vectors) -> float:
    """The length of all differences, one behind the other."""
    return size([gap for s, t in zip(student, teacher, strict=True) for gap in minus(s, t)])


def rkd_distance(student: Vectors, teacher: Vectors) -> list[float]:
    """For each sample the mean over all samples of huber of the difference of relative distances."""

    def relative(vectors: Vectors) -> list[list[float]]:
        distances = [[size(minus(a, b)) for b in vectors] for a in vectors]
        apart = [d for row in distances for d in row if d > 0]
        return [[d / mean(apart) for d in row] for row in distances] if apart else distances

    one, other = relative(student), relative(teacher)
    return [mean([huber(gap) for gap in minus(a, b)]) for a, b in zip(one, other, strict=True)]


def rkd_angle(student: Vectors, teacher: Vectors) -> list[float]:
    """For each vertex the mean over all pairs of huber of the difference of cosines."""

    def cos(vectors: Vectors, i: int, j: int, k: int) -> float:
        return dot(scaled(minus(vectors[j], vectors[i])), scaled(minus(vectors[k], vectors[i])))

    batch = range(len(student))
    return [
        mean([huber(cos(student, i, j, k) - cos(teacher, i, j, k)) for j in batch for k in batch])
        for i in batch
    ]


def similarity(student: Vectors, teacher: Vectors) -> list[float]:
    """For each sample the mean over all samples of the squared difference of rows of length 1."""
    losses = []
    for i in range(len(student)):
        one = scaled([dot(student[i], other) for other in student])
        other = scaled([dot(teacher[i], each) for each in teacher])
        losses.append(mean([gap**2 for gap in minus(one, other)]))
    return losses


def correlation(student: Vectors, teacher: Vectors, gamma: float, order: int) -> list[float]:
    """For each sample the mean over all samples of the squared difference of the expanded kernel."""

    def kernel(a: Vector, b: Vector) -> float:
        cos = dot(scaled(a), scaled(b))
        return math.exp(-2 * gamma) * sum(
            (2 * gamma) ** p / math.factorial(p) * cos**p for p in range(order + 1)
        )

    batch = range(len(student))
    return [
        mean([(kernel(student[i], student[j]) - kernel(teacher[i], teacher[j])) ** 2 for j in batch])
        for i in batch
    ]
