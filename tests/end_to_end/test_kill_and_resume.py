"""A run that is killed again and again ends as one that never was; no two processes share a folder."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from harness import LWF, Nursery, assert_same_run, listing, metrics, results, written

from lifelong_kd.comparison.read import state_of

DERPP = {
    **LWF,
    "model": {"name": "mlp", "hidden": [24], "batch_norm": True, "head": "linear"},
    "strategy": {"name": "derpp", "memory": 50, "memory_batch": 16},
}
ICARL = {
    **LWF,
    "stream": {"name": "split_digits", "experiences": 5, "scenario": "task"},
    "model": {"name": "mlp", "hidden": [24], "head": "multihead"},
    "strategy": {"name": "icarl", "memory": 60},
}
SHORT = {**LWF["training"], "epochs": 2, "batch_size": 128}
PLASTICITY = {
    **DERPP,
    "training": SHORT,
    "rounds": {"name": "plasticity_stability", "first_learning_rates": [0.05], "rates": 1, "attempts": 2},
    "evaluation": {"stability": {"every": 4, "samples": 20}},
}
BORN_AGAIN = {**ICARL, "training": SHORT, "rounds": {"name": "born_again", "generations": 2, "noise": 0.0}}
BALANCE = {**LWF, "training": SHORT, "rounds": {"name": "balance", "budget": 3, "noise": 0.0}}
SEARCH = {**LWF, "training": SHORT, "rounds": {"name": "search", "trials": 3}}


def moments(journal: Path, steps: int, writes: int, chance: random.Random) -> list[list[Any]]:
    """Random moments of a whole run, in their order: after a step, or around one of its writes."""
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    stepped = [number for number, (_, name) in enumerate(events) if name is None]
    wrote = [number for number, (_, name) in enumerate(events) if name is not None]
    chosen = sorted([*chance.sample(stepped, steps), *chance.sample(wrote, writes)])
    return [[*events[number], chance.choice(["half", "before", "after"])] for number in chosen]


@pytest.mark.parametrize(
    ("settings", "steps", "writes"),
    [
        (LWF, 4, 6),
        (DERPP, 4, 6),
        (ICARL, 2, 4),
        (PLASTICITY, 2, 3),
        (BORN_AGAIN, 2, 3),
        (BALANCE, 2, 3),
        (SEARCH, 2, 3),
    ],
    ids=[
        "lwf",
        "derpp",
        "icarl-multihead",
        "derpp-plasticity",
        "icarl-multihead-born-again",
        "lwf-balance",
        "lwf-search",
    ],
)
def test_killed_and_resumed_is_the_same_bit_for_bit(
    nursery: Nursery, tmp_path: Path, settings: dict[str, Any], steps: int, writes: int
) -> None:
    config = written(tmp_path / "config.yaml", settings)
    journal, run, whole = tmp_path / "journal", tmp_path / "killed", tmp_path / "whole"
    nursery.finish("run", config, "--out", whole, journal=str(journal))
    planned = moments(journal, steps, writes, random.Random(f"{settings['strategy']['name']} 1"))
    for moment in planned:
        begun = (run / "config.yaml").exists()
        ended = nursery.call(*(("resume", run) if begun else ("run", config, "--out", run)), moment=moment)
        assert ended.status == -signal.SIGKILL, f"not killed at {moment}: {ended.said}"
        if state_of(run) == "finished":  # killed after its very last write
            break
    else:
        nursery.finish("resume", run)
    assert_same_run(run, whole)


def test_killed_inside_a_later_round_of_a_later_task(nursery: Nursery, tmp_path: Path) -> None:
    """In the second epoch of the third round of the fourth task: two rounds and an epoch are not trained again."""
    config = written(tmp_path / "config.yaml", BALANCE)
    run, whole, journal = tmp_path / "killed", tmp_path / "whole", tmp_path / "journal"
    nursery.finish("run", config, "--out", whole)
    assert [len(entry["rounds"]) for entry in results(whole)["per_task"]] == [1, 3, 3, 3, 3]
    judged = {
        (line["task"], line["values"]["round/index"]): line["iteration"]
        for line in metrics(whole)
        if "round/index" in line["values"]
    }
    begins, ends = judged[3, 1], judged[3, 2]
    half, at = (begins + ends) // 2, begins + 3 * (ends - begins) // 4
    assert nursery.call("run", config, "--out", run, moment=[at, None, ""]).status == -signal.SIGKILL
    pointer = json.loads((run / "checkpoints" / "latest.json").read_text())
    assert (pointer["task"], pointer["epoch"]) == (3, 1)
    nursery.finish("resume", run, journal=str(journal))
    steps = [number for number, name in map(json.loads, journal.read_text().splitlines()) if name is None]
    assert steps[0] in (half, half + 1), (begins, half, ends)
    assert_same_run(run, whole)


def test_killed_from_outside_at_any_time(nursery: Nursery, tmp_path: Path) -> None:
    config = written(tmp_path / "config.yaml", LWF, training={"epochs": 8, "checkpoint_every": 3})
    began = time.monotonic()
    nursery.finish("run", config, "--out", tmp_path / "whole")
    seconds = time.monotonic() - began
    run, chance, killed = tmp_path / "killed", random.Random(4), 0
    for _ in range(4):
        begun = (run / "config.yaml").exists()
        pid = nursery.start(*(("resume", run) if begun else ("run", config, "--out", run)))
        time.sleep(chance.uniform(0.2, 0.7) * seconds)
        os.kill(pid, signal.SIGKILL)
        ended = nursery.wait(pid)
        assert ended.status in (0, -signal.SIGKILL), ended.said
        killed += ended.status != 0
        if state_of(run) == "finished":
            break
    else:
        nursery.finish("resume", run)
    assert killed
    assert_same_run(run, tmp_path / "whole")


def test_one_wandb_run_for_life(nursery: Nursery, tmp_path: Path) -> None:
    config = written(tmp_path / "config.yaml", LWF, tracking={"wandb": {"mode": "offline"}})
    run = tmp_path / "run"
    ids = set()
    for words, moment in ((("run", config, "--out", run), [20, None, ""]), (("resume", run), [50, None, ""])):
        assert nursery.call(*words, moment=moment).status == -signal.SIGKILL
        ids.add(json.loads((run / "run.json").read_text())["run_id"])
    said = nursery.finish("resume", run).said
    ids.add(json.loads((run / "run.json").read_text())["run_id"])
    (run_id,) = ids
    parts = sorted((run / "wandb").glob("offline-run-*"))
    assert len(parts) == 3
    assert all(re.fullmatch(rf"offline-run-\d+_\d+-{run_id}(-\d+)?", part.name) for part in parts)
    # A process killed within the SDK's first moments has its folder and may not have its file: nothing to upload.
    begun = [part for part in parts if (part / f"run-{run_id}.wandb").exists()]
    assert parts[-1] in begun and all((part / f"run-{run_id}.wandb").stat().st_size > 0 for part in begun)
    assert f"wandb sync {' '.join(str(part) for part in begun)}\n" in said
    assert [line for line in metrics(run) if line["axis"] == "task"] == sorted(
        (line for line in metrics(run) if line["axis"] == "task"), key=lambda line: line["task"]
    )
    iterations = [line["iteration"] for line in metrics(run) if line["axis"] == "iteration"]
    assert iterations == sorted(set(iterations))


def test_two_processes_cannot_have_one_folder(nursery: Nursery, tmp_path: Path) -> None:
    config = written(tmp_path / "config.yaml", LWF)
    journal, run = tmp_path / "journal", tmp_path / "run"
    pid = nursery.start("run", config, "--out", run, journal=str(journal), moment=[9, None, "pause"])
    while not journal.exists() or "[9, null]" not in journal.read_text():
        time.sleep(0.01)
    before = listing(run)
    for words in (("run", config, "--out", run), ("resume", run)):
        ended = nursery.call(*words)
        assert ended.status == 2
        assert ended.said == (
            f"error: the run folder {run} is in use by process {pid}: wait for it, stop it, or give another --out\n"
        )
    assert listing(run) == before
    os.kill(pid, signal.SIGKILL)
    assert nursery.wait(pid).status == -signal.SIGKILL
    ended = nursery.call("run", config, "--out", run)
    assert ended.status == 2 and f"lifelong-kd resume {run}" in ended.said
    nursery.finish("resume", run)
