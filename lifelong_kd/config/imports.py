"""A user's own files: executed before a configuration is checked, so that what they register has a name."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path

from lifelong_kd.config.nouns import NOUNS, registry_of
from lifelong_kd.core.errors import BadCall, LifelongError

__all__ = ["import_file", "import_files"]


def import_files(paths: Iterable[Path]) -> None:
    """Execute each file once."""
    for path in paths:
        import_file(path)


def import_file(path: Path) -> None:
    """Execute a Python file as a module of its own, once a process.

    Args:
        path: the file.

    Raises:
        BadCall: if there is no such file, or if it raises; what it had registered by then is forgotten.
    """
    path = path.resolve()
    if not path.is_file():
        raise BadCall(f"{path}: there is no such file to import")
    name = f"lifelong_kd_import_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadCall(f"{path}: only a Python file, ending in .py, can be imported")
    before = {noun: set(registry_of(noun).names()) for noun in NOUNS}
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        for noun, names in before.items():
            for added in set(registry_of(noun).names()) - names:
                registry_of(noun).remove(added)
        raise BadCall(f"{_place(error, path)}: {_what(error)}") from error


def _place(error: BaseException, path: Path) -> str:
    """The file and the innermost of its lines that ``error`` came through."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
    ]
    return f"{path}, line {lines[-1]}" if lines else str(path)


def _what(error: BaseException) -> str:
    if isinstance(error, LifelongError):
        return str(error)
    return f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}"
