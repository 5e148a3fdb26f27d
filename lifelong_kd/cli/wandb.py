"""``lifelong-kd wandb``: what has to do with Weights & Biases alone."""

from __future__ import annotations

from pathlib import Path

import click

from lifelong_kd.cli.common import PATH
from lifelong_kd.core.errors import BadCall, RunFailed

__all__ = ["wandb"]


@click.group()
def wandb() -> None:
    """Upload to Weights & Biases what was logged offline."""


@wandb.command()
@click.argument("runs", nargs=-1, required=True, type=PATH, metavar="RUN|STUDY...")
@click.option(
    "--timeout",
    type=click.FloatRange(min=1.0),
    default=600.0,
    show_default=True,
    help="Seconds after which the upload of a run is given up.",
)
def sync(runs: tuple[Path, ...], timeout: float) -> None:
    """Upload what W&B lacks of runs.

    That is what was logged offline, and what an online run lost when it was killed or its server did not answer. Parts
    of a resumed run are uploaded in their order and become one W&B run. What is on the server already is left out, so
    the command can be repeated; so is a run that is going on, whose end would be missing.
    """
    from lifelong_kd.tracking.wandb.complete import is_incomplete
    from lifelong_kd.tracking.wandb.sync import find_unsent, need_server, send, waiting

    # A run may be given twice, by itself and in its study.
    found = list(dict.fromkeys(run for path in runs for run in find_unsent(path)))
    left = [run for run in found if waiting(run) or is_incomplete(run)]
    idle = [run for run in left if not _goes_on(run)]
    for run in left:
        if run not in idle:
            click.echo(f"{run}: is going on, so it is left out; upload it when it is over")
    if not left:
        click.echo("nothing to upload: W&B has everything that was logged, or nothing was logged offline")
    if not idle:
        return
    click.echo(f"uploading to {need_server()}", err=True)
    failed = 0
    for run in idle:
        parts = len(waiting(run))
        what = f"{parts} part{'' if parts == 1 else 's'}" if parts else "what was missing"
        problem = send(run, timeout)
        failed += problem is not None
        click.echo(f"{run}: {what} uploaded" if problem is None else f"{run}: not uploaded: {problem}")
    if failed:
        every = "the run" if len(idle) == 1 else f"{failed} of {len(idle)} runs"
        raise RunFailed(
            f"{every} could not be uploaded; everything stays on disk, and the same command tries again"
        )


def _goes_on(run: Path) -> bool:
    from lifelong_kd.training.folder import RunFolder

    try:
        RunFolder(run).refuse_in_use()
    except BadCall:
        return True
    return False
