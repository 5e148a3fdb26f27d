"""An option on a page: its name, what it takes, its default and what it means."""

from __future__ import annotations

from collections.abc import Mapping

from lifelong_kd.catalogue.layout import fill, paragraph
from lifelong_kd.config.describe import describe, found
from lifelong_kd.config.signature import REQUIRED, Option

__all__ = ["option_lines"]


def option_lines(option: Option, meaning: Mapping[str, str], width: int) -> str:
    """The lines about ``option``; ``meaning`` has what is said of it under its name.

    >>> print(option_lines(Option("p", float, 0.5), {"p": "probability, from 0 to 1."}, 60))
      p: a number; default 0.5
          probability, from 0 to 1.
    """
    default = "required" if option.default is REQUIRED else f"default {found(option.default)}"
    line = fill(f"{option.name}: {describe(option.annotation)}; {default}", width, "  ", " " * 8)
    if option.name not in meaning:
        return line
    return f"{line}\n{paragraph(meaning[option.name], width, ' ' * 6)}"
