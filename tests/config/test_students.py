"""``model.student``: which networks a configuration gives to which tasks."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from lifelong_kd.config.dialect import parse_value
from lifelong_kd.config.load import load_config
from lifelong_kd.config.sections import ModelSection
from lifelong_kd.config.students import later_models
from lifelong_kd.core.errors import BadCall, ConfigError

SMALL: dict[str, Any] = {"name": "mlp", "hidden": [8]}


def config(student: Any, **model: Any) -> dict[str, Any]:
    return {
        "stream": {"name": "split_digits", "experiences": 5},
        "model": {"name": "mlp", "hidden": [16], "student": student, **model},
        "strategy": "lwf",
    }


def sizes(student: Any) -> dict[int, list[int]]:
    loaded = load_config(config(student))
    again = load_config(parse_value(loaded.dump()))
    assert again.settings == loaded.settings
    return {task: one["hidden"] for task, one in later_models(loaded.settings["model"], 5).items()}


@pytest.mark.parametrize(
    ("student", "expected"),
    [
        (None, {}),
        (SMALL, {1: [8]}),
        ("mlp", {1: [400, 400]}),
        ([None, SMALL, None, "mlp"], {2: [8], 4: [400, 400]}),
        # The same model again goes on; back to the first one is another change.
        ([SMALL, SMALL, {"name": "mlp", "hidden": [16]}], {1: [8], 3: [16]}),
        ({1: SMALL, "3": {"name": "mlp", "hidden": [4]}}, {1: [8], 3: [4]}),
        ([{"name": "mlp", "hidden": [16]}], {}),
    ],
)
def test_the_tasks_with_another_student(student: Any, expected: dict[int, list[int]]) -> None:
    assert sizes(student) == expected


@pytest.mark.parametrize(
    ("student", "changes", "message"),
    [
        ({1: {"name": "mlp", "hiden": [8]}}, {}, r"model.student.1.hiden: .* Did you mean 'hidden'"),
        ([{"name": "mpl"}], {}, r"model.student\[0\].name: .* Did you mean 'mlp'"),
        (SMALL, {"model.transfer": "nrom"}, r"model.transfer: .* Did you mean 'norm'"),
        (SMALL, {"model.transfer_layer": "even"}, "Did you mean 'transfer_layers'"),
        ({"x": SMALL}, {}, r"model.student.x: found 'x', allowed: a whole number"),
        ({1: SMALL}, {"model.student.1.hiden": 3}, r"model.student.1.hiden: .* Did you mean 'hidden'"),
        (3, {}, r"model.student: found 3"),
    ],
)
def test_wrong_keys_are_refused(student: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(config(student), changes)


@pytest.mark.parametrize(
    ("student", "message"),
    [
        ({0: SMALL}, "task 0 has the model itself"),
        ([None] * 4 + [SMALL], "a student for task 5, and the stream has 5"),
    ],
)
def test_tasks_that_are_not_there_are_refused(student: Any, message: str) -> None:
    with pytest.raises(BadCall, match=f"model.student: .*{message}"):
        later_models(load_config(config(student)).settings["model"], 5)


def test_the_sections_words_are_those_of_the_code() -> None:
    from lifelong_kd.model.picks import Layers
    from lifelong_kd.model.transfer import Transfer

    fields = ModelSection.model_fields
    assert get_args(fields["transfer"].annotation) == get_args(Transfer)
    assert get_args(fields["transfer_layers"].annotation) == get_args(Layers)
