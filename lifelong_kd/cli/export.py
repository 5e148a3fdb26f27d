"""``lifelong-kd export``."""

from __future__ import annotations

from pathlib import Path

import click

from lifelong_kd.cli.common import PATH
from lifelong_kd.core.errors import BadCall

__all__ = ["export"]


@click.command()
@click.argument("run", type=PATH)
@click.option(
    "--task",
    type=click.IntRange(min=0),
    metavar="K",
    help="After which task, from 0; the last one there is, if not given.",
)
@click.option("--out", type=PATH, metavar="FILE", help="Where to; <run>-task_<K>.safetensors if not given.")
def export(run: Path, task: int | None, out: Path | None) -> None:
    """Copy the model as it was after task K, to use it elsewhere."""
    from lifelong_kd.export import export_model, how_to_load

    if not run.is_dir():
        raise BadCall(f"{run}: there is no such run folder")
    if task is None:
        task = _last_task(run)
    path = out if out is not None else Path(f"{run.resolve().name}-task_{task}.safetensors")
    export_model(run, task, path)
    click.echo(f"written: {path}\n\n{how_to_load(path)}")


def _last_task(run: Path) -> int:
    names = (file.stem.removeprefix("task_") for file in (run / "checkpoints").glob("task_*.safetensors"))
    tasks = [int(name) for name in names if name.isdecimal()]
    if not tasks:
        raise BadCall(f"{run} has no model of any task")
    return max(tasks)
