"""Texts with labels out of CSV, TSV, JSON and JSON Lines, with the place of each for messages."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lifelong_kd.core.errors import BadCall, nearest

__all__ = ["SPLITS", "Fields", "Row", "read_texts"]

SPLITS: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "valid": ("valid", "val", "validation", "dev"),
    "test": ("test",),
}
"""What files and keys of each split are called."""

SUFFIXES = (".csv", ".tsv", ".json", ".jsonl")


@dataclass(frozen=True)
class Fields:
    """The names of the columns or keys that hold the text, its label and, if tasks differ in it, its domain."""

    text: str = "text"
    label: str = "label"
    domain: str | None = None


@dataclass(frozen=True)
class Row:
    """A text, its label, its domain if asked for, where it stands, and the other columns."""

    text: str
    label: str
    domain: str | None
    where: str
    more: Mapping[str, str] = field(default_factory=dict)


def read_texts(path: Path, fields: Fields) -> dict[str, list[Row]]:
    """The texts of a file or a folder by split; a file that does not tell splits apart has one called ``all``.

    Args:
        path: ``x.csv``, ``x.tsv``, ``x.jsonl``, or ``x.json`` with a list or a mapping of splits to lists, whose items
            are mappings or pairs (text, label); or a folder with such a file for each split.
        fields: the names of the columns or keys.

    Raises:
        BadCall: for a file of another kind or without texts, with its line: one that is broken, a field that is
            missing, a text or label that is empty.
    """
    if path.is_dir():
        found = {split: _of_split(path, names) for split, names in SPLITS.items()}
        missing = [split for split in ("train", "test") if found[split] is None]
        if missing:
            raise BadCall(
                f"{path} has no file {' and no file '.join(missing)}{{{','.join(SUFFIXES)}}}: a folder of texts has"
                " one for training, one for test, and perhaps one called valid"
            )
        read = {split: list(_read(file, fields)) for split, file in found.items() if file is not None}
    elif path.suffix == ".json" and isinstance(data := _json(path), Mapping):
        read = _by_key(path, data, fields)
    else:
        read = {"all": list(_read(path, fields))}
    empty = [split for split, rows in read.items() if not rows]
    if empty:
        raise BadCall(f"{path} has no texts{'' if empty == ['all'] else ' for ' + ', '.join(empty)}")
    return read


def _of_split(folder: Path, names: tuple[str, ...]) -> Path | None:
    files = [folder / f"{name}{suffix}" for name in names for suffix in SUFFIXES]
    there = [file for file in files if file.is_file()]
    if len(there) > 1:
        raise BadCall(f"{folder} has both {there[0].name} and {there[1].name}: which is meant?")
    return there[0] if there else None


def _by_key(path: Path, data: Mapping[str, Any], fields: Fields) -> dict[str, list[Row]]:
    """The splits of a mapping; keys that name none, such as CLINC150's texts of no intent, are left alone."""
    read = {}
    for split, names in SPLITS.items():
        there = [name for name in names if name in data]
        if len(there) > 1:
            raise BadCall(f"{path} has both {there[0]!r} and {there[1]!r}: which is meant?")
        if there:
            read[split] = list(_of_list(path, data[there[0]], there[0], fields))
    for split in ("train", "test"):
        if split not in read:
            raise BadCall(f"{path} has no key {split!r}; it has {', '.join(map(repr, list(data)[:8]))}")
    return read


def _read(path: Path, fields: Fields) -> Iterator[Row]:
    if path.suffix in (".csv", ".tsv"):
        yield from _of_table(path, fields)
    elif path.suffix == ".jsonl":
        for number, line in enumerate(_content(path).split("\n"), start=1):
            if line.strip():
                yield _row(_decoded(line, f"{path}:{number}"), f"{path}:{number}", fields)
    elif path.suffix == ".json":
        yield from _of_list(path, _json(path), "", fields)
    else:
        raise BadCall(f"{path} is no file of texts: it must end in {', '.join(SUFFIXES)}")


def _of_table(path: Path, fields: Fields) -> Iterator[Row]:
    # Newlines as they are: one inside quotes belongs to the text.
    table = csv.DictReader(
        io.StringIO(_content(path), newline=""), delimiter="\t" if path.suffix == ".tsv" else ",", strict=True
    )
    try:
        columns = list(table.fieldnames or ())
        twice = [name for name in columns if columns.count(name) > 1]
        if twice:
            raise BadCall(f"{path}:1 names the column {twice[0]!r} twice: which is meant?")
        for entry in table:
            where = f"{path}:{table.line_num}"
            if None in entry or None in entry.values():
                count = sum(value is not None for value in entry.values()) + (None in entry)
                raise BadCall(f"{where} has {count} or more columns, the first line names {len(entry)}")
            yield _row(entry, where, fields)
    except csv.Error as error:
        raise BadCall(f"{path}:{table.line_num + 1} begins a row that cannot be read: {error}") from error


def _of_list(path: Path, data: Any, key: str, fields: Fields) -> Iterator[Row]:
    if not isinstance(data, list):
        raise BadCall(
            f"{path}{f': {key}' if key else ''} must be a list of texts, found {type(data).__name__}"
        )
    for number, entry in enumerate(data):
        yield _row(entry, f"{path}: {key}[{number}]", fields)


def _row(entry: Any, where: str, fields: Fields) -> Row:
    if isinstance(entry, list) and len(entry) == 2:
        entry = {fields.text: entry[0], fields.label: entry[1]}
    if not isinstance(entry, Mapping):
        raise BadCall(f"{where} is neither a mapping nor a pair (text, label)")
    wanted = {
        "text": fields.text,
        "label": fields.label,
        **({} if fields.domain is None else {"domain": fields.domain}),
    }
    values = {}
    for option, name in wanted.items():
        if name not in entry:
            near = nearest(name, entry)
            hint = f" Did you mean {near!r}?" if near else ""
            raise BadCall(
                f"{where} has no field {name!r} but {', '.join(map(repr, entry))}: set stream.{option}.{hint}"
            )
        if isinstance(entry[name], (list, Mapping)):
            raise BadCall(
                f"{where}: the field {name!r} is not a single value but {json.dumps(entry[name])[:40]}"
            )
        values[option] = "" if entry[name] is None else str(entry[name]).strip()
        if not values[option]:
            raise BadCall(f"{where}: the field {name!r} is empty")
    # What is not said of a text is not among what is known of it.
    more = {
        str(name): str(value)
        for name, value in entry.items()
        if name not in (fields.text, fields.label) and value is not None and str(value).strip()
    }
    return Row(values["text"], values["label"], values.get("domain"), where, more)


def _json(path: Path) -> Any:
    return _decoded(_content(path), str(path))


def _decoded(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        # Of a text of one line, where stands already which one it is.
        line = f"line {error.lineno} " if "\n" in text.strip() else ""
        raise BadCall(f"{where} is no JSON: {error.msg}, {line}column {error.colno}") from error


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadCall(f"{path} cannot be read as text in UTF-8: {error}") from error
