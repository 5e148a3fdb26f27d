"""Runs beside a run: what a joint and a fresh model reach on the same stream, for the scores that need to know."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lifelong_kd import __version__
from lifelong_kd.comparison.read import state_of, status_of
from lifelong_kd.config.build import build, pick_device
from lifelong_kd.config.load import Config, load_config
from lifelong_kd.config.sections import EvaluationSection
from lifelong_kd.core.errors import BadCall, RunFailed
from lifelong_kd.evaluation.transfer import (
    intransigence,
    intransigence_per_task,
    right_after,
    transfer_from_past,
    transfer_from_past_per_task,
)
from lifelong_kd.training.folder import RunFolder
from lifelong_kd.training.interrupt import Interrupted

__all__ = [
    "KINDS",
    "add_references",
    "has_references",
    "lacks_references",
    "reference_config",
    "reference_folder",
]

KINDS = ("joint", "fresh")
"""``joint``: all data so far together. ``fresh``: each task by itself, from random weights."""

STRATEGIES: dict[str, dict[str, Any]] = {
    "joint": {"name": "joint"},
    # Over the task's own classes: it knows of no others.
    "fresh": {"name": "compose", "task_loss": "new", "phases": [{"name": "fresh_start"}]},
}
MATTERS = ("seed", "precision", "stream", "model", "strategy", "optimizer", "training")
PATIENCE = 24 * 3600.0
"""Seconds to wait for another process that is making the same reference."""
PAUSE = 0.5

Say = Callable[[str], object]


def reference_config(config: Config, kind: str) -> Config:
    """The configuration of a reference: the stream, model, optimiser, training and seed of ``config``.

    The strategy is that of the reference, there is one round a task, and nobody but the run folder is told. Two runs
    that differ in what cannot change their references (strategy, rounds, evaluation, tracking) share them: the name is
    a digest of the rest.

    Raises:
        BadCall: for ``fresh`` with a model that is pre-trained or begins with another's weights, which random weights
            are no fair reference for.
        ConfigError: if the strategy does not go with the rest.
    """
    settings = json.loads(json.dumps(config.settings))
    model = settings["model"]
    if kind == "fresh" and any(model.get(key) for key in ("pretrained", "weights", "init")):
        raise BadCall("the model is pre-trained, and one of random weights is no fair reference for it")
    settings["strategy"] = STRATEGIES[kind]
    settings.pop("rounds", None)
    if kind == "fresh":
        settings["training"]["reset_optimizer"] = True
    families = [name for name in settings["evaluation"] if name not in EvaluationSection.model_fields]
    settings["evaluation"] = {"before_first": False, **dict.fromkeys(families, False)}
    settings["tracking"] = {"wandb": {"mode": "disabled"}, "console": "off"}
    matters = {name: settings[name] for name in MATTERS}
    matters |= {"device": pick_device(settings["device"]).partition(":")[0], "version": __version__}
    digest = hashlib.sha256(json.dumps(matters, sort_keys=True).encode()).hexdigest()[:12]
    stream = settings["stream"]
    about = re.sub(r"[^A-Za-z0-9._-]", "-", f"{stream['name']}-{stream['scenario']}")[:60]
    settings["name"] = f"{kind}-{about}-s{settings['seed']}-{digest}"
    return load_config(settings)


def reference_folder(run: Path, kind: str, reference: Config) -> Path:
    """Where a reference of the run in the folder ``run`` lies: ``references/<kind>/<name>`` beside that folder.

    One level deeper than a run, so that ``lifelong-kd compare`` of a folder of runs does not take it for one.
    """
    return run.absolute().parent / "references" / kind / reference.name


def has_references(run: Path) -> bool:
    """Whether the results in a run's folder have all references."""
    results = RunFolder(run).read_json("results.json")
    found = results.get("references") if isinstance(results, dict) else None
    return isinstance(found, dict) and all(found.get(kind) is not None for kind in KINDS)


def lacks_references(config: Config, run: Path) -> bool:
    """Whether a finished run asks for references that its results do not have yet."""
    return config.settings["evaluation"]["references"] == "make" and not has_references(run)


