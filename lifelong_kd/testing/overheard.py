"""A family of scores that is listened to while it is asked."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.stream.stream import Stream
from lifelong_kd.testing.expect import expect
from lifelong_kd.training.families.base import Family, Found, Look

__all__ = ["Overheard"]


class Overheard(Family):
    """Asks the family that is checked, and looks at what it answers and at what it leaves behind.

    ``traces`` is what it found during each task, as it was told at the end of the task's training.
    """

    def __init__(self, family: Family) -> None:
        expect(isinstance(family, Family), f"{family!r} is not a Family")
        self.family = family
        self.name = type(family).__name__
        self.traces: dict[int, list[Found]] = {}
        self._said: list[Found] = []
        self._steps: list[int] = []
        self._every: int | None = None

    def check(self, stream: Stream) -> None:
        self.family.check(stream)

    def interval(self, steps: int) -> int | None:
        every: Any = self._asked(lambda: self.family.interval(steps), f"interval({steps})")
        whole = isinstance(every, int) and not isinstance(every, bool) and every >= 1
        expect(every is None or whole, f"{self.name}.interval({steps}) is {every!r}: none, or at least 1")
        self._every = every
        return self._every

    def during(self, look: Look, step: int) -> Found:
        where = f"during task {look.task}, after {step} steps"
        found: Found = self._watched(lambda: self.family.during(look, step), look, where)
        if step == 0:
            self._said, self._steps = [], []
        self._steps.append(step)
        self._said += [copy.deepcopy(found)] if found else []
        return found

    def before_end(self, look: Look) -> Found:
        trace = list(look.pending.get("trace", []))
        if self._every is not None and self._steps[:1] == [0]:
            # Not looked at in a task that was resumed: what it said before is in the checkpoint.
            expect(trace == self._said, f"{self.name} is not told at the end what it found during training")
            expect(trace, f"{self.name} wants to be told during training, and finds nothing then")
        self.traces[look.task] = copy.deepcopy(trace)
        self._steps = []
        where = f"at the end of task {look.task}"
        return dict(self._watched(lambda: self.family.before_end(look), look, where))

    def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
        where = f"after task {look.task}"
        before = copy.deepcopy(list(earlier))
        found = self._watched(lambda: self.family.after_task(look, earlier), look, where)
        expect(list(earlier) == before, f"{self.name} changes what it found after earlier tasks")
        return dict(found)

    def summary(self, found: Sequence[Found]) -> dict[str, float | None]:
        before = copy.deepcopy(list(found))
        scores: Any = self._asked(lambda: self.family.summary(found), f"in its scores of {len(found)} tasks")
        expect(list(found) == before, f"{self.name} changes what it found when asked for its scores")
        expect(isinstance(scores, Mapping), f"the scores of {self.name} are {scores!r}, no mapping")
        for name, value in scores.items():
            flat = isinstance(name, str) and name and "/" not in name
            expect(flat, f"{self.name} has a score called {name!r}: a text without '/' is wanted")
            number = type(value) in (int, float) and math.isfinite(value)
            expect(value is None or number, f"the score {name!r} of {self.name} is {value!r}, no number")
        return dict(scores)

    def draw(self, folder: Path, found: Sequence[Found]) -> list[tuple[str, Path]]:
        before = copy.deepcopy(list(found))
        plots = self._asked(lambda: self.family.draw(folder, found), "when it draws")
        expect(list(found) == before, f"{self.name} changes what it found when it draws it")
        for key, path in plots:
            inside = isinstance(key, str) and Path(path).is_file() and folder in Path(path).parents
            expect(inside, f"{self.name} says that {path} is its plot {key!r}: no file in its folder")
        return list(plots)

    def _watched(self, ask: Callable[[], Any], look: Look, where: str) -> Any:
        """What is found, after looking at what was given for it."""
        heard = {key: said.logits.clone() for key, said in look.heard.items()}
        pending = copy.deepcopy(dict(look.pending))
        found = self._asked(ask, where)
        said = [(said.logits, heard[key]) for key, said in look.heard.items()]
        expect(
            all(map(_same, *zip(*said, strict=True))) if said else True,
            f"{self.name} {where} changes answers that other families hear, too",
        )
        expect(dict(look.pending) == pending, f"{self.name} {where} changes what it found before")
        expect(isinstance(found, dict), f"{self.name} {where} finds {found!r}, no dict")
        odd = _odd(found, "")
        expect(not odd, f"{self.name} {where} finds {odd}; allowed is plain data as JSON has it, without NaN")
        return found

    def _asked(self, ask: Callable[[], Any], where: str) -> Any:
        try:
            return ask()
        except Exception as error:
            said = str(error) if isinstance(error, BadCall) else f"{type(error).__name__}: {error}"
            raise AssertionError(f"{self.name} fails {where}: {said}") from error


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and bool(((one == other) | (one.isnan() & other.isnan())).all())


def _odd(value: Any, path: str) -> str | None:
    """The first part of nested data that is not plain, in words."""
    if type(value) is dict:
        names = [name for name in value if type(name) is not str]
        if names:
            return f"the name {names[0]!r} of type {type(names[0]).__name__} in {path or 'it'}"
        return next(filter(None, (_odd(part, f"{path}.{name}") for name, part in value.items())), None)
    if type(value) is list:
        return next(filter(None, (_odd(part, f"{path}[{n}]") for n, part in enumerate(value))), None)
    if type(value) is float and not math.isfinite(value):
        return f"{value} at {path.lstrip('.')}"
    plain = value is None or type(value) in (str, bool, int, float)
    return None if plain else f"a {type(value).__name__} at {path.lstrip('.')}"
