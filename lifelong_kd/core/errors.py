"""Errors a user can act on: what was found, where, what is allowed, and the nearest right name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = [
    "BadCall",
    "ConfigError",
    "DataMissing",
    "Diverged",
    "LifelongError",
    "Problem",
    "RunFailed",
    "nearest",
]


class LifelongError(Exception):
    """Base of every error that is shown as a message, never as a traceback.

    ``exit_code`` is what the command line returns: 2 for a bad call, 1 for a run that failed.
    """

    exit_code = 1


class BadCall(LifelongError):
    """The call cannot be carried out as written (exit 2); nothing was changed on disk."""

    exit_code = 2


class DataMissing(BadCall):
    """A data set is not where it was looked for; the message says what, where and what to do."""


class RunFailed(LifelongError):
    """A run stopped half-way (exit 1): its folder is kept and can be resumed."""


class Diverged(RunFailed):
    """The loss, the weights or the answers are no longer finite; a controller of rounds may try another."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a configuration.

    ``where`` is the file (or ``command line``), ``key`` the dotted key, ``found`` the offending value,
    ``allowed`` what would be right, ``hint`` the nearest right name.
    """

    key: str
    message: str
    where: str = ""
    hint: str | None = None

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        key = f"{self.key}: " if self.key else ""
        hint = f" Did you mean {self.hint!r}?" if self.hint else ""
        return f"{place}{key}{self.message}{hint}"


class ConfigError(BadCall):
    """Everything that is wrong with a configuration, at once."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: Sequence[Problem] = tuple(problems)
        count = len(self.problems)
        head = "1 problem" if count == 1 else f"{count} problems"
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        Exception.__init__(self, f"{head} in the configuration:\n{lines}")


def nearest(name: str, allowed: Iterable[str]) -> str | None:
    """The allowed name most like ``name``, or ``None`` if none is near.

    >>> nearest("temprature", ["temperature", "weight"])
    'temperature'
    """
    matches = difflib.get_close_matches(name, list(allowed), n=3, cutoff=0.6)
    # Two letters in the wrong order are a likelier slip than a wrong one.
    swapped = [match for match in matches if sorted(match) == sorted(name)]
    return next(iter(swapped or matches), None)
