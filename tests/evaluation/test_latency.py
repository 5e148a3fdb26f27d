"""Latency: how often the network is asked and what is left behind; bytes by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation import latency
from lifelong_kd.evaluation.latency import WARM_UP, cpu_latency, network_bytes


class Clock:
    """Stands still but where a pass takes the seconds that it was told."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


class Timed(nn.Module):
    """Notes how it is called; each pass after the warm-up takes the next of ``passes`` seconds."""

    def __init__(self, clock: Clock, passes: list[float]) -> None:
        super().__init__()
        self.clock = clock
        self.passes = [0.0] * WARM_UP + passes
        self.noted: list[tuple[int, bool, bool, int]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.clock.now += self.passes[len(self.noted)]
        self.noted.append((torch.get_num_threads(), self.training, torch.is_grad_enabled(), len(x)))
        return x


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(latency, "time", clock)
    return clock


def test_the_median_of_the_passes_in_milliseconds(clock: Clock) -> None:
    network = Timed(clock, [0.009, 0.001, 0.002, 0.5, 0.003])
    assert cpu_latency(network, torch.zeros(64, 3), repeats=5) == pytest.approx(3.0)
    assert network.noted == [(1, False, False, 64)] * (WARM_UP + 5)


def test_slow_networks_are_asked_less_often(clock: Clock) -> None:
    network = Timed(clock, [0.8] * 30)
    assert cpu_latency(network, torch.zeros(1, 3)) == pytest.approx(800.0)
    assert len(network.noted) == WARM_UP + 3
    network = Timed(clock, [0.3] * 30)
    assert cpu_latency(network, torch.zeros(1, 3), seconds=1.0) == pytest.approx(300.0)
    assert len(network.noted) == WARM_UP + 4


def test_threads_modes_and_values_are_put_back() -> None:
    threads = torch.get_num_threads()
    network = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 2)).train()
    network[1].eval()
    state = {name: value.clone() for name, value in network.state_dict().items()}
    drawn = torch.get_rng_state()
    try:
        torch.set_num_threads(2)
        assert cpu_latency(network, torch.rand(4, 3, generator=torch.Generator()), repeats=3) > 0
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert [part.training for part in network] == [True, False, True] and network.training
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), drawn)


def test_a_network_that_fails_leaves_the_threads_alone() -> None:
    threads, network = torch.get_num_threads(), nn.Linear(3, 2).train()
    with pytest.raises(RuntimeError):
        cpu_latency(network, torch.zeros(1, 4))
    assert torch.get_num_threads() == threads and network.training


@pytest.mark.parametrize(
    ("model", "x", "repeats", "message"),
    [
        (nn.Linear(3, 2), torch.zeros(0, 3), 30, "at least one sample"),
        (nn.Linear(3, 2), torch.zeros(1, 3), 2, "at least 3, found 2"),
        (nn.Linear(3, 2, device="meta"), torch.zeros(1, 3), 3, "found tensors on cpu, meta"),
    ],
)
def test_bad_calls(model: nn.Module, x: Tensor, repeats: int, message: str) -> None:
    with pytest.raises(BadCall, match=message):
        cpu_latency(model, x, repeats=repeats)


def test_bytes_by_hand() -> None:
    # Weight, bias; scale, shift, mean and variance of float32, and one int64 that counts batches.
    network = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5))
    assert network_bytes(network) == 4 * (15 + 5 + 4 * 5) + 8
    shared = nn.Linear(2, 2)
    assert network_bytes(nn.Sequential(shared, shared)) == 4 * 6
    assert network_bytes(nn.Linear(3, 2).to(torch.bfloat16)) == 2 * 8
    assert network_bytes(nn.ReLU()) == 0
