"""The page of a comparison."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import lifelong_kd
from lifelong_kd.comparison.page.inline import inline_svg
from lifelong_kd.comparison.page.results import difference_table, score_table
from lifelong_kd.comparison.page.runs import run_table, setting_table
from lifelong_kd.comparison.page.words import glossary, summary, versions
from lifelong_kd.comparison.plots import Picture, draw
from lifelong_kd.comparison.render.words import about_differences, about_scores
from lifelong_kd.comparison.types import Comparison

__all__ = ["write_page"]

# Inches from which a plot takes the whole width of the page.
WIDE = 7.0


def write_page(
    comparison: Comparison,
    path: Path | str,
    command: str | None = None,
    *,
    pictures: Sequence[Picture] | None = None,
) -> Path:
    """Write a comparison as one HTML file that opens without a network, all of it or nothing; returns the path.

    Tables can be searched and sorted, and the page's address keeps how; it reads, prints and shows every number
    without its script, too. Names of runs are text wherever they stand.

    Args:
        comparison: what is shown.
        path: where the page goes.
        command: what made it, as one would type it.
        pictures: those of :func:`lifelong_kd.comparison.plots.draw`, if they are there already.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    here = files("lifelong_kd.comparison.page")
    sources = {
        name: (here / name).read_text(encoding="utf-8") for name in ("template.html", "page.css", "page.js")
    }
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    drawn = draw(comparison) if pictures is None else pictures
    page = environment.from_string(sources["template.html"]).render(
        **_content(comparison, command),
        places=[
            _place(comparison, number, place, drawn) for number, place in enumerate(comparison.places, 1)
        ],
        style=Markup(sources["page.css"]),
        script=Markup(sources["page.js"]),
        script_digest=_digest(sources["page.js"]),
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    # A name may hold half a character, as file names may; it is shown as a question mark.
    part.write_bytes(page.encode("utf-8", errors="replace"))
    os.replace(part, path)
    return path


def _content(comparison: Comparison, command: str | None) -> dict[str, Any]:
    return {
        "title": summary(comparison),
        "remarks": [remark.text for remark in comparison.remarks],
        "left_out": [(left.source, left.reason) for left in comparison.left_out],
        "settings": setting_table(comparison),
        "runs": run_table(comparison),
        "about_scores": about_scores(comparison, "The best mean of a stream is in bold."),
        "about_differences": about_differences(comparison) if comparison.differences else "",
        "glossary": glossary(comparison),
        "command": command,
        "version": lifelong_kd.__version__,
        "versions": versions(comparison),
    }


def _place(comparison: Comparison, number: int, place: str, pictures: Sequence[Picture]) -> dict[str, Any]:
    from markupsafe import Markup

    return {
        "id": f"place-{number}",
        "name": place,
        "scores": score_table(comparison, place, f"scores-{number}"),
        "differences": difference_table(comparison, place, f"differences-{number}"),
        "plots": [
            {
                "title": picture.title,
                "caption": picture.caption,
                "wide": picture.figure.get_size_inches()[0] > WIDE,
                "svg": Markup(inline_svg(picture)),
            }
            for picture in pictures
            if picture.place == place
        ],
    }


def _digest(script: str) -> str:
    """What a browser checks the script against before it runs it; no other script runs in the page."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
