"""Cost: counted by hand, and nothing left behind."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.cost import forward_flops, parameter_count, peak_memory


def model() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(64, 5)
    )


def test_parameters_are_counted_once() -> None:
    network = model()
    assert parameter_count(network) == (3 * 4 * 9 + 4) + 8 + (64 * 5 + 5)
    network[0].requires_grad_(False)
    assert parameter_count(network, trainable=True) == 8 + 325
    shared = nn.Linear(2, 2)
    assert parameter_count(nn.Sequential(shared, shared)) == 6


def test_flops_by_hand_grow_with_the_batch() -> None:
    # Images 4x4: each of 4x16 outputs of the convolution takes 27 multiply-adds, each of 5 outputs 64.
    one = 2 * (4 * 16 * 27 + 64 * 5)
    assert forward_flops(model(), torch.rand(1, 3, 4, 4)) == one
    assert forward_flops(model(), torch.rand(7, 3, 4, 4)) == 7 * one


def test_counting_flops_leaves_the_model_as_it_was() -> None:
    network = model().train()
    network[1].eval()
    state = {name: value.clone() for name, value in network.state_dict().items()}
    generator = torch.get_rng_state()
    forward_flops(network, torch.rand(2, 3, 4, 4, requires_grad=True))
    generator_after_input = torch.get_rng_state()
    assert [module.training for module in network] == [True, False, True, True, True] and network.training
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    torch.set_rng_state(generator)
    torch.rand(2, 3, 4, 4)
    assert torch.equal(torch.get_rng_state(), generator_after_input)


def test_modes_are_put_back_when_the_forward_fails() -> None:
    network = model().train()
    with pytest.raises(RuntimeError):
        forward_flops(network, torch.rand(2, 1, 4, 4))
    assert all(module.training for module in network.modules())
    with pytest.raises(BadCall, match="at least one sample"):
        forward_flops(network, torch.rand(0, 3, 4, 4))


def test_a_compiled_model_is_counted() -> None:
    network = model()
    compiled = torch.compile(network, backend="eager")
    x = torch.rand(1, 3, 4, 4)
    assert forward_flops(compiled, x) == forward_flops(network, x) > 0


@pytest.mark.skipif(sys.platform == "win32", reason="the system does not tell")
def test_peak_memory_sees_an_allocation() -> None:
    before = peak_memory()
    assert before is not None and 10 * 2**20 < before < 2**40
    block = torch.ones(before // 4 + 2**24)
    after = peak_memory("cpu")
    assert after is not None and after - before > 2**24 and len(block)
