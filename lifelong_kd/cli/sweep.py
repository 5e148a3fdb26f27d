"""``lifelong-kd sweep``."""

from __future__ import annotations

from pathlib import Path

import click

from lifelong_kd.cli.common import IMPORTS, PATH
from lifelong_kd.cli.compare import echo_table

__all__ = ["sweep"]


@click.command()
@click.argument("config", type=PATH)
@click.argument("grid", nargs=-1, metavar="[KEY=A,B,C]...")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Runs side by side.")
@click.option(
    "--out", type=PATH, metavar="STUDY", help="Folder of the runs; runs/sweep-<config> if not given."
)
@IMPORTS
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
    from lifelong_kd.study.jobs import last_words, run_jobs
    from lifelong_kd.study.plan import Job, plan

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
        echo_table(finished)
    if failed:
        click.echo(
            f"{len(failed)} of {len(planned)} runs failed: {', '.join(job.name for job in failed)}", err=True
        )
        raise click.exceptions.Exit(1)
