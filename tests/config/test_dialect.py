from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from lifelong_kd.config.dialect import dump_yaml, parse_value, read_yaml
from lifelong_kd.core.errors import BadCall


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 1e5),
        (".5", 0.5),
        ("2.", 2.0),
        ("-3", -3),
        ("010", 10),
        ("0x1f", 31),
        ("0o17", 15),
        ("1_000", 1000),
        (".inf", math.inf),
        ("true", True),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("No", "No"),
        ("1:30", "1:30"),
        ("2026-01-02", "2026-01-02"),
        ("~", None),
        ("null", None),
        ("", None),
        ("'3'", "3"),
        ("[1, 2e0]", [1, 2.0]),
        ("{a: {b: c}}", {"a": {"b": "c"}}),
    ],
)
def test_values(text: str, value: object) -> None:
    read = parse_value(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    "text", ["[1, 2", "!!python/object:os.system {}", "!!set {a}", "{a: 1, a: 2}", "{[1]: 2}"]
)
def test_refused_values(text: str) -> None:
    with pytest.raises(BadCall, match="cannot be read as a YAML value"):
        parse_value(text)


def test_duplicate_key_names_both_lines(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("seed: 1\nstrategy:\n  name: lwf\n  weight: 1\n  name: der\n")
    with pytest.raises(BadCall, match=r"c\.yaml: .*line 5: the key 'name' is given twice, in lines 3 and 5"):
        read_yaml(path)


def test_lines_of_keys(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("# first\nseed: 1\n\nstream:\n  name: toy\n  augment:\n    - flip\n    - {name: crop}\n")
    _, lines = read_yaml(path)
    assert lines == {
        "seed": 2,
        "stream": 4,
        "stream.name": 5,
        "stream.augment": 6,
        "stream.augment[0]": 7,
        "stream.augment[1]": 8,
        "stream.augment[1].name": 8,
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no such file"),
        (b"", "the file is empty"),
        (b"# only a comment\n", "the file is empty"),
        (b"- a\n- b\n", "holds a list, not a mapping"),
        (b"hello\n", "holds the single value 'hello', not a mapping"),
        (b"a: [1\n", "not valid YAML: line 2"),
        (b"a: &x [*x]\n", "line 1: an alias contains itself"),
        (b"\xff\xfe\x00", "not UTF-8 text"),
        (b"a: 1\n---\nb: 2\n", "not valid YAML: line 2: but found another document"),
    ],
)
def test_files_that_are_no_configuration(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "c.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadCall, match=message) as caught:
        read_yaml(path)
    assert str(path) in str(caught.value)


def test_directory(tmp_path: Path) -> None:
    with pytest.raises(BadCall, match="this is a directory"):
        read_yaml(tmp_path)


def test_dump_reads_back_equal(tmp_path: Path) -> None:
    data: dict[str, Any] = {
        "words": ["on", "yes", "1e-3", "null", "", "1:30", "a: b", "2026-01-02", "0o17", "ü", "true", "1_0"],
        "numbers": [1e-5, 1e22, -0.0, 3, 0.1, math.inf],
        "nested": {"list": [{"name": "x", "y": None}, [1, 2]], "no": False},
    }
    path = tmp_path / "c.yaml"
    path.write_text(dump_yaml(data), encoding="utf-8")
    assert read_yaml(path)[0] == data
