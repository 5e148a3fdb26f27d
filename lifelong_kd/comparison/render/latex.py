"""A comparison for a paper: tables of the package booktabs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lifelong_kd.comparison.render.grid import fold_name
from lifelong_kd.comparison.render.numbers import (
    MISSING,
    Column,
    cell_of,
    columns_of,
    interval,
    p_value,
    signed,
)
from lifelong_kd.comparison.render.words import (
    TESTS,
    difference_title,
    differences_of,
    percent,
    rows_of,
    score_named,
    verdict,
)
from lifelong_kd.comparison.types import Comparison, Difference, Row

__all__ = ["as_latex"]

MOST_COLUMNS, LABEL = 4, 28

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "…": r"\dots{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def as_latex(comparison: Comparison) -> str:
    r"""A ``table`` a place and one for each tested score; the preamble needs ``\usepackage{booktabs}``."""
    tables = [r"% Needs \usepackage{booktabs}."]
    for place in comparison.places:
        rows = rows_of(comparison, place)
        tables.append(_scores(comparison, place, rows))
        for name, found in differences_of(comparison, place).items():
            for column in columns_of(rows, [score_named(comparison, name)]):
                tables.append(_differences(comparison, place, column, found))
    return "\n\n".join(tables) + "\n"


def _scores(comparison: Comparison, place: str, rows: Sequence[Row]) -> str:
    columns = columns_of(rows, comparison.scores)
    body = []
    for row in rows:
        cells = [cell_of(column, row) for column in columns]
        body.append(
            [_name(row.label), str(len(row.runs)), *(_cell(cell.join(), cell.best) for cell in cells)]
        )
    counts = sorted({len(row.runs) for row in rows})
    seeds = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    noun = "seed" if counts == [1] else "seeds"
    caption = (
        f"{place}: mean ± half the width of the {percent(comparison.confidence)} t-interval over {seeds} {noun}."
        " The best is bold."
    )
    heads = ["Strategy", "Seeds", *(_stack(column.heading) for column in columns)]
    # A page takes four or five columns of means and half widths: more stand in a second tabular of the same table.
    parts = -(-len(columns) // MOST_COLUMNS) or 1
    size = -(-len(columns) // parts)
    tabulars = []
    for start in range(0, max(len(columns), 1), max(size, 1)):
        chosen = [0, 1, *range(2 + start, min(2 + start + size, len(heads)))]
        lines = [[line[index] for index in chosen] for line in body]
        tabulars.append(_tabular([heads[index] for index in chosen], lines))
    return _table(tabulars, caption, place)


def _differences(comparison: Comparison, place: str, column: Column, found: Sequence[Difference]) -> str:
    test = TESTS.get(comparison.test, comparison.test)
    title = difference_title(column, found)
    caption = (
        f"{place}: {title[0].lower()}{title[1:]}, over runs of the"
        f" same seed: mean, {percent(comparison.confidence)} interval, p of the {test}, and after Holm's"
        f" correction. Bold where that is at most {comparison.level:g}."
    )
    body = [
        [
            _name(one.row.label),
            _cell(signed(column, one.mean), bool(verdict(one, column.score))),
            _cell(interval(column, one)),
            *(_cell(p_value(one.p)), _cell(p_value(one.adjusted)), str(one.pairs)),
        ]
        for one in found
    ]
    heads = ["Strategy", "Difference", "Interval", "$p$", "Holm $p$", "Pairs"]
    return _table([_tabular(heads, body)], caption, f"{place} {column.score.name}")


def _table(tabulars: Sequence[str], caption: str, label: str) -> str:
    lines = [
        r"\begin{table}",
        r"  \centering\footnotesize\setlength{\tabcolsep}{3pt}",
        f"  \\caption{{{_escape(caption)}}}",
        f"  \\label{{tab:{re.sub(r'[^a-z0-9]+', '-', label.lower()).strip('-')}}}",
        r"  \medskip",
        "\n  \\par\\medskip\n".join(tabulars),
        r"\end{table}",
    ]
    return "\n".join(lines)


def _tabular(heads: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [
        f"  \\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}",
        r"    \toprule",
        f"    {' & '.join(heads)} \\\\",
        r"    \midrule",
        *(f"    {' & '.join(line)} \\\\" for line in body),
        r"    \bottomrule",
        r"  \end{tabular}",
    ]
    return "\n".join(lines)


def _name(label: str) -> str:
    """A label, in several lines where it is long."""
    lines = [_escape(line) for line in fold_name(label, LABEL).split("\n")]
    stacked = r"\\".join(lines)
    return stacked if len(lines) == 1 else _stacked("l", stacked)


def _stack(heading: str) -> str:
    """The words of a heading one above the other: seven columns fit a page."""
    words = [_escape(word) for word in heading.split()]
    stacked = r"\\".join(words)
    return stacked if len(words) == 1 else _stacked("r", stacked)


def _stacked(side: str, lines: str) -> str:
    return rf"\begin{{tabular}}[b]{{@{{}}{side}@{{}}}}{lines}\end{{tabular}}"


def _cell(text: str, bold: bool = False) -> str:
    r"""Numbers as text, so that ``\textbf`` reaches them, with a real minus; nothing is a dash."""
    if text == MISSING:
        return "--"
    written = re.sub(r"-(?=\d)", "$-$", _escape(text))
    # In a tabular a bracket after ``\\`` would be its optional argument; in braces it never is.
    written = f"{{{written}}}" if written.startswith("[") else written
    return rf"\textbf{{{written}}}" if bold else written


def _escape(text: str) -> str:
    return "".join(_SPECIAL.get(sign, sign) for sign in " ".join(text.split()))
