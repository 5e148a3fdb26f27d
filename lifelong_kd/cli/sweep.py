"""``lifelong-kd sweep``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lifelong_kd.cli.common import IMPORTS, PATH
from lifelong_kd.cli.compare import echo_table
from lifelong_kd.core.errors import BadCall

__all__ = ["sweep"]

# So many failures are shown with their reasons.
SHOWN = 10


@click.command()
@click.argument("config", type=PATH, metavar="CONFIG|STUDY")
@click.argument("grid", nargs=-1, metavar="[KEY=A,B,C]...")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Cells side by side. If not given: 1; with Ray as many as there is room for; with Slurm all.",
)
@click.option(
    "--out", type=PATH, metavar="STUDY", help="Folder of the runs; runs/sweep-<config> if not given."
)
@click.option(
    "--engine",
    type=click.Choice(["processes", "ray", "slurm"]),
    default="processes",
    show_default=True,
    help="What runs the cells; Ray and Slurm need a file system that all machines share.",
)
@click.option(
    "--ray",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of Ray: the cluster's address, num_cpus or num_gpus of a cell.",
)
@click.option(
    "--slurm",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of Slurm, as submitit calls it: timeout_min, partition, gpus_per_node, ...",
)
@click.option("--no-retry", is_flag=True, help="Leave cells alone that failed in an earlier call.")
@click.option(
    "--wandb-sweep",
    type=PATH,
    metavar="FILE",
    help="Run nothing; write the study as a W&B sweep's definition.",
)
@IMPORTS
def sweep(
    config: Path,
    grid: tuple[str, ...],
    jobs: int | None,
    out: Path | None,
    engine: Any,
    ray: tuple[str, ...],
    slurm: tuple[str, ...],
    no_retry: bool,
    wandb_sweep: Path | None,
    imports: tuple[Path, ...],
) -> None:
    """Run every cell of a grid, each in a process of its own.

    KEY=A,B,C goes through values, KEY=0..9 through a range; KEY=VALUE is the same in every cell. Called again it
    leaves finished cells alone, resumes those that were stopped or killed, tries failed ones again, and adds what the
    grid has more; what another sweep of the same study is running is left to it. A STUDY's folder in place of CONFIG
    goes on with that study, and KEY=A,B,C then adds values.

    Each cell's folder is in STUDY, what it said in STUDY/logs. With several processes the cores are shared out through
    OMP_NUM_THREADS, unless that is set.
    """
    from lifelong_kd.config.build import refuse_several_processes
    from lifelong_kd.study.definition import write_study
    from lifelong_kd.study.engines.choose import choose_engine
    from lifelong_kd.study.prepare import prepare, prepare_again

    refuse_several_processes()
    if config.is_dir():
        if out is not None:
            raise BadCall(f"{config} is a study's folder already: leave --out away")
        found = prepare_again(config, grid, imports)
    else:
        study = out if out is not None else Path("runs") / f"sweep-{config.stem}"
        found = prepare(config, grid, study, imports)
    if wandb_sweep is not None:
        _write_sweep(wandb_sweep, found)
        return
    board = found.board(retry=not no_retry)
    click.echo(
        f"{found.folder}: {len(found.jobs)} run{'s'[: len(found.jobs) > 1]},"
        f" {len(board.finished)} of them finished already"
        + (f", {len(board.failed)} failed before" if board.failed else "")
    )
    if board.waiting:
        chosen = choose_engine(engine, found.folder, jobs, len(board.waiting), ray, slurm)
        write_study(found.folder, found.study)
        _run(board, chosen, found.folder)
    _sum_up(board, found.jobs)


def _run(board: Any, engine: Any, study: Path) -> None:
    from lifelong_kd.study.jobs import run_jobs
    from lifelong_kd.study.screen import open_screen

    try:
        with open_screen(board, click.echo) as screen:
            run_jobs(board, engine, screen.ended, screen.tick, screen.stopping)
    except KeyboardInterrupt:
        click.echo(f"{board.counts()}. Go on with: lifelong-kd sweep {study}", err=True)
        raise


def _sum_up(board: Any, jobs: Any) -> None:
    """The table of what is finished, and what failed and why."""
    finished = {job.name for job in board.finished}
    if finished:
        echo_table([job.folder for job in jobs if job.name in finished])
    if not board.failed:
        return
    click.echo(f"{len(board.failed)} of {len(jobs)} runs failed:", err=True)
    failed = [job for job in jobs if job.name in board.failed]
    for job in failed[:SHOWN]:
        click.echo(f"  {job.name}: {board.failed[job.name]}; see {job.log}", err=True)
    if len(failed) > SHOWN:
        click.echo(f"  and {len(failed) - SHOWN} more; their logs are in {failed[0].log.parent}", err=True)
    raise click.exceptions.Exit(1)


def _write_sweep(path: Path, found: Any) -> None:
    from lifelong_kd.study.wandb_sweep import sweep_definition, write_definition

    place = found.settings["tracking"]["wandb"]
    project = str(place["project"])
    definition = sweep_definition(
        found.study.config, found.grid, name=found.folder.name, project=project, imports=found.given_imports
    )
    write_definition(path, definition)
    whole = f"{place['entity']}/{project}" if place.get("entity") else f"ENTITY/{project}"
    click.echo(f"written: {path}; go on with\n  wandb sweep {path}\nand, on each machine, what that names:")
    click.echo(f"  wandb agent {whole}/SWEEP_ID")
