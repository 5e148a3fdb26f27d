"""Imports run one way, and heavy libraries stay in their rooms."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "lifelong_kd"

# Each room may import those of earlier rows; rooms of one row do not know one another.
ROWS = [
    ["core"],
    ["knowledge", "schedule", "evaluation", "tracking", "rounds"],
    ["model", "stream", "memory"],
    ["teacher"],
    ["generator"],
    ["phase"],
    ["correction"],
    ["strategy"],
    ["training"],
    ["comparison", "config"],
    ["study"],
]
# Modules directly under lifelong_kd/, the command line, the catalogue, exports and the conformance kit sit above all.
LEVEL = {room: number for number, row in enumerate(ROWS) for room in row}

HOMES = {
    "avalanche": {"stream", "memory", "training", "testing"},
    "wandb": {"tracking", "comparison"},
    "pydantic": {"config"},
    "click": {"cli"},
}

FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else path.stem


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """Every module named by an import anywhere in the file, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def breaks(path: Path) -> list[str]:
    here = room_of(path)
    found = []
    for module, line in imported(path):
        top, _, rest = module.partition(".")
        if top in HOMES and here not in HOMES[top]:
            found.append(f"{path.name}:{line} imports {top}, which belongs in {sorted(HOMES[top])}")
        if top != "lifelong_kd" or here not in LEVEL:
            continue
        there = rest.partition(".")[0]
        if there in LEVEL and there != here and LEVEL[there] >= LEVEL[here]:
            found.append(f"{path.name}:{line}: {here} imports {there}, which is not below it")
        if there and there not in LEVEL and (PACKAGE / there).exists() | (PACKAGE / f"{there}.py").exists():
            found.append(f"{path.name}:{line}: {here} imports {there}, which is above all rooms")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    assert breaks(path) == []


def test_every_room_is_in_the_table() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert rooms == {*LEVEL, "catalogue", "cli", "export", "testing"}


def test_the_walk_sees_a_breach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys_modules_module()
    monkeypatch.setattr(module, "PACKAGE", tmp_path)
    (tmp_path / "training").mkdir()
    room = tmp_path / "schedule"
    room.mkdir()
    path = room / "bad.py"
    path.write_text(
        "def f():\n    from lifelong_kd.training import engine\n    import wandb\n", encoding="utf-8"
    )
    assert len(breaks(path)) == 2


def sys_modules_module() -> object:
    import sys

    return sys.modules[__name__]
