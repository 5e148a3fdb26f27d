"""A study as the definition of a W&B sweep, whose agents run its cells on any machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from lifelong_kd.config.dialect import parse_value
from lifelong_kd.config.grid import split_values
from lifelong_kd.config.overrides import parse_overrides
from lifelong_kd.core.errors import BadCall

__all__ = ["sweep_definition", "write_definition"]

PROGRAM = "lifelong-kd"


def sweep_definition(
    config: str, grid: Sequence[str], *, name: str, project: str, imports: Sequence[str] = ()
) -> dict[str, Any]:
    """A grid as W&B's sweep of the method ``grid``.

    An agent starts ``lifelong-kd run CONFIG KEY=VALUE ...`` with the values that the server hands it, written as Python
    prints them. A value that would not be read back the same from that, such as a text in quotes, stands in the
    definition as the text that is.

    Args:
        config: the configuration, as a path from where the agents are started.
        grid: ``KEY=A,B,C``, as for a sweep of our own.
        name: the sweep's name.
        project: the W&B project.
        imports: further Python files to execute first.

    Raises:
        BadCall: for an empty grid, which W&B does not take.

    >>> sweep_definition("c.yaml", ["seed=0..1", "rounds=off"], name="c", project="p")["parameters"]
    {'seed': {'values': [0, 1]}, 'rounds': {'value': 'off'}}
    """
    parameters: dict[str, Any] = {}
    for text in grid:
        key, _, values = text.partition("=")
        found = [_told(value) for value in split_values(values)]
        parameters[key] = {"values": found} if len(found) > 1 else {"value": found[0]}
    if not parameters:
        raise BadCall("a W&B sweep needs a grid: give at least one KEY=A,B,C such as seed=0..4")
    files = [word for path in imports for word in ("--import", path)]
    return {
        "name": name,
        "project": project,
        "program": PROGRAM,
        "method": "grid",
        "metric": {"name": "average_accuracy", "goal": "maximize"},
        "parameters": parameters,
        "command": ["${env}", "${program}", "run", config, "${args_no_hyphens}", *files],
    }


def _told(text: str) -> Any:
    """What the definition is to hold for a value, so that the agent's ``key=value`` is read as the value meant."""
    value = parse_value(text)
    try:
        return value if parse_overrides([f"key={value}"])[0].get("key") == value else text
    except BadCall:
        return text


def write_definition(path: Path, definition: dict[str, Any]) -> None:
    """Write a definition as ``wandb sweep`` reads it, which is YAML 1.1: ``off`` in quotes.

    Raises:
        BadCall: if the file cannot be written.
    """
    text = yaml.safe_dump(definition, sort_keys=False, allow_unicode=True, width=1000)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadCall(f"{path} cannot be written: {error.strerror}") from error
