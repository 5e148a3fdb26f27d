"""Models from elsewhere: which file a reference names, and what a student takes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from lifelong_kd.config.build import build, build_parts
from lifelong_kd.config.load import load_config
from lifelong_kd.core.errors import BadCall, ConfigError, DataMissing
from lifelong_kd.model.build import build_network
from lifelong_kd.model.freeze import digest
from lifelong_kd.model.network import Network
from lifelong_kd.model.origin import check_reference, resolve_model
from lifelong_kd.model.start import start_from
from lifelong_kd.tracking.wandb.fetch import Fetched
from tests.standin.artifacts import put_artifact
from tests.standin.server import Server


def network(seed: int, hidden: int = 8, **options: Any) -> Network:
    torch.manual_seed(seed)
    given = {"hidden": [hidden], **options}
    return build_network((1, 8, 8), 10, model=("mlp", given), head=("linear", {}))


def keep(path: Path, model: Network, **about: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {"digest": digest(model), "config": {}, **about}
    save_file(model.state_dict(), path, metadata={"lifelong_kd": json.dumps(header)})
    return path


def a_run(folder: Path) -> Path:
    """A run folder with the models after its first ten tasks and one more."""
    for task in (1, 2, 10):
        keep(folder / "checkpoints" / f"task_{task}.safetensors", network(task))
    models = [{"task": 2, "name": "c8e0efc5-task-2", "file": "checkpoints/task_2.safetensors"}]
    (folder / "lineage.json").write_text(json.dumps({"run_id": "c8e0efc5", "models": models}))
    return folder


def test_a_file_and_a_run(tmp_path: Path) -> None:
    file = keep(tmp_path / "mine.safetensors", network(5))
    found = resolve_model(str(file))
    assert (found.path, found.name, found.digest) == (file, "mine.safetensors", digest(network(5)))
    run = a_run(tmp_path / "runs" / "x")
    # The last task is the one of the largest number.
    assert resolve_model(str(run)).digest == digest(network(10))
    third = resolve_model(f"{run}:2")
    assert third.path == run / "checkpoints" / "task_2.safetensors"
    assert third.parent == {"name": "c8e0efc5-task-2", "digest": digest(network(2))}
    assert resolve_model(str(third.path)) == third
    assert resolve_model(f"{run}:1").name == "task_1.safetensors"


def test_a_file_that_does_not_say_its_digest_is_known_by_its_bytes(tmp_path: Path) -> None:
    model = network(0)
    save_file(model.state_dict(), tmp_path / "old.safetensors", metadata={"lifelong_kd": "{}"})
    found = resolve_model(str(tmp_path / "old.safetensors")).digest
    assert len(found) == 64
    assert found != digest(model)


@pytest.mark.parametrize("look", [resolve_model, check_reference])
def test_what_names_no_model(look: Any, tmp_path: Path) -> None:
    run = a_run(tmp_path / "x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.safetensors").write_text("no model")
    for reference, error, message in (
        (
            str(tmp_path / "none"),
            DataMissing,
            r"none is not there; allowed: a \.safetensors file, RUN or RUN:TASK",
        ),
        (f"{tmp_path}/none:3", DataMissing, "none:3 is not there"),
        (f"{run}:last", DataMissing, "x:last is not there"),
        (f"{run}:3", BadCall, "x has no model after task 3: it has them for tasks 1, 2, 10"),
        (str(tmp_path / "empty"), BadCall, "a folder without the model of any task"),
        (str(tmp_path / "text.safetensors"), BadCall, "damaged, or not a model of lifelong_kd"),
        ("wandb:name", BadCall, "wandb:name names no model: allowed is wandb:ENTITY/PROJECT/NAME:TAG"),
    ):
        with pytest.raises(error, match=message):
            look(reference)


def test_a_model_of_a_server(wandb_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFELONG_KD_MODELS", str(tmp_path / "models"))
    content = keep(tmp_path / "task_4.safetensors", network(4)).read_bytes()
    put_artifact(wandb_server.state, "p/m", {"task_4.safetensors": content}, {"digest": digest(network(4))})
    check_reference("wandb:someone/p/m:latest")
    assert wandb_server.operations == []
    found = resolve_model("wandb:someone/p/m:latest")
    assert (found.name, found.digest) == ("someone/p/m:v0", digest(network(4)))
    spoilt = Fetched(found.path, found.name, "another")
    monkeypatch.setattr("lifelong_kd.tracking.wandb.fetch.fetch_model", lambda reference: spoilt)
    with pytest.raises(BadCall, match="metadata say another: it is not the model that was logged"):
        resolve_model("wandb:someone/p/m:latest")


def test_a_student_takes_the_backbone_and_keeps_its_head(tmp_path: Path) -> None:
    origin = resolve_model(str(keep(tmp_path / "m.safetensors", network(1, batch_norm=True))))
    student, before = network(2, batch_norm=True), network(2, batch_norm=True)
    start_from(student, origin)
    for name, value in network(1, batch_norm=True).backbone.state_dict().items():
        assert torch.equal(student.backbone.state_dict()[name], value), name
    assert torch.equal(student.head.weight, before.head.weight)
    assert student.origin == {"name": "m.safetensors", "digest": digest(network(1, batch_norm=True))}


def test_another_backbone_is_refused_with_what_does_not_fit(tmp_path: Path) -> None:
    origin = resolve_model(str(keep(tmp_path / "m.safetensors", network(1, hidden=9, batch_norm=True))))
    student = network(2)
    with pytest.raises(BadCall) as refused:
        start_from(student, origin)
    message = str(refused.value)
    assert "cannot start from m.safetensors, whose backbone is another" in message
    # BatchNorm has weight, bias, mean, variance and counter; the linear layer two tensors of another shape.
    assert message.count("the student has no") == 5
    assert "and 2 more" in message
    assert student.origin is None
    assert digest(student) == digest(network(2))


def config(reference: str, **more: Any) -> Any:
    model = {"name": "mlp", "hidden": [8], "init": reference}
    return load_config(
        {"stream": "split_digits", "model": model, "strategy": "naive", "device": "cpu", **more}
    )


def test_a_configuration_says_where_the_student_starts(tmp_path: Path) -> None:
    file = keep(tmp_path / "m.safetensors", network(1))
    asked = config(str(file))
    assert asked.settings["model"]["init"] == str(file)
    build_parts(asked)
    student = build(asked).engine.model
    fresh = build(config(None)).engine.model  # type: ignore[arg-type]
    assert digest(student.backbone) == digest(network(1).backbone) != digest(fresh.backbone)
    # What is drawn beside it is drawn as without it.
    assert torch.equal(student.head.weight, fresh.head.weight)
    assert (student.origin["name"], fresh.origin) == ("m.safetensors", None)

    # A run that goes on has its weights in its checkpoint; one without a checkpoint needs the model.
    file.unlink()
    run = tmp_path / "run"
    with pytest.raises(DataMissing, match=r"^model.init: the model .*m\.safetensors is not there"):
        build(asked, resume=run)
    (run / "checkpoints").mkdir(parents=True)
    (run / "checkpoints" / "latest.json").write_text("{}")
    assert build(asked, resume=run).engine.model.origin is None
    for source, message in (
        ({"init": 3}, "init: found 3, allowed: text or null"),
        ({"innit": "x"}, "init"),
    ):
        with pytest.raises(ConfigError, match=message):
            load_config({"stream": "split_digits", "model": {"name": "mlp", **source}, "strategy": "naive"})
