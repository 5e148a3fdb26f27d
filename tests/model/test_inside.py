"""A network run from inside says what a full pass says, for every stage that it can be entered at."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Batch, Said, Task, Wants
from lifelong_kd.model.build import build_network
from lifelong_kd.model.hearing import Hearing
from lifelong_kd.model.inside import entrance, entrances, from_inside, heard_behind, modules_upto
from lifelong_kd.model.network import Network
from lifelong_kd.teacher.external import External
from lifelong_kd.teacher.snapshot import Snapshot
from lifelong_kd.training.adapter import Adapter

CASES: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "mlp": ({"hidden": [7, 6, 5], "batch_norm": True, "dropout": 0.3}, (1, 4, 4)),
    "cnn": ({"width": 4, "dropout": 0.3}, (1, 8, 8)),
    "resnet32": ({"width": 4}, (3, 8, 8)),
    "resnet18": ({"width": 4}, (3, 8, 8)),
}


def network(name: str) -> tuple[Network, Tensor]:
    options, shape = CASES[name]
    torch.manual_seed(0)
    made = build_network(shape, 4, model=(name, options))
    return made.eval(), torch.randn(5, *shape)


@pytest.mark.parametrize("name", CASES)
def test_from_every_stage_the_logits_are_those_of_the_whole_pass(name: str) -> None:
    model, x = network(name)
    stages = [path for path in entrances(model) if path != "features"]
    assert len(stages) == {"mlp": 3, "cnn": 3, "resnet32": 4, "resnet18": 5}[name]
    with Hearing(model, Wants(features=True, at=tuple(stages))) as hearing:
        said = hearing.said(model(x))
    assert said.features is not None
    for path in stages:
        assert torch.equal(from_inside(model, said.maps[path], path), said.logits), path
        assert torch.equal(from_inside(model, said.maps[path], path.rpartition(".")[2]), said.logits)
    assert torch.equal(from_inside(model, said.features, "features"), said.logits)


def test_what_lies_below_does_not_run_and_gets_no_gradient() -> None:
    model, x = network("cnn")
    model.train()
    below = model.backbone.get_submodule("stages.stage1")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with torch.no_grad():
        inside = below(x)
    model.load_state_dict(before)
    from_inside(model, inside, "stage1").sum().backward()
    assert all(parameter.grad is None for parameter in below.parameters())
    assert model.head.get_parameter("weight").grad is not None
    after = model.state_dict()
    moved = {key for key in before if "running" in key and not torch.equal(before[key], after[key])}
    assert moved == {key for key in before if "running" in key and "stage1" not in key}


def test_a_network_of_another_make_is_entered_at_its_features_alone() -> None:
    model = build_network(
        (3, 32, 32), 4, model=("torchvision", {"architecture": "shufflenet_v2_x0_5"})
    ).eval()
    assert entrances(model) == ("features",)
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(from_inside(model, model.features(x), "features"), model(x))
    with pytest.raises(BadCall, match=r"cannot be entered at 'stage2'\. Its stages: features"):
        from_inside(model, x, "stage2")


def test_what_cannot_be_entered_is_refused() -> None:
    model, _ = network("mlp")
    with pytest.raises(BadCall, match=r"at 'layr2'.*Did you mean 'layer2'.*layer1, layer2, layer3, features"):
        entrance(model, "layr2")
    with pytest.raises(BadCall, match="Linear cannot be run from inside"):
        entrances(nn.Linear(3, 2))


def test_modules_upto_a_stage() -> None:
    model, _ = network("cnn")
    assert modules_upto(model, "stage2") == [
        model.backbone.get_submodule("stages.stage1"),
        model.backbone.get_submodule("stages.stage2"),
    ]
    assert modules_upto(model, "features") == [model.backbone]


# ---- what is heard --------------------------------------------------------------------------------------------


class Bare:
    """What an adapter asks of a template."""

    device = torch.device("cpu")

    def __init__(self, model: nn.Module) -> None:
        self.model = model


def batch_at(x: Tensor, at: str | None) -> Batch:
    zeros = torch.zeros(len(x), dtype=torch.int64)
    return Batch(x=x, y=zeros, label=zeros, raw=x, at=at)


def everything(model: nn.Module, x: Tensor) -> Said:
    with Hearing(model, Wants(features=True, maps=True)) as hearing:
        return hearing.said(model(x))


def test_student_and_snapshot_are_heard_behind_the_stage() -> None:
    model, x = network("cnn")
    adapter = Adapter(Bare(model))  # type: ignore[arg-type]
    teacher = Snapshot()
    teacher.begin(adapter.forward, torch.device("cpu"))
    teacher.observe(model, Task(0, "class", (0, 1)))
    whole = everything(model, x)
    batch = batch_at(whole.maps["backbone.stages.stage1"], "stage1")
    wants = Wants(features=True, maps=True)
    for said in (adapter.student(batch, wants), teacher.teach(batch, wants)):
        assert torch.equal(said.logits, whole.logits)
        assert said.features is not None and whole.features is not None
        assert torch.equal(said.features, whole.features)
        assert list(said.maps) == ["backbone.stages.stage2", "backbone.stages.stage3"]
        assert all(torch.equal(said.maps[name], whole.maps[name]) for name in said.maps)
    assert torch.equal(teacher.teach(batch).logits, whole.logits)


def test_the_logits_of_a_teacher_can_be_differentiated_by_the_maps_behind() -> None:
    model, x = network("cnn")
    adapter = Adapter(Bare(model))  # type: ignore[arg-type]
    teacher = Snapshot()
    teacher.begin(adapter.forward, torch.device("cpu"))
    teacher.observe(model, Task(0, "class", (0, 1)))
    inside = everything(model, x).maps["backbone.stages.stage1"].detach()
    said = teacher.teach(batch_at(inside, "stage1"), Wants(at=("stage3",), gradients=True))
    (slope,) = torch.autograd.grad(said.logits.sum(), said.maps["stage3"])
    assert slope.abs().sum() > 0


def test_what_lies_before_the_stage_cannot_be_heard() -> None:
    model, _ = network("cnn")
    assert heard_behind(model, Wants(at=("stage3",)), "stage2") == Wants(at=("stage3",))
    assert heard_behind(model, Wants(features=True), "features") == Wants(features=True)
    with pytest.raises(BadCall, match="replayed at 'stage2' do not pass 'stage1'"):
        heard_behind(model, Wants(at=("stage1",)), "stage2")
    with pytest.raises(BadCall, match="do not pass 'stage2'"):
        heard_behind(model, Wants(at=("stage2",)), "stage2")
    with pytest.raises(BadCall, match="pass no stage"):
        heard_behind(model, Wants(maps=True), "stage3")


def test_an_external_teacher_has_no_stage_of_the_students() -> None:
    model, x = network("mlp")
    teacher = External(module=nn.Sequential(nn.Flatten(), nn.Linear(16, 4)))
    teacher.begin(Adapter(Bare(model)).forward, torch.device("cpu"))  # type: ignore[arg-type]
    with pytest.raises(BadCall, match="has no stage 'layer1'"):
        teacher.teach(batch_at(x, "layer1"))
