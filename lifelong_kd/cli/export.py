"""``lifelong-kd export``."""

from __future__ import annotations

from pathlib import Path

import click

from lifelong_kd.cli.common import PATH
from lifelong_kd.core.errors import BadCall

__all__ = ["export"]

ENDINGS = {"weights": "safetensors", "program": "pt2", "onnx": "onnx", "tree": "txt"}


@click.command()
@click.argument("run", type=PATH)
@click.option(
    "--task",
    type=click.IntRange(min=0),
    metavar="K",
    help="After which task, from 0; the last one there is, if not given.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(ENDINGS)),
    default="weights",
    show_default=True,
    help="weights: safetensors for lifelong_kd; program: torch.export; onnx: ONNX (needs lifelong_kd[onnx]); tree: a"
    " decision tree in plain text, fitted to what the network says of the run's data.",
)
@click.option(
    "--out", type=PATH, metavar="FILE", help="Where to; <run>-task_<K> with the format's ending if not given."
)
def export(run: Path, task: int | None, form: str, out: Path | None) -> None:
    """Take the model as it was after task K out of a run, to use it elsewhere.

    A program and an ONNX model take samples before normalisation, in batches of any size, and give the logits. They are
    loaded again and compared with the network before they are kept. Weights are those of the network alone, which
    takes samples after normalisation.
    """
    if not run.is_dir():
        raise BadCall(f"{run}: there is no such run folder")
    if task is None:
        task = _last_task(run)
    path = out if out is not None else Path(f"{run.resolve().name}-task_{task}.{ENDINGS[form]}")
    lines = {"weights": _weights, "program": _program, "onnx": _onnx, "tree": _tree}[form](run, task, path)
    click.echo("\n".join([f"written: {path}", *lines]))


def _weights(run: Path, task: int, path: Path) -> list[str]:
    from lifelong_kd.export import export_model, how_to_load
    from lifelong_kd.export.words import seen

    return [*seen(export_model(run, task, path)), "", how_to_load(path)]


def _program(run: Path, task: int, path: Path) -> list[str]:
    from lifelong_kd.export.program import export_program, how_to_load_program
    from lifelong_kd.export.words import words

    about, found = export_program(run, task, path)
    return [*words(about), str(found), "", how_to_load_program(path)]


def _onnx(run: Path, task: int, path: Path) -> list[str]:
    from lifelong_kd.export.onnx import export_onnx, how_to_load_onnx
    from lifelong_kd.export.words import words

    about, found = export_onnx(run, task, path)
    return [*words(about), str(found), "", how_to_load_onnx(path)]


def _tree(run: Path, task: int, path: Path) -> list[str]:
    from lifelong_kd.export.explained import export_tree
    from lifelong_kd.export.place import model_of
    from lifelong_kd.export.words import corrections
    from lifelong_kd.model.saved import read_metadata

    first = str(export_tree(run, task, path)).partition("\n")[0]
    return [first, *corrections(read_metadata(model_of(run, task)).get("network") or {})]


def _last_task(run: Path) -> int:
    names = (file.stem.removeprefix("task_") for file in (run / "checkpoints").glob("task_*.safetensors"))
    tasks = [int(name) for name in names if name.isdecimal()]
    if not tasks:
        raise BadCall(f"{run} has no model of any task")
    return max(tasks)
