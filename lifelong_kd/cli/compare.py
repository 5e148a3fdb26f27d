"""``lifelong-kd compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lifelong_kd.cli.common import PATH
from lifelong_kd.core.errors import BadCall

__all__ = ["compare", "echo_table"]

# So many runs that are left out of a table are named one by one.
FEW = 5


@click.command()
@click.argument("runs", nargs=-1, required=True, type=PATH, metavar="RUN...")
@click.option("--out", type=PATH, metavar="FOLDER", help="Write compare.md and compare.json there as well.")
def compare(runs: tuple[Path, ...], out: Path | None) -> None:
    """Set runs side by side: a row for each strategy and stream, mean and interval over its seeds.

    RUN is a run folder or a folder of them. Settings that tell rows of the same names apart stand behind the name.
    """
    echo_table(runs, out)


def echo_table(paths: Any, out: Path | None = None) -> None:
    """Print the runs in some folders side by side, and write the table to a folder if one is given."""
    import json

    from lifelong_kd.comparison.groups import group_runs
    from lifelong_kd.comparison.read import read_runs
    from lifelong_kd.comparison.table import as_data, as_markdown, as_text

    records, unfinished = read_runs(paths)
    _say_left_out([(str(left.folder), left.reason) for left in unfinished])
    if not records:
        raise BadCall("none of these runs is finished, so there is nothing to compare")
    rows = group_runs(records)
    _say_left_out(
        [(folder, "its seed and settings are there already") for row in rows for folder in row.repeated]
    )
    click.echo(as_text(rows))
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "compare.md").write_text(as_markdown(rows), encoding="utf-8")
        (out / "compare.json").write_text(json.dumps(as_data(rows), indent=2) + "\n", encoding="utf-8")
        click.echo(f"\nwritten: {out / 'compare.md'}, {out / 'compare.json'}")


def _say_left_out(left: list[tuple[str, str]]) -> None:
    """Each folder and why, or a count of each reason where there are many."""
    if len(left) <= FEW:
        for folder, reason in left:
            click.echo(f"left out: {folder}: {reason}", err=True)
        return
    reasons = [reason for _, reason in left]
    counts = "; ".join(f"{reasons.count(reason)}: {reason}" for reason in dict.fromkeys(reasons))
    click.echo(f"left out: {len(left)} runs ({counts})", err=True)
