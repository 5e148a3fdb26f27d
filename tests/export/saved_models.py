"""Files such as a run keeps of its models, made without a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lifelong_kd.model.build import build_network
from lifelong_kd.model.freeze import digest
from lifelong_kd.model.network import Network
from lifelong_kd.training.checkpoint import save_model
from lifelong_kd.training.folder import RunFolder

SHAPE = (1, 8, 8)


def saved(
    run: Path,
    model: Mapping[str, Any],
    head: Mapping[str, Any],
    *,
    tasks: Sequence[tuple[list[int], int]] = (([0, 1], 0), ([2, 3], 0)),
    shape: tuple[int, ...] = SHAPE,
    **further: Any,
) -> Network:
    """A network of drawn weights and BatchNorm statistics, kept in ``run`` as after task 1; returns it."""
    options = [{key: value for key, value in one.items() if key != "name"} for one in (model, head)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = build_network(shape, 4, model=(model["name"], options[0]), head=(head["name"], options[1]))
        for classes, label in tasks:
            network.grow(classes, label)
        for layer in network.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                assert layer.running_mean is not None and layer.running_var is not None
                layer.running_mean.normal_()
                layer.running_var.uniform_(0.5, 2.0)
    about = {
        "task": 1,
        "digest": digest(network),
        "config": {"model": {**model, "head": dict(head)}, "stream": {"name": "made_up"}},
        "network": {
            "input_shape": list(shape),
            "classes": 4,
            "columns": ["ant", "bee", "cat", "dog"],
            "tasks": [list(task) for task in tasks],
            **further,
        },
    }
    save_model(RunFolder(run), network, task=1, about=about)
    return network.eval()
