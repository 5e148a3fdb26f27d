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


def divergence(p: Row, q: Row) -> float:
    """sum_c p_c log(p_c / q_c), a class of p_c = 0 left out."""
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)


def ce(student: Row, teacher: Row, temperature: float) -> float:
    """- sum_c p_c log q_c + sum_c p_c log p_c with softened p and q, and no T^2."""
    p, log_p, log_q = (
        softmax(teacher, temperature),
        log_softmax(teacher, temperature),
        log_softmax(student, temperature),
    )
    cross = -sum(a * b for a, b in zip(p, log_q, strict=True))
    return cross + sum(a * b for a, b in zip(p, log_p, strict=True))


def raised(logits: Row, temperature: float) -> list[float]:
    """y_c^(1/T) over their sum, y = softmax(z): Li and Hoiem 2016, equation 4."""
    powers = [y ** (1.0 / temperature) for y in softmax(logits)]
    return [power / sum(powers) for power in powers]


def lwf_original(student: Row, teacher: Row, temperature: float) -> float:
    """Cross-entropy of the raised probabilities less the entropy of the teacher's."""
    return divergence(raised(teacher, temperature), raised(student, temperature))


def l1(student: Row, teacher: Row) -> float:
    """Mean over the columns that the teacher has of the absolute difference."""
    sizes = [abs(z - t) for z, t in zip(student, teacher, strict=True) if not math.isnan(t)]
    return mean(sizes) if sizes else 0.0


def probability_l2(student: Row, teacher: Row, temperature: float) -> float:
    """The length of the difference of the probabilities over the columns that the teacher has."""
    known = [c for c, t in enumerate(teacher) if not math.isnan(t)]
    if not known:
        return 0.0
    p, q = softmax(at(teacher, known), temperature), softmax(at(student, known), temperature)
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(p, q, strict=True)))


def dkd(student: Row, teacher: Row, temperature: float, alpha: float, beta: float) -> float:
    """T^2 (alpha TCKD + beta NCKD), Zhao et al. 2022, the target being the teacher's first largest column."""
    target = list(teacher).index(max(teacher))
    others = [c for c in range(len(teacher)) if c != target]
    if not others:
        return 0.0
    log_p, log_q = log_softmax(teacher, temperature), log_softmax(student, temperature)

    def two(log: Row) -> list[float]:
        top = max(at(log, others))
        return [log[target], top + math.log(sum(math.exp(v - top) for v in at(log, others)))]

    def gap(log_p: Row, log_q: Row) -> float:
        return sum(math.exp(a) * (a - b) for a, b in zip(log_p, log_q, strict=True))

    # p_c / (1 - p_t) is the softmax over the others alone.
    rest_p, rest_q = (log_softmax(at(row, others), temperature) for row in (teacher, student))
    return temperature**2 * (alpha * gap(two(log_p), two(log_q)) + beta * gap(rest_p, rest_q))


def standardised(values: Row) -> list[float]:
    """(v - mean) / (deviation + 1e-7), with n - 1 in the deviation; 0 where all are the same."""
    middle = mean(values)
    deviation = math.sqrt(sum((v - middle) ** 2 for v in values) / max(len(values) - 1, 1))
    if deviation <= 4 * abs(middle) * 2.3e-16:
        return [0.0] * len(values)
    return [(v - middle) / (deviation + 1e-7) for v in values]


def zscore_inter(student: Row, teacher: Row, temperature: float) -> float:
    """T^2 KL of standardised logits; the student is standardised over all columns, the softmax over the teacher's."""
    known = [c for c, t in enumerate(teacher) if math.isfinite(t)]
    if not known:
        return 0.0
    p = softmax(standardised(at(teacher, known)), temperature)
    q = softmax(at(standardised(student), known), temperature)
    return temperature**2 * divergence(p, q)


def zscore_intra(student: Rows, teacher: Rows, temperature: float) -> float:
    """T^2 KL of logits standardised along the batch, mean over the classes."""
    losses = []
    for c in range(len(student[0])):
        p = softmax(standardised([row[c] for row in teacher]), temperature)
        q = softmax(standardised([row[c] for row in student]), temperature)
        losses.append(temperature**2 * divergence(p, q))
    return mean(losses)


def pearson(one: Row, other: Row) -> float:
    """Covariance over the product of the deviations."""
    a, b = mean(one), mean(other)
    both = sum((x - a) * (y - b) for x, y in zip(one, other, strict=True))
    return both / math.sqrt(sum((x - a) ** 2 for x in one) * sum((y - b) ** 2 for y in other))


def dist(student: Rows, teacher: Rows, temperature: float, beta: float, gamma: float) -> float:
    """T^2 (beta mean over rows of 1 - rho + gamma mean over columns of 1 - rho), Huang et al. 2022."""
    q, p = [softmax(row, temperature) for row in student], [softmax(row, temperature) for row in teacher]
    inter = mean([1.0 - pearson(a, b) for a, b in zip(q, p, strict=True)])
    intra = mean(
        [1.0 - pearson([row[c] for row in q], [row[c] for row in p]) for c in range(len(student[0]))]
    )
    return temperature**2 * (beta * inter + gamma * intra)
