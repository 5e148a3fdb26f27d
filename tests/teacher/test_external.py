"""Teachers from elsewhere: where they come from, which columns they say, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision import models

import lifelong_kd
from lifelong_kd.config.make import make
from lifelong_kd.config.validate import Checker
from lifelong_kd.core.errors import BadCall, DataMissing
from lifelong_kd.core.types import Wants
from lifelong_kd.model.build import build_network
from lifelong_kd.model.freeze import digest
from lifelong_kd.strategy.naive import naive
from lifelong_kd.teacher.external import External
from lifelong_kd.testing.small import small_experiment
from tests.standin.artifacts import put_artifact
from tests.standin.server import Server
from tests.teacher.life import CPU, batch_of, call, inputs, network, rebuilder, saved, state_of


def begun(*args: Any, **options: Any) -> External:
    teacher = External(*args, **options)
    teacher.begin(call, CPU)
    return teacher


def images(count: int = 3, channels: int = 1, side: int = 8) -> Tensor:
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(0))


def exported(path: Path) -> nn.Module:
    """A file as a run keeps it."""
    torch.manual_seed(3)
    model, head = {"name": "mlp", "hidden": [8]}, {"name": "linear", "grow": True, "bias": True}
    made = build_network((5,), 4, model=("mlp", {"hidden": [8]}), head=("linear", {"grow": True}))
    for classes in ((0, 1), (2, 3)):
        made.grow(classes)
    about = {
        "config": {"imports": [], "model": {**model, "head": head}},
        "network": {"input_shape": [5], "classes": 4, "tasks": [[[0, 1], 0], [[2, 3], 0]]},
    }
    save_file(made.state_dict(), path, metadata={"lifelong_kd": json.dumps(about)})
    return made


def test_a_module_is_copied_and_ready_at_once() -> None:
    module = network(1)
    teacher = begun(module)
    assert teacher.ready and not teacher.adapts and teacher.columns is None
    said = teacher.teach(batch_of(inputs(0))).logits
    before = state_of(module)
    module.eval()
    assert torch.equal(said, module(inputs(0)).detach())
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 1
    assert torch.equal(said, teacher.teach(batch_of(inputs(0))).logits)
    assert all(torch.equal(before[name], value) for name, value in teacher.module.state_dict().items())
    teacher.observe(module, None)  # type: ignore[arg-type]
    assert torch.equal(said, teacher.teach(batch_of(inputs(0))).logits)


def test_its_columns_become_those_of_the_student() -> None:
    module = network(1).eval()
    teacher = begun(module, class_map={4: 0, 1: 5})
    said = teacher.teach(batch_of(inputs(0))).logits
    theirs = module(inputs(0)).detach()
    assert teacher.columns == (0, 5)
    assert said.shape == (16, 6) and said[:, 1:5].isnan().all()
    assert torch.equal(said[:, [0, 5]], theirs[:, [4, 1]])


def test_mapped_logits_can_still_be_differentiated_by_the_maps() -> None:
    module = build_network((1, 8, 8), 3, model=("cnn", {"width": 4}))
    teacher = begun(module, class_map={2: 1})
    said = teacher.teach(batch_of(images()), Wants(maps=True, gradients=True))
    (gradient,) = torch.autograd.grad(said.logits[:, 1].sum(), list(said.maps.values())[-1])
    assert gradient.abs().sum() > 0


def test_it_names_its_own_stages_where_the_student_has_other_names() -> None:
    module = build_network((1, 8, 8), 3, model=("cnn", {"width": 4}))
    plain = begun(module)
    named = begun(module, at=["stage3"])
    assert len(plain.teach(batch_of(images()), Wants(maps=True)).maps) == 3
    for wants in (Wants(maps=True), Wants(at=("layer4",), features=True)):
        said = named.teach(batch_of(images()), wants)
        assert list(said.maps) == ["stage3"]
        assert (said.features is not None) == wants.features
    assert not named.teach(batch_of(images())).maps


def test_the_model_of_a_run(tmp_path: Path) -> None:
    made = exported(tmp_path / "task_1.safetensors")
    before = torch.get_rng_state()
    teacher = begun(path=str(tmp_path / "task_1.safetensors"))
    assert torch.equal(before, torch.get_rng_state())
    assert digest(teacher.module) == digest(made)
    assert digest(lifelong_kd.load_network(tmp_path / "task_1.safetensors")) == digest(made)
    assert teacher.teach(batch_of(inputs(0))).logits.shape == (16, 4)


def test_an_architecture_of_torchvision(tmp_path: Path) -> None:
    torch.manual_seed(0)
    made = models.get_model("shufflenet_v2_x0_5", weights=None, num_classes=7).eval()
    torch.save(made.state_dict(), tmp_path / "weights.pt")
    options = {"architecture": "shufflenet_v2_x0_5", "weights": str(tmp_path / "weights.pt")}
    before = torch.get_rng_state()
    teacher = begun(**options)
    assert torch.equal(before, torch.get_rng_state())
    x = images(2, 3, 32)
    torch.testing.assert_close(teacher.teach(batch_of(x)).logits, made(x).detach())
    with pytest.raises(BadCall, match=r"no torchvision architecture called 'shufflenet_v2'.*Did you mean"):
        External(architecture="shufflenet_v2", weights=options["weights"])
    with pytest.raises(BadCall, match="does not fit 'resnet18'"):
        External(architecture="resnet18", weights=options["weights"])
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(BadCall, match="no mapping from names to tensors"):
        External(architecture="resnet18", weights=str(tmp_path / "list.pt"))
    torch.save(made, tmp_path / "pickle.pt")
    with pytest.raises(BadCall, match="cannot be read as weights"):
        External(architecture="shufflenet_v2_x0_5", weights=str(tmp_path / "pickle.pt"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "one of: path, architecture with weights, or a module"),
        ({"architecture": "resnet18"}, "one of: path"),
        ({"weights": "x.pt"}, "one of: path"),
        ({"path": "a", "module": nn.Linear(1, 1)}, "one of: path"),
        ({"module": "resnet"}, "is a torch.nn.Module, not 'resnet'"),
        ({"module": nn.Linear(1, 1), "class_map": {}}, "maps no class"),
        ({"module": nn.Linear(1, 3), "class_map": {0: 1, 2: 1}}, "student's class 1 to several"),
        ({"module": nn.Linear(1, 3), "class_map": {-1: 1}}, "negative class"),
    ],
)
def test_what_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadCall, match=message):
        External(**options)


def test_files_that_are_not_there_or_not_ours(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"the model .*none\.safetensors is not there"):
        External(path=str(tmp_path / "none.safetensors"))
    (tmp_path / "other").write_bytes(b"12345678901234")
    with pytest.raises(BadCall, match="damaged, or not a model of lifelong_kd"):
        External(path=str(tmp_path / "other"))


def test_a_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "task_1.safetensors"
    exported(path)
    whole = path.read_bytes()
    for broken in (whole[:-40], whole.replace(b"backbone", b"backb0ne")):
        path.write_bytes(broken)
        with pytest.raises(BadCall, match="is damaged, or does not hold the network"):
            External(path=str(path))


def test_a_network_for_other_samples_is_refused_at_the_first_batch() -> None:
    with pytest.raises(BadCall, match=r"does not take the stream's samples of shape \(1, 8, 8\)"):
        begun(network()).teach(batch_of(images()))
    with pytest.raises(BadCall, match=r"class_map names class 9 of the external teacher, which has 6"):
        begun(network(), class_map={9: 0}).teach(batch_of(inputs(0)))
    with pytest.raises(BadCall, match=r"gives \(3, 1, 8, 8\) where \(batch, classes\)"):
        begun(nn.Identity()).teach(batch_of(images()))


def test_a_run_goes_on_with_the_same_teacher_only() -> None:
    teacher = begun(network(1))
    begun(network(1)).load_state_dict(saved(teacher), rebuilder())
    with pytest.raises(BadCall, match="not the one that the run began with"):
        begun(network(2)).load_state_dict(saved(teacher), rebuilder())


def test_from_a_configuration(tmp_path: Path) -> None:
    exported(tmp_path / "task_1.safetensors")
    checker = Checker()
    given = {
        "name": "ensemble",
        "teachers": [
            "snapshot",
            {"name": "external", "path": str(tmp_path / "task_1.safetensors"), "class_map": {0: 1, 3: 0}},
            {"name": "concatenation", "old": "snapshot", "new": {"name": "expert"}},
        ],
    }
    settings = checker.component("teacher", given, "teacher")
    assert not checker.problems
    teacher = make("teacher", settings)
    assert [type(member).__name__ for member in teacher.members] == ["Snapshot", "External", "Concatenation"]
    assert teacher.members[1].class_map == {0: 1, 3: 0}
    wrong = Checker()
    wrong.component("teacher", {"name": "choice", "teachers": ["snapshot", "emma"]}, "teacher")
    assert "there is no teacher called 'emma'" in str(wrong.problems[0])


def trained(path: Path, columns: list[str], tasks: list[list[int]]) -> nn.Module:
    """A file of a run whose columns have names, of which those of ``tasks`` have been learned."""
    torch.manual_seed(4)
    made = build_network((5,), len(columns), model=("mlp", {"hidden": [8]}))
    shape = {"input_shape": [5], "classes": len(columns), "columns": columns}
    about = {
        "digest": digest(made),
        "config": {"imports": [], "model": {"name": "mlp", "hidden": [8], "head": {"name": "linear"}}},
        "network": {**shape, "tasks": [[classes, 0] for classes in tasks]},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(made.state_dict(), path, metadata={"lifelong_kd": json.dumps(about)})
    return made.eval()


def test_its_classes_go_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "run" / "checkpoints" / "task_1.safetensors"
    made = trained(path, ["ape", "bee", "cat", "dog", "eel", "fox"], [[0, 1], [2, 3]])
    theirs = made(inputs(0)).detach()
    # Another order, classes that it has not learned or never had, and one of its own that the stream lacks.
    teacher = begun(path=str(tmp_path / "run"))
    teacher.check_columns(["dog", "gnu", "fox", "ape", "cat"])
    said = teacher.teach(batch_of(inputs(0))).logits
    assert teacher.columns == (0, 3, 4)
    assert torch.equal(said[:, [0, 3, 4]], theirs[:, [3, 0, 2]])
    assert said[:, [1, 2]].isnan().all()
    assert teacher.origin == {"name": "task_1.safetensors", "digest": digest(made)}

    # With a stream of the same classes in the same order, what it has learned stays where it is.
    same_order = begun(path=str(path))
    same_order.check_columns(["ape", "bee", "cat", "dog", "eel", "fox"])
    assert same_order.columns == (0, 1, 2, 3)
    stranger = begun(path=str(path))
    with pytest.raises(
        BadCall, match=r"none of the stream's classes: it knows 'ape', 'bee', 'cat', 'dog', the"
    ):
        stranger.check_columns(["gnu", "hen", "ibis", "jay", "kea", "lynx"])


def test_one_that_learned_every_class_in_the_same_order_says_all_it_has(tmp_path: Path) -> None:
    made = trained(tmp_path / "m.safetensors", ["ape", "bee"], [[0], [1]])
    teacher = begun(path=str(tmp_path / "m.safetensors"))
    teacher.check_columns(["ape", "bee"])
    assert teacher.columns is None
    assert torch.equal(teacher.teach(batch_of(inputs(0))).logits, made(inputs(0)).detach())


def test_a_class_map_translates_names_but_does_not_contradict_them(tmp_path: Path) -> None:
    trained(tmp_path / "m.safetensors", ["tabby", "dog"], [[0, 1]])
    path = str(tmp_path / "m.safetensors")
    begun(path=path, class_map={0: 1}).check_columns(["dog", "cat"])
    begun(path=path, class_map={1: 0}).check_columns(["dog", "cat"])
    with pytest.raises(BadCall, match=r"column 1, class 'dog', to the student's column 1, class 'cat'"):
        begun(path=path, class_map={1: 1}).check_columns(["dog", "cat"])


def test_names_that_say_nothing_leave_the_columns_as_they_are(tmp_path: Path) -> None:
    trained(tmp_path / "m.safetensors", ["a", "a"], [[0, 1]])
    twice = begun(path=str(tmp_path / "m.safetensors"))
    twice.check_columns(["a", "b"])
    unnamed = begun(network(1))
    unnamed.check_columns(["a", "b"])
    assert twice.columns is None and unnamed.columns is None and unnamed.origin is None


def test_it_may_lie_on_a_server(
    wandb_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIFELONG_KD_MODELS", str(tmp_path / "models"))
    made = trained(tmp_path / "task_1.safetensors", ["a", "b"], [[0, 1]])
    files = {"task_1.safetensors": (tmp_path / "task_1.safetensors").read_bytes()}
    put_artifact(wandb_server.state, "p/big", files, {"digest": digest(made)})
    teacher = External(path="wandb:someone/p/big:latest")
    assert digest(teacher.module) == digest(made)
    assert teacher.origin == {"name": "someone/p/big:v0", "digest": digest(made)}


def test_a_run_teaches_one_whose_classes_come_in_another_order(tmp_path: Path) -> None:
    first, second = small_experiment(naive(), epochs=1), small_experiment(naive(), epochs=1)
    first.settings["model"] = {"name": "mlp", "hidden": [16], "batch_norm": True, "head": {"name": "linear"}}
    first.run(tmp_path / "run")
    names = [str(name) for name in second.stream.class_names]
    teacher = External(path=f"{tmp_path / 'run'}:2")
    teacher.check_columns(names)
    assert teacher.columns is None
    teacher.check_columns([names[1], names[0], *names[2:]])
    assert teacher._map == {0: 1, 1: 0, 2: 2, 3: 3, 4: 4, 5: 5}
    assert teacher.origin is not None
    assert (
        teacher.origin["name"]
        == json.loads((tmp_path / "run" / "lineage.json").read_text())["models"][2]["name"]
    )
