"""The CIFAR-100 presets run: a few steps of each task, on noise of the data set's layout, with a thin ResNet-32."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lifelong_kd.config.build import build
from lifelong_kd.config.load import load_config
from lifelong_kd.training.families import registry as families

PRESETS = sorted((Path(__file__).parents[2] / "configs" / "split_cifar100").glob("*.yaml"))
# Scores beyond the accuracy matrix are not looked at here, and take longer than the training.
ALONE = [f"evaluation.{family}=false" for family in families.names()]
QUIET = ["tracking.wandb.mode=disabled", "tracking.console=off", "seed=0", *ALONE]
SHORT = ["training.iterations=2", "model.width=4"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("cifar100")
    folder = place / "cifar-100-python"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, each in (("train", 2), ("test", 1)):
        y = np.tile(np.arange(100), each).tolist()
        data = rng.integers(0, 256, (len(y), 3072), dtype=np.uint8)
        (folder / name).write_bytes(pickle.dumps({"data": data, "fine_labels": y}))
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": [f"class{k:02d}" for k in range(100)]}))
    with pytest.MonkeyPatch.context() as patch:
        # Our own files have other checksums than the real ones.
        patch.setattr(
            "torchvision.datasets.cifar.check_integrity", lambda path, md5=None: Path(path).is_file()
        )
        yield place


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_it_runs(preset: Path, root: Path, tmp_path: Path) -> None:
    overrides = [*QUIET, *SHORT, f"stream.root={root}"]
    strategy = load_config(preset, overrides).settings["strategy"]
    overrides += [
        f"strategy.{name}=1" for name, value in strategy.items() if name.endswith("epochs") and value
    ]
    experiment = build(load_config(preset, overrides))
    experiment.plots = False
    results = experiment.run(tmp_path / "run")
    tasks = len(experiment.stream.tasks)
    assert results["status"] == "finished"
    assert [len(row) for row in results["accuracy_matrix"]] == [tasks] * tasks
    assert experiment.stream.class_order[:3] == (68, 56, 78) or preset.stem == "icarl"
