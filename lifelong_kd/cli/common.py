"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["IMPORTS", "OVERRIDES", "PATH", "import_all"]

PATH = click.Path(path_type=Path)
IMPORTS = click.option(
    "--import",
    "imports",
    multiple=True,
    type=PATH,
    metavar="FILE",
    help="Execute a Python file first, so that what it registers has a name.",
)
OVERRIDES = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")


def import_all(imports: tuple[Path, ...]) -> None:
    """Execute the files that ``--import`` names."""
    if imports:
        from lifelong_kd.config.imports import import_files

        import_files(imports)
