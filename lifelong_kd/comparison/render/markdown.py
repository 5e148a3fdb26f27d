"""A comparison for GitHub, an issue or a paper's appendix."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lifelong_kd.comparison.render.numbers import cell_of, columns_of, interval, p_value, signed
from lifelong_kd.comparison.render.words import (
    about_differences,
    about_scores,
    difference_title,
    differences_of,
    left_out_lines,
    percent,
    rows_of,
    score_named,
    settings_of,
    verdict,
)
from lifelong_kd.comparison.types import Comparison

__all__ = ["as_markdown", "difference_tables", "footnotes", "remark_lists", "score_table", "setting_table"]


def as_markdown(comparison: Comparison) -> str:
    """A heading a place, its tables with the best in bold, then remarks and what the numbers are."""
    parts = ["# Comparison"]
    for place in comparison.places:
        parts += [f"## {_escape(place)}", score_table(comparison, place)]
        parts += [f"### {_escape(title)}\n\n{table}" for title, table in difference_tables(comparison, place)]
        settings = setting_table(comparison, place)
        parts += ["### What differs between the configurations", settings] if settings else []
    between = setting_table(comparison, None)
    parts += ["## What differs between the streams", between] if between else []
    for title, lines in remark_lists(comparison):
        parts += [f"## {title}", lines]
    parts += ["## What the numbers are", *footnotes(comparison)]
    return "\n\n".join(parts) + "\n"


def score_table(comparison: Comparison, place: str) -> str:
    """The scores of one place, a row a strategy."""
    rows = rows_of(comparison, place)
    columns = columns_of(rows, comparison.scores)
    body = []
    for row in rows:
        cells = [cell_of(column, row) for column in columns]
        written = [f"**{cell.join()}**" if cell.best else cell.join() for cell in cells]
        body.append([_escape(row.label), str(len(row.runs)), *written])
    return _table(["strategy", "seeds", *(_escape(column.heading) for column in columns)], body)


def difference_tables(comparison: Comparison, place: str) -> list[tuple[str, str]]:
    """A title and a table for each tested score of a place."""
    tables = []
    for name, found in differences_of(comparison, place).items():
        score = score_named(comparison, name)
        for column in columns_of(rows_of(comparison, place), [score]):
            heading = f"{percent(comparison.confidence)} interval"
            body = []
            for one in found:
                word = verdict(one, score)
                mean = signed(column, one.mean)
                note = "; ".join(part for part in (f"**{word}**" if word else "", _escape(one.note)) if part)
                body.append(
                    [
                        _escape(one.row.label),
                        f"**{mean}**" if word else mean,
                        interval(column, one),
                        *(p_value(one.p), p_value(one.adjusted), str(one.pairs), note),
                    ]
                )
            table = _table(["strategy", "difference", heading, "p", "Holm p", "pairs", "claimed"], body)
            tables.append((difference_title(column, found), table))
    return tables


def setting_table(comparison: Comparison, place: str | None) -> str:
    """What differs between the configurations of a place, or for ``None`` between places; empty if nothing does."""
    found = settings_of(comparison, place)
    whose = "strategy" if place is not None else "stream"
    body = [[f"`{key}`", _escape(value), _escape(names)] for key, value, names in found]
    return _table(["setting", "value", whose], body, right=False) if body else ""


def remark_lists(comparison: Comparison) -> list[tuple[str, str]]:
    """A title and a list: the warnings, and what was left out, where there are any."""
    lists = {
        "Warnings": [remark.text for remark in comparison.remarks],
        "Left out": left_out_lines(comparison.left_out),
    }
    return [
        (title, "\n".join(f"- {_escape(line)}" for line in lines)) for title, lines in lists.items() if lines
    ]


def footnotes(comparison: Comparison) -> list[str]:
    """A paragraph on the scores and, where something was tested, one on the differences."""
    best = "The best of a stream is bold."
    differences = [about_differences(comparison)] if comparison.differences else []
    return [_escape(note) for note in (about_scores(comparison, best), *differences)]


def _table(heading: Sequence[str], body: Sequence[Sequence[str]], right: bool = True) -> str:
    """Numbers, all but the first column, stand to the right."""
    rule = ["---", *(["---:" if right else "---"] * (len(heading) - 1))]
    return "\n".join("| " + " | ".join(line) + " |" for line in (heading, rule, *body))


def _escape(text: str) -> str:
    """The text so that Markdown shows it as it is; an underscore inside a word means nothing there."""
    text = re.sub(r"([\\`*|<>\[\]])", r"\\\1", " ".join(text.split()))
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)
