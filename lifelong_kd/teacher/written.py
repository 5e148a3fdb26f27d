"""Files in which a person writes down what she knows: rules, descriptions, examples."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from lifelong_kd.core.errors import BadCall, DataMissing

__all__ = ["read_written"]


class _Loader(yaml.SafeLoader):
    """Keys are words, each once; ``no`` and ``on`` are words too, since classes may be called so."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own declaration

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key, value in node.value:
            word = key.value if isinstance(key, yaml.ScalarNode) else None
            if word is None or word in found:
                why = "a key must be a word" if word is None else f"the key {word!r} is given twice"
                raise yaml.constructor.ConstructorError(None, None, why, key.start_mark)
            found[word] = self.construct_object(value, deep=True)
        return found


_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)


def read_written(path: str, what: str) -> Any:
    """The contents of a YAML or JSON file, keys as text.

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
        return yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadCall(
            f"the file of {what}, {file}, cannot be read: {' '.join(str(error).split())[:300]}"
        ) from error
