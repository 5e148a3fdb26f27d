"""``lifelong-kd validate``, ``list`` and ``show``."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import click

from lifelong_kd.cli.common import IMPORTS, OVERRIDES, PATH, import_all
from lifelong_kd.core.errors import BadCall

__all__ = ["list_components", "show", "validate"]

# Columns of a page that goes into a file or a pipe.
WIDTH = 100


@click.command()
@click.argument("config", type=PATH)
@OVERRIDES
@click.option("--data", is_flag=True, help="Read the data and build the network as well.")
@click.option("--resolved", is_flag=True, help="Print the configuration with every default filled in.")
@IMPORTS
def validate(
    config: Path, overrides: tuple[str, ...], data: bool, resolved: bool, imports: tuple[Path, ...]
) -> None:
    """Check all of a configuration; train and write nothing."""
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


@click.command("list")
@click.argument("noun", required=False)
@IMPORTS
def list_components(noun: str | None, imports: tuple[Path, ...]) -> None:
    """List what exists: strategies, streams, models, schedules, ..."""
    from lifelong_kd.catalogue import listing

    import_all(imports)
    click.echo(listing(noun))


@click.command()
@click.argument("noun")
@click.argument("name", required=False)
@IMPORTS
def show(noun: str, name: str | None, imports: tuple[Path, ...]) -> None:
    """Show a component: its idea, formula, paper, options, an example.

    The other keys of a configuration are shown by: training, evaluation, tracking, configuration
    """
    from lifelong_kd.catalogue import KEYS, keys_page, page, which_page

    import_all(imports)
    if name is None and noun not in KEYS:
        raise BadCall(which_page(noun))
    terminal = sys.stdout.isatty()
    width = min(shutil.get_terminal_size().columns, 110) if terminal else WIDTH
    bold = terminal and "NO_COLOR" not in os.environ
    click.echo(
        keys_page(noun, width=width, bold=bold) if name is None else page(noun, name, width=width, bold=bold)
    )