def _to_stderr(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def add_references(
    config: Config, folder: Path | str, *, say: Say = _to_stderr, patience: float = PATIENCE
) -> dict[str, Any]:
    """Make the references of a finished run, or take those that are there, and add ``references`` to its results.

    Intransigence compares the accuracy on each task right after it was learned with that of the joint run, both read as
    the stream's scenario says. The joint run goes on from its own weights from task to task. The transfer from the
    past compares it with the fresh run, both told apart among the classes of the task alone (the reading ``task``), as
    a model that was trained on one task knows no others.

    A reference that was killed is resumed, one that another process is making is waited for, and one that fails is left
    out with a message: the run itself is finished.

    Args:
        config: the run's configuration.
        folder: the run's folder.
        say: told what is being done, a line at a time.
        patience: seconds to wait for another process.

    Returns:
        ``joint`` and ``fresh`` (folder relative to the run's, ``run_id``, ``average_accuracy``, and ``accuracy`` on
        each task right after it was learned, as compared; ``None`` if left out), ``intransigence``,
        ``transfer_from_past``, and both ``_per_task``.

    Raises:
        BadCall: if the folder holds no finished run, or is in use.
        Interrupted: after Ctrl-C or SIGTERM.
    """
    run = Path(folder)
    place = RunFolder(run)
    if not run.is_dir():
        raise BadCall(f"{run}: there is no such run folder")
    place.lock()
    try:
        results = place.read_json("results.json")
        if not isinstance(results, dict) or results.get("status") != "finished":
            raise BadCall(f"{run} holds no finished run to make references for")
        found = _make(config, run, say, patience)
        references = {kind: _read(found[kind], results, kind, say) for kind in KINDS}
        scores = _scores(run, results, references, found)
        place.write_json("results.json", {**results, "references": scores})
    finally:
        place.unlock()
    return scores


def _make(config: Config, run: Path, say: Say, patience: float) -> dict[str, Path | None]:
    """The folder of each reference, finished; ``None`` for one that failed."""
    found: dict[str, Path | None] = {}
    until = time.monotonic() + patience
    waiting: set[str] = set()
    while pending := [kind for kind in KINDS if kind not in found]:
        for kind in pending:
            try:
                reference = reference_config(config, kind)
                place = reference_folder(run, kind, reference)
                with _claimed(place) as mine:
                    if mine:
                        _finish(reference, kind, place, say)
                        found[kind] = place
            except Interrupted as error:
                raise Interrupted(
                    "stopped while the references were made; the run itself is finished."
                    f" Go on with: lifelong-kd resume {run}"
                ) from error
            except Exception as error:
                # The run is finished, whatever becomes of a reference.
                what = (
                    str(error)
                    if isinstance(error, BadCall | RunFailed)
                    else f"{type(error).__name__}: {error}"
                )
                say(f"no {kind} reference: {what}")
                found[kind] = None
                continue
            if kind in found:
                continue
            if kind not in waiting:
                waiting.add(kind)
                say(f"the {kind} reference is being made by another process: waiting for {place}")
            if time.monotonic() > until:
                say(f"no {kind} reference: {place} is still in use after {patience:.0f} s")
                found[kind] = None
        if len(found) < len(KINDS) and all(kind in waiting for kind in KINDS if kind not in found):
            time.sleep(PAUSE)
    return found


@contextlib.contextmanager
def _claimed(place: Path) -> Iterator[bool]:
    """Whether this process alone may make the run in ``place``, for as long as the context lasts."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(place.with_name(f".{place.name}.lock"), "a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Someone may have resumed it by hand.
            RunFolder(place).refuse_in_use()
            mine = True
        except (BlockingIOError, BadCall):
            mine = False
        yield mine


def _finish(reference: Config, kind: str, place: Path, say: Say) -> None:
    """Run a reference, or what is left of it."""
    state = state_of(place)
    if state == "finished":
        return
    if state == "foreign":
        raise BadCall(f"{place} is not empty and holds no run")
    if state == "unfinished" and status_of(place) == "failed":
        raise RunFailed(f"it failed before: `lifelong-kd resume {place}` tries again, or remove that folder")
    say(f"{'resuming' if state == 'unfinished' else 'making'} the {kind} reference in {place}")
    going_on = state == "unfinished"
    build(reference, resume=place if going_on else None).run(place, resume=going_on)


def _read(place: Path | None, results: dict[str, Any], kind: str, say: Say) -> dict[str, Any] | None:
    """The results of a reference, if it was made of the same data."""
    if place is None:
        return None
    there: dict[str, Any] = RunFolder(place).read_json("results.json")
    if any(there.get(key) != results.get(key) for key in ("data", "class_order")):
        say(
            f"no {kind} reference: {place} was made of other data, which have changed since; remove that folder"
        )
        return None
    return there


def _scores(
    run: Path,
    results: dict[str, Any],
    references: dict[str, dict[str, Any] | None],
    places: dict[str, Path | None],
) -> dict[str, Any]:
    scores: dict[str, Any] = dict.fromkeys(
        (
            *KINDS,
            "intransigence",
            "transfer_from_past",
            "intransigence_per_task",
            "transfer_from_past_per_task",
        )
    )
    for kind, there in references.items():
        place = places[kind]
        if there is None or place is None:
            continue
        reading = "own" if kind == "joint" else "task"
        accuracy = right_after(_matrix(there, reading))
        scores[kind] = {
            "folder": os.path.relpath(place, run.absolute()),
            "run_id": there["run_id"],
            "average_accuracy": there["average_accuracy"],
            "accuracy": accuracy,
        }
        R = _matrix(results, reading)
        if kind == "joint":
            scores["intransigence"] = intransigence(R, accuracy)
            scores["intransigence_per_task"] = intransigence_per_task(R, accuracy)
        else:
            scores["transfer_from_past"] = transfer_from_past(R, accuracy)
            scores["transfer_from_past_per_task"] = transfer_from_past_per_task(R, accuracy)
    return scores


def _matrix(results: dict[str, Any], reading: str) -> list[list[float]]:
    matrix: list[list[float]] = (results if reading == "own" else results["readings"][reading])[
        "accuracy_matrix"
    ]
    return matrix
