"""The command line: ``lifelong-kd``. Everything heavy is imported inside the command that needs it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from lifelong_kd import __version__
from lifelong_kd.core.errors import BadCall, LifelongError

__all__ = ["main"]

TRACEBACK = "LIFELONG_KD_TRACEBACK"
STOPPED = 130
# Columns of a page that goes into a file or a pipe.
WIDTH = 100
# So many runs that are left out of a table are named one by one.
FEW = 5

_path = click.Path(path_type=Path)
_imports = click.option(
    "--import",
    "imports",
    multiple=True,
    type=_path,
    metavar="FILE",
    help="Execute a Python file first, so that what it registers has a name.",
)
_overrides = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")


class _Commands(click.Group):
    """Shows our errors as a message and ends with their exit code."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().main(*args, **kwargs)
        except KeyboardInterrupt:
            # So early, or so late, that click does not look after it.
            click.echo("stopped", err=True)
            raise SystemExit(STOPPED) from None

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        try:
            return super().make_context(*args, **kwargs)
        except KeyboardInterrupt:
            # Left to click it would be "Aborted!" and exit code 1.
            click.echo("stopped", err=True)
            raise click.exceptions.Exit(STOPPED) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LifelongError as error:
            if os.environ.get(TRACEBACK):
                raise
            click.echo(f"error: {error}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
            ctx.exit(STOPPED)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lifelong-kd")
def main() -> None:
    """Continual learning in which earlier models teach later ones.

    Set LIFELONG_KD_TRACEBACK=1 to see where an error comes from.
    """


@main.command()
@click.argument("config", type=_path)
@_overrides
@click.option(
    "--out",
    type=_path,
    metavar="RUN",
    help="The run folder; runs/<name>, or runs/<name>-2 and so on, if not given.",
)
@_imports
def run(config: Path, overrides: tuple[str, ...], out: Path | None, imports: tuple[Path, ...]) -> None:
    """Train and evaluate on every task of a stream.

    KEY=VALUE changes a setting, as in: training.epochs=3 strategy=lwf strategy.temperature=4
    """
    from lifelong_kd.config.build import build, refuse_several_processes
    from lifelong_kd.config.load import load_config

    refuse_several_processes()
    loaded = load_config(config, overrides, imports=imports)
    folder = out if out is not None else _same_or_new(Path("runs") / loaded.name, loaded.settings)
    _refuse_taken(folder)
    build(loaded).run(folder)
    _references(loaded, folder)


def _references(config: Any, folder: Path) -> None:
    """Make the runs beside a run that its configuration asks for, and say what they show."""
    if config.settings["evaluation"]["references"] != "make":
        return
    from lifelong_kd.references import add_references

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


@main.command()
@click.argument("config", type=_path)
@click.argument("grid", nargs=-1, metavar="[KEY=A,B,C]...")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Runs side by side.")
@click.option(
    "--out", type=_path, metavar="STUDY", help="Folder of the runs; runs/sweep-<config> if not given."
)
@_imports
def sweep(
    config: Path, grid: tuple[str, ...], jobs: int, out: Path | None, imports: tuple[Path, ...]
) -> None:
    """Run every cell of a grid, each in a process of its own.

    KEY=A,B,C goes through values, KEY=0..9 through a range; KEY=VALUE is the same in every cell. Called again it
    leaves finished cells alone, resumes the others, and adds what the grid has more. With several jobs the cores
    are shared out through OMP_NUM_THREADS, unless that is set.
    """
    from lifelong_kd.config.build import refuse_several_processes
    from lifelong_kd.config.grid import parse_grid
    from lifelong_kd.sweep import Job, last_words, plan, run_jobs

    refuse_several_processes()
    study = out if out is not None else Path("runs") / f"sweep-{config.stem}"
    planned = plan(config, parse_grid(grid), study, imports)
    todo = [job for job in planned if job.command is not None]
    click.echo(f"{study}: {len(planned)} runs, {len(planned) - len(todo)} of them finished already")
    ended = 0

    def report(job: Job, status: int, seconds: float) -> None:
        nonlocal ended
        ended += 1
        word = (
            "finished"
            if status == 0
            else f"failed with exit status {status}: {last_words(job.log).rstrip('.')}; see {job.log}"
        )
        click.echo(f"[{ended}/{len(todo)}] {job.name}: {word} ({seconds:.1f} s)")

    failed = run_jobs(planned, jobs, report)
    finished = [job.folder for job in planned if job not in failed]
    if finished:
        _echo_table(finished)
    if failed:
        click.echo(
            f"{len(failed)} of {len(planned)} runs failed: {', '.join(job.name for job in failed)}", err=True
        )
        raise click.exceptions.Exit(1)


@main.command()
@click.argument("run", type=_path)
def resume(run: Path) -> None:
    """Go on with a run where it was stopped or killed."""
    from lifelong_kd.comparison.read import state_of
    from lifelong_kd.config.build import build
    from lifelong_kd.config.load import load_config
    from lifelong_kd.references import lacks_references
    from lifelong_kd.training.folder import RunFolder

    state = state_of(run)
    if state == "finished":
        loaded = load_config(run / "config.yaml")
        if not lacks_references(loaded, run):
            raise BadCall(f"the run in {run} is finished; there is nothing to resume")
        _references(loaded, run)
        return
    if state != "unfinished" or not (run / "config.yaml").is_file():
        raise BadCall(f"there is no run to resume in {run}")
    RunFolder(run).refuse_in_use()
    loaded = load_config(run / "config.yaml")
    build(loaded).run(run, resume=True)
    _references(loaded, run)


@main.command()
@click.argument("runs", nargs=-1, required=True, type=_path, metavar="RUN...")
@click.option("--out", type=_path, metavar="FOLDER", help="Write compare.md and compare.json there as well.")
def compare(runs: tuple[Path, ...], out: Path | None) -> None:
    """Set runs side by side: a row for each strategy and stream, mean and interval over its seeds.

    RUN is a run folder or a folder of them. Settings that tell rows of the same names apart stand behind the name.
    """
    _echo_table(runs, out)


def _echo_table(paths: Any, out: Path | None = None) -> None:
    import json

    from lifelong_kd.comparison.groups import group_runs
    from lifelong_kd.comparison.read import read_runs
    from lifelong_kd.comparison.table import as_data, as_markdown, as_text

    records, unfinished = read_runs(paths)
    _echo_left_out([(str(left.folder), left.reason) for left in unfinished])
    if not records:
        raise BadCall("none of these runs is finished, so there is nothing to compare")
    rows = group_runs(records)
    _echo_left_out(
        [(folder, "its seed and settings are there already") for row in rows for folder in row.repeated]
    )
    click.echo(as_text(rows))
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "compare.md").write_text(as_markdown(rows), encoding="utf-8")
        (out / "compare.json").write_text(json.dumps(as_data(rows), indent=2) + "\n", encoding="utf-8")
        click.echo(f"\nwritten: {out / 'compare.md'}, {out / 'compare.json'}")


