"""The trackers by name."""

from __future__ import annotations

import subprocess
import sys

from lifelong_kd.tracking import registry
from lifelong_kd.tracking.base import Tracker


def test_names_summaries_and_factories() -> None:
    assert {"jsonl", "console", "wandb"} <= set(registry.names())
    for name in ("jsonl", "console", "wandb"):
        assert registry.entry(name).summary().endswith((".", ";", ","))
        assert issubclass(registry.get(name), Tracker)  # type: ignore[arg-type]


def test_listing_imports_nothing_heavy() -> None:
    code = (
        "import sys, lifelong_kd.tracking as t; t.registry.names();"
        "import lifelong_kd.tracking.wandb, lifelong_kd.tracking.console, lifelong_kd.tracking.composite;"
        "print(sorted({'torch', 'wandb', 'avalanche', 'rich'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
