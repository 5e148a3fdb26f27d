"""``lifelong-kd run`` and ``resume``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from lifelong_kd.cli.common import IMPORTS, OVERRIDES, PATH
from lifelong_kd.core.errors import BadCall

__all__ = ["resume", "run"]


@click.command()
@click.argument("config", type=PATH)
@OVERRIDES
@click.option(
    "--out",
    type=PATH,
    metavar="RUN",
    help="The run folder; runs/<name>, or runs/<name>-2 and so on, if not given.",
)
@IMPORTS
def run(config: Path, overrides: tuple[str, ...], out: Path | None, imports: tuple[Path, ...]) -> None:
    """Train and evaluate on every task of a stream.

    KEY=VALUE changes a setting, as in: training.epochs=3 strategy=lwf strategy.temperature=4
    """
    from lifelong_kd.config.build import build, refuse_several_processes
    from lifelong_kd.config.load import load_config

    refuse_several_processes()
    loaded = load_config(config, overrides, imports=imports)
    folder = out if out is not None else _same_or_new(_own_place(loaded.name), loaded.settings)
    _refuse_taken(folder)
    build(loaded).run(folder)
    _references(loaded, folder)


def _own_place(name: str) -> Path:
    """Where a run of this name goes; one that an agent of W&B's sweeps starts has an id of its own, and its sweep."""
    sweep, run_id = os.environ.get("WANDB_SWEEP_ID"), os.environ.get("WANDB_RUN_ID")
    if sweep and run_id:
        return Path("runs") / f"sweep-{sweep}" / f"{name}-{run_id}"
    return Path("runs") / name


def _references(config: Any, folder: Path) -> None:
    """Make the runs beside a run that its configuration asks for, and say what they show."""
    if config.settings["evaluation"]["references"] != "make":
        return
    from lifelong_kd.study.references import add_references

    scores = add_references(config, folder, say=lambda text: click.echo(f"  {text}"))
    for name in ("intransigence", "transfer_from_past"):
        value = scores[name]
        shown = "-" if value is None else f"{100 * value:.2f} %"
        click.echo(f"  {name.replace('_', ' '):<30}{shown:>9}")


def _same_or_new(folder: Path, settings: dict[str, Any]) -> Path:
    """The folder, numbered if it holds a finished run, or an unfinished one of other settings."""
    from lifelong_kd.comparison.read import state_of

    numbered, number = folder, 1
    while (state := state_of(numbered)) == "finished" or (
        state == "unfinished" and not _has_settings(numbered, settings)
    ):
        number += 1
        numbered = folder.with_name(f"{folder.name}-{number}")
    return numbered


def _has_settings(folder: Path, settings: dict[str, Any]) -> bool:
    from lifelong_kd.config.load import load_config

    try:
        return load_config(folder / "config.yaml").settings == settings
    except BadCall:  # what can no longer be read is not what was asked for now
        return False


def _refuse_taken(folder: Path) -> None:
    from lifelong_kd.comparison.read import state_of, status_of
    from lifelong_kd.training.folder import RunFolder

    state = state_of(folder)
    if state == "finished":
        raise BadCall(f"{folder} holds a finished run; give another --out, or a name=...")
    if state == "unfinished":
        RunFolder(folder).refuse_in_use()
        if status_of(folder) == "failed":
            raise BadCall(
                f"{folder} holds a run that failed: `lifelong-kd resume {folder}` goes on with it, but"
                " without a change of code or data it will fail the same way; else give another --out,"
                " or remove the folder"
            )
        raise BadCall(
            f"{folder} holds a run that is not finished: go on with it by `lifelong-kd resume {folder}`,"
            " or give another --out"
        )
    if state == "foreign":
        raise BadCall(f"{folder} is not empty and holds no run; give another --out")


@click.command()
@click.argument("run", type=PATH)
def resume(run: Path) -> None:
    """Go on with a run where it was stopped or killed."""
    from lifelong_kd.comparison.read import state_of
    from lifelong_kd.config.build import build
    from lifelong_kd.config.load import load_config
    from lifelong_kd.study.references import lacks_references
    from lifelong_kd.training.folder import RunFolder

    state = state_of(run)
    if state == "finished":
        loaded = load_config(run / "config.yaml")
        if not lacks_references(loaded, run):
            raise BadCall(f"the run in {run} is finished; there is nothing to resume")
        _references(loaded, run)
        return
    if state == "foreign" and (run / "study.json").is_file():
        raise BadCall(f"{run} is a study, not a run: `lifelong-kd sweep {run}` goes on with it")
    if state != "unfinished" or not (run / "config.yaml").is_file():
        raise BadCall(f"there is no run to resume in {run}")
    RunFolder(run).refuse_in_use()
    loaded = load_config(run / "config.yaml")
    build(loaded, resume=run).run(run, resume=True)
    _references(loaded, run)
