"""A study of Optuna, rebuilt from the rounds there were: what to try next, what to give up, and its file."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lifelong_kd.core.errors import BadCall, RunFailed

__all__ = ["Range", "Tried", "break_off", "suggest", "write_study"]


@dataclass(frozen=True)
class Range:
    """What a number is searched in, on a logarithmic scale: from ``low`` > 0 to ``high``, both included.

    ``whole`` leaves whole numbers only.
    """

    low: float
    high: float
    whole: bool = False

    def including(self, value: float) -> Range:
        """The same, widened to ``value`` where that lies outside."""
        return Range(min(self.low, value), max(self.high, value), self.whole)


@dataclass(frozen=True)
class Tried:
    """A round that is over: the values it had, its score, and its curve; a ``pruned`` one was broken off."""

    values: Mapping[str, float]
    score: float
    curve: tuple[float, ...] = ()
    pruned: bool = False
    kept: bool = False
    why: str = ""


def suggest(
    tried: Sequence[Tried], space: Mapping[str, Range], *, seed: int, startup: int
) -> dict[str, float]:
    """The values to try next: drawn at random for ``startup`` rounds, then by a tree-structured Parzen estimator.

    Paper: Bergstra, Bardenet, Bengio, Kégl, "Algorithms for Hyper-Parameter Optimization" (NIPS 2011). The same for
    the same arguments and the same version of Optuna.

    Raises:
        BadCall: if Optuna is not installed.
    """
    optuna = load_optuna()
    with quiet(optuna):
        # numpy's seeds have 32 bits.
        sampler = optuna.samplers.TPESampler(n_startup_trials=startup, seed=seed % 2**32)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.add_trials(_frozen(optuna, tried, space))
        asked = study.ask(_distributions(optuna, space))
        return {name: asked.params[name] for name in space}


def break_off(
    tried: Sequence[Tried],
    space: Mapping[str, Range],
    curve: Sequence[float],
    *,
    startup: int,
    warm_up: int,
) -> bool:
    """Whether the best of ``curve`` is below the median of the rounds that went to their end, after as many epochs.

    Never before ``startup`` rounds went to their end, nor before ``warm_up`` epochs; after the median rule of Golovin
    et al., "Google Vizier" (KDD 2017).

    Raises:
        BadCall: if Optuna is not installed.
    """
    optuna = load_optuna()
    with quiet(optuna):
        pruner = optuna.pruners.MedianPruner(n_startup_trials=startup, n_warmup_steps=warm_up)
        study = optuna.create_study(direction="maximize", pruner=pruner)
        study.add_trials(_frozen(optuna, tried, space))
        running = optuna.create_trial(
            state=optuna.trial.TrialState.RUNNING, intermediate_values=_steps(curve)
        )
        return bool(pruner.prune(study, running))


def write_study(path: Path, name: str, tried: Sequence[Tried], space: Mapping[str, Range]) -> None:
    """Write the study called ``name`` as a journal that Optuna opens; what was there before is replaced at once.

    Raises:
        BadCall: if Optuna is not installed.
        RunFailed: if the file cannot be written.

    Example:
        >>> storage = JournalStorage(JournalFileBackend("studies/task_0.journal"))  # doctest: +SKIP
        >>> optuna.load_study(study_name="task_0", storage=storage).best_params  # doctest: +SKIP
    """
    optuna = load_optuna()
    journal = importlib.import_module("optuna.storages.journal")
    beside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # What a killed process left would be added to, or, as a lock, waited for.
        for left in (beside, Path(f"{beside}.lock")):
            left.unlink(missing_ok=True)
        with quiet(optuna):
            storage = journal.JournalStorage(journal.JournalFileBackend(str(beside)))
            study = optuna.create_study(direction="maximize", study_name=name, storage=storage)
            study.add_trials(_frozen(optuna, tried, space))
        os.replace(beside, path)
    except OSError as error:
        raise RunFailed(f"{path} could not be written: {error}") from error


def load_optuna() -> Any:
    """Optuna, if it is installed.

    Raises:
        BadCall: with how to install it.
    """
    try:
        return importlib.import_module("optuna")
    except ImportError as error:
        raise BadCall(
            "rounds 'search' needs the package optuna, which is not installed: pip install 'lifelong_kd[search]'."
        ) from error


@contextmanager
def quiet(optuna: Any) -> Iterator[None]:
    """Inside, Optuna says nothing but errors; afterwards as much as before."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _distributions(optuna: Any, space: Mapping[str, Range]) -> dict[str, Any]:
    made = optuna.distributions
    return {
        name: made.IntDistribution(int(span.low), int(span.high), log=True)
        if span.whole
        else made.FloatDistribution(span.low, span.high, log=True)
        for name, span in space.items()
    }


def _frozen(optuna: Any, tried: Sequence[Tried], space: Mapping[str, Range]) -> list[Any]:
    states = optuna.trial.TrialState
    distributions = _distributions(optuna, space)
    return [
        optuna.create_trial(
            state=states.PRUNED if one.pruned else states.COMPLETE,
            value=one.score,
            params={name: one.values[name] for name in space},
            distributions=distributions,
            intermediate_values=_steps(one.curve),
            user_attrs={"kept": one.kept, "why": one.why},
        )
        for one in tried
    ]


def _steps(curve: Sequence[float]) -> dict[int, float]:
    """By the number of epochs that were over."""
    return dict(enumerate(curve, start=1))
