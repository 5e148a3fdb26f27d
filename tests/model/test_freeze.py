"""Frozen copies and digests."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from lifelong_kd.model.build import build_network
from lifelong_kd.model.freeze import digest, frozen_copy
from lifelong_kd.model.taps import Taps


def student() -> nn.Module:
    torch.manual_seed(0)
    options = {"hidden": [8, 8], "dropout": 0.5, "batch_norm": True}
    return build_network((4,), 3, model=("mlp", options))


def test_a_frozen_copy_stays_in_evaluation_and_unmoved() -> None:
    model = student()
    teacher = frozen_copy(model)
    assert model.training and all(p.requires_grad for p in model.parameters())
    assert not any(p.requires_grad for p in teacher.parameters())
    before = digest(teacher)
    assert before == digest(model)
    teacher.train()
    model.train()
    assert not any(module.training for module in teacher.modules())
    x = torch.randn(6, 4)
    assert torch.equal(teacher(x), teacher(x)) and digest(teacher) == before
    model(x)  # moves the student's BatchNorm statistics only
    assert digest(model) != before and digest(teacher) == before


def test_a_frozen_copy_is_what_the_network_was() -> None:
    model = student()
    teacher = frozen_copy(model)
    assert isinstance(teacher, type(model)) and list(teacher.state_dict()) == list(model.state_dict())
    assert {p.data_ptr() for p in teacher.parameters()}.isdisjoint(p.data_ptr() for p in model.parameters())
    assert teacher.features(torch.ones(2, 4)).shape == (2, 8)
    again = frozen_copy(teacher)
    assert type(again) is type(teacher) and again.train().training is False
    assert copy.deepcopy(teacher).train().training is False


def test_hooks_of_others_are_not_copied() -> None:
    model = student()
    calls = []
    model.register_forward_hook(lambda module, inputs, output: calls.append("forward"))
    model.register_forward_pre_hook(lambda module, inputs: calls.append("pre"))
    with Taps(model, ["layer1"]) as taps:
        x = torch.randn(3, 4)
        model(x)
        mine = taps["layer1"]
        teacher = frozen_copy(model)
        teacher(x)
        assert taps["layer1"] is mine and calls == ["pre", "forward"]
        model(x)
        assert taps["layer1"] is not mine and len(calls) == 4


class KeepsActivations(nn.Module):
    """Holds what it last computed: as an attribute, in containers, and by a hook bound to itself."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.last: Tensor | None = None
        self.seen: dict[str, list[Tensor]] = {}
        self.hooked: Tensor | None = None
        self.layer.register_forward_hook(self.hook())

    def hook(self) -> object:
        def keep(module: nn.Module, inputs: object, output: Tensor) -> None:
            self.hooked = output

        return keep

    def forward(self, x: Tensor) -> Tensor:
        self.last = self.layer(x)
        self.seen = {"all": [self.last * 2]}
        return self.hooked


def test_kept_activations_are_copied_without_their_history() -> None:
    model = KeepsActivations()
    model(torch.ones(1, 2))
    teacher = frozen_copy(model)
    assert model.last.grad_fn is not None and model.seen["all"][0].grad_fn is not None
    assert torch.equal(teacher.last, model.last) and teacher.last.grad_fn is None
    assert torch.equal(teacher.seen["all"][0], model.seen["all"][0])


def test_a_networks_own_hooks_work_on_the_copy_alone() -> None:
    model = KeepsActivations()
    model(torch.ones(1, 2))
    kept = model.hooked
    teacher = frozen_copy(model)
    x = torch.full((1, 2), 5.0)
    assert torch.equal(teacher(x), teacher.layer(x)) and torch.equal(teacher.hooked, teacher.layer(x))
    assert model.hooked is kept


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_weight_norm_is_copied_whole() -> None:
    model = nn.Sequential(nn.utils.weight_norm(nn.Linear(2, 3)))
    model(torch.ones(1, 2))
    with torch.no_grad():
        model[0].weight_g.mul_(3.0)
    teacher = frozen_copy(model)
    x = torch.randn(4, 2)
    assert torch.equal(teacher(x), model(x))


def test_a_compiled_network_is_copied_uncompiled() -> None:
    model = student()
    compiled = torch.compile(model, backend="eager")
    teacher = frozen_copy(compiled)
    assert isinstance(teacher, type(model)) and digest(compiled) == digest(teacher)


def test_digest_sees_values_names_dtypes_and_buffers() -> None:
    model = student()
    first = digest(model)
    assert len(first) == 64 and digest(copy.deepcopy(model)) == first
    model.backbone.layers.layer1[1].running_mean[0] += 1e-6
    assert digest(model) != first
    a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    b.load_state_dict(a.state_dict())
    assert digest(nn.ModuleDict({"a": a})) != digest(nn.ModuleDict({"b": b}))
    assert digest(a) == digest(b) != digest(b.double())
    assert digest(nn.BatchNorm1d(2).bfloat16()) != digest(nn.BatchNorm1d(2))
