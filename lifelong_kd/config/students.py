"""``model.student``: the models that take the student's place when later tasks begin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lifelong_kd.config.make import make_options
from lifelong_kd.config.sections import ModelSection
from lifelong_kd.core.errors import BadCall

if TYPE_CHECKING:
    from lifelong_kd.core.seeds import Seeds
    from lifelong_kd.stream.stream import Stream
    from lifelong_kd.training.succession import Successors

__all__ = ["build_successors", "later_models"]

Settings = Mapping[str, Any]


def later_models(model: Settings, tasks: int | None = None) -> dict[int, dict[str, Any]]:
    """The models that differ from the one before them, by the task that they begin with.

    Args:
        model: the part ``model`` of a checked configuration.
        tasks: of the stream, if that is known.

    Raises:
        BadCall: for a task that cannot have a student of its own, beginning with the key.

    >>> small = {"name": "mlp", "hidden": [8]}
    >>> later_models({"name": "mlp", "hidden": [16], "student": [None, small, small]})
    {2: {'name': 'mlp', 'hidden': [8]}}
    """
    given = model.get("student")
    if given is None:
        return {}
    if isinstance(given, list):
        wanted = dict(enumerate(given, start=1))
    else:
        wanted = {1: given} if "name" in given else {int(task): one for task, one in given.items()}
    _check_tasks(wanted, tasks)
    before = {name: value for name, value in model.items() if name not in ModelSection.model_fields}
    found: dict[int, dict[str, Any]] = {}
    for task, one in sorted(wanted.items()):
        if one is not None and dict(one) != before:
            found[task] = before = dict(one)
    return found


def _check_tasks(wanted: Mapping[int, Any], tasks: int | None) -> None:
    if 0 in wanted:
        raise BadCall(
            "model.student: task 0 has the model itself; students of other models begin with task 1"
        )
    last = max(wanted, default=0)
    if tasks is not None and last >= tasks:
        raise BadCall(
            f"model.student: there is a student for task {last}, and the stream has {tasks} tasks: 0 to {tasks - 1}"
        )


def build_successors(model: Settings, stream: Stream, seeds: Seeds) -> Successors:
    """The networks of :func:`later_models` for a stream, each with weights of its own and the head of the first.

    Raises:
        BadCall: if a model does not take the stream's samples, beginning with the key.
    """
    from lifelong_kd.model.build import build_network
    from lifelong_kd.training.succession import Successors

    networks, settings = {}, {}
    head = model["head"]
    for task, one in later_models(model, len(stream.tasks)).items():
        try:
            with seeds.default(f"init/student/{task}"):
                networks[task] = build_network(
                    stream.input_shape,
                    stream.classes,
                    model=(one["name"], make_options("model", one)),
                    head=(head["name"], make_options("head", head)),
                )
        except BadCall as error:
            raise BadCall(f"model.student: in task {task}: {error}") from error
        settings[task] = {**one, "head": head}
    return Successors(networks, settings, model["transfer"], model["transfer_layers"])
