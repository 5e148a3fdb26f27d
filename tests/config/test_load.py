from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from lifelong_kd.config.load import load_config
from lifelong_kd.config.sections import EvaluationSection, TrainingSection
from lifelong_kd.core.errors import BadCall, ConfigError
from lifelong_kd.model import heads
from lifelong_kd.training.options import EvaluationOptions, TrainingOptions

Write = Callable[..., Path]


def problems(*arguments: object, **options: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(*arguments, **options)  # type: ignore[arg-type]
    return [str(problem) for problem in caught.value.problems]


def test_every_default_is_filled_in(write: Write) -> None:
    settings = load_config(write()).settings
    assert settings["seed"] == 0 and settings["device"] == "auto" and settings["name"] is None
    assert settings["stream"] == {
        "name": "toy",
        "scenario": "class",
        "experiences": 5,
        "class_order": None,
        "validation": 0.1,
        "root": None,
        "augment": [],
        "normalize": None,
        "in_memory": "auto",
        "per_class": None,
        "size": 3,
    }
    assert settings["model"]["head"]["name"] == "linear" and settings["model"]["width"] == 4
    assert settings["strategy"] == {
        "name": "toy",
        "temperature": 2.0,
        "weight": 1.0,
        "extra": None,
        "betas": [0.9, 0.99],
        "mode": "old",
        "steps": None,
    }
    assert settings["optimizer"]["name"] == "sgd"
    assert settings["tracking"]["wandb"]["mode"] == "auto"


def test_defaults_are_those_of_the_options() -> None:
    assert TrainingSection().model_dump() == {**asdict(TrainingOptions()), "lr_milestones": []}
    assert TrainingOptions().lr_milestones == ()
    assert EvaluationSection().model_dump() == asdict(EvaluationOptions())


def test_dump_runs_again_to_the_same_settings(write: Write) -> None:
    text = """
stream: {name: toy, experiences: [[0, 1], [2]], class_order: [2, 0, 1], augment: [flip, {name: crop}]}
model: {name: toy, head: {name: cosine}}
strategy: {name: toy, weight: {name: old_all, scale: 5}, extra: [old_all, 2], steps: [1, 2]}
optimizer: {name: adam, lr: 1e-3}
tracking: {wandb: {tags: [on, "1e-3"], notes: "a: b"}, console: off}
"""
    first = load_config(write(text), ["seed=3", "name=mine"])
    again = load_config(write(first.dump(), "again.yaml"))
    assert again.settings == first.settings
    assert again.dump() == first.dump()
    assert first.settings["optimizer"]["lr"] == 0.001
    assert first.settings["strategy"]["weight"] == {"name": "old_all", "scale": 5.0}
    assert first.settings["strategy"]["extra"] == [{"name": "old_all", "scale": 1.0}, 2]
    assert first.settings["tracking"]["wandb"]["tags"] == ["on", "1e-3"]
    assert first.settings["tracking"]["console"] == "off"


def test_all_problems_at_once_with_place_and_nearest_name(write: Write) -> None:
    path = write(
        "sed: 1\n"
        "stream: {name: toy, validation: 1, scenario: clas}\n"
        "model: {name: toy, head: liner}\n"
        "strategy:\n"
        "  name: toy\n"
        "  temprature: 3\n"
        "  weight: {name: old_al}\n"
        "  extra: [1, {name: old_all, scal: 2}]\n"
        "optimizer: {name: sgd, lr: -1}\n"
        "training: {epochs: -1, batch_size: 0, shuffle: on}\n"
        "tracking: {wandb: {mode: offlin}}\n"
    )
    found = problems(path, ["strategy.temperature=hot", "model.width=2.5", "nothing"])
    assert found == [
        "command line: found 'nothing', allowed: key=value such as training.epochs=3",
        f"{path}:1: sed: unknown key; allowed keys: seed, name, device, precision, stream, model, strategy, optimizer,"
        " rounds, training, evaluation, tracking, imports. Did you mean 'seed'?",
        f"{path}:2: stream.scenario: found 'clas', allowed: class, task or domain. Did you mean 'class'?",
        f"{path}:2: stream.validation: found 1, allowed: a number (at least 0, below 1).",
        f"{path}:3: model.head.name: there is no head called 'liner'; known: {', '.join(heads.names())}."
        " Did you mean 'linear'?",
        "command line: model.width: found 2.5, allowed: a whole number.",
        f"{path}:6: strategy.temprature: unknown key of strategy 'toy', found 3; allowed keys: temperature, weight,"
        " extra, betas, mode, steps. Did you mean 'temperature'?",
        "command line: strategy.temperature: found 'hot', allowed: a number.",
        next(
            line for line in found if ":7: strategy.weight.name: there is no schedule called 'old_al'" in line
        ),
        f"{path}:8: strategy.extra[1].scal: unknown key of schedule 'old_all', found 2; allowed keys: scale."
        " Did you mean 'scale'?",
        f"{path}:10: training.epochs: found -1, allowed: a whole number (at least 1).",
        f"{path}:10: training.batch_size: found 0, allowed: a whole number (at least 1).",
        f"{path}:10: training.shuffle: found 'on', allowed: true or false.",
        f"{path}:11: tracking.wandb.mode: found 'offlin', allowed: auto, online, offline or disabled."
        " Did you mean 'offline'?",
        f"{path}:9: optimizer.lr: found -1.0, allowed: a number (at least 0).",
    ]


def test_missing_parts(write: Write) -> None:
    found = problems(write("stream: {experiences: 2}\nstrategy: other\n"))
    assert [line.split(": ", 1)[1].split(";")[0] for line in found] == [
        "stream.name: is missing",
        "model: is missing",
        "strategy.rate: is missing",
    ]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", "-1"),
        ("seed", "true"),
        ("seed", "'0'"),
        ("name", "../x"),
        ("device", "gpu"),
        ("precision", "fp16"),
        ("stream.experiences", "0"),
        ("stream.validation", "-0.1"),
        ("stream.normalize", "{mean: [0.5], std: [0]}"),
        ("stream.normalize", "{mean: [0.5]}"),
        ("training.epochs", "1.5"),
        ("training.grad_clip", "0"),
        ("training.iterations", "0"),
        ("training.lr_schedule", "steps"),
        ("tracking.wandb", "disabled"),
        ("tracking", "[1]"),
        ("optimizer.lr", ".nan"),
        ("optimizer.lr", "fast"),
        ("strategy.weight", "[1, 2"),
        ("strategy.weight", "true"),
        ("strategy.weight", "null"),
        ("strategy.mode", "new"),
        ("strategy.betas", "[1]"),
        ("strategy.steps", "[1, x]"),
        ("strategy.extra", "5"),
        ("imports", "mine.py"),
        ("seed.deep", "1"),
    ],
)
def test_values_that_do_not_fit(write: Write, key: str, value: str) -> None:
    (problem,) = problems(write(), [f"{key}={value}"])
    assert problem.startswith("command line: ") and key.split(".")[0] in problem


