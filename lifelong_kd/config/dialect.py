"""Our reading of YAML: plain data only, no duplicate keys, ``1e-3`` a number, ``on`` and ``no`` words.

It is the core schema of YAML 1.2 on PyYAML's safe loader. Numbers may have underscores between digits.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from lifelong_kd.core.errors import BadCall

__all__ = ["dump_yaml", "parse_value", "read_yaml"]

_RESOLVERS: tuple[tuple[str, str, str], ...] = (
    ("tag:yaml.org,2002:null", r"^(?:~|null|Null|NULL|)$", "~nN\0"),
    ("tag:yaml.org,2002:bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("tag:yaml.org,2002:int", r"^(?:[-+]?[0-9][0-9_]*|0x[0-9a-fA-F]+|0o[0-7]+)$", "-+0123456789"),
    (
        "tag:yaml.org,2002:float",
        r"^(?:[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        "-+.0123456789",
    ),
    ("tag:yaml.org,2002:merge", r"^(?:<<)$", "<"),
)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own declaration

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            line = key.start_mark.line + 1
            if name is None:
                raise yaml.constructor.ConstructorError(None, None, "a key must be a word", key.start_mark)
            if name in lines:
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    f"the key {name!r} is given twice, in lines {lines[name]} and {line}",
                    key.start_mark,
                )
            lines[name] = line
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own declaration

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _integer(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node)).replace("_", "")
    return int(text, 0) if text[:2] in ("0x", "0o") else int(text)


def _flow_list(dumper: yaml.SafeDumper, data: list[Any]) -> yaml.Node:
    flat = not any(isinstance(item, dict | list) for item in data)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=flat)


for _kind in (_Loader, _Dumper):
    for _tag, _pattern, _first in _RESOLVERS:
        _kind.add_implicit_resolver(_tag, re.compile(_pattern), ["" if c == "\0" else c for c in _first])
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
for _tag in ("timestamp", "binary", "omap", "pairs", "set"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", yaml.SafeLoader.construct_undefined)  # type: ignore[type-var]
_Dumper.add_representer(list, _flow_list)


def _message(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return str(error).partition("\n")[0]


def parse_value(text: str) -> Any:
    """One value as it could stand in a file: ``3`` a number, ``[1, 2]`` a list, ``lwf`` text.

    >>> parse_value("1e-3"), parse_value("off"), parse_value("[1, 2]")
    (0.001, 'off', [1, 2])
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError) as error:
        raise BadCall(f"{text!r} cannot be read as a YAML value: {_message(error)}") from error


def read_yaml(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """The mapping in a file, and the line of each dotted key.

    Raises:
        BadCall: if it is no file (or a directory), not text, not YAML, empty, or not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadCall(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise BadCall(f"{path}: this is a directory; give a YAML file") from None
    except UnicodeDecodeError:
        raise BadCall(f"{path}: this is not UTF-8 text, so it is not a YAML file") from None
    except OSError as error:
        raise BadCall(f"{path}: cannot be read: {error.strerror}") from error
    try:
        node = yaml.compose(text, Loader=_Loader)
        data = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError) as error:
        raise BadCall(f"{path}: this is not valid YAML: {_message(error)}") from error
    if data is None:
        raise BadCall(f"{path}: the file is empty; it needs at least stream, model and strategy")
    if not isinstance(data, dict) or node is None:
        raise BadCall(f"{path}: the file holds {_kind_of(data)}, not a mapping of keys to values")
    lines: dict[str, int] = {}
    _walk(node, "", lines, (), path)
    return data, lines


def _kind_of(data: object) -> str:
    return "a list" if isinstance(data, list) else f"the single value {data!r}"


def _walk(node: yaml.Node, key: str, lines: dict[str, int], above: tuple[yaml.Node, ...], path: Path) -> None:
    if any(node is parent for parent in above):
        raise BadCall(f"{path}: line {node.start_mark.line + 1}: an alias contains itself")
    above = (*above, node)
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            inner = f"{key}.{name.value}" if key else str(name.value)
            lines[inner] = name.start_mark.line + 1
            _walk(value, inner, lines, above, path)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[f"{key}[{index}]"] = item.start_mark.line + 1
            _walk(item, f"{key}[{index}]", lines, above, path)


def dump_yaml(data: dict[str, Any]) -> str:
    """Plain data as text that :func:`read_yaml` reads back equal, keys in their order."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
