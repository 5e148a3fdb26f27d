"""The keys ``evaluation`` and ``rounds``: families of scores on, off and with options, and controllers by name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import lifelong_kd
from lifelong_kd.config.build import build_parts
from lifelong_kd.config.load import load_config
from lifelong_kd.config.nouns import registry_of
from lifelong_kd.config.sections import EvaluationSection
from lifelong_kd.core.errors import BadCall, ConfigError
from lifelong_kd.rounds.balance import Balance
from lifelong_kd.rounds.single import Single
from lifelong_kd.training.families.base import Family
from lifelong_kd.training.families.robustness import Robustness

Write = Callable[..., Path]

ON = {"calibration", "cost", "generalisation", "samples", "teacher"}
BASE: dict[str, Any] = {"stream": "split_digits", "model": "mlp", "strategy": "lwf"}


def evaluation(value: Any = None, overrides: Any = ()) -> dict[str, Any]:
    settings: dict[str, Any] = load_config({**BASE, "evaluation": value}, overrides).settings["evaluation"]
    return settings


def problems(source: Any, overrides: Any = ()) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(source, overrides)
    return [str(problem) for problem in caught.value.problems]


@contextmanager
def registered(noun: str, name: str, factory: Any) -> Iterator[None]:
    registry_of(noun).add(name, factory, owner="tests")
    try:
        yield
    finally:
        registry_of(noun).remove(name)


# ---- families of scores -----------------------------------------------------------------------------------------


def test_families_are_on_or_off_by_default_and_have_their_options() -> None:
    settings = evaluation()
    assert set(settings) == {*EvaluationSection.model_fields, *registry_of("family").names()}
    assert {name for name in registry_of("family").names() if settings[name] is not False} == ON
    assert settings["calibration"] == {"bins": 15} and settings["cost"] == {}
    families = build_parts(load_config(BASE))[-1]
    assert set(families) == ON and all(isinstance(family, Family) for family in families.values())


def test_on_off_and_options() -> None:
    whole = {"families": None, "severities": None, "samples": 200}
    assert evaluation({"robustness": True})["robustness"] == whole
    assert evaluation({"robustness": {}})["robustness"] == whole
    assert evaluation({"robustness": {"samples": 20}})["robustness"] == {**whole, "samples": 20}
    assert evaluation({"calibration": False, "cost": None})["calibration"] is False
    assert evaluation({"cost": None})["cost"] == {}
    given = {"calibration": False, "cost": False, "robustness": {"families": ["blur"], "samples": 7}}
    families = build_parts(load_config({**BASE, "evaluation": given}))[-1]
    robustness = families["robustness"]
    assert set(families) == {"generalisation", "samples", "teacher", "robustness"}
    assert isinstance(robustness, Robustness)
    assert (robustness.families, robustness.samples) == (("blur",), 7)


def test_fixed_keys_stand_beside_them() -> None:
    settings = evaluation({"every": 2, "stability": True, "references": "make"})
    assert settings["every"] == 2 and settings["references"] == "make" and settings["before_first"] is True
    assert settings["stability"]["every"] == 10


def test_what_is_wrong_is_said_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "stream: split_digits\nmodel: mlp\nstrategy: lwf\nevaluation:\n"
        "  robustnes: true\n"
        "  calibration: 3\n"
        "  stability:\n    evry: 4\n    samples: many\n"
        "  refernces: make\n"
        "  every: 0\n"
    )
    found = problems(path)
    names = ", ".join([*EvaluationSection.model_fields, *registry_of("family").names()])
    unknown = f"unknown key of evaluation, found true; allowed keys: {names}. Did you mean 'robustness'?"
    assert f"{path}:5: evaluation.robustnes: {unknown}" in found
    assert (
        f"{path}:6: evaluation.calibration: found 3, allowed: true, false or a mapping of its options."
        in found
    )
    (option,) = [line for line in found if "evry" in line]
    assert option.startswith(
        f"{path}:8: evaluation.stability.evry: unknown key of family 'stability', found 4;"
    )
    assert option.endswith("Did you mean 'every'?")
    assert f"{path}:9: evaluation.stability.samples: found 'many', allowed: a whole number." in found
    (fixed,) = [line for line in found if "refernces" in line]
    assert fixed.endswith("Did you mean 'references'?")
    assert f"{path}:11: evaluation.every: found 0, allowed: a whole number (at least 1) or null." in found
    assert len(found) == 6


@pytest.mark.parametrize("value", [3, "yes", ["calibration"]])
def test_evaluation_is_a_mapping_of_keys(value: Any) -> None:
    (problem,) = problems({**BASE, "evaluation": value})
    assert problem == f"evaluation: found {value!r}, allowed: a mapping of keys."


def test_what_a_family_refuses_is_said_with_its_key() -> None:
    with pytest.raises(BadCall, match=r"evaluation\.robustness: severities are 1 to 5, found 9"):
        build_parts(load_config({**BASE, "evaluation": {"robustness": {"severities": [9]}}}))


@pytest.mark.parametrize("given", [None, {}, {"robustness": True}, {"robustness": {"severities": [1]}}])
def test_overrides(given: Any) -> None:
    assert evaluation(given, ["evaluation.robustness=false"])["robustness"] is False
    assert evaluation(given, ["evaluation.calibration=false"])["calibration"] is False
    assert evaluation(given, "evaluation.robustness=true")["robustness"]["samples"] == 200
    settings = evaluation(given, ["evaluation.robustness.samples=50"])
    kept = given["robustness"] if given and given["robustness"] is not True else {}
    assert settings["robustness"] == {"families": None, "severities": None, "samples": 50, **kept}
    settings = evaluation(given, ["evaluation.robustness={samples: 5}", "evaluation.calibration.bins=3"])
    assert settings["robustness"]["samples"] == 5 and settings["calibration"] == {"bins": 3}


def test_an_option_of_a_family_that_is_switched_off() -> None:
    (problem,) = problems({**BASE, "evaluation": {"robustness": False}}, ["evaluation.robustness.samples=50"])
    assert problem == (
        "command line: evaluation.robustness.samples: evaluation.robustness is switched off;"
        " evaluation.robustness=true beside it switches it on"
    )
    both = ["evaluation.robustness.samples=50", "evaluation.robustness=true"]
    assert evaluation({"robustness": False}, both)["robustness"]["samples"] == 50


@pytest.mark.parametrize(
    "given", [None, {"robustness": True, "teacher": False}, {"stability": {"every": 3}, "references": "make"}]
)
def test_dump_and_read_again(given: Any, tmp_path: Path) -> None:
    first = load_config({**BASE, "evaluation": given, "rounds": {"name": "balance", "budget": 3}})
    path = tmp_path / "config.yaml"
    path.write_text(first.dump())
    again = load_config(path)
    assert again.settings == first.settings and again.dump() == first.dump()
    assert json.loads(json.dumps(first.settings)) == first.settings


PROBE = """
import sys
from lifelong_kd.config.load import load_config
settings = load_config(sys.argv[1]).settings["evaluation"]
heavy = ("avalanche", "sklearn", "matplotlib", "torchmetrics", "wandb", "optuna")
print([name for name in heavy if name in sys.modules], sorted(n for n, v in settings.items() if isinstance(v, dict)))
"""


def test_reading_a_configuration_loads_nothing_that_measures(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        json.dumps({**BASE, "evaluation": {"robustness": True, "representation": True, "stability": True}})
    )
    root = Path(lifelong_kd.__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
        check=True,
    )
    assert done.stdout.strip() == f"[] {sorted({*ON, 'robustness', 'representation', 'stability'})}"


class Counting(Family):
    """Counts to a number.

    Args:
        to: which.
    """

    def __init__(self, *, to: int = 3) -> None:
        self.to = to


class CountingAlways(Counting):
    by_default = True


def test_a_family_of_ones_own() -> None:
    with registered("family", "mine", Counting):
        assert evaluation()["mine"] is False and evaluation({"mine": True})["mine"] == {"to": 3}
        families = build_parts(load_config(BASE, ["evaluation.mine.to=5"]))[-1]
        assert isinstance(families["mine"], Counting) and families["mine"].to == 5
    with registered("family", "mine", CountingAlways):
        assert evaluation()["mine"] == {"to": 3} and evaluation({"mine": False})["mine"] is False
    assert "mine" not in evaluation()


def test_a_family_that_cannot_be_loaded_is_no_problem_once_it_is_off() -> None:
    with registered("family", "mine", "no_such_package:Mine"):
        (problem,) = problems(BASE)
        assert problem == (
            "evaluation.mine: 'mine' (tests) cannot be loaded: No module named 'no_such_package';"
            " `mine: false` does without it."
        )
        assert evaluation({"mine": False})["mine"] is False
        (problem,) = problems(BASE, ["evaluation.mine=true"])
        assert problem.startswith("command line: evaluation.mine: 'mine' (tests) cannot be loaded")


def test_a_family_with_the_name_of_a_key() -> None:
    with registered("family", "every", Counting):
        (problem,) = problems(BASE)
        assert (
            problem
            == "evaluation.every: is a key of evaluation, and a family of tests is called so; rename it."
        )


# ---- rounds -----------------------------------------------------------------------------------------------------


def rounds(value: Any = None, overrides: Any = ()) -> Mapping[str, Any]:
    given = {} if value is None else {"rounds": value}
    settings: Mapping[str, Any] = load_config({**BASE, **given}, overrides).settings["rounds"]
    return settings


def test_rounds_by_name_with_options_and_by_default() -> None:
    assert rounds() == {"name": "single"}
    assert isinstance(build_parts(load_config(BASE))[4], Single)
    balance = rounds("balance")
    assert balance["name"] == "balance" and balance["budget"] == 4 and balance["terms"] is None
    assert rounds({"name": "balance", "budget": 2})["budget"] == 2
    assert rounds(None, ["rounds=balance", "rounds.budget=2"])["budget"] == 2
    # Another controller drops the options of the one before, the same one keeps them.
    assert rounds({"name": "balance", "budget": 2}, ["rounds=single"]) == {"name": "single"}
    assert rounds({"name": "balance", "budget": 2}, ["rounds=balance"])["budget"] == 2
    built = build_parts(load_config({**BASE, "rounds": {"name": "balance", "noise": 0}}))[4]
    assert isinstance(built, Balance) and built.noise == 0.0


def test_what_is_wrong_with_rounds() -> None:
    (problem,) = problems({**BASE, "rounds": "balanc"})
    assert problem.startswith(
        "rounds.name: there is no controller of rounds called 'balanc'; known: balance, "
    )
    assert problem.endswith("Did you mean 'balance'?")
    (problem,) = problems({**BASE, "rounds": {"name": "balance", "buget": 3}})
    assert problem.startswith(
        "rounds.buget: unknown key of rounds 'balance', found 3; allowed keys: lowest, "
    )
    assert problem.endswith("Did you mean 'budget'?")
    (problem,) = problems({**BASE, "rounds": {"name": "search", "lr": [0.1]}})
    assert problem == "rounds.lr: found [0.1], allowed: a list of 2 numbers or null."
    (problem,) = problems({**BASE, "rounds": 3})
    assert problem == "rounds: found 3, allowed: a controller of rounds by name or {name: ..., options}."
    with pytest.raises(BadCall, match=r"^rounds: .*budget.*found 0|^rounds: .*budget.*got 0"):
        build_parts(load_config({**BASE, "rounds": {"name": "balance", "budget": 0}}))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"rounds": "balance", "strategy": "lwf", "stream": {"validation": 0.0}},
            "rounds: balance looks at valid",
        ),
        (
            {"rounds": {"name": "balance", "terms": ["kdd"]}, "strategy": "lwf"},
            "rounds: the strategy has no term 'kdd'",
        ),
        (
            {"rounds": {"name": "balance", "budget": 0}, "strategy": "lwf"},
            "rounds: budget must be at least 1",
        ),
    ],
)
def test_rounds_that_do_not_go_with_the_rest_are_refused_before_any_data_are_read(
    given: dict[str, Any], message: str
) -> None:
    stream = {"name": "split_mnist", "root": "/nowhere", **given.pop("stream", {})}
    with pytest.raises(BadCall, match=message):
        build_parts(load_config({"stream": stream, "model": "mlp", **given}))


def test_a_family_that_needs_validation_data_is_refused_before_any_data_are_read() -> None:
    stream = {"name": "split_mnist", "root": "/nowhere", "validation": 0.0}
    config = load_config({**BASE, "stream": stream, "evaluation": {"stability": True}})
    with pytest.raises(BadCall, match=r"evaluation\.stability is measured"):
        build_parts(config)
