"""The network as an ONNX model, which runs without torch."""

from __future__ import annotations

import importlib.util
import io
import json
import logging
import re
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.export.compared import Compared, compare
from lifelong_kd.export.deployed import load_deployed
from lifelong_kd.export.place import model_of, whole
from lifelong_kd.export.program import NOTE, traced

if TYPE_CHECKING:
    from torch.export import ExportedProgram

__all__ = ["OnnxNetwork", "export_onnx", "how_to_load_onnx"]

NEEDED = ("onnx", "onnxruntime", "onnxscript")


def export_onnx(run: Path, task: int, path: Path) -> tuple[dict[str, Any], Compared]:
    """Write the network after ``task`` as an ONNX model for batches of any size: input ``x``, output ``logits``.

    The normalisation of the stream is part of it, corrections of predictions are not. The file is loaded with
    onnxruntime and compared with the network before it is put at ``path``.

    Args:
        run: the run folder.
        task: after which task.
        path: where to.

    Returns:
        What it takes and gives (see ``describe``), which the file has too, as its metadata ``lifelong_kd``; and how
        it compares.

    Raises:
        BadCall: if the run has no such model, the network cannot be exported, ONNX lacks an operator, ``path`` is
            there already, or the extra ``onnx`` is not installed.
        RunFailed: if what was written says something else than the network, or cannot be written.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise BadCall(f"exporting to ONNX needs {', '.join(missing)}: pip install 'lifelong_kd[onnx]'")
    source = model_of(run, task)
    with whole(path) as beside:
        deployed, about = load_deployed(source)
        model = _converted(traced(deployed, about))
        model.model.metadata_props[NOTE] = json.dumps(about)
        model.save(str(beside), external_data=False)
        found = compare(deployed, OnnxNetwork(beside), about["input_shape"], about["dtype"])
    return about, found


def _converted(program: ExportedProgram) -> Any:
    """The program in ONNX's operators.

    Raises:
        BadCall: naming the operator that ONNX lacks.
    """
    quiet = logging.root.manager.disable
    # It reports its progress on standard output, and what it could not simplify in logs.
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            return torch.onnx.export(
                program, dynamo=True, input_names=["x"], output_names=["logits"], verbose=False
            )
    except torch.onnx.errors.OnnxExporterError as error:
        operator = _operator(error)
        raise BadCall(
            f"ONNX has no counterpart of the operator {operator} that this network uses, nothing was written:"
            " --format program keeps it"
            if operator
            else f"the network cannot be written in ONNX, nothing was written: {_last_line(error)}"
        ) from error
    finally:
        logging.disable(quiet)


def _operator(error: BaseException | None) -> str | None:
    """The operator that an error, or what caused it, names as missing."""
    while error is not None:
        found = re.search(r"No ONNX function found for <?OpOverload\(op='([\w.]+)'", str(error))
        found = found or re.search(r"No ONNX function found for <?([\w.:]+)", str(error))
        if found:
            return found[1]
        error = error.__cause__
    return None


def _last_line(error: BaseException) -> str:
    """What the first cause of an error says."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__


class OnnxNetwork:
    """An ONNX model, loaded with onnxruntime on the CPU and called like a network: ``x`` (B, ...) to logits (B, C).

    Args:
        path: the file.

    Raises:
        BadCall: if onnxruntime does not take the model.
    """

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's own errors share no class
            raise BadCall(f"onnxruntime does not take the model: {_last_line(error)}") from error

    def __call__(self, x: Tensor) -> Tensor:
        return torch.from_numpy(self.session.run(["logits"], {"x": x.numpy()})[0])


def how_to_load_onnx(path: Path) -> str:
    """The lines of Python that load and call it."""
    return f"""load it with

    import onnxruntime

    session = onnxruntime.InferenceSession({str(path)!r})
    logits = session.run(["logits"], {{"x": x}})[0]  # x: a NumPy array"""
