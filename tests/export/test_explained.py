"""A run's network as a tree, fitted on the run's own data."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from lifelong_kd.cli import main
from lifelong_kd.config.build import build
from lifelong_kd.config.load import load_config
from lifelong_kd.core.errors import BadCall
from lifelong_kd.export.explained import _samples, export_tree
from lifelong_kd.testing.small import small_stream

CONFIG = """
stream: {name: split_digits, scenario: class, experiences: 5, normalize: auto}
model: {name: mlp, hidden: [16]}
strategy: naive
training: {epochs: 1, batch_size: 64}
tracking: {wandb: {mode: disabled}, console: off}
"""


def test_the_command_writes_a_tree_that_says_how_far_it_goes(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG, encoding="utf-8")
    run = tmp_path / "run"
    build(load_config(tmp_path / "c.yaml")).run(run)
    words = ["export", run, "--task", 1, "--format", "tree", "--out", tmp_path / "tree.txt"]
    result = CliRunner().invoke(main, list(map(str, words)))
    assert result.exit_code == 0, result.stderr
    text = (tmp_path / "tree.txt").read_text(encoding="utf-8")
    first = text.splitlines()[0]
    assert first in result.output and re.search(r"\d+ leaves, depth [1-5]; .* of held-out samples", first)
    assert "pixel[" in text and "class: " in text
    with pytest.raises(BadCall, match="is there already"):
        export_tree(run, 1, tmp_path / "tree.txt")
    with pytest.raises(BadCall, match="max_depth must be at least 1"):
        export_tree(run, 1, tmp_path / "other.txt", max_depth=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.yaml", "run", "tree.txt"]


def test_the_samples_are_those_of_the_tasks_as_the_network_sees_them() -> None:
    stream = small_stream()
    x, y = _samples(stream, "test", [0, 2])
    assert x.shape == (40, 1, 4, 4) and 0 <= float(x.min()) <= float(x.max()) <= 1
    assert y.unique().tolist() == [0, 1, 4, 5]
