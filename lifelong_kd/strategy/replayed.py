"""What a step replays, whatever it was drawn for."""

from __future__ import annotations

import torch
from torch import Tensor

from lifelong_kd.core.types import Batch
from lifelong_kd.strategy.lesson import Lesson

__all__ = ["replayed"]


def replayed(lesson: Lesson) -> tuple[Batch, Tensor] | None:
    """Both memory batches of this step as one, each stored sample once, and the student's logits of it."""
    batches, logits = [], []
    for source in ("memory", "memory2"):
        batch = lesson.batch(source)
        if batch is not None:
            batches.append(batch)
            logits.append(lesson.student(source).logits)
    if not batches:
        return None
    slots = torch.cat([batch.fields["slot"].cpu() for batch in batches])
    order = torch.sort(slots, stable=True).indices
    first = torch.ones(len(slots), dtype=torch.bool)
    first[1:] = slots[order][1:] != slots[order][:-1]
    rows = order[first].sort().values.to(batches[0].y.device)
    merged = Batch(
        x=torch.cat([batch.x for batch in batches])[rows],
        y=torch.cat([batch.y for batch in batches])[rows],
        label=torch.cat([batch.label for batch in batches])[rows],
        raw=torch.cat([batch.raw for batch in batches])[rows],
        fields={
            name: torch.cat([batch.fields[name] for batch in batches])[rows] for name in batches[0].fields
        },
    )
    return merged, torch.cat(logits)[rows]
