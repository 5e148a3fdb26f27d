from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lifelong_kd.config.build import build, build_parts, pick_device, refuse_several_processes
from lifelong_kd.config.load import load_config
from lifelong_kd.config.make import make, make_options
from lifelong_kd.config.nouns import registry_of
from lifelong_kd.core.errors import BadCall, ConfigError, DataMissing
from lifelong_kd.schedule.ratio import OldAll


def _strategy(**options: Any) -> Any:
    source = {"stream": "toy", "model": "toy", "strategy": {"name": "toy", **options}}
    return load_config(source).settings["strategy"]


def test_nested_components_are_built_and_types_are_those_asked_for() -> None:
    weight = {"name": "old_all", "scale": 5}
    given = make("strategy", _strategy(weight=weight, extra=["old_all", 2, [1, 2]], steps=[3])).given
    assert isinstance(given["weight"], OldAll) and given["weight"].scale == 5.0
    assert isinstance(given["extra"][0], OldAll) and given["extra"][1:] == [2, [1, 2]]
    assert given["betas"] == (0.9, 0.99) and isinstance(given["betas"], tuple)
    assert given["steps"] == [3]
    assert make("strategy", _strategy(weight=0.5)).given["weight"] == 0.5


def test_common_options_stay_out() -> None:
    settings = load_config({"stream": "toy", "model": "toy", "strategy": "toy"}).settings
    assert make_options("stream", settings["stream"]) == {"size": 3}
    assert make_options("model", settings["model"]) == {"width": 4}


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("odd"), "strategy 'broken' could not be built: ValueError: odd"),
        (BadCall("own words"), "^own words$"),
    ],
)
def test_a_component_that_refuses(error: Exception, message: str) -> None:
    def broken() -> None:
        raise error

    registry_of("strategy").add("broken", broken, owner="tests")
    try:
        with pytest.raises(BadCall, match=message):
            make("strategy", {"name": "broken"})
    finally:
        registry_of("strategy").remove("broken")


def test_components_that_cannot_be_configured(tmp_path: Path) -> None:
    def untyped(*, rate=1):  # type: ignore[no-untyped-def]
        """No annotation."""

    registry_of("strategy").add("untyped", untyped, owner="tests")
    try:
        with pytest.raises(BadCall, match="strategy 'untyped': its option 'rate' has no type annotation"):
            load_config({"stream": "toy", "model": "toy", "strategy": "untyped"})
    finally:
        registry_of("strategy").remove("untyped")


def test_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert pick_device("auto") == "cpu" and pick_device("cpu") == "cpu"
    with pytest.raises(BadCall, match="cuda:1 is not available, there is no CUDA device"):
        pick_device("cuda:1")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert pick_device("auto") == "cuda" and pick_device("cuda:1") == "cuda:1"
    with pytest.raises(BadCall, match="cuda:2 is not available, there is cuda:0 to cuda:1"):
        pick_device("cuda:2")


def test_several_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "1")
    refuse_several_processes()
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(BadCall, match="WORLD_SIZE is 2: a run uses one process"):
        refuse_several_processes()


def test_a_refusal_names_its_key() -> None:
    for weight, key in (
        (-1, "strategy.weight"),
        ([1, -2], "strategy.weight"),
        ({"name": "old_all", "scale": -1}, "strategy.weight"),
    ):
        with pytest.raises(BadCall, match=rf"^{key}: .*at least 0"):
            make("strategy", _strategy(weight=weight), key="strategy")
    with pytest.raises(BadCall, match=r"^strategy\.extra\[1\]: "):
        make("strategy", _strategy(extra=[1, -1]), key="strategy")


def test_refusals_of_several_parts_come_together() -> None:
    source = {"stream": "toy", "model": "toy", "strategy": {"name": "toy", "weight": -1}}
    config = load_config(source, ["optimizer.momentum=-1"])
    with pytest.raises(ConfigError, match="2 problems") as caught:
        build_parts(config)
    assert [problem.message.partition(":")[0] for problem in caught.value.problems] == [
        "strategy.weight",
        "optimizer",
    ]


@pytest.mark.parametrize("wrong", ["file.yaml", {}])
def test_build_wants_a_loaded_configuration(wrong: Any) -> None:
    with pytest.raises(BadCall, match="build takes what load_config returns, not"):
        build(wrong)


def test_a_missing_file_is_said_with_its_key() -> None:
    term = {"teacher": {"name": "external", "path": "nowhere.safetensors"}, "knowledge": "kd"}
    config = load_config(
        {"stream": "toy", "model": "toy", "strategy": {"name": "compose", "terms": {"a": term}}}
    )
    with pytest.raises(
        DataMissing, match=r"^strategy\.terms\.a\.teacher: .*nowhere\.safetensors is not there"
    ):
        build_parts(config)
