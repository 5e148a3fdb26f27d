"""How long a network takes to answer on the CPU, and how many bytes it is."""

from __future__ import annotations

import statistics
import time

import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall

__all__ = ["cpu_latency", "network_bytes"]

WARM_UP = 3
"""Passes that are not timed: the first ones allocate memory and choose kernels."""

LEAST = 3


def cpu_latency(model: nn.Module, x: Tensor, *, repeats: int = 30, seconds: float = 1.0) -> float:
    """Milliseconds of one forward pass of the batch ``x`` on one thread: the median of repeated passes.

    Three passes come before the first that is timed. The network runs uncompiled, in evaluation mode, without
    gradient; the modes of its modules and the number of threads are put back. A clock says what no other machine would.

    Args:
        model: the network, on the CPU.
        x: inputs (B, *input_shape), at least one.
        repeats: passes that are timed, at least 3.
        seconds: after so many no further pass is begun, once three are timed.

    Raises:
        BadCall: for an empty batch, fewer than 3 passes, or anything that is not on the CPU.

    >>> cpu_latency(nn.Linear(3, 2), torch.zeros(1, 3)) > 0
    True
    """
    if not len(x):
        raise BadCall("the latency of a network needs at least one sample.")
    if repeats < LEAST:
        raise BadCall(f"repeats must be at least {LEAST}, found {repeats}.")
    inner: nn.Module = getattr(model, "_orig_mod", model)
    places = {tensor.device.type for tensor in (x, *inner.parameters(), *inner.buffers())}
    if places != {"cpu"}:
        raise BadCall(f"the latency is that of the CPU; found tensors on {', '.join(sorted(places))}.")
    modes = [(module, module.training) for module in inner.modules()]
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        inner.eval()
        with torch.no_grad():
            return statistics.median(_times(inner, x, repeats, seconds))
    finally:
        torch.set_num_threads(threads)
        for module, training in modes:
            module.training = training


def _times(model: nn.Module, x: Tensor, repeats: int, seconds: float) -> list[float]:
    for _ in range(WARM_UP):
        model(x)
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < repeats and (len(times) < LEAST or time.perf_counter() < end):
        begun = time.perf_counter()
        model(x)
        times.append(1000 * (time.perf_counter() - begun))
    return times


def network_bytes(model: nn.Module) -> int:
    """Bytes of all parameters and buffers, each counted once however often it is shared.

    >>> network_bytes(nn.Linear(3, 2))
    32
    """
    return sum(tensor.numel() * tensor.element_size() for tensor in (*model.parameters(), *model.buffers()))
