"""Whether a published value is reached, and the table that says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cells import Cell, Published, Table

from lifelong_kd.comparison.statistics import Interval, t_interval

__all__ = ["as_markdown", "reached"]

Scores = Callable[[Cell], Sequence[float]]
"""The scores of a cell's seeds, in percent; none if it was not run."""


def reached(ours: Interval, published: Published) -> bool | None:
    """Whether the published value lies in our 95 % interval widened by its own standard error, or below our mean.

    ``None`` where one seed gives no interval.
    """
    if ours.half_width is None:
        return None
    return ours.mean + ours.half_width + (published.se or 0.0) >= published.value


def as_markdown(table: Table, scores: Scores) -> str:
    """The table, how many cells are reached, and what was tried where one is not."""
    lines = ["| method | setting | ours, % | published, % | |", "|---|---|---|---|---|"]
    notes: list[str] = []
    verdicts: list[bool | None] = []
    for cell in table.cells:
        values = scores(cell)
        ours = t_interval(values) if values else None
        verdict = reached(ours, cell.published) if ours is not None else None
        verdicts.append(verdict)
        word = {True: "reached", False: "**NOT REACHED**", None: "one seed" if ours else "not run"}[verdict]
        if verdict is False:
            if cell.tried not in notes:
                notes.append(cell.tried)
            word += f" [{notes.index(cell.tried) + 1}]"
        lines.append(
            f"| {cell.method} | {cell.setting} | {_ours(ours)} | {_theirs(cell.published)} | {word} |"
        )
    judged = [verdict for verdict in verdicts if verdict is not None]
    seeds = sorted({len(scores(cell)) for cell in table.cells if scores(cell)})
    count = " to ".join(map(str, dict.fromkeys((seeds[0], seeds[-1])))) if seeds else "0"
    lines += ["", f"{sum(judged)} of {len(table.cells)} cells reached; {count} seeds. {table.source}"]
    if notes:
        lines.append("")
    lines += [f"{number}. {note or 'Nothing was tried yet.'}" for number, note in enumerate(notes, start=1)]
    return "\n".join(lines) + "\n"


def _ours(interval: Interval | None) -> str:
    if interval is None:
        return ""
    half = "" if interval.half_width is None else f" ± {interval.half_width:.2f}"
    return f"{interval.mean:.2f}{half}"


def _theirs(published: Published) -> str:
    return f"{published.value:.2f}" + ("" if published.se is None else f" ± {published.se:.2f}")
