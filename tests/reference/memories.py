"""Sampling and choosing written out one sample at a time, as the papers print them; used by tests only."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

Vector = Sequence[float]


def algorithm_r(capacity: int, draws: Sequence[float]) -> list[int]:
    """Which sample each slot holds after ``len(draws)`` samples: Vitter 1985, algorithm R, one uniform draw a sample.

    Sample i (from 0) of a full reservoir goes to slot floor(u * (i + 1)) if there is such a slot.
    """
    slots: list[int] = []
    for i, u in enumerate(draws):
        if len(slots) < capacity:
            slots.append(i)
            continue
        slot = math.floor(u * (i + 1))
        if slot < capacity:
            slots[slot] = i
    return slots


def kept_probability(capacity: int, samples: int) -> list[Fraction]:
    """The exact chance of each of ``samples`` to be in the reservoir at the end, followed step by step.

    Sample i enters with capacity / (i + 1); whoever is inside leaves at a later step k with 1 / (k + 1).
    """
    inside: list[Fraction] = []
    for i in range(samples):
        if i < capacity:
            inside.append(Fraction(1))
            continue
        inside = [chance * (1 - Fraction(1, i + 1)) for chance in inside]
        inside.append(Fraction(capacity, i + 1))
    return inside


def class_balancing(
    capacity: int, classes: Sequence[int], draw: Callable[[], tuple[float, float]]
) -> list[int]:
    """Which sample each slot holds after a stream of ``classes``: Chrysakis & Moens 2020, algorithm 1.

    ``draw`` gives two uniform numbers for each sample that meets a full memory.
    """
    slots: list[int] = []
    met: dict[int, int] = {}
    full: set[int] = set()
    for i, c in enumerate(classes):
        met[c] = met.get(c, 0) + 1
        if len(slots) < capacity:
            slots.append(i)
            continue
        held: dict[int, int] = {}
        for kept in slots:
            held[classes[kept]] = held.get(classes[kept], 0) + 1
        full |= {name for name, size in held.items() if size == max(held.values())}
        u, v = draw()
        if c not in full:
            large = [s for s in range(capacity) if held[classes[slots[s]]] == max(held.values())]
            slots[large[math.floor(u * len(large))]] = i
        elif u <= held.get(c, 0) / met[c]:
            own = [s for s in range(capacity) if classes[slots[s]] == c]
            slots[own[math.floor(v * len(own))]] = i
    return slots


def normalised(vector: Vector) -> list[float]:
    """The vector at length 1."""
    length = math.sqrt(sum(value * value for value in vector))
    return [value / length for value in vector]


def average(vectors: Sequence[Vector]) -> list[float]:
    """The mean vector."""
    return [sum(column) / len(vectors) for column in zip(*vectors, strict=True)]


def distance(one: Vector, other: Vector) -> float:
    """Euclid's."""
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)))


def herding(features: Sequence[Vector], count: int) -> list[int]:
    """Rebuffi et al. 2017, algorithm 4: each choice brings the mean of the chosen nearest to the mean of all."""
    goal = average(features)
    chosen: list[int] = []
    while len(chosen) < min(count, len(features)):
        best, shortest = -1, math.inf
        for candidate in range(len(features)):
            if candidate in chosen:
                continue
            gap = distance(goal, average([features[k] for k in [*chosen, candidate]]))
            if gap < shortest:
                best, shortest = candidate, gap
        chosen.append(best)
    return chosen


def clusters(points: Sequence[Vector], centres: Sequence[Vector]) -> list[list[int]]:
    """Lloyd's algorithm from the given centres until nothing moves: which points belong to each centre."""
    groups: list[list[int]] = []
    while True:
        nearest = [min(range(len(centres)), key=lambda c: distance(point, centres[c])) for point in points]
        found = [[i for i, c in enumerate(nearest) if c == number] for number in range(len(centres))]
        if found == groups:
            return groups
        groups = found
        centres = [
            average([points[i] for i in group]) if group else centre
            for group, centre in zip(groups, centres, strict=True)
        ]


def nearest_mean(query: Vector, exemplars: dict[int, Sequence[Vector]]) -> dict[int, float]:
    """Rebuffi et al. 2017, algorithm 1: squared distance of ``query`` to each class's mean, everything at length 1."""
    found = {}
    for name, features in exemplars.items():
        mean = normalised(average([normalised(feature) for feature in features]))
        found[name] = distance(normalised(query), mean) ** 2
    return found