def _echo_left_out(left: list[tuple[str, str]]) -> None:
    """Each folder and why, or a count of each reason where there are many."""
    if len(left) <= FEW:
        for folder, reason in left:
            click.echo(f"left out: {folder}: {reason}", err=True)
        return
    reasons = [reason for _, reason in left]
    counts = "; ".join(f"{reasons.count(reason)}: {reason}" for reason in dict.fromkeys(reasons))
    click.echo(f"left out: {len(left)} runs ({counts})", err=True)


@main.command()
@click.argument("config", type=_path)
@_overrides
@click.option("--data", is_flag=True, help="Read the data and build the network as well.")
@click.option("--resolved", is_flag=True, help="Print the configuration with every default filled in.")
@_imports
def validate(
    config: Path, overrides: tuple[str, ...], data: bool, resolved: bool, imports: tuple[Path, ...]
) -> None:
    """Check a configuration, all of it at once; nothing is trained or written."""
    from lifelong_kd.config.build import build, build_parts, pick_device
    from lifelong_kd.config.load import load_config

    loaded = load_config(config, overrides, imports=imports)
    pick_device(loaded.settings["device"])
    if data:
        build(loaded)
    else:
        build_parts(loaded)
    if resolved:
        click.echo(loaded.dump(), nl=False)
    else:
        click.echo(
            f"{config} is valid: {loaded.name}" + ("" if data else " (data not looked at; see --data)")
        )


@main.command("list")
@click.argument("noun", required=False)
@_imports
def list_components(noun: str | None, imports: tuple[Path, ...]) -> None:
    """List what exists: strategies, streams, models, schedules, ..."""
    from lifelong_kd.catalogue import listing

    _import(imports)
    click.echo(listing(noun))


@main.command()
@click.argument("noun")
@click.argument("name", required=False)
@_imports
def show(noun: str, name: str | None, imports: tuple[Path, ...]) -> None:
    """Show one component: idea, formula, paper, what it needs, its parts, every option, an example to run.

    The other keys of a configuration are shown by: training, evaluation, tracking, configuration
    """
    from lifelong_kd.catalogue import KEYS, keys_page, page, which_page

    _import(imports)
    if name is None and noun not in KEYS:
        raise BadCall(which_page(noun))
    terminal = sys.stdout.isatty()
    width = min(shutil.get_terminal_size().columns, 110) if terminal else WIDTH
    bold = terminal and "NO_COLOR" not in os.environ
    click.echo(
        keys_page(noun, width=width, bold=bold) if name is None else page(noun, name, width=width, bold=bold)
    )


def _import(imports: tuple[Path, ...]) -> None:
    if imports:
        from lifelong_kd.config.imports import import_files

        import_files(imports)


@main.command()
@click.argument("run", type=_path)
@click.option(
    "--task",
    type=click.IntRange(min=0),
    metavar="K",
    help="After which task, from 0; the last one there is, if not given.",
)
@click.option("--out", type=_path, metavar="FILE", help="Where to; <run>-task_<K>.safetensors if not given.")
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
