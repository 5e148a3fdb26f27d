"""Bare PyTorch loops: what the arithmetic costs with nothing around it."""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["bare_derpp", "bare_lwf"]

Task = tuple[Tensor, Tensor, list[int]]
"""Images as float in memory, classes, and the columns of the task."""


def _optimizer(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.1)


def bare_lwf(
    model: nn.Module,
    tasks: Sequence[Task],
    batch: int,
    *,
    epochs: int = 1,
    cached: bool = False,
    temperature: float = 2.0,
) -> None:
    """LwF with a teacher that is asked at every step, or once a task if ``cached``."""
    optimizer = _optimizer(model)
    teacher: nn.Module | None = None
    old = 0
    for x, y, columns in tasks:
        table = None
        if teacher is not None and cached:
            with torch.no_grad():
                table = torch.cat([teacher(part) for part in x.split(2048)])[:, :old]
        for _ in range(epochs):
            for index in torch.randperm(len(x), device=x.device).split(batch):
                xb, yb = x[index], y[index]
                logits = model(xb)
                loss = F.cross_entropy(logits, yb)
                if teacher is not None:
                    if table is not None:
                        said = table[index]
                    else:
                        with torch.no_grad():
                            said = teacher(xb)[:, :old]
                    log_q = F.log_softmax(logits[:, :old] / temperature, dim=1)
                    log_p = F.log_softmax(said / temperature, dim=1)
                    kd = F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)
                    loss = loss + 0.25 * temperature**2 * kd
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        teacher = copy.deepcopy(model).eval().requires_grad_(False)
        old = max(columns) + 1


def bare_derpp(
    model: nn.Module,
    tasks: Sequence[Task],
    batch: int,
    *,
    capacity: int = 500,
    replay: int = 128,
    epochs: int = 1,
) -> None:
    """DER++ with the authors' reservoir, one sample at a time."""
    optimizer = _optimizer(model)
    first = tasks[0][0]
    kept_x = first.new_zeros(capacity, *first.shape[1:])
    kept_y = torch.zeros(capacity, dtype=torch.int64, device=first.device)
    kept_z = first.new_zeros(capacity, 10)
    seen = 0
    for x, y, _ in tasks:
        for _ in range(epochs):
            for index in torch.randperm(len(x), device=x.device).split(batch):
                xb, yb = x[index], y[index]
                logits = model(xb)
                loss = F.cross_entropy(logits, yb)
                size = min(seen, capacity)
                if size:
                    one = torch.randperm(size, device=x.device)[:replay]
                    two = torch.randperm(size, device=x.device)[:replay]
                    loss = loss + 0.2 * F.mse_loss(model(kept_x[one]), kept_z[one])
                    loss = loss + F.cross_entropy(model(kept_x[two]), kept_y[two])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                z = logits.detach()
                for i in range(len(xb)):
                    slot = seen if seen < capacity else random.randint(0, seen)
                    if slot < capacity:
                        kept_x[slot], kept_y[slot], kept_z[slot] = xb[i], yb[i], z[i]
                    seen += 1
