"""``lifelong-kd compare``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lifelong_kd.cli.common import PATH
from lifelong_kd.core.errors import BadCall

if TYPE_CHECKING:
    from lifelong_kd.comparison.types import Comparison, LeftOut, RunRecord

__all__ = ["compare", "echo_table"]

TESTS = ("t", "wilcoxon", "permutation")
FORMATS = ("text", "markdown", "csv", "latex", "json")
# Characters of a line where there is no terminal.
WIDTH = 100


@click.command()
@click.argument("runs", nargs=-1, type=PATH, metavar="[RUN|STUDY]...")
@click.option(
    "--wandb",
    "projects",
    multiple=True,
    metavar="ENTITY/PROJECT[:FILTER]",
    help="Runs on the W&B server, too. FILTER: group=NAME, tags=WORD or config.KEY=VALUE, or several with commas.",
)
@click.option("--baseline", metavar="NAME", help="The strategy or label that the others are tested against.")
@click.option("--scores", metavar="A,B", help="The columns, such as average_accuracy,calibration/nll.")
@click.option("--test", type=click.Choice(TESTS), default="t", show_default=True, help="The paired test.")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="Of what is printed.",
)
@click.option("--out", type=PATH, metavar="FOLDER", help="Write every format, a web page and plots there.")
@click.option("--wandb-report", "report", metavar="ENTITY/PROJECT", help="Save it as a W&B report, too.")
def compare(
    runs: tuple[Path, ...],
    projects: tuple[str, ...],
    baseline: str | None,
    scores: str | None,
    test: str,
    form: str,
    out: Path | None,
    report: str | None,
) -> None:
    """Compare runs: mean and interval over seeds, paired tests, plots.

    There is a row for each strategy and stream. Settings that tell rows of the same strategy apart stand behind its
    name. Each row is tested against the baseline over the seeds that both have. RUN is a run folder or W&B's offline
    files, STUDY a folder of them.
    """
    from lifelong_kd.comparison.compare import compare_runs
    from lifelong_kd.comparison.output import refuse_run_folder

    if not runs and not projects:
        raise click.UsageError("nothing to compare: give a run, a study or --wandb ENTITY/PROJECT")
    if out is not None:
        refuse_run_folder(out)
    if report is not None:
        from lifelong_kd.comparison.report import parse_target

        parse_target(report)
    columns = (
        None if scores is None else [name for name in (part.strip() for part in scores.split(",")) if name]
    )
    if columns == []:
        raise BadCall(f"--scores {scores!r} names no score")
    with _hanging_up(bool(projects) or report is not None):
        records, left = _read(runs, projects)
        _need_finished(records, left)
        comparison = compare_runs(records, left, scores=columns, baseline=baseline, test=test)
        _echo(comparison, form)
        if out is not None:
            _write(comparison, out)
        if report is not None:
            from lifelong_kd.comparison.report import write_report

            click.echo(f"W&B report: {write_report(comparison, report)}", err=True)


@contextmanager
def _hanging_up(online: bool) -> Iterator[None]:
    """Afterwards nothing of the SDK is left that the end of the process would wait for."""
    try:
        yield
    finally:
        if online:
            from lifelong_kd.tracking.wandb.client import hang_up

            hang_up()


def echo_table(paths: Sequence[Path], out: Path | None = None) -> None:
    """Print the runs in some folders side by side, and write every format to a folder if one is given."""
    from lifelong_kd.comparison.compare import compare_runs
    from lifelong_kd.comparison.read import read_runs

    records, left = read_runs(paths)
    _need_finished(records, left)
    comparison = compare_runs(records, left)
    _echo(comparison, "text")
    if out is not None:
        _write(comparison, out)


def _read(paths: Sequence[Path], projects: Sequence[str]) -> tuple[list[RunRecord], list[LeftOut]]:
    """All runs; folders and projects of which none can be had are said and left out, unless there is nothing else."""
    from lifelong_kd.comparison.read import read_runs

    records: list[RunRecord] = []
    left: list[LeftOut] = []
    unreachable: list[BadCall] = []
    try:
        records, left = read_runs(paths)
    except BadCall as error:
        unreachable.append(error)
    for project in projects:
        from lifelong_kd.comparison.read import Unreachable, read_project

        try:
            there = read_project(project)
        except Unreachable as error:
            unreachable.append(error)
            continue
        records += there[0]
        left += there[1]
    if unreachable and not records:
        _say_left_out(left)
        raise unreachable[0]
    for why in unreachable:
        click.echo(f"warning: {why}; the other runs are compared", err=True)
    return records, left


def _need_finished(records: Sequence[RunRecord], left: Sequence[LeftOut]) -> None:
    if not records:
        _say_left_out(left)
        raise BadCall("none of these runs is finished, so there is nothing to compare")


def _echo(comparison: Comparison, form: str) -> None:
    """The result on stdout; a format that has no place for warnings has them on stderr."""
    from lifelong_kd.comparison.output import as_json
    from lifelong_kd.comparison.render import as_csv, as_latex, as_markdown, as_text

    if form == "text":
        width, color = _terminal()
        # Where the output goes is known here: click would leave colour out by rules of its own.
        click.echo(as_text(comparison, width, color), color=color)
        return
    render = {"markdown": as_markdown, "csv": as_csv, "latex": as_latex, "json": as_json}[form]
    click.echo(render(comparison), nl=False)
    if form in ("csv", "latex"):
        for remark in comparison.remarks:
            click.echo(f"warning: {remark.text}", err=True)
        _say_left_out(comparison.left_out)


def _terminal() -> tuple[int, bool]:
    """How wide stdout is, and whether bold can be shown there."""
    import os
    import shutil
    import sys

    if not sys.stdout.isatty():
        return WIDTH, False
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return shutil.get_terminal_size((WIDTH, 24)).columns, not plain


def _write(comparison: Comparison, out: Path) -> None:
    import shlex
    import sys

    from lifelong_kd.comparison.output import write_all

    written = write_all(comparison, out, shlex.join(["lifelong-kd", *sys.argv[1:]]))
    files = [path.name for path in written if path.parent == out]
    plots = len(written) - len(files)
    click.echo(
        f"written to {out}: {', '.join(files)}, plots/ ({plots} file{'' if plots == 1 else 's'})", err=True
    )


def _say_left_out(left: Sequence[LeftOut]) -> None:
    from lifelong_kd.comparison.render.words import left_out_lines

    for line in left_out_lines(left):
        click.echo(f"left out: {line}", err=True)
