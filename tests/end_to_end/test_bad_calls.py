"""A call that cannot be carried out says why, ends with status 2, and writes nothing at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from harness import LWF, Nursery, listing, written

WRONG: dict[str, tuple[list[str], list[str]]] = {
    "unknown key": (
        ["training.epoch=3"],
        ["command line: training.epoch: unknown", "Did you mean 'epochs'?"],
    ),
    "unknown section": (["optimiser=sgd"], ["optimiser: unknown key", "Did you mean 'optimizer'?"]),
    "wrong type": (
        ["training.epochs=many"],
        ["training.epochs: found 'many', allowed: a whole number (at least 1)"],
    ),
    "unknown strategy": (["strategy=lfw"], ["there is no strategy called 'lfw'", "Did you mean 'lwf'?"]),
    "unknown option": (["strategy.temprature=2"], ["Did you mean 'temperature'?"]),
    "no experiences": (["stream.experiences=0"], ["stream.experiences: found 0"]),
    "an empty task": (["stream.experiences=[5, 0, 5]"], ["stream.experiences"]),
    "more tasks than classes": (["stream.experiences=11"], ["11", "10 classes"]),
    "a class in no task": (["stream.class_order=[0,1,2,3,4,5,6,7,8]"], ["9", "class_order"]),
    "a class twice": (["stream.class_order=[0,0,1,2,3,4,5,6,7,8]"], ["class_order", "0"]),
    "a class left over": (["stream.experiences=[2,2,2]"], ["experiences"]),
    "negative epochs": (["training.epochs=-1"], ["training.epochs: found -1"]),
    "negative lr": (["optimizer.lr=-0.1"], ["optimizer.lr: found -0.1"]),
    "lr that is no number": (["optimizer.lr=.nan"], ["optimizer.lr"]),
    "no such device": (["device=cuda:7"], ["device", "cuda:7", "not available"]),
    "a device that is none": (["device=gpu"], ["device: found 'gpu'"]),
    "several at once": (
        ["sed=1", "training.epochs=0"],
        ["2 problems", "sed: unknown", "training.epochs: found 0"],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_settings(nursery: Nursery, tmp_path: Path, case: str) -> None:
    overrides, expected = WRONG[case]
    written(tmp_path / "config.yaml", LWF)
    _refused(nursery, tmp_path, ["run", "config.yaml", *overrides], expected)


def _refused(nursery: Nursery, folder: Path, words: list[Any], expected: list[str], **more: Any) -> None:
    before = listing(folder)
    ended = nursery.call(*words, folder=folder, **more)
    assert ended.status == 2, ended.said
    assert ended.said.startswith("error: ") and "Traceback" not in ended.said
    assert all(text in ended.said for text in expected), ended.said
    assert listing(folder) == before


FILES: dict[str, tuple[bytes, str]] = {
    "not YAML": (b"stream: {name: split_digits\nmodel: mlp\n", "this is not valid YAML: line 2"),
    "a key twice": (b"seed: 1\nseed: 2\n", "line 2: the key 'seed' is given twice, in lines 1 and 2"),
    "empty": (b"", "the file is empty; it needs at least stream, model and strategy"),
    "a list": (b"- 1\n- 2\n", "the file holds a list, not a mapping"),
    "a picture": (b"\x89PNG\r\n\x1a\n\xff\xfe", "this is not UTF-8 text"),
    "nothing but a seed": (b"seed: 1\n", "3 problems in the configuration"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_no_configuration(nursery: Nursery, tmp_path: Path, case: str) -> None:
    content, expected = FILES[case]
    (tmp_path / "config.yaml").write_bytes(content)
    _refused(nursery, tmp_path, ["run", "config.yaml"], [expected, "config.yaml"])


def test_a_directory_and_a_missing_file(nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    _refused(nursery, tmp_path, ["run", "folder"], ["folder: this is a directory; give a YAML file"])
    _refused(nursery, tmp_path, ["run", "none.yaml"], ["none.yaml: there is no such file"])


def test_data_that_are_not_there(nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    written(
        tmp_path / "config.yaml",
        {**LWF, "stream": {"name": "split_mnist", "root": "data", "download": False}},
    )
    words = ["run", "config.yaml"]
    _refused(
        nursery, tmp_path, words, ["MNIST was not found in data", "train-images-idx3-ubyte", "download=true"]
    )


def test_several_processes(nursery: Nursery, tmp_path: Path) -> None:
    written(tmp_path / "config.yaml", LWF)
    environment = {"WORLD_SIZE": "2", "RANK": "0"}
    _refused(nursery, tmp_path, ["run", "config.yaml"], ["WORLD_SIZE is 2"], environment=environment)


def test_folders_that_are_taken(nursery: Nursery, tmp_path: Path) -> None:
    written(tmp_path / "config.yaml", LWF, training={"epochs": 1}, stream={"experiences": 2})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("all of it")
    _refused(
        nursery, tmp_path, ["run", "config.yaml", "--out", "mine"], ["mine is not empty and holds no run"]
    )
    _refused(nursery, tmp_path, ["run", "config.yaml", "--out", "config.yaml"], ["config.yaml"])
    _refused(nursery, tmp_path, ["resume", "mine"], ["there is no run to resume in mine"])
    _refused(nursery, tmp_path, ["resume", "none"], ["there is no run to resume in none"])
    nursery.finish("run", "config.yaml", "--out", "done", folder=tmp_path)
    _refused(nursery, tmp_path, ["run", "config.yaml", "--out", "done"], ["done holds a finished run"])
    _refused(
        nursery, tmp_path, ["resume", "done"], ["the run in done is finished; there is nothing to resume"]
    )
