"""Run folders made by hand, as a run leaves them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

MATRIX = [[0.9, 0.1], [0.5, 0.7]]


def put(
    folder: Path,
    *,
    seed: int = 0,
    accuracy: float = 0.5,
    status: str = "finished",
    settings: dict[str, Any] | None = None,
    results: dict[str, Any] | None = None,
    **strategy: Any,
) -> Path:
    """A run of ``lwf`` on ``digits`` in ``folder``; ``strategy`` are its options, the mappings replace single keys."""
    folder.mkdir(parents=True)
    component = {"name": "lwf", "temperature": 2.0, **strategy}
    config = {
        "seed": seed,
        "name": None,
        "device": "cpu" if seed else "cuda",
        "stream": {"name": "digits", "scenario": "class"},
        "strategy": component,
        "training": {"epochs": 1, "threads": seed + 1},
        "tracking": {"log_every": seed + 1},
        **(settings or {}),
    }
    found = {
        "name": f"digits-class-{component['name']}-s{seed}",
        "run_id": folder.name,
        "status": status,
        "seed": seed,
        "strategy": component,
        "stream": config["stream"],
        "rounds": {"name": "single"},
        "scenario": "class",
        "class_order": [1, 0, 3, 2],
        "data": f"digest-{seed}",
        "average_accuracy": accuracy,
        "average_incremental_accuracy": accuracy,
        "learning_accuracy": accuracy,
        "forgetting": 0.25 if seed else None,
        "backward_transfer": -0.4,
        "forward_transfer": None,
        "accuracy_matrix": MATRIX,
        "per_task": [{"task": 0}, {"task": 1}],
        "readings": {"task": {"accuracy_matrix": MATRIX, "average_accuracy": 0.9}},
        "calibration": {"nll": 1.5, "calibration_forgetting": None},
        "references": {
            "joint": {"average_accuracy": 0.9},
            "intransigence": 0.125,
            "intransigence_per_task": [0.125],
        },
        "cost": {"training_seconds": 3.0, "memory_bytes": 0, "flops": None},
        **(results or {}),
    }
    environment = {
        "python": "3.11.7",
        "packages": {"torch": "2.15.0", "lifelong_kd": "0.1.0"},
        "code": "abcdef0123+",
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    (folder / "results.json").write_text(json.dumps(found))
    (folder / "environment.json").write_text(json.dumps(environment))
    (folder / "run.json").write_text(json.dumps({"run_id": folder.name, "status": status}))
    return folder
