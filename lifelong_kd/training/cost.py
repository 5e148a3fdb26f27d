"""What a run cost."""

from __future__ import annotations

from typing import Any

import torch

from lifelong_kd.evaluation.cost import forward_flops, parameter_count, peak_memory
from lifelong_kd.stream.stream import Stream
from lifelong_kd.training.results import Ledger

__all__ = ["cost_of"]


def cost_of(engine: Any, stream: Stream, ledger: Ledger, memory_bytes: int | None) -> dict[str, Any]:
    """Seconds by what they were spent on, samples a second, and the size of the student and its memory.

    ``rounds_seconds`` went into rounds that were rolled back and into measuring rounds; ``rounds`` counts all.
    ``teacher_share`` is the part of the training time that teachers took; ``samples`` counts new samples trained on.
    ``flops`` is one forward pass of one sample, a multiply-add counted as two.
    """
    training = ledger.seconds["training"]
    sample = torch.zeros(1, *stream.input_shape, device=engine.device)
    return {
        "seconds": sum(ledger.seconds.values()) - ledger.seconds["teaching"],
        "training_seconds": training,
        "evaluation_seconds": ledger.seconds["evaluation"],
        "rounds_seconds": ledger.seconds["rounds"],
        "rounds": ledger.rounds,
        "teacher_seconds": ledger.seconds["teaching"],
        "teacher_share": ledger.seconds["teaching"] / training if training else 0.0,
        "samples": ledger.samples,
        "samples_per_second": ledger.samples / training if training else 0.0,
        "parameters": parameter_count(engine.model),
        "flops": forward_flops(engine.model, sample),
        "peak_memory_bytes": peak_memory(engine.device),
        "memory_bytes": memory_bytes,
    }
