"""An exported program and an ONNX model say what the network says, of batches of any size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lifelong_kd.export.onnx import OnnxNetwork, export_onnx
from lifelong_kd.export.program import export_program
from lifelong_kd.model.multihead import ABSENT
from lifelong_kd.stream.transform import Pipeline
from tests.export.saved_models import SHAPE, saved

VIEW = {"pixels": True, "mean": [0.3], "std": [0.2], "dtype": "float32"}
MODELS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "mlp": ({"name": "mlp", "hidden": [6], "batch_norm": True}, {"name": "lsc", "proxies": 2}, {}),
    "resnet": ({"name": "resnet32", "width": 2, "blocks": 1}, {"name": "cosine"}, {"view": VIEW}),
    # Its classes have gaps: the columns of no head have logits, too.
    "heads": (
        {"name": "mlp", "hidden": [6]},
        {"name": "multihead"},
        {"tasks": [([3, 1], 0), ([0], 5)], "view": None},
    ),
}


def expected(network: nn.Module, view: Any, x: Tensor) -> Tensor:
    """By the stream's own pipeline and the network."""
    pipeline = Pipeline(mean=view["mean"], std=view["std"]) if view else Pipeline()
    with torch.no_grad():
        logits: Tensor = network(pipeline.eval(x))
    return logits


@pytest.mark.parametrize("name", MODELS)
def test_both_formats_give_the_networks_logits(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    model, head, further = MODELS[name]
    network = saved(tmp_path / "run", model, head, **further)
    about, found = export_program(tmp_path / "run", 1, tmp_path / "m.pt2")
    same, converted = export_onnx(tmp_path / "run", 1, tmp_path / "m.onnx")
    assert about == same and about["columns"] == ["ant", "bee", "cat", "dog"]
    notes = {"lifelong_kd": ""}
    program = torch.export.load(tmp_path / "m.pt2", extra_files=notes).module()
    onnx = OnnxNetwork(tmp_path / "m.onnx")
    assert json.loads(notes["lifelong_kd"]) == about
    assert json.loads(onnx.session.get_modelmeta().custom_metadata_map["lifelong_kd"]) == about
    for batch in (1, 7, 64):
        x = torch.rand(batch, *SHAPE)
        right = expected(network, further.get("view"), x)
        assert right.shape == (batch, 4)
        for exported in (program(x).detach(), onnx(x)):
            assert exported.shape == right.shape and exported.dtype == torch.float32
            torch.testing.assert_close(exported, right, rtol=0, atol=1e-5)
            assert bool((exported[:, 2] == ABSENT).all()) == (name == "heads")
    for one in (found, converted):
        assert one.samples == 72 and one.agreement == 1.0 and 0 <= one.difference < 1e-5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.onnx", "m.pt2", "run"]
