"""What every tracker promises."""

from __future__ import annotations

from pathlib import Path

from lifelong_kd.testing.expect import expect
from lifelong_kd.tracking.base import RunInfo, Tracker

__all__ = ["check_tracker"]


def check_tracker(tracker: Tracker, folder: Path) -> None:
    """Check that a tracker takes everything a run tells it, keeps to its folder and may be finished twice.

    Raises:
        AssertionError: saying which promise is broken.
    """
    name = type(tracker).__name__
    folder.mkdir(parents=True, exist_ok=True)
    outside = set(folder.parent.iterdir())
    tracker.finish("interrupted")
    tracker.start(
        RunInfo(
            name="check",
            folder=folder,
            config={"seed": 0, "strategy": {"name": "naive"}},
            run_id="check0",
            stream="split_digits",
            strategy="naive",
            scenario="class",
            seed=0,
            tasks=2,
            about={"data": "d0", "class_order": [1, 0], "environment": {"python": "3"}},
        )
    )
    step = {"task": 0, "epoch": 1, "iteration": 10, "evaluation": 1}
    tracker.progress(0, 0, 1, 1, 10)
    tracker.log({"train/loss": float("nan"), "train/loss/kd": 0.5}, "iteration", step)
    tracker.log(
        {"task/test_accuracy": 0.5, "task/classes": "0, 1", "task/validation_accuracy": None}, "task", step
    )
    tracker.log({"round/index": 0}, "evaluation", step)
    tracker.table("matrix", ["after", "test", "accuracy"], [[0, 0, 0.5], [0, 1, None]], step)
    files = [folder / "config.yaml", folder / "results.json"]
    for file in files:
        file.write_text("{}", encoding="utf-8")
    parents = [{"name": "check0-task-0", "digest": "d0", "role": "student"}]
    tracker.artifact(files[0], "check0-task-1", "model", {"task": 1, "digest": "d1", "parents": parents})
    tracker.artifact(files, "check0-results", "results", {"average_accuracy": 0.5})
    expect(isinstance(tracker.wants_figures, bool), f"{name}.wants_figures is neither true nor false")
    tracker.summary({"average_accuracy": 0.5, "forward_transfer": None})
    tracker.message("a sentence")
    tracker.finish("finished")
    tracker.finish("finished")
    expect(
        all(len(line) == 2 for line in tracker.closing()),
        f"{name} closes with lines that are not (label, text)",
    )
    left = set(folder.parent.iterdir()) - outside
    expect(not left, f"{name} wrote outside its run folder: {sorted(path.name for path in left)}")
