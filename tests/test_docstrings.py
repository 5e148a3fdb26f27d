"""Every example in a docstring gives what stands below it."""

import doctest
import importlib
from pathlib import Path

import pytest

import lifelong_kd

PACKAGE = Path(lifelong_kd.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
    # What needs a file or a network of the reader's own is marked so, and only shown.
    if any(">>> " in line and "+SKIP" not in line for line in path.read_text(encoding="utf-8").splitlines())
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    tried = doctest.testmod(importlib.import_module(name))
    assert tried.attempted > 0 and tried.failed == 0
