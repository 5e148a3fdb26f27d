"""Training outside the main loop: one function for every phase."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall, Diverged
from lifelong_kd.core.types import Batch
from lifelong_kd.phase.base import Stage

__all__ = ["Samples", "batches", "check_training", "fit"]

Samples = Literal["new", "memory", "new_and_memory", "external"]
"""What a phase trains on."""


def check_training(
    *, epochs: int | None, lr: float | None = None, milestones: Sequence[int] = (), factor: float = 0.1
) -> None:
    """Refuse numbers of epochs, learning rates and milestones that no training can have.

    Raises:
        BadCall: saying what is allowed.
    """
    if epochs is not None and epochs < 1:
        raise BadCall(f"a phase has at least 1 epoch, got epochs={epochs}; leave the phase out instead")
    if lr is not None and not 0 < lr < float("inf"):
        raise BadCall(f"a phase's learning rate must be above 0 and finite, got lr={lr}")
    if not 0 < factor <= 1:
        raise BadCall(f"factor must be above 0 and at most 1, got {factor}")
    if any(epoch < 1 for epoch in milestones):
        raise BadCall(f"milestones are numbers of epochs, at least 1, got {list(milestones)}")


def batches(stage: Stage, samples: Samples, name: str) -> Iterator[Batch]:
    """One pass over the data of a task, the memory or both, shuffled, in the training view.

    A single sample that would be left over joins the last batch, since BatchNorm cannot be trained on it. A
    pass over unlabelled ``external`` samples is as many draws as the new data have batches.

    Args:
        stage: the task.
        samples: over what.
        name: of the generators that the order and the augmentation are drawn from.

    Raises:
        BadCall: for other samples than those, or ``external`` ones where there are none.
    """
    if samples not in get_args(Samples):
        raise BadCall(f"a phase trains on {', '.join(map(repr, get_args(Samples)))}; not on {samples!r}")
    if samples == "external":
        yield from _external(stage, name)
        return
    memory = stage.memory if samples != "new" else None
    fresh = len(stage.data.targets) if samples != "memory" else 0
    count = fresh + (len(memory) if memory is not None else 0)
    if not count:
        raise BadCall(f"phase {name!r} trains on {samples!r} samples, of which there are none")
    order = torch.randperm(count, generator=stage.seeds.generator(f"phase/{name}/order"))
    pieces = list(order.split(stage.batch_size))
    if len(pieces) > 1 and len(pieces[-1]) == 1:
        pieces[-2:] = [torch.cat(pieces[-2:])]
    for index in pieces:
        parts: list[list[Tensor]] = []
        mine, theirs = index[index < fresh], index[index >= fresh] - fresh
        if len(mine):
            parts.append([stage.data.raw(mine), stage.data.targets[mine], stage.data.labels[mine]])
        if len(theirs) and memory is not None:
            kept = memory.take(theirs)
            parts.append([kept[field] for field in ("raw", "y", "label")])
        raw, y, label = (torch.cat([part[i].to(stage.device) for part in parts]) for i in range(3))
        x = stage.data.augmented(raw, stage.seeds.generator(f"phase/{name}/augment"))
        yield Batch(x=x, y=y, label=label, raw=raw)


def _external(stage: Stage, name: str) -> Iterator[Batch]:
    for _ in range(-(-len(stage.data.targets) // stage.batch_size)):
        batch = stage.draw("external", stage.batch_size)
        if batch is None:
            raise BadCall(
                f"phase {name!r} trains on 'external' samples, but the strategy has no pool of them"
            )
        yield batch


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
    only: nn.Module | None = None,
) -> float:
    """Train ``module`` by the run's kind of optimiser, and leave everything else of the run as it was.

    What layers such as dropout draw comes from a seed of the phase's own, and torch's generators go on
    afterwards as if nothing had been drawn. Modes and ``requires_grad`` are put back, gradients are
    forgotten.

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
        parameters: what is changed; everything in ``module``, or in ``only``, if ``None``.
        only: the part of ``module`` that is trained; the rest is in evaluation mode meanwhile and has no
            gradient.

    Returns:
        The mean loss of the last epoch, 0 if there was no step.

    Raises:
        Diverged: if the loss is no longer finite.
    """
    mine = parameters if parameters is not None else (only or module).parameters()
    chosen = [parameter for parameter in mine if parameter.requires_grad]
    if not chosen:
        return 0.0
    optimizer = stage.optimizer(chosen, lr)
    mean = 0.0
    with _put_back(module), _own_draws(stage, name):
        module.train(only is None)
        if only is not None:
            only.train()
            kept = set(chosen)
            for parameter in module.parameters():
                parameter.requires_grad_(parameter in kept)
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
                raise Diverged(
                    f"the loss of phase {name!r} in task {stage.task.index} is no longer finite: lower its lr"
                )
    stage.note(f"{name}/loss", mean)
    return mean


@contextmanager
def _put_back(module: nn.Module) -> Iterator[None]:
    """Modes and ``requires_grad`` are afterwards what they were, also where a round goes on after an error."""
    modes = {part: part.training for part in module.modules()}
    asked = {parameter: parameter.requires_grad for parameter in module.parameters()}
    try:
        yield
    finally:
        # What the phase left in the gradients must not be added to the next step's.
        module.zero_grad(set_to_none=True)
        for parameter, flag in asked.items():
            parameter.requires_grad_(flag)
        for part, mode in modes.items():
            part.training = mode


@contextmanager
def _own_draws(stage: Stage, name: str) -> Iterator[None]:
    """Torch's default generators, of the CPU and of the run's GPU, are the phase's own inside."""
    seed = f"phase/{name}/{stage.task.index}"
    gpus = [stage.device] if stage.device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus), stage.seeds.default(seed):
        for gpu in gpus:
            with torch.cuda.device(gpu):
                torch.cuda.manual_seed(stage.seeds.derive(seed))
        yield
