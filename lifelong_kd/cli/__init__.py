"""The command line: ``lifelong-kd``. Everything heavy is imported inside the command that needs it."""

from __future__ import annotations

import click

from lifelong_kd import __version__
from lifelong_kd.cli.compare import compare
from lifelong_kd.cli.export import export
from lifelong_kd.cli.group import Commands
from lifelong_kd.cli.look import list_components, show, validate
from lifelong_kd.cli.run import resume, run
from lifelong_kd.cli.sweep import sweep
from lifelong_kd.cli.wandb import wandb

__all__ = ["main"]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lifelong-kd")
def main() -> None:
    """Continual learning in which earlier models teach later ones.

    Set LIFELONG_KD_TRACEBACK=1 to see where an error comes from.
    """


for command in (run, sweep, resume, compare, validate, list_components, show, export, wandb):
    main.add_command(command)
