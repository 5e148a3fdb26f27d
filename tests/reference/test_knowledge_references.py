"""The re-derivations of knowledge, against values worked out by hand."""

from __future__ import annotations

import math

import pytest

from tests.reference import losses, maps, relations

NAN = math.nan


def test_soft_labels_without_t_squared() -> None:
    p, q = [math.log(3), 0.0], [0.0, 0.0]
    kl = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert losses.ce(q, p, 1.0) == pytest.approx(kl)
    assert losses.ce(q, [2 * math.log(3), 0.0], 2.0) == pytest.approx(kl)
    assert losses.raised([2 * math.log(3), 0.0], 2.0) == pytest.approx([0.75, 0.25])
    assert losses.lwf_original(q, [2 * math.log(3), 0.0], 2.0) == pytest.approx(kl)


def test_distances_of_logits_and_probabilities() -> None:
    assert losses.l1([1.0, 3.0, 9.0], [0.0, 5.0, NAN]) == pytest.approx(1.5)
    # (3/4, 1/4) against (1/2, 1/2): a quarter along each side.
    assert losses.probability_l2([0.0, 0.0, 7.0], [math.log(3), 0.0, NAN], 1.0) == pytest.approx(
        math.sqrt(2) / 4
    )
    assert losses.probability_l2([1.0], [NAN], 1.0) == 0.0


def test_decoupled_labels() -> None:
    # Teacher (1/2, 1/4, 1/4), student (1/3, 1/3, 1/3): the rest agrees, the target is 1/2 against 1/3.
    teacher, student = [math.log(2), 0.0, 0.0], [0.0, 0.0, 0.0]
    target = 0.5 * math.log(3 / 2) + 0.5 * math.log(3 / 4)
    assert losses.dkd(student, teacher, 1.0, 2.0, 8.0) == pytest.approx(2 * target)
    # The rest alone: (3/4, 1/4) against (1/2, 1/2).
    teacher = [5.0, math.log(3), 0.0]
    rest = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert losses.dkd([5.0, 0.0, 0.0], teacher, 1.0, 0.0, 1.0) == pytest.approx(rest)


def test_standardised_logits() -> None:
    assert losses.standardised([0.0, 1.0, 2.0]) == pytest.approx([-1.0, 0.0, 1.0])
    assert losses.standardised([4.0, 4.0]) == [0.0, 0.0]
    assert losses.zscore_inter([0.0, 10.0, 20.0], [5.0, 6.0, 7.0], 2.0) == pytest.approx(0.0, abs=1e-9)
    # Along the batch: one class agrees, the other is turned round.
    student, teacher = [[0.0, 2.0], [1.0, 0.0]], [[0.0, 0.0], [3.0, 2.0]]
    a = 1 / (1 + math.exp(math.sqrt(2)))
    turned = (1 - 2 * a) * math.log((1 - a) / a)
    assert losses.zscore_intra(student, teacher, 1.0) == pytest.approx(turned / 2, abs=1e-6)


def test_correlation_of_probabilities() -> None:
    assert losses.pearson([1.0, 2.0, 3.0], [2.0, 4.0, 6.0]) == pytest.approx(1.0)
    assert losses.pearson([1.0, 2.0, 3.0], [3.0, 2.0, 1.0]) == pytest.approx(-1.0)
    student, teacher = [[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]
    # Every row and every column is turned round: 1 - rho = 2 for both parts.
    assert losses.dist(student, teacher, 3.0, 1.0, 0.5) == pytest.approx(9 * (2 + 1))


def test_features() -> None:
    assert relations.hint([1.0, 3.0], [0.0, 1.0]) == pytest.approx(2.5)
    assert relations.cosine([2.0, 0.0], [0.0, 1.0]) == pytest.approx(1.0)
    assert relations.feature_l2([3.0, 0.0], [0.0, 4.0]) == pytest.approx(5.0)
    assert relations.batch_l2([[3.0], [0.0]], [[0.0], [4.0]]) == pytest.approx(5.0)


def test_relations() -> None:
    assert [relations.huber(gap) for gap in (0.5, -0.5, 3.0)] == pytest.approx([0.125, 0.125, 2.5])
    one, other = [[0.0], [1.0], [2.0]], [[0.0], [1.0], [4.0]]
    # Distances by their mean: 3/4, 6/4, 3/4 against 3/8, 12/8, 9/8.
    near = (3 / 8) ** 2 / 2
    assert relations.rkd_distance(one, other) == pytest.approx([near / 3, 2 * near / 3, near / 3])
    right, straight = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]
    side = (1 - math.sqrt(0.5)) ** 2 / 2
    assert relations.rkd_angle(right, straight) == pytest.approx([1 / 9, 2 * side / 9, 2 * side / 9])
    # Rows (1, 0), (0, 1) against (1, 1) / sqrt 2 twice.
    apart, alike = [[1.0, 0.0], [0.0, 1.0]], [[1.0], [1.0]]
    row = ((1 - math.sqrt(0.5)) ** 2 + 0.5) / 2
    assert relations.similarity(apart, alike) == pytest.approx([row, row])
    # exp(-1) (1 + x) at order 1 and gamma 1/2: x is 0 against 1 off the diagonal.
    assert relations.correlation(apart, alike, 0.5, 1) == pytest.approx([math.exp(-2) / 2] * 2)


def test_maps() -> None:
    values = [[[1.0, 2.0, 0.0], [0.0, 0.0, 2.0]]]
    assert maps.pooled(values, "width") == [5.0, 4.0]
    assert maps.pooled(values, "height") == [1.0, 4.0, 4.0]
    assert maps.pooled(values, "spatial") == [5.0, 4.0, 1.0, 4.0, 4.0]
    assert maps.pooled(values, "gap") == [9.0]
    assert maps.pooled([*values, *values], "channel") == [2.0, 8.0, 0.0, 0.0, 0.0, 8.0]
    left, right = [[[1.0, 0.0]]], [[[0.0, 5.0]]]
    assert maps.pod([left, left], [right, left], "pixel") == pytest.approx(math.sqrt(2) / 2)
    assert maps.attention([left, left], [right, right], 2.0) == pytest.approx(2.0)
    assert maps.afc([left], [right], [[3.0]]) == pytest.approx(3 * math.sqrt(2))
    assert maps.channel_importance([[[[1.0, 2.0]]], [[[3.0, 0.0]]]]) == [7.0]


def test_class_activation_map() -> None:
    def logit(values: maps.Map) -> float:
        return 3 * values[0][0][0] + values[0][0][1] - values[1][0][0] - values[1][0][1]

    assert maps.cam([[[1.0, 2.0]], [[4.0, 0.0]]], logit) == pytest.approx([0.0, 4.0])
    both = [[[1.0, 2.0]], [[0.0, 0.0]]]
    # (1, 2) at length 1 against (0, 1).
    expected = 1 / math.sqrt(5) + 1 - 2 / math.sqrt(5)
    assert maps.gradcam(both, [[[1.0, 2.0]], [[4.0, 0.0]]], logit, logit) == pytest.approx(expected)
