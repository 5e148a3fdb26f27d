"""What a model and its training cost: parameters, arithmetic, memory, and accuracy by the unit of each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lifelong_kd.core.errors import BadCall

__all__ = [
    "FlopClock",
    "StepFlops",
    "accuracy_per_unit",
    "forward_flops",
    "parameter_count",
    "peak_memory",
    "training_flops",
]


def parameter_count(model: nn.Module, *, trainable: bool = False) -> int:
    """The number of parameters, each counted once however often it is shared; only trainable ones on request.

    >>> parameter_count(nn.Linear(3, 2))
    8
    """
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable)


def forward_flops(model: nn.Module, x: Tensor) -> int:
    """Floating-point operations of one forward pass of the batch ``x``, a multiply-add counted as two.

    Counts matrix products, convolutions and attention (``torch.utils.flop_counter``), not element-wise operations.
    The pass runs in evaluation mode and without gradient; the modes of all modules are put back, and parameters,
    buffers and gradients stay untouched. A compiled model is counted uncompiled.

    Args:
        model: the network, on the device of ``x``.
        x: inputs (B, *input_shape), at least one.

    Raises:
        BadCall: for an empty batch.

    >>> forward_flops(nn.Linear(3, 2), torch.zeros(1, 3))
    12
    """
    if not len(x):
        raise BadCall("counting operations needs at least one sample.")
    inner = getattr(model, "_orig_mod", model)
    modes = [(module, module.training) for module in inner.modules()]
    try:
        inner.eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            inner(x)
    finally:
        for module, training in modes:
            module.training = training
    return int(counter.get_total_flops())


class FlopClock:
    """Counts the operations of a part of what a counter counts, as a stopwatch takes the time of a part.

    Args:
        counter: counts everything.
    """

    def __init__(self, counter: FlopCounterMode) -> None:
        self._counter = counter
        self._depth = 0
        self.flops = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count what happens inside; a part inside a part is counted once."""
        before = self._counter.get_total_flops()
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self.flops += int(self._counter.get_total_flops() - before)


@dataclass(frozen=True)
class StepFlops:
    """Floating-point operations of a training step: all of them, and those of the teachers among them."""

    total: int
    teacher: int


def training_flops(
    losses: Callable[[FlopClock], Iterable[Tensor]], parameters: Sequence[Tensor]
) -> StepFlops:
    """Floating-point operations of a training step, forward and backward, a multiply-add counted as two.

    What is counted is as in :func:`forward_flops`: not the optimiser's own arithmetic, nor anything element-wise. No
    gradient is left on a parameter. A backward pass needs up to twice the operations of the forward pass.

    Args:
        losses: computes the losses that are differentiated one after the other, usually one. It is given a clock to
            run while a teacher is asked.
        parameters: what the losses are differentiated by.

    >>> layer, x = nn.Linear(3, 2), torch.ones(4, 3)
    >>> training_flops(lambda clock: [layer(x).sum()], list(layer.parameters())).total
    96
    """
    with FlopCounterMode(display=False) as counter, torch.enable_grad():
        clock = FlopClock(counter)
        for loss in losses(clock):
            if loss.requires_grad and parameters:
                torch.autograd.grad(loss, parameters, allow_unused=True)
    return StepFlops(int(counter.get_total_flops()), clock.flops)


def accuracy_per_unit(
    accuracy: float | None,
    *,
    seconds: float | None = None,
    flops: float | None = None,
    stored_bytes: float | None = None,
    parameters: float | None = None,
) -> dict[str, float | None]:
    """Accuracy divided by what it cost: per second, per GFLOP (1e9), per stored MB (1e6 bytes), per 1e6 parameters.

    Args:
        accuracy: in [0, 1].
        seconds: of training.
        flops: operations of the training.
        stored_bytes: of the memory.
        parameters: of the model.

    Returns:
        Four numbers; one is ``None`` where its cost is unknown or 0, which divides nothing.

    >>> accuracy_per_unit(0.8, seconds=4.0, parameters=500_000)["accuracy_per_million_parameters"]
    1.6
    """

    def per(cost: float | None, unit: float) -> float | None:
        return None if accuracy is None or not cost else accuracy / (cost / unit)

    return {
        "accuracy_per_second": per(seconds, 1.0),
        "accuracy_per_gflop": per(flops, 1e9),
        "accuracy_per_stored_megabyte": per(stored_bytes, 1e6),
        "accuracy_per_million_parameters": per(parameters, 1e6),
    }


def peak_memory(device: torch.device | str = "cpu") -> int | None:
    """The largest memory in use so far, in bytes; ``None`` where the system does not tell.

    On a GPU what torch's allocator held for tensors since the start or the last
    ``torch.cuda.reset_peak_memory_stats``; on the CPU the resident memory of the whole process since its start.
    """
    device = torch.device(device)
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in kibibytes, macOS in bytes.
    return peak if sys.platform == "darwin" else peak * 1024
