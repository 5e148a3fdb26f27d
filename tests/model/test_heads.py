"""Heads: what they compute, and that growth leaves alone what was there."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.cosine import cosine
from lifelong_kd.model.linear import linear
from lifelong_kd.model.multihead import ABSENT, multihead

GROWING = {
    "linear": lambda: linear(4, 6, grow=True),
    "cosine": lambda: cosine(4, 6, grow=True),
    "multihead": lambda: multihead(4, 6),
}


def test_fixed_linear_is_torchs_linear_bit_for_bit() -> None:
    torch.manual_seed(3)
    ours = linear(5, 7)
    torch.manual_seed(3)
    torchs = nn.Linear(5, 7)
    x = torch.randn(2, 5)
    assert ours.width == 7
    assert torch.equal(ours.weight, torchs.weight) and torch.equal(ours.bias, torchs.bias)
    assert torch.equal(ours(x), torchs(x))


def test_linear_without_bias() -> None:
    head = linear(2, 2, bias=False)
    head.weight.data = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert head.bias is None
    assert torch.equal(head(torch.tensor([[1.0, 1.0]])), torch.tensor([[3.0, 7.0]]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_linear_growth_keeps_old_rows_dtype_and_freezing(dtype: torch.dtype) -> None:
    head = linear(4, 10, grow=True).to(dtype)
    assert head.width == 0 and head(torch.ones(3, 4, dtype=dtype)).shape == (3, 0)
    assert head.grow([1, 0], 0) and head.width == 2
    head.bias.requires_grad_(False)
    weight, bias = head.weight, head.bias
    before = weight.detach().clone()
    assert head.grow([2, 4], 0) and head.width == 5
    assert head.weight is not weight and isinstance(head.weight, nn.Parameter)
    assert torch.equal(head.weight[:2], before) and torch.equal(head.bias[:2], bias)
    assert head.weight.dtype == head.bias.dtype == dtype
    assert head.weight.requires_grad and not head.bias.requires_grad
    assert head.weight[2:].abs().max() <= 0.5 and head.weight[2:].abs().min() > 0


@pytest.mark.parametrize("name", GROWING)
def test_no_growth_keeps_the_very_parameters(name: str) -> None:
    head = GROWING[name]()
    head.grow([0, 1, 2], 0)
    before = dict(head.named_parameters())
    state = torch.get_rng_state()
    assert head.grow([0, 2], 0) is False and head.grow([], 0) is False
    assert {key: id(value) for key, value in head.named_parameters()} == {
        key: id(value) for key, value in before.items()
    }
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", GROWING)
def test_growth_draws_from_the_default_generator(name: str) -> None:
    heads = []
    for seed in (1, 1, 2):
        head = GROWING[name]()
        torch.manual_seed(seed)
        head.grow([0, 1], 0)
        heads.append(head(torch.ones(1, 4)))
    assert torch.equal(heads[0], heads[1]) and not torch.equal(heads[0], heads[2])


@pytest.mark.parametrize("name", GROWING)
def test_state_of_a_grown_head_loads_after_the_same_growth(name: str) -> None:
    trained, fresh = GROWING[name](), GROWING[name]()
    for label, classes in enumerate([[0, 3], [1, 2], [5]]):
        trained.grow(classes, label)
        fresh.grow(classes, label)
    x = torch.randn(3, 4)
    assert not torch.equal(trained(x), fresh(x))
    fresh.load_state_dict(trained.state_dict())
    assert torch.equal(trained(x), fresh(x)) and fresh.width == trained.width == 6


@pytest.mark.parametrize("name", GROWING)
def test_growth_stays_on_the_device(name: str) -> None:
    head = GROWING[name]().to("meta")
    head.grow([0, 1], 0)
    head.grow([2], 1)
    tensors = [*head.parameters(), *head.buffers()]
    assert tensors and all(tensor.device.type == "meta" for tensor in tensors)


@pytest.mark.parametrize("build", [linear, cosine])
def test_a_fixed_head_refuses_a_class_it_has_no_column_for(build: object) -> None:
    head = build(4, 3)  # type: ignore[operator]
    assert head.grow([2], 0) is False
    with pytest.raises(BadCall, match="class 3 has no column"):
        head.grow([3], 1)
    with pytest.raises(BadCall, match="cannot be negative"):
        head.grow([-1], 1)


def test_cosine_by_hand() -> None:
    head = cosine(2, 2, sigma=10.0)
    head.weight.data = torch.tensor([[3.0, 0.0], [0.0, 0.1]])
    logits = head(torch.tensor([[4.0, 3.0], [0.0, 0.0]]))
    torch.testing.assert_close(logits, torch.tensor([[8.0, 6.0], [0.0, 0.0]]))
    logits[0].sum().backward()
    assert head.sigma.grad == pytest.approx(1.4)


def test_cosine_growth_keeps_rows_and_sigma() -> None:
    head = cosine(3, 9, grow=True)
    head.grow([0, 1], 0)
    head.sigma.data.fill_(7.0)
    rows, sigma = head.weight.detach().clone(), head.sigma
    assert head.grow([2], 1)
    assert torch.equal(head.weight[:2], rows) and head.sigma is sigma
    assert head.weight[2].abs().max() <= 1 / math.sqrt(3)
    with pytest.raises(BadCall, match="sigma"):
        cosine(3, 9, sigma=0.0)


def test_multihead_puts_each_block_at_its_columns_and_fills_gaps() -> None:
    head = multihead(2, 6)
    assert head.width == 0 and head(torch.ones(3, 2)).shape == (3, 0)
    head.grow([3, 1], 4)
    head.grow([0], 7)
    head.weight["4"].data = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    head.weight["7"].data = torch.tensor([[1.0, 1.0]])
    head.bias["4"].data = torch.tensor([0.5, 0.0])
    head.bias["7"].data = torch.tensor([100.0])
    logits = head(torch.tensor([[2.0, 3.0]]))
    assert logits.tolist() == [[105.0, 3.0, ABSENT, 2.5]]
    block = head.weight["4"]
    assert head.grow([2], 4) and head.width == 4
    assert torch.equal(head.weight["4"][:2], block)
    assert head(torch.tensor([[2.0, 3.0]]))[0, [0, 1, 3]].tolist() == [105.0, 3.0, 2.5]


def test_multihead_grown_for_another_label_leaves_the_parameters_of_the_first() -> None:
    head = multihead(2, 6).double()
    head.grow([0, 1], 0)
    first = head.weight["0"]
    head.grow([2, 3], 1)
    assert head.weight["0"] is first and first.dtype == torch.float64
    assert {name for name, _ in head.named_parameters()} == {"weight.0", "weight.1", "bias.0", "bias.1"}


def test_multihead_refuses_a_class_of_two_labels_and_stays_as_it_was() -> None:
    head = multihead(2, 6)
    head.grow([0, 1], 0)
    with pytest.raises(BadCall, match=r"classes \[1\] of task label 1 already belong to label 0"):
        head.grow([1, 2], 1)
    with pytest.raises(BadCall, match="class 6 has no column"):
        head.grow([6], 1)
    assert head.width == 2 and head(torch.ones(1, 2)).shape == (1, 2)
