"""Linear CKA: a value by hand, its invariances, and the Gram form as a second derivation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.similarity import linear_cka


def slow(X: Tensor, Y: Tensor) -> float:
    """HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)) with centred Gram matrices, entry by entry."""
    n = len(X)
    H = torch.eye(n, dtype=torch.float64) - torch.ones(n, n, dtype=torch.float64) / n
    K, L = (H @ (F.double() @ F.double().T) @ H for F in (X, Y))

    def hsic(A: Tensor, B: Tensor) -> float:
        return sum(float(A[i, j] * B[i, j]) for i in range(n) for j in range(n))

    return hsic(K, L) / (hsic(K, K) * hsic(L, L)) ** 0.5


def test_by_hand() -> None:
    # Centred already. X^T X = diag(2, 2), of norm sqrt(8); Y^T Y = (2), of norm 2; Y^T X = (2, 0), its square 4.
    X = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    Y = torch.tensor([[1.0], [-1.0], [0.0], [0.0]])
    assert linear_cka(X, Y) == pytest.approx(4 / (8**0.5 * 2))
    # A shift of either changes nothing.
    assert linear_cka(X + 7, Y - 3) == pytest.approx(4 / (8**0.5 * 2))


def test_against_the_gram_form() -> None:
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(12, 5, generator=generator)
    Y = X @ torch.randn(5, 3, generator=generator) + torch.randn(12, 3, generator=generator)
    assert linear_cka(X, Y) == pytest.approx(slow(X, Y), rel=1e-10)
    assert 0 < slow(X, Y) < 0.99


def test_invariances() -> None:
    generator = torch.Generator().manual_seed(1)
    X, Y = torch.randn(40, 6, generator=generator), torch.randn(40, 4, generator=generator)
    Q, _ = torch.linalg.qr(torch.randn(6, 6, generator=generator))
    value = linear_cka(X, Y)
    assert value is not None
    assert linear_cka(Y, X) == pytest.approx(value)
    assert linear_cka(X, X) == pytest.approx(1.0)
    assert linear_cka(X, 1e-9 * X @ Q) == pytest.approx(1.0, rel=1e-5)
    assert linear_cka(X @ Q, 1e12 * Y) == pytest.approx(value, rel=1e-5)
    # Not under scaling of one dimension alone.
    assert linear_cka(X * torch.tensor([9.0, 1, 1, 1, 1, 1]), X) < 0.9  # type: ignore[operator]


def test_nothing_to_compare() -> None:
    X = torch.rand(5, 2)
    # In float64 the mean of equal values may be another number.
    assert linear_cka(X, torch.full((5, 3), 0.1)) is None
    assert linear_cka(torch.zeros(0, 2), torch.zeros(0, 3)) is None
    assert linear_cka(torch.ones(1, 2), torch.ones(1, 2)) is None


@pytest.mark.parametrize(
    ("X", "Y", "words"),
    [
        (torch.ones(3, 2), torch.ones(4, 2), r"\(3, 2\) and \(4, 2\)"),
        (torch.ones(3), torch.ones(3, 2), r"\(3,\)"),
        (torch.tensor([[0.0], [torch.nan]]), torch.ones(2, 1), "finite"),
        (torch.ones(2, 1), torch.tensor([[0.0], [torch.inf]]), "finite"),
    ],
)
def test_refused(X: Tensor, Y: Tensor, words: str) -> None:
    with pytest.raises(BadCall, match=words):
        linear_cka(X, Y)
