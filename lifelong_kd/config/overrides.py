"""Overrides: ``training.epochs=3`` or ``strategy=lwf`` on top of what a file says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lifelong_kd.config.dialect import parse_value
from lifelong_kd.core.errors import BadCall, Problem

__all__ = ["apply_overrides", "parse_overrides"]

WHERE = "command line"


def parse_overrides(
    overrides: Sequence[str] | Mapping[str, object],
) -> tuple[dict[str, Any], list[Problem]]:
    """Keys and values of ``key=value`` texts, each value read as YAML, and what is wrong with them.

    >>> parse_overrides(["training.epochs=3", "strategy=lwf"])[0]
    {'training.epochs': 3, 'strategy': 'lwf'}
    """
    if isinstance(overrides, Mapping):
        return dict(overrides), []
    found: dict[str, Any] = {}
    problems: list[Problem] = []
    for text in overrides:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not all(key.split(".")):
            problems.append(
                Problem("", f"found {text!r}, allowed: key=value such as training.epochs=3", WHERE)
            )
        elif key in found:
            problems.append(Problem(key, "is given twice", WHERE))
        else:
            try:
                # Python's word for null, as the agent of a W&B sweep writes it; its True and False are YAML's.
                found[key] = None if value == "None" else parse_value(value)
            except BadCall as error:
                problems.append(Problem(key, str(error), WHERE))
    return found, problems


def apply_overrides(data: dict[str, Any], overrides: Mapping[str, Any]) -> list[Problem]:
    """Change ``data`` in place, short keys first: ``strategy=lwf`` never undoes ``strategy.temperature=3``.

    A name for a component replaces it: its options are kept if the name stays, and dropped if it changes.
    """
    problems = []
    for key in sorted(overrides, key=lambda key: key.removesuffix(".name").count(".")):
        path = [part for word in key.split(".") for part in _steps(word)]
        value = overrides[key]
        if path[-1] == "name" and len(path) > 1 and isinstance(value, str):
            path = path[:-1]
        problem = _set(data, path, value)
        if problem:
            problems.append(Problem(key, problem, WHERE))
    return problems


def _steps(word: str) -> list[str | int]:
    """The keys in a word between two dots: ``phases[0]`` is item 0 of ``phases``."""
    found = re.fullmatch(r"([^\[\]]+)((?:\[\d+\])+)", word)
    if found is None:
        return [word]
    return [found[1], *(int(number) for number in re.findall(r"\d+", found[2]))]


def _dotted(path: Sequence[str | int]) -> str:
    words = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(words).removeprefix(".")


def _set(data: dict[str, Any], path: list[str | int], value: Any) -> str | None:
    here: Any = data
    for depth, part in enumerate(path, start=1):
        if isinstance(part, int):
            above = _dotted(path[: depth - 1])
            if not isinstance(here, list):
                return f"{above} is no list, so that it has no item {part}"
            if part >= len(here):
                return f"{above} has {len(here)} items, numbered from 0"
        if depth == len(path):
            break
        inner = here[part] if isinstance(part, int) else here.get(part)
        if isinstance(path[depth], int):
            here = inner
            continue
        if inner is False:
            above = _dotted(path[:depth])
            return f"{above} is switched off; {above}=true beside it switches it on"
        if inner is None or inner is True:  # what is switched on has options
            inner = {}
        elif isinstance(inner, str):  # a component by its bare name
            inner = {"name": inner}
        elif not isinstance(inner, dict):
            above = _dotted(path[:depth])
            return (
                f"{above} is {inner!r}, which has no keys of its own; give the whole value, or"
                f" a component's name beside it ({above}.name=...)"
            )
        here[part] = inner
        here = inner
    last = path[-1]
    old = here[last] if isinstance(last, int) else here.get(last)
    if isinstance(value, str) and isinstance(old, dict) and "name" in old:
        here[last] = old if old["name"] == value else {"name": value}
    else:
        here[last] = value
    return None
