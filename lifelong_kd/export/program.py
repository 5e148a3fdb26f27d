"""The network as a program of ``torch.export``, which needs torch and nothing of this project."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.export.compared import Compared, compare, examples
from lifelong_kd.export.deployed import Deployed, load_deployed
from lifelong_kd.export.place import model_of, whole

if TYPE_CHECKING:
    from torch.export import ExportedProgram

__all__ = ["NOTE", "export_program", "how_to_load_program", "traced"]

NOTE = "lifelong_kd"
"""What the description is called inside the file."""


def export_program(run: Path, task: int, path: Path) -> tuple[dict[str, Any], Compared]:
    """Write the network after ``task`` as an ``ExportedProgram`` (.pt2) for batches of any size.

    The normalisation of the stream is part of it, corrections of predictions are not. The file is loaded again and
    compared with the network before it is put at ``path``.

    Args:
        run: the run folder.
        task: after which task.
        path: where to.

    Returns:
        What it takes and gives (see ``describe``), which the file has too, as its extra file ``lifelong_kd``; and how
        it compares.

    Raises:
        BadCall: if the run has no such model, the network cannot be exported, or ``path`` is there already.
        RunFailed: if what was written says something else than the network, or cannot be written.
    """
    source = model_of(run, task)
    with whole(path) as beside:
        deployed, about = load_deployed(source)
        program = traced(deployed, about)
        with warnings.catch_warnings():
            # Another ending than .pt2 is the user's choice.
            warnings.simplefilter("ignore")
            torch.export.save(program, beside, extra_files={NOTE: json.dumps(about)})
            again = torch.export.load(beside).module()
        found = compare(deployed, again, about["input_shape"], about["dtype"])
    return about, found


def traced(deployed: Deployed, about: dict[str, Any]) -> ExportedProgram:
    """The operations of a network, for batches of any size.

    Raises:
        BadCall: if what it computes depends on the values of its input, or only one size of batch will do.
    """
    # A batch of one would be taken for a batch that is always one.
    x = examples(2, about["input_shape"], about["dtype"])
    try:
        with torch.no_grad():
            return torch.export.export(
                deployed, (x,), dynamic_shapes={"x": {0: torch.export.Dim("batch")}}, strict=False
            )
    except (RuntimeError, TypeError, ValueError, AssertionError) as error:
        lines = [line.strip(" -") for line in str(error).splitlines() if line.strip()]
        words = " ".join(lines[:2])[:300] or type(error).__name__
        raise BadCall(
            f"torch.export cannot write down what this network computes: {words}. Its layers must not look at the"
            " values of a tensor, nor take the size of a batch for a constant (x.shape[0], not len(x))"
        ) from error


def how_to_load_program(path: Path) -> str:
    """The lines of Python that load and call it."""
    return f"""load it with

    import torch

    network = torch.export.load({str(path)!r}).module()
    logits = network(x)"""
