"""Cost: counted by hand, and nothing left behind."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.cost import (
    FlopClock,
    accuracy_per_unit,
    forward_flops,
    parameter_count,
    peak_memory,
    training_flops,
)


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


def test_training_flops_by_hand() -> None:
    network = nn.Sequential(nn.Linear(3, 4, bias=False), nn.ReLU(), nn.Linear(4, 2, bias=False))
    x, parameters = torch.rand(5, 3), list(network.parameters())
    forward = 2 * 5 * (3 * 4 + 4 * 2)
    # Both layers' weights, and the hidden layer's input of the second; nobody asks for the gradient of x.
    backward = 2 * 5 * (3 * 4 + 4 * 2 + 4 * 2)
    found = training_flops(lambda clock: [network(x).sum()], parameters)
    assert (found.total, found.teacher) == (forward + backward, 0)
    assert found.total - forward <= 2 * forward == 2 * forward_flops(network, x)
    assert all(parameter.grad is None for parameter in parameters)


def test_what_a_teacher_takes_is_counted_apart_and_once() -> None:
    student, teacher, x = nn.Linear(3, 2), nn.Linear(3, 2).requires_grad_(False), torch.rand(4, 3)

    def losses(clock: FlopClock) -> Iterator[Tensor]:
        with clock.running(), clock.running():
            said = teacher(x)
        yield (student(x) - said).square().sum()
        yield student(x).sum()

    found = training_flops(losses, list(student.parameters()))
    one = 2 * 4 * 3 * 2
    assert (found.total, found.teacher) == (one + 2 * (one + one), one)


def test_a_loss_without_gradient_has_no_backward_pass() -> None:
    layer, x = nn.Linear(3, 2).requires_grad_(False), torch.rand(1, 3)
    assert training_flops(lambda clock: [layer(x).sum()], []).total == 12
    assert training_flops(lambda clock: [], []).total == 0


def test_accuracy_by_the_unit() -> None:
    found = accuracy_per_unit(0.5, seconds=10.0, flops=2e9, stored_bytes=4_000_000, parameters=250_000)
    assert found == {
        "accuracy_per_second": 0.05,
        "accuracy_per_gflop": 0.25,
        "accuracy_per_stored_megabyte": 0.125,
        "accuracy_per_million_parameters": 2.0,
    }
    free = accuracy_per_unit(0.5, seconds=0.0, stored_bytes=0)
    assert set(free.values()) == {None} and free.keys() == found.keys()
    assert set(accuracy_per_unit(None, seconds=1.0, flops=1.0).values()) == {None}
