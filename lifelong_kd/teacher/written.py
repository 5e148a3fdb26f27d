"""Files in which a person writes down what she knows: rules, descriptions, examples."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from lifelong_kd.core.errors import BadCall, DataMissing

__all__ = ["read_written"]


class _Loader(yaml.SafeLoader):
    """Keys are words, each once; ``no`` and ``on`` are words too, since classes may be called so.

    A number is read as one only where that loses nothing: ``010``, ``1.10`` and ``1e5`` stay as they are written.
    """

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own declaration

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key, value in node.value:
            word = key.value if isinstance(key, yaml.ScalarNode) else None
            if word is None or word in found:
                why = "a key must be a word" if word is None else _twice(word)
                raise yaml.constructor.ConstructorError(None, None, why, key.start_mark)
            found[word] = self.construct_object(value, deep=True)
        return found


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]
)


def read_written(path: str, what: str) -> Any:
    """The contents of a YAML or JSON file, keys as text, numbers other than whole ones as well.

    Args:
        path: the file, relative to the working directory.
        what: what it holds, for messages.

    Raises:
        DataMissing: if there is no such file.
        BadCall: if it cannot be read, or gives a key twice.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        why = "is a folder" if file.is_dir() else "is not there"
        raise DataMissing(f"the file of {what}, {file}, {why}")
    try:
        text = file.read_text(encoding="utf-8-sig")
        return _json(text) if file.suffix.lower() == ".json" else yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError) as error:
        raise BadCall(
            f"the file of {what}, {file}, cannot be read: {' '.join(str(error).split())[:300]}"
        ) from error


class _Twice(ValueError):
    """A key is given twice; JSON's reader does not say where."""


def _json(text: str) -> Any:
    try:
        found = json.loads(text, object_pairs_hook=_once, parse_float=str, parse_constant=str)
    except _Twice:
        # YAML's reader says where: JSON is YAML but for tabs, which stand only between its words.
        yaml.load(text.replace("\t", " "), Loader=_Loader)
        raise
    return _as_yaml(found)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for word, value in pairs:
        if word in found:
            raise _Twice(_twice(word))
        found[word] = value
    return found


def _as_yaml(value: Any) -> Any:
    """What was read of JSON, ``true`` and ``false`` as words, since classes may be called so."""
    if isinstance(value, dict):
        return {word: _as_yaml(one) for word, one in value.items()}
    if isinstance(value, list):
        return [_as_yaml(one) for one in value]
    return str(value).lower() if isinstance(value, bool) else value


def _twice(word: str) -> str:
    return f"the key {word!r} is given twice"
