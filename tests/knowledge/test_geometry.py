"""Lengths and directions at and near 0, where plain formulas have no slope."""

from __future__ import annotations

import pytest
import torch

from lifelong_kd.knowledge.geometry import SHORTEST, differences, length, products, unit


def vectors(seed: int) -> torch.Tensor:
    return torch.randn(4, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_lengths_and_directions_are_torchs() -> None:
    values = vectors(0)
    torch.testing.assert_close(length(values), values.norm(dim=1))
    torch.testing.assert_close(length(values, 0, keepdim=True), values.norm(dim=0, keepdim=True))
    torch.testing.assert_close(unit(values), torch.nn.functional.normalize(values))
    torch.testing.assert_close(unit(values, 0), torch.nn.functional.normalize(values, dim=0))
    torch.testing.assert_close(products(values), values @ values.T)
    assert torch.equal(differences(values)[1, 2], values[2] - values[1])


@pytest.mark.parametrize("function", [length, unit])
def test_slopes_of_first_and_second_order(function) -> None:  # type: ignore[no-untyped-def]
    values = vectors(1).requires_grad_()
    assert torch.autograd.gradcheck(function, (values,))
    assert torch.autograd.gradgradcheck(function, (values,))


@pytest.mark.parametrize("size", [0.0, 1e-30, 0.1 * SHORTEST])
def test_next_to_nothing_has_no_direction(size: float) -> None:
    values = torch.full((1, 3), size, requires_grad=True)
    said = unit(values)
    assert not said.any()
    (slope,) = torch.autograd.grad(said.sum(), values, create_graph=True)
    assert not slope.any()
    (slope * values).sum().backward()
    assert values.grad is not None and values.grad.isfinite().all()


def test_the_length_of_nothing_has_slope_0() -> None:
    values = torch.zeros(2, 3, requires_grad=True)
    length(values).sum().backward()
    assert values.grad is not None and not values.grad.any()
