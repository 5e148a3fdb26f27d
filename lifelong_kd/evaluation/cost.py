"""What a model costs: parameters, arithmetic, memory."""

from __future__ import annotations

import sys

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lifelong_kd.core.errors import BadCall

__all__ = ["forward_flops", "parameter_count", "peak_memory"]


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
