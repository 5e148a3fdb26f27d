"""Readings, figures and views made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from lifelong_kd.rounds.base import Figures, Knob, Proposal, Reading, Round, View


def reading(right: str | float, samples: int = 20) -> Reading:
    """``"1101"``: right, right, wrong, right; a number is an accuracy, right on the first of the samples."""
    if not isinstance(right, str):
        right = ("1" * round(right * samples)).ljust(samples, "0")
    tensor = torch.tensor([one == "1" for one in right])
    return Reading(float(tensor.double().mean()), 1.0, tensor)


def figures(
    validation: Sequence[str | float], memory: Sequence[str | float] = (), *, task: int | None = None
) -> Figures:
    """By task from 0 on; the last one of the validation data is the current task."""
    return Figures(
        len(validation) - 1 if task is None else task,
        None,
        {number: reading(one) for number, one in enumerate(validation)},
        {number: reading(one) for number, one in enumerate(memory)},
    )


def view(
    rounds: Sequence[tuple[Proposal, Figures]] = (),
    *,
    task: int = 1,
    kept: int | None = None,
    knobs: Mapping[str, Knob] | None = None,
    **more: Any,
) -> View:
    """A view whose last round is to be judged."""
    return View(
        task=task,
        scenario="class",
        old_classes=2 * task,
        new_classes=2,
        lr=0.1,
        epochs=3,
        knobs=knobs if knobs is not None else {"kd": Knob("distill", 1.0, task > 0, 2.0)},
        rounds=tuple(Round(number, *one) for number, one in enumerate(rounds)),
        kept=kept,
        **more,
    )
