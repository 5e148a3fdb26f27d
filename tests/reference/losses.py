"""Losses written out with loops and ``math``, as their papers print them: slow, plain, and used by tests only."""

from __future__ import annotations

import math
from collections.abc import Sequence

Row = Sequence[float]
Rows = Sequence[Row]


def softmax(logits: Row, temperature: float = 1.0) -> list[float]:
    """exp(z_c / T) over their sum; the largest is taken out first, which changes nothing but keeps exp finite."""
    top = max(logits)
    powers = [math.exp((z - top) / temperature) for z in logits]
    return [power / sum(powers) for power in powers]


def log_softmax(logits: Row, temperature: float = 1.0) -> list[float]:
    """z_c / T - log sum exp(z / T)."""
    top = max(logits)
    norm = math.log(sum(math.exp((z - top) / temperature) for z in logits))
    return [(z - top) / temperature - norm for z in logits]


def sigmoid(z: float) -> float:
    """1 / (1 + exp(-z)), the form whose exponent is not positive."""
    return 1.0 / (1.0 + math.exp(-z)) if z >= 0 else math.exp(z) / (1.0 + math.exp(z))


def log_sigmoid(z: float) -> float:
    """log(1 / (1 + exp(-z)))."""
    return -math.log1p(math.exp(-z)) if z >= 0 else z - math.log1p(math.exp(z))


def mean(values: Sequence[float]) -> float:
    """Their sum by their number."""
    return sum(values) / len(values)


def kd(student: Row, teacher: Row, temperature: float) -> float:
    """T^2 sum_c p_c (log p_c - log q_c), Hinton et al. 2015."""
    p = softmax(teacher, temperature)
    log_p, log_q = log_softmax(teacher, temperature), log_softmax(student, temperature)
    total = 0.0
    for c in range(len(student)):
        total += p[c] * (log_p[c] - log_q[c])
    return temperature**2 * total


def yes_no(logit: float, target: float) -> float:
    """-y log sigmoid(z) - (1 - y) log(1 - sigmoid(z)), the binary cross-entropy of one class."""
    return -target * log_sigmoid(logit) - (1.0 - target) * log_sigmoid(-logit)


def bce(student: Row, teacher: Row) -> float:
    """sum_c BCE(student_c, sigmoid(teacher_c)) less the teacher's own entropy."""
    total = 0.0
    for z, t in zip(student, teacher, strict=True):
        total += yes_no(z, sigmoid(t)) - yes_no(t, sigmoid(t))
    return total


def mse(student: Row, teacher: Row) -> float:
    """Mean over the columns that the teacher has of the squared difference; NaN is a column it has not."""
    squares = [(z - t) ** 2 for z, t in zip(student, teacher, strict=True) if not math.isnan(t)]
    return mean(squares) if squares else 0.0


def cross_entropy(logits: Row, target: int, classes: Sequence[int]) -> float:
    """-log softmax over ``classes`` alone, at ``target``."""
    chosen = log_softmax([logits[c] for c in classes])
    return -chosen[list(classes).index(target)]


def one_hot_bce(logits: Row, target: int, classes: Sequence[int]) -> float:
    """sum over ``classes`` of BCE against 1 at ``target`` and 0 elsewhere."""
    return sum(yes_no(logits[c], 1.0 if c == target else 0.0) for c in classes)


def at(row: Row, classes: Sequence[int]) -> list[float]:
    """The entries of ``row`` at ``classes``."""
    return [row[c] for c in classes]


def lwf(
    student: Rows,
    teacher: Rows,
    targets: Sequence[int],
    *,
    classes: Sequence[int],
    groups: Sequence[Sequence[int]],
    temperature: float,
    weight: float,
) -> float:
    """Mean over the batch of CE over ``classes`` + weight * sum over the groups of old classes of T^2 KL."""
    losses = []
    for s, t, y in zip(student, teacher, targets, strict=True):
        taught = sum(kd(at(s, group), at(t, group), temperature) for group in groups)
        losses.append(cross_entropy(s, y, classes) + weight * taught)
    return mean(losses)


def der(
    student: Rows,
    targets: Sequence[int],
    replayed: Rows,
    stored: Rows,
    *,
    alpha: float,
    classes: Sequence[int],
) -> float:
    """CE(new) + alpha * mean over the memory batch of MSE(student, stored): Buzzega et al. 2020, equation 6."""
    new = mean([cross_entropy(s, y, classes) for s, y in zip(student, targets, strict=True)])
    dark = mean([mse(s, t) for s, t in zip(replayed, stored, strict=True)])
    return new + alpha * dark


def derpp(
    student: Rows,
    targets: Sequence[int],
    replayed: Rows,
    stored: Rows,
    second: Rows,
    labels: Sequence[int],
    *,
    alpha: float,
    beta: float,
    classes: Sequence[int],
) -> float:
    """DER + beta * CE of a second memory batch: Buzzega et al. 2020, equation 7."""
    dark = der(student, targets, replayed, stored, alpha=alpha, classes=classes)
    return dark + beta * mean([cross_entropy(s, y, classes) for s, y in zip(second, labels, strict=True)])


def icarl(
    student: Rows,
    teacher: Rows | None,
    targets: Sequence[int],
    *,
    old: Sequence[int],
    new: Sequence[int],
    weight: float = 1.0,
) -> float:
    """Rebuffi et al. 2017, algorithm 3, mean over the batch, the teacher's constant entropy taken off."""
    losses = []
    for number, (s, y) in enumerate(zip(student, targets, strict=True)):
        loss = one_hot_bce(s, y, new)
        if teacher is not None:
            loss += weight * bce(at(s, old), at(teacher[number], old))
        losses.append(loss)
    return mean(losses)


def replay(
    student: Rows,
    targets: Sequence[int],
    replayed: Rows,
    labels: Sequence[int],
    *,
    share: tuple[float, float],
    classes: Sequence[int],
) -> float:
    """share[0] * CE(new) + share[1] * CE(memory)."""
    new = mean([cross_entropy(s, y, classes) for s, y in zip(student, targets, strict=True)])
    old = mean([cross_entropy(s, y, classes) for s, y in zip(replayed, labels, strict=True)])
    return share[0] * new + share[1] * old
