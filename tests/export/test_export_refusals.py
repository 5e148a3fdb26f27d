"""What cannot be exported leaves no file behind, and a message that says what to do."""

from __future__ import annotations

import copy
import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from lifelong_kd.cli import main
from lifelong_kd.core.errors import BadCall, RunFailed
from lifelong_kd.export import compared, program
from lifelong_kd.export.compared import compare
from lifelong_kd.export.deployed import Deployed
from lifelong_kd.export.onnx import OnnxNetwork, export_onnx
from lifelong_kd.export.place import whole
from lifelong_kd.export.program import export_program
from lifelong_kd.model import registry
from lifelong_kd.model.backbone import Backbone
from tests.export.saved_models import saved


class _Rotating(Backbone):
    """Computes what ONNX has no operator for."""

    feature_size = 4

    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.matrix_exp(x.flatten(1)[:, :4].reshape(-1, 2, 2)).flatten(1)


class _Looking(Backbone):
    """Computes what depends on the values that it sees."""

    feature_size = 64

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) if x.sum() > 0 else -x.flatten(1)


@pytest.fixture
def odd_models(monkeypatch: pytest.MonkeyPatch) -> None:
    get = registry.get
    odd = {"rotating": _Rotating, "looking": _Looking}

    def found(name: str) -> Any:
        return (lambda shape: odd[name]()) if name in odd else get(name)

    monkeypatch.setattr(registry, "get", found)
    monkeypatch.setattr("lifelong_kd.config.make.make_options", lambda noun, settings: {})


def call(*words: object) -> Any:
    return CliRunner().invoke(main, [str(word) for word in words])


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_operator_that_onnx_lacks_is_named(tmp_path: Path, odd_models: None) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    saved(tmp_path / "run", {"name": "rotating"}, {"name": "linear"})
    with pytest.raises(BadCall, match=r"ONNX has no counterpart of the operator aten\.linalg_matrix_exp"):
        export_onnx(tmp_path / "run", 1, tmp_path / "out" / "m.onnx")
    assert files(tmp_path / "out") == []
    # torch.export knows it.
    _, found = export_program(tmp_path / "run", 1, tmp_path / "out" / "m.pt2")
    assert found.difference < 1e-5 and files(tmp_path / "out") == ["m.pt2"]


def test_a_network_that_looks_at_values_is_refused(
    tmp_path: Path, odd_models: None, capfd: pytest.CaptureFixture[str]
) -> None:
    saved(tmp_path / "run", {"name": "looking"}, {"name": "linear"})
    with pytest.raises(BadCall, match=r"torch\.export cannot write down .* must not look at the values"):
        export_program(tmp_path / "run", 1, tmp_path / "m.pt2")
    assert files(tmp_path) == ["run"]


def test_another_answer_is_no_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path / "run", {"name": "mlp", "hidden": [3]}, {"name": "linear"})
    traced = program.traced

    def of_another(deployed: Deployed, about: dict[str, Any]) -> Any:
        other = copy.deepcopy(deployed)
        with torch.no_grad():
            other.get_parameter("network.head.bias").add_(0.5)
        return traced(other, about)

    monkeypatch.setattr(program, "traced", of_another)
    with pytest.raises(RunFailed, match=r"says something else than the network: a logit differs by 0\.5"):
        export_program(tmp_path / "run", 1, tmp_path / "m.pt2")
    assert files(tmp_path) == ["run"]


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if "onnx" in name else find(name, *rest)
    )
    with pytest.raises(
        BadCall, match=r"needs onnx, onnxruntime, onnxscript: pip install 'lifelong_kd\[onnx\]'"
    ):
        export_onnx(tmp_path / "run", 1, tmp_path / "m.onnx")


@pytest.mark.parametrize("form", ["program", "onnx"])
def test_the_command_refuses(form: str, tmp_path: Path) -> None:
    saved(tmp_path / "run", {"name": "mlp", "hidden": [3]}, {"name": "linear"})
    (tmp_path / "m").write_text("mine")
    result = call("export", tmp_path / "run", "--format", form, "--out", tmp_path / "m")
    assert result.exit_code == 2 and "is there already" in result.stderr
    result = call("export", tmp_path / "run", "--task", 0, "--format", form, "--out", tmp_path / "x")
    assert result.exit_code == 2 and "it has them for tasks 1" in result.stderr
    assert (tmp_path / "m").read_text() == "mine" and files(tmp_path) == ["m", "run"]


def test_the_command_says_what_the_program_takes(tmp_path: Path) -> None:
    saved(
        tmp_path / "run",
        {"name": "mlp", "hidden": [3]},
        {"name": "linear"},
        view={"pixels": True, "mean": [0.5], "std": [0.5], "dtype": "float32"},
        corrected_by=["NearestMean"],
    )
    result = call("export", tmp_path / "run", "--format", "program", "--out", tmp_path / "m.pt2")
    assert result.exit_code == 0, result.stderr
    written, takes, gives, corrected, compared_, *_ = result.output.splitlines()
    assert written == f"written: {tmp_path / 'm.pt2'}"
    assert takes == "takes x, float32 (batch, 1, 8, 8): pixels in [0, 1], which it normalises itself"
    assert gives.endswith("the classes ant, bee, cat, dog") and "NearestMean" in corrected
    assert "compared on 72 samples" in compared_ and "the same class in 100.0 %" in compared_
    assert f"torch.export.load('{tmp_path / 'm.pt2'}')" in result.output


def test_a_damaged_model_is_refused_by_onnxruntime(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "m.onnx").write_bytes(b"no model")
    with pytest.raises(BadCall, match="onnxruntime does not take the model"):
        OnnxNetwork(tmp_path / "m.onnx")


def test_comparing_by_hand() -> None:
    def ours(x: Tensor) -> Tensor:
        return x.flatten(1)

    found = compare(ours, lambda x: ours(x) + 1e-4, [3])
    assert found.difference == pytest.approx(1e-4, rel=0.01)
    assert (found.samples, found.agreement) == (1 + 7 + 64, 1.0)
    assert compare(lambda x: ours(x) * float("-inf"), lambda x: ours(x) * float("-inf"), [3]).difference == 0
    with pytest.raises(RunFailed, match=r"says something else .* differs by 0\.1"):
        compare(ours, lambda x: ours(x) + 0.1, [3])
    with pytest.raises(RunFailed, match="differs by nan"):
        compare(ours, lambda x: ours(x) * torch.nan, [3])
    with pytest.raises(RunFailed, match=r"gives \(1, 2\) where the network gives \(1, 3\)"):
        compare(ours, lambda x: ours(x)[:, :2], [3])
    # By the largest logit: what is rounding for logits of thousands is not for those of one.
    assert compare(lambda x: 1e4 * ours(x), lambda x: 1e4 * ours(x) + 1.0, [3]).difference > 0.9
    assert set(compared.examples(5, [2], "int64").flatten().tolist()) <= {0, 1}


def test_a_file_is_whole_or_absent(tmp_path: Path) -> None:

    def broken() -> None:
        with whole(tmp_path / "a" / "m.pt2") as beside:
            beside.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert files(tmp_path / "a") == []
    with whole(tmp_path / "a" / "m.pt2") as beside:
        assert beside.suffix == ".pt2"
        beside.write_text("all")
    assert files(tmp_path / "a") == ["m.pt2"]
    (tmp_path / "file").touch()
    with pytest.raises(RunFailed, match="could not be written"), whole(tmp_path / "file" / "m.pt2"):
        raise AssertionError("unreachable")
