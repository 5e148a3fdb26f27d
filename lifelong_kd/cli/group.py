"""The group of all commands: errors as sentences, exit codes, Ctrl-C."""

from __future__ import annotations

import os
from typing import Any

import click

from lifelong_kd.core.errors import LifelongError

__all__ = ["STOPPED", "Commands"]

TRACEBACK = "LIFELONG_KD_TRACEBACK"
STOPPED = 130


class Commands(click.Group):
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
