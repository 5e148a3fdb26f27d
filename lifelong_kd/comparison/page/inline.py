"""A plot as SVG that can stand in a page beside others and take on its colours."""

from __future__ import annotations

import html
import re

from lifelong_kd.comparison.plots import Picture

__all__ = ["inline_svg"]

TAG = re.compile(r"<[^>]*>")
FONT = re.compile(r"font-family: [^;\"]*; ?|; ?font-family: [^;\"]*")
REFERENCE = re.compile(r'(href="#|url\(#)([^")]+)')
# Coordinates, of which a hundredth of a point is more than can be seen.
PLACED = re.compile(r' (?:d|x|y|transform)="[^"]*"')
NUMBER = re.compile(r"(\d+\.\d{2})\d+")


def inline_svg(picture: Picture) -> str:
    """The ``svg`` element of a picture: no prologue, no address, ids of its own, the page's paper and ink.

    Only tags are changed, never a text between them, which may be anything that somebody called a strategy.
    """
    text = picture.rendered("svg").decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    used = {name for tag in TAG.findall(text) for _, name in REFERENCE.findall(tag)}
    text = TAG.sub(lambda tag: _adapted(tag[0], used, picture), text)
    return re.sub(r">\s+<", ">\n<", text)


def _adapted(tag: str, used: set[str], picture: Picture) -> str:
    """A tag as it may stand in the page."""
    if tag.startswith("<image"):
        # Otherwise the data have line breaks.
        tag = re.sub(r"(?<=base64,)[^\"]*", lambda data: re.sub(r"\s", "", data[0]), tag)
    tag = re.sub(r"\s+", " ", tag).replace("xlink:href", "href")
    # An id may stand once in a page, so those that nothing refers to go and the others become the picture's own.
    tag = re.sub(
        r' id="([^"]*)"', lambda found: f' id="{picture.name}-{found[1]}"' if found[1] in used else "", tag
    )
    tag = REFERENCE.sub(rf"\g<1>{picture.name}-\2", tag)
    tag = tag.replace(": #000000", ": currentColor")
    if not tag.startswith("<text"):
        # Numbers on a colour stay as they are.
        tag = tag.replace("fill: #ffffff", "fill: var(--paper)")
    tag = PLACED.sub(lambda found: NUMBER.sub(r"\1", found[0]), FONT.sub("", tag))
    return _sized(tag, picture.title) if tag.startswith("<svg") else tag


def _sized(tag: str, title: str) -> str:
    """As large as its box allows and not larger than it was drawn; ``title`` is for who listens."""
    box = re.search(r'viewBox="0 0 ([\d.]+) [\d.]+"', tag)
    assert box is not None
    style = f"max-width: {float(box[1]) * 96 / 72:.0f}px"
    return f'<svg {box[0]} style="{style}" role="img" aria-label="{html.escape(title)}">'