def test_name_override_drops_the_options_of_another_component(write: Write) -> None:
    path = write("stream: toy\nmodel: toy\nstrategy: {name: toy, temperature: 7, mode: all}\n")
    kept = load_config(path, ["strategy=toy", "strategy.temperature=3"]).settings["strategy"]
    assert (kept["temperature"], kept["mode"]) == (3.0, "all")
    for override in ("strategy=other", "strategy.name=other"):
        # Whatever the order, the name comes first.
        changed = load_config(path, ["strategy.rate=1", override]).settings["strategy"]
        assert changed == {"name": "other", "rate": 1.0}


def test_override_below_a_bare_name_and_in_an_absent_section(write: Write) -> None:
    settings = load_config(
        write(), ["strategy.weight.name=old_all", "model.head=cosine", "training.epochs=3"]
    ).settings
    assert settings["strategy"]["weight"]["name"] == "old_all"
    assert settings["model"]["head"]["name"] == "cosine"
    assert settings["training"]["epochs"] == 3


def test_override_given_twice(write: Write) -> None:
    assert problems(write(), ["seed=1", "seed=2"]) == ["command line: seed: is given twice"]


def test_an_option_of_the_file_is_not_blamed_on_the_command_line(write: Write) -> None:
    path = write("stream: toy\nmodel: toy\nstrategy: {name: toy, mode: new}\n")
    (problem,) = problems(path, ["strategy=toy"])
    assert problem.startswith(f"{path}:3: strategy.mode")


def test_mapping_and_objects_from_python() -> None:
    schedule = object()
    source = {
        "stream": "toy",
        "model": "toy",
        "strategy": {"name": "toy", "weight": schedule, "betas": (0.5, 0.6)},
    }
    config = load_config(source, {"seed": 4})
    assert config.settings["strategy"]["weight"] is schedule
    assert config.settings["strategy"]["betas"] == [0.5, 0.6]
    assert config.settings["seed"] == 4 and config.source == "python"
    assert source["strategy"] == {"name": "toy", "weight": schedule, "betas": (0.5, 0.6)}


def test_default_name(write: Write) -> None:
    assert load_config(write(), ["seed=7"]).name == "toy-class-toy-s7"
    assert load_config(write(), ["name=mine"]).name == "mine"


def test_options_by_position_are_explained(write: Write) -> None:
    (problem,) = problems(write(), ["stream.seeds=1"])
    assert "stream 'toy' takes 'seeds' by position, from the framework" in problem


MINE = """
from __future__ import annotations
from lifelong_kd import strategy
from lifelong_kd.strategy import register
@register("{name}")
def mine(*, rate: float = 0.5):
    "Mine."
    return rate
"""


def _forget(name: str) -> None:
    from lifelong_kd.strategy import registry

    if name in registry:
        registry.remove(name)


