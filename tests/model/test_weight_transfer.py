"""Weights handed on between networks of other sizes: what is kept answers as it did, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.build import build_network
from lifelong_kd.model.carry import carry_head
from lifelong_kd.model.freeze import digest
from lifelong_kd.model.importance import importance
from lifelong_kd.model.network import Network
from lifelong_kd.model.picks import pick_layers, pick_units
from lifelong_kd.model.transfer import transfer
from lifelong_kd.model.wiring import chain

SHAPE = (1, 8, 8)
WAYS = ("slice", "norm", "importance")
SIZES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "mlp": ({"hidden": [5, 4]}, {"hidden": [8, 6]}),
    "cnn": ({"width": 3, "stages": 2}, {"width": 5, "stages": 2}),
    "resnet32": ({"width": 3, "blocks": 2}, {"width": 5, "blocks": 2}),
    "resnet18": ({"width": 3}, {"width": 5}),
}


def made(name: str, options: Mapping[str, Any], head: str = "linear", seed: int = 0) -> Network:
    """A network with statistics of its own, in evaluation mode."""
    torch.manual_seed(seed)
    network = build_network(SHAPE, 3, model=(name, options), head=(head, {}))
    network.train()
    for _ in range(2):
        network(torch.randn(8, *SHAPE))
    return network.eval()


def pictures() -> Tensor:
    return torch.randn(6, *SHAPE, generator=torch.Generator().manual_seed(1))


def same(one: Network, other: Network) -> bool:
    with torch.no_grad():
        return torch.allclose(one(pictures()), other(pictures()), atol=1e-5)


@pytest.mark.parametrize("head", ["linear", "cosine", "lsc"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SIZES)
def test_a_student_of_the_same_size_is_a_copy(name: str, way: Any, head: str) -> None:
    teacher, student = (made(name, SIZES[name][0], head, seed) for seed in (0, 1))
    assert not same(teacher, student)
    transfer(teacher, student, units=way, x=pictures())
    assert digest(student) == digest(teacher)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SIZES)
def test_a_larger_student_answers_as_its_teacher_and_a_smaller_one_gives_it_back(name: str, way: Any) -> None:
    small, large = SIZES[name]
    teacher, student, back = made(name, small), made(name, large, seed=1), made(name, small, seed=2)
    before = digest(teacher)
    transfer(teacher, student, units=way, x=pictures())
    assert same(student, teacher)
    # What has been added is read by nothing: it is dead, and dropped before all else.
    transfer(student, back, units=way, x=pictures())
    assert same(back, teacher)
    assert digest(teacher) == before


def test_dead_units_are_dropped_wherever_they_stand() -> None:
    teacher, student = made("mlp", {"hidden": [5, 4]}), made("mlp", {"hidden": [3, 3]}, seed=1)
    layers = teacher.backbone.parts()
    with torch.no_grad():
        for layer, dead in (("layers.layer1", [0, 3]), ("layers.layer2", [1])):
            linear: Any = layers[layer].get_submodule("0")
            linear.weight[dead] = 0
            linear.bias[dead] = 0
    for way in ("norm", "importance"):
        transfer(teacher, student, units=way, x=pictures())  # type: ignore[arg-type]
        assert same(student, teacher)
    transfer(teacher, student, units="slice")
    assert not same(student, teacher)


def test_a_duplicated_unit_that_is_folded_into_its_twin_loses_nothing() -> None:
    teacher, student = made("mlp", {"hidden": [4]}), made("mlp", {"hidden": [3]}, seed=1)
    first: Any = teacher.backbone.parts()["layers.layer1"].get_submodule("0")
    head: Any = teacher.head
    with torch.no_grad():
        first.weight[2], first.bias[2] = first.weight[0], first.bias[0]
        head.weight[:, 0] += head.weight[:, 2]
        head.weight[:, 2] = 0
    transfer(teacher, student, units="norm")
    assert same(student, teacher)


def test_a_dead_channel_of_a_residual_stream_is_dropped() -> None:
    teacher, student = made("resnet18", {"width": 4}), made("resnet18", {"width": 3}, seed=1)
    backbone: Any = teacher.backbone
    dead = [[0], [2, 5], [1, 3, 9, 10], [0, 1, 2, 3, 4, 5, 20, 21]]
    with torch.no_grad():
        for number, channels in enumerate(dead, start=1):
            norms = [backbone.stem[1]] if number == 1 else []
            for block in getattr(backbone, f"stage{number}"):
                norms.append(block.bn2)
                norms += [block.shortcut[1]] if len(list(block.shortcut.children())) else []
                block.bn1.weight[: len(channels)] = 0
                block.bn1.bias[: len(channels)] = 0
            for norm in norms:
                norm.weight[channels] = 0
                norm.bias[channels] = 0
    for way in ("norm", "importance"):
        transfer(teacher, student, units=way, x=pictures())  # type: ignore[arg-type]
        assert same(student, teacher)


def test_the_units_kept_in_one_layer_are_the_columns_of_the_next() -> None:
    teacher, student = made("mlp", {"hidden": [4, 3]}), made("mlp", {"hidden": [2, 2]}, seed=1)
    first, second = (chain(teacher)[number].made[0].module for number in (0, 1))
    with torch.no_grad():
        first.weight[[0, 2]] *= 0.01
        first.bias[[0, 2]] *= 0.01
        second.weight[1] *= 0.01
        second.bias[1] *= 0.01
    transfer(teacher, student, units="norm")
    mine = [group.made[0].module for group in chain(student)]
    assert torch.equal(mine[0].weight, first.weight[[1, 3]])
    assert torch.equal(mine[1].weight, second.weight[[0, 2]][:, [1, 3]])
    assert torch.equal(student.head.weight, teacher.head.weight[:, [0, 2]])
    assert torch.equal(student.head.bias, teacher.head.bias)


def test_norms_by_hand() -> None:
    network = build_network((2,), 2, model=("mlp", {"hidden": [2]}))
    linear = chain(network)[0].made[0].module
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[2.0, 1.0], [0.0, 3.0]]))
        linear.bias.copy_(torch.tensor([2.0, 4.0]))
        network.head.weight.copy_(torch.tensor([[3.0, 0.0], [4.0, 2.0]]))
    # |(2, 1, 2)| = 3 times |(3, 4)| = 5, and |(0, 3, 4)| = 5 times |(0, 2)| = 2.
    assert chain(network)[0].norms.tolist() == pytest.approx([15.0, 10.0])


def test_importance_is_how_far_the_answer_moves_without_the_unit() -> None:
    network = build_network((3,), 2, model=("mlp", {"hidden": [4]}))
    x = torch.randn(5, 3)
    group = chain(network)[0]
    found = importance(network.train(), x, [group.probe])[0]
    with torch.no_grad():
        features = network.features(x)
        winner = network(x).argmax(dim=1)
        expected = (features * network.head.weight[winner]).abs().mean(dim=0)
    assert torch.allclose(found, expected, atol=1e-6)
    assert network.training and not any(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize(
    ("layers", "expected"), [("even", [0, 2, 4]), ("first", [0, 1, 2]), ("last", [0, 3, 4])]
)
def test_blocks_that_feed_a_shallower_resnet(layers: Any, expected: list[int]) -> None:
    assert pick_layers(5, 3, layers) == expected
    teacher = made("resnet32", {"width": 2, "blocks": 5})
    student = made("resnet32", {"width": 2, "blocks": 3}, seed=1)
    transfer(teacher, student, units="norm", layers=layers)
    for stage in ("stage1", "stage3"):
        theirs, mine = (list(network.backbone.get_submodule(stage)) for network in (teacher, student))
        for place, source in enumerate(expected):
            assert torch.equal(mine[place].conv2.weight, theirs[source].conv2.weight)
            assert torch.equal(mine[place].bn1.running_var, theirs[source].bn1.running_var)


@pytest.mark.parametrize("width", [2, 3])
@pytest.mark.parametrize(
    ("blocks", "last_relu"),
    [((1, 2), True), ((1, 3), True), ((2, 3), False), ((2, 4), False), ((3, 5), False)],
)
def test_more_blocks_begin_as_the_identity(blocks: tuple[int, int], last_relu: bool, width: int) -> None:
    teacher = made("resnet32", {"width": 2, "blocks": blocks[0], "last_relu": last_relu})
    student = made("resnet32", {"width": width, "blocks": blocks[1], "last_relu": last_relu}, seed=1)
    transfer(teacher, student, units="slice")
    assert same(student, teacher)


def test_layers_left_out_of_a_chain() -> None:
    teacher, student = made("mlp", {"hidden": [4, 4, 4]}), made("mlp", {"hidden": [4, 4]}, seed=1)
    transfer(teacher, student, units="slice", layers="even")
    theirs, mine = ([group.made[0].module for group in chain(n)] for n in (teacher, student))
    assert torch.equal(mine[0].weight, theirs[0].weight) and torch.equal(mine[1].weight, theirs[2].weight)
    transfer(teacher, student, units="slice", layers="first")
    assert torch.equal(mine[1].weight, theirs[1].weight)
    assert torch.equal(student.head.weight, teacher.head.weight)


def test_heads_by_class() -> None:
    old, new = (build_network(SHAPE, 4, model=("mlp", {"hidden": [3]}), head=("multihead", {})) for _ in "ab")
    for network in (old, new):
        network.grow([2, 3], 0)
        network.grow([0, 1], 1)
    assert carry_head(old.head, new.head)
    assert all(
        torch.equal(value, new.head.state_dict()[name]) for name, value in old.head.state_dict().items()
    )
    other = build_network(SHAPE, 4, model=("mlp", {"hidden": [5]}), head=("multihead", {}))
    other.grow([2, 3], 0)
    other.grow([0, 1], 1)
    before = digest(other)
    assert not carry_head(old.head, other.head) and digest(other) == before


def test_units_of_equal_scores_are_the_first_ones() -> None:
    assert pick_units(torch.zeros(4), 2).tolist() == [0, 1]
    assert pick_units(torch.tensor([1.0, 3.0, 3.0, 0.0]), 3).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("teacher", "student", "options", "message"),
    [
        (("mlp", {}), ("cnn", {}), {}, "weights of MLP do not fit CNN"),
        (("mlp", {"hidden": [4]}), ("mlp", {"hidden": [4, 4]}), {}, "a student of 2 layers cannot begin"),
        (("mlp", {"hidden": [4]}), ("mlp", {"hidden": [3], "batch_norm": True}), {}, "BatchNorm"),
        (("resnet18", {"width": 2}), ("resnet32", {"width": 2}), {}, "a resnet of 3 stages"),
        (("mlp", {"hidden": []}), ("mlp", {"hidden": [4]}), {}, "the teacher is a linear classifier"),
        (("mlp", {"hidden": [4]}), ("mlp", {"hidden": []}), {}, "the student is a linear classifier"),
        (
            ("mlp", {"hidden": []}),
            ("mlp", {"hidden": [4]}),
            {"units": "importance", "x": pictures()},
            "the teacher is a linear classifier",
        ),
        # The same shapes, and other answers.
        (
            ("mlp", {"hidden": [4], "activation": "tanh"}),
            ("mlp", {"hidden": [4], "dropout": 0.5}),
            {},
            "the teacher end in Tanh, of the student in ReLU",
        ),
        (
            ("mlp", {"hidden": [4], "activation": "gelu"}),
            ("mlp", {"hidden": [3], "activation": "tanh"}),
            {},
            "GELU, of the student in Tanh",
        ),
        (
            ("resnet32", {"width": 2, "blocks": 1, "last_relu": False}),
            ("resnet32", {"width": 2, "blocks": 1}),
            {},
            "the teacher end in Identity and ReLU, of the student in ReLU",
        ),
        (
            ("resnet18", {"width": 2}),
            ("resnet18", {"width": 3, "last_relu": False}),
            {},
            "in ReLU, of the student in Identity and ReLU",
        ),
        (
            ("resnet32", {"width": 2, "blocks": 1, "last_relu": False}),
            ("resnet32", {"width": 2, "blocks": 2, "last_relu": False}),
            {},
            "a last stage of one block without its last ReLU cannot become one of 2",
        ),
        (("mlp", {"hidden": [4]}), ("mlp", {"hidden": [3]}), {"units": "importance"}, "give x"),
        (("mlp", {"hidden": [4]}), ("mlp", {"hidden": [3]}), {"units": "norms"}, "did you mean 'norm'"),
        (("mlp", {"hidden": [4]}), ("mlp", {"hidden": [3]}), {"layers": "evn"}, "did you mean 'even'"),
    ],
)
def test_what_does_not_fit_is_refused(teacher: Any, student: Any, options: Any, message: str) -> None:
    networks = [build_network(SHAPE, 2, model=model) for model in (teacher, student)]
    with pytest.raises(BadCall, match=message):
        transfer(*networks, **options)


@pytest.mark.parametrize(
    ("hidden", "message"), [([], "is a linear classifier"), ([4], "the first layers read inputs")]
)
def test_another_input_is_refused(hidden: list[int], message: str) -> None:
    large = build_network((1, 4, 4), 2, model=("mlp", {"hidden": hidden}))
    small = build_network((1, 2, 2), 2, model=("mlp", {"hidden": [3] if hidden else []}))
    with pytest.raises(BadCall, match=message):
        transfer(large, small)


def test_a_linear_classifier_is_copied() -> None:
    teacher, student = (made("mlp", {"hidden": []}, seed=seed) for seed in (0, 1))
    transfer(teacher, student)
    assert digest(student) == digest(teacher)
    assert chain(teacher) == []
