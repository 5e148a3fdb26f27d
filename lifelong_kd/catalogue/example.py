"""An example of a component in a configuration that runs: a preset, the one of its docstring, or one made up."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import lifelong_kd
from lifelong_kd.catalogue.docstring import Doc
from lifelong_kd.catalogue.made_up import made_up
from lifelong_kd.config.dialect import dump_yaml, parse_value, read_yaml
from lifelong_kd.config.load import load_config
from lifelong_kd.config.make import make
from lifelong_kd.config.signature import Option
from lifelong_kd.core.errors import BadCall, DataMissing

__all__ = ["Example", "example"]

BASE = {"stream": "split_digits", "model": "mlp", "strategy": "naive"}
_VERDICTS = ("runs", "needs data", "refused", "wrong")


@dataclass(frozen=True)
class Example:
    """A configuration as ``text``, and the ``file`` that it is from, if there is one.

    ``runs`` is whether it can be run as it is, data aside; what needs a file of one's own cannot.
    """

    text: str
    file: str | None
    runs: bool

    @property
    def head(self) -> str:
        """The head of the example's network."""
        model = parse_value(self.text).get("model")
        head = model.get("head", "linear") if isinstance(model, Mapping) else "linear"
        return str(head["name"]) if isinstance(head, Mapping) else str(head)


def example(
    noun: str, name: str, factory: Callable[..., Any], options: Mapping[str, Option], doc: Doc
) -> Example:
    """The first of: a preset of this checkout, the example of its docstring, one with every default, that runs."""
    if noun == "strategy" and (preset := _preset(name)) is not None:
        lines = preset.read_text(encoding="utf-8").splitlines()
        command = bool(lines) and lines[0].startswith("# lifelong-kd run")
        return Example("\n".join(lines[command:]), _from_here(preset), True)
    given = [doc.settings] if doc.settings is not None else []
    tried = [*given, *made_up(noun, name, factory, options)]
    verdicts = [_verdict(settings) for settings in tried]
    best = min(range(len(tried)), key=lambda number: _VERDICTS.index(verdicts[number]))
    return Example(dump_yaml(_complete(tried[best])).rstrip(), None, verdicts[best] == "runs")


def _complete(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {**{key: value for key, value in BASE.items() if key not in settings}, **settings}


def _verdict(settings: Mapping[str, Any]) -> str:
    try:
        strategy = load_config(_complete(settings)).settings["strategy"]
    except BadCall:
        return "wrong"
    try:
        make("strategy", strategy)
    except DataMissing:
        return "needs data"
    except BadCall:
        return "refused"
    return "runs"


def _from_here(path: Path) -> str:
    """Relative to the working directory for what is below it, else absolute."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith(os.pardir) else relative


@lru_cache(maxsize=1)
def _presets() -> dict[str, list[Path]]:
    """The presets of a checkout by the name of their strategy."""
    found: dict[str, list[Path]] = {}
    for path in sorted((Path(lifelong_kd.__file__).resolve().parents[1] / "configs").glob("*/*.yaml")):
        try:
            strategy = read_yaml(path)[0].get("strategy")
        except BadCall:
            continue
        name = strategy.get("name") if isinstance(strategy, Mapping) else strategy
        found.setdefault(str(name), []).append(path)
    return found


def _preset(name: str) -> Path | None:
    """The preset that is called like its strategy, on the smallest stream if there are several."""
    short = name.rpartition("/")[2]
    paths = _presets().get(name, [])
    return min(
        paths, key=lambda path: (path.stem != short, path.parent.name != "split_digits", path), default=None
    )