def test_imports_are_relative_to_the_file_and_kept_absolute(write: Write, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE.format(name="mine_a"))
    path = write("stream: toy\nmodel: toy\nstrategy: mine_a\nimports: [mine.py]\n")
    try:
        first = load_config(path)
        assert first.settings["strategy"] == {"name": "mine_a", "rate": 0.5}
        assert first.settings["imports"] == [str((tmp_path / "mine.py").resolve())]
        # The same file again, by another way, from elsewhere.
        folder = tmp_path / "deeper"
        folder.mkdir()
        copy = folder / "config.yaml"
        copy.write_text(first.dump())
        assert load_config(copy, imports=[tmp_path / "deeper" / ".." / "mine.py"]).settings == first.settings
    finally:
        _forget("mine_a")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\nraise ValueError('odd')\n", "line 2: ValueError: odd"),
        ("x = 1\ny = (\n", "line 2: SyntaxError: '\\(' was never closed"),
        ("import sys\nsys.exit(3)\n", "line 2: SystemExit: 3"),
        (MINE.format(name="toy"), "line 5: two components are called strategy 'toy'"),
        (MINE.format(name="mine_b") + "1 / 0\n", "line 9: ZeroDivisionError"),
    ],
)
def test_errors_in_a_users_file(write: Write, tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "wrong.py"
    file.write_text(text)
    for _ in range(2):  # what it registered is forgotten, so that it can be mended and imported again
        with pytest.raises(BadCall, match=message) as caught:
            load_config(write(), imports=[file])
        assert str(file) in str(caught.value)


def test_import_that_is_not_there(write: Write, tmp_path: Path) -> None:
    with pytest.raises(BadCall, match=r"gone\.py: there is no such file to import"):
        load_config(write(), imports=[tmp_path / "gone.py"])


@pytest.mark.parametrize("override", ["strategy=twy", "strategy.name=twy"])
def test_a_wrong_name_of_the_command_line_is_not_blamed_on_the_file(write: Write, override: str) -> None:
    path = write("stream: toy\nmodel: toy\nstrategy:\n  name: toy\n")
    (problem,) = problems(path, [override])
    assert problem.startswith("command line: strategy.name: there is no strategy called 'twy'")
    (problem,) = problems(
        write("stream: toy\nmodel: toy\nstrategy: {name: toy, rate: 1}\n"), ["strategy=other"]
    )
    assert problem.startswith("command line: strategy.rate: is missing")


@pytest.mark.parametrize(
    "model", ["toy", "{name: toy}", "{name: toy, head: linear}", "{name: toy, head: null}"]
)
def test_options_without_a_name_are_those_of_the_default(write: Write, model: str) -> None:
    path = write(f"stream: toy\nmodel: {model}\nstrategy: toy\noptimizer: {{lr: 0.5}}\n")
    settings = load_config(path, ["model.head.grow=true"]).settings
    assert (settings["model"]["head"]["name"], settings["model"]["head"]["grow"]) == ("linear", True)
    assert (settings["optimizer"]["name"], settings["optimizer"]["lr"]) == ("sgd", 0.5)


def test_options_of_what_is_a_number_by_default(write: Write) -> None:
    (problem,) = problems(write(), ["strategy.weight.scale=3"])
    assert problem.startswith(
        "command line: strategy.weight.name: is missing, and strategy.weight is 1.0 by default,"
    )
    (problem,) = problems(
        write("stream: toy\nmodel: toy\nstrategy: {name: toy, weight: 2}\n"), ["strategy.weight.scale=3"]
    )
    assert (
        "strategy.weight is 2, which has no keys of its own" in problem and "strategy.weight.name=" in problem
    )


def test_a_single_override_may_be_a_text(write: Write) -> None:
    assert load_config(write(), "training.epochs=2").settings["training"]["epochs"] == 2


def test_what_is_missed_beside_an_option_of_the_command_line_is_blamed_on_it(write: Write) -> None:
    (problem,) = problems(
        write("stream: toy\nmodel: toy\nstrategy:\n  name: compose\n  terms:\n    a: {name: rehearse}\n"),
        ["strategy.terms.b.weight=2", "strategy.terms.b.knowledge=kd"],
    )
    assert problem.startswith("command line: strategy.terms.b.teacher: is missing")


def test_a_wrong_word_where_a_plain_value_can_stand_too() -> None:
    settings = {"stream": "toy", "model": "toy", "strategy": {"name": "lwf", "weight": "big"}}
    with pytest.raises(ConfigError, match=r"no schedule called 'big'; known: .*; or a number or a list\."):
        load_config(settings)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("tags", ["x" * 65], "tracking.wandb.tags.*a W&B tag has 1 to 64 characters"),
        ("tags", [""], "a W&B tag has 1 to 64 characters"),
        ("project", "team/project", "a W&B project is a name of up to 128 characters without / "),
        ("project", "", "a W&B project is a name"),
    ],
)
def test_what_w_and_b_would_refuse_later_is_refused_at_once(key: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config({"stream": "toy", "strategy": "toy", "tracking": {"wandb": {key: value}}})
