"""A run that is killed again and again ends as one that never was; no two processes share a folder."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from harness import LWF, Nursery, assert_same_run, metrics, written

DERPP = {
    **LWF,
    "model": {"name": "mlp", "hidden": [24], "batch_norm": True, "head": "linear"},
    "strategy": {"name": "derpp", "memory": 50, "memory_batch": 16},
}
ICARL = {
    **LWF,
    "stream": {"name": "split_digits", "experiences": 5, "scenario": "task"},
    "model": {"name": "mlp", "hidden": [24], "head": "multihead"},
    "strategy": {"name": "icarl", "memory": 60},
}


def moments(journal: Path, steps: int, writes: int, chance: random.Random) -> list[list[Any]]:
    """Random moments of a whole run, in their order: after a step, or around one of its writes."""
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    stepped = [number for number, (_, name) in enumerate(events) if name is None]
    wrote = [number for number, (_, name) in enumerate(events) if name is not None]
    chosen = sorted([*chance.sample(stepped, steps), *chance.sample(wrote, writes)])
    return [[*events[number], chance.choice(["half", "before", "after"])] for number in chosen]


@pytest.mark.parametrize(
    ("settings", "steps", "writes"),
    [(LWF, 4, 6), (DERPP, 2, 3), (ICARL, 2, 2)],
    ids=["lwf", "derpp", "icarl-multihead"],
)
def test_killed_and_resumed_is_the_same_bit_for_bit(
    nursery: Nursery, tmp_path: Path, settings: dict[str, Any], steps: int, writes: int
) -> None:
    config = written(tmp_path / "config.yaml", settings)
    journal, run, whole = tmp_path / "journal", tmp_path / "killed", tmp_path / "whole"
    nursery.finish("run", config, "--out", whole, journal=str(journal))
    planned = moments(journal, steps, writes, random.Random(f"{settings['strategy']['name']} 1"))
    for moment in planned:
        begun = (run / "config.yaml").exists()
        ended = nursery.call(*(("resume", run) if begun else ("run", config, "--out", run)), moment=moment)
        assert ended.status == -signal.SIGKILL, f"not killed at {moment}: {ended.said}"
    nursery.finish("resume", run)
    assert_same_run(run, whole)
