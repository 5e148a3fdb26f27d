"""Checkpoints: everything a run needs to go on as if it had never stopped. No pickle is executed from one."""

from __future__ import annotations

import json
import pickle
import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as safetensors_bytes
from torch import nn

from lifelong_kd.core.errors import RunFailed
from lifelong_kd.training.folder import RunFolder, sha256, write_atomically

__all__ = [
    "latest",
    "load_optimizer",
    "load_random",
    "optimizer_state",
    "random_state",
    "save",
    "save_model",
]

POINTER = "latest.json"


def save(folder: RunFolder, state: Mapping[str, Any], *, task: int, epoch: int, number: int = 0) -> Path:
    """Write a checkpoint, point to it, and remove the one before.

    Args:
        folder: where.
        state: tensors, numbers, strings and containers of them.
        task: the task that is being learned.
        epoch: finished epochs of that task, or of a round of it.
        number: of the round, from 0.
    """
    # No name twice: killed before the pointer follows, a run goes on from the file that it pointed to before.
    path = folder.checkpoints / f"state_{task:03d}_{number:03d}_{epoch:05d}.pt"
    write_atomically(path, lambda file: torch.save(dict(state), file))
    pointer = {"file": path.name, "sha256": sha256(path), "task": task, "epoch": epoch}
    text = json.dumps(pointer, indent=2) + "\n"
    write_atomically(folder.checkpoints / POINTER, lambda file: file.write(text.encode()))
    _keep_only(path)
    return path


def _keep_only(path: Path) -> None:
    for other in path.parent.glob("state_*.pt"):
        if other != path:
            other.unlink(missing_ok=True)


def latest(folder: RunFolder) -> dict[str, Any] | None:
    """The state that was saved last, or ``None`` if there is none.

    Raises:
        RunFailed: if the file is missing or is not what was written, or holds what is no plain data.
    """
    pointer = folder.checkpoints / POINTER
    if not pointer.is_file():
        return None
    entry = json.loads(pointer.read_text(encoding="utf-8"))
    path = folder.checkpoints / entry["file"]
    if not path.is_file() or sha256(path) != entry["sha256"]:
        raise RunFailed(
            f"the checkpoint {path} is missing or not as it was written; remove {folder.checkpoints} to begin again"
        )
    # A run that was killed while it tidied up has left one more.
    _keep_only(path)
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL (\S+)", str(error))
        what = found[1] if found else "an object"
        raise RunFailed(
            f"the checkpoint {path} cannot be read: the state of some component holds {what} where only"
            f" tensors, numbers and texts are read back; remove {folder.checkpoints} to begin again"
        ) from error
    return state


def save_model(folder: RunFolder, model: nn.Module, *, task: int, about: Mapping[str, Any]) -> Path:
    """Write the model after a task as ``task_<K>.safetensors``, with what is known of it in the header."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    data = safetensors_bytes(tensors, metadata={"lifelong_kd": json.dumps(dict(about))})
    path = folder.checkpoints / f"task_{task}.safetensors"
    write_atomically(path, lambda file: file.write(data))
    return path


def optimizer_state(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Any]:
    """The optimiser's state by parameter name, so that it survives a head that has grown since."""
    names: dict[torch.Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
    return {
        "state": {names[parameter]: dict(state) for parameter, state in optimizer.state.items() if state},
        "groups": [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups],
    }


def load_optimizer(optimizer: torch.optim.Optimizer, model: nn.Module, state: Mapping[str, Any]) -> None:
    """Take back what :func:`optimizer_state` gave."""
    parameters = dict(model.named_parameters())
    optimizer.state.clear()
    # A fused step on a GPU wants even its counter there; otherwise a counter belongs on the CPU.
    fused = any(group.get("fused") for group in state["groups"])
    for name, values in state["state"].items():
        parameter = parameters[name]
        optimizer.state[parameter] = {
            key: value.to(parameter.device)
            if isinstance(value, torch.Tensor) and (value.dim() or fused)
            else value
            for key, value in values.items()
        }
    for group, values in zip(optimizer.param_groups, state["groups"], strict=True):
        group.update(values)


def random_state(device: torch.device) -> dict[str, Any]:
    """The state of every process-wide generator."""
    kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    version, internal, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "numpy": [
            str(kind),
            torch.from_numpy(np.asarray(keys).astype(np.int64)),
            position,
            has_gauss,
            cached,
        ],
        "python": [version, list(internal), gauss],
    }


def load_random(state: Mapping[str, Any], device: torch.device) -> None:
    """Take back what :func:`random_state` gave."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
    kind, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
