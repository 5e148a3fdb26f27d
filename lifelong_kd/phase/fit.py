"""Training outside the main loop: one function for every phase."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall, RunFailed
from lifelong_kd.core.types import Batch
from lifelong_kd.phase.base import Stage

__all__ = ["Samples", "batches", "fit"]

Samples = Literal["new", "memory", "new_and_memory"]
"""What a phase trains on."""


def batches(stage: Stage, samples: Samples, name: str) -> Iterator[Batch]:
    """One pass over the data of a task, the memory or both, shuffled, in the training view.

    Args:
        stage: the task.
        samples: over what.
        name: of the generators that the order and the augmentation are drawn from.
    """
    if samples not in get_args(Samples):
        raise BadCall(f"a phase trains on {', '.join(map(repr, get_args(Samples)))}; not on {samples!r}")
    memory = stage.memory if samples != "new" else None
    kept = memory.take(torch.arange(len(memory))) if memory is not None and len(memory) else None
    fresh = len(stage.data.targets) if samples != "memory" else 0
    count = fresh + (len(kept["y"]) if kept is not None else 0)
    order = torch.randperm(count, generator=stage.seeds.generator(f"phase/{name}/order"))
    for index in order.split(stage.batch_size):
        parts = []
        mine, theirs = index[index < fresh], index[index >= fresh] - fresh
        if len(mine):
            parts.append((stage.data.raw(mine), stage.data.targets[mine], stage.data.labels[mine]))
        if len(theirs) and kept is not None:
            parts.append(tuple(kept[field].cpu()[theirs] for field in ("raw", "y", "label")))
        raw, y, label = (torch.cat([part[i].to(stage.device) for part in parts]) for i in range(3))
        x = stage.data.augmented(raw, stage.seeds.generator(f"phase/{name}/augment"))
        yield Batch(x=x, y=y, label=label, raw=raw)


def fit(
    stage: Stage,
    module: nn.Module,
    loss: Callable[[Batch], Tensor],
    *,
    name: str,
    samples: Samples = "new",
    epochs: int | None = None,
    lr: float | None = None,
    milestones: Sequence[int] = (),
    factor: float = 0.1,
    parameters: Iterable[nn.Parameter] | None = None,
) -> float:
    """Train ``module`` by the run's kind of optimiser, and put its mode back as it was.

    Args:
        stage: the task.
        module: what is trained.
        loss: of a batch, a scalar.
        name: of the phase, for its random draws and the log.
        samples: what it is trained on.
        epochs: passes over them; as many as the main training if ``None``.
        lr: learning rate; that of the main training if ``None``.
        milestones: epochs after which the learning rate is multiplied by ``factor``.
        factor: see ``milestones``.
        parameters: what is changed; everything in ``module`` if ``None``.

    Returns:
        The mean loss of the last epoch, 0 if there was no step.

    Raises:
        RunFailed: if the loss is no longer finite.
    """
    modes = {part: part.training for part in module.modules()}
    module.train()
    chosen = [p for p in (parameters if parameters is not None else module.parameters()) if p.requires_grad]
    optimizer = stage.optimizer(chosen, lr)
    mean = 0.0
    for epoch in range(stage.epochs if epochs is None else epochs):
        if epoch in milestones:
            for group in optimizer.param_groups:
                group["lr"] *= factor
        total, steps = torch.zeros((), device=stage.device), 0
        for batch in batches(stage, samples, name):
            value = loss(batch)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            total, steps = total + value.detach(), steps + 1
        mean = float(total) / max(steps, 1)
        if not torch.isfinite(total):
            raise RunFailed(f"the loss of phase {name!r} in task {stage.task.index} is no longer finite: lower its lr")
    # What the phase left in the gradients must not be added to the next step's.
    module.zero_grad(set_to_none=True)
    for part, mode in modes.items():
        part.training = mode
    stage.note(f"{name}/loss", mean)
    return mean
