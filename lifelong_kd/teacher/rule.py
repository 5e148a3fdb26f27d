"""A rule: a pattern, a threshold or a function that says of which class a sample is, or nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from torch import Tensor

from lifelong_kd.core.errors import BadCall, nearest
from lifelong_kd.knowledge.options import positive

__all__ = ["Look", "Rule", "from_mapping", "named", "rule"]

Look = Literal["sample", "metadata"]
"""What a rule is shown: the sample, a text or a tensor, or what the data say about it."""

Vote = str | tuple[str, float] | None
"""A class, a class with a weight, or nothing."""

Function = TypeVar("Function", bound=Callable[[Any], Vote])


@dataclass(frozen=True)
class Rule:
    """``says(sample)`` is a vote; ``labels`` are the classes that it can name, where they are known beforehand.

    ``field`` is what it reads of the metadata; both are known of a rule that is written as a mapping.
    """

    name: str
    says: Callable[[Any], Vote]
    weight: float = 1.0
    look: Look = "sample"
    labels: tuple[str, ...] = ()
    field: str | None = None


_functions: dict[str, tuple[Rule, str]] = {}


def rule(name: str, *, weight: float = 1.0, look: Look = "sample") -> Callable[[Function], Function]:
    """Give a function of one's own a name under which the teacher ``rules`` finds it.

    The function is given a text, a tensor (images float in [0, 1], channels first) or, with ``look="metadata"``, the
    mapping of what the data say about a sample, and returns the name of a class, that and a weight, or ``None``.

    Args:
        name: under which the teacher's option ``functions`` refers to it.
        weight: of its votes.
        look: what it is shown, ``sample`` or ``metadata``.

    Raises:
        BadCall: if another file has given a function that name.

    >>> @rule("asks_for_a_ride")
    ... def asks_for_a_ride(text: str) -> str | None:
    ...     return "uber" if "ride" in text else None
    """
    positive(f"the weight of rule {name!r}", weight)

    def registered(function: Function) -> Function:
        place = function.__code__.co_filename if hasattr(function, "__code__") else "python"
        if name in _functions and _functions[name][1] != place:
            raise BadCall(f"{place}: the rule {name!r} stands in {_functions[name][1]} already; rename one")
        _functions[name] = Rule(name, function, weight, look), place
        return function

    return registered


def named(name: str) -> Rule:
    """The function registered under ``name``.

    Raises:
        BadCall: if there is none.
    """
    if name not in _functions:
        hint = nearest(name, _functions)
        raise BadCall(
            f"there is no rule {name!r}."
            + (f" Did you mean {hint!r}?" if hint else "")
            + " Write @lifelong_kd.teacher.rule.rule(NAME) above a function and name its file under 'imports'."
        )
    return _functions[name][0]


_KEYS = ("name", "label", "pattern", "field", "statistic", "above", "below", "weight")


def from_mapping(given: Any, place: str) -> Rule:
    """A pattern or a threshold as a configuration or a file has it.

    Args:
        given: ``{pattern: REGEX, label: CLASS}``, matched anywhere in a text, upper and lower case alike; or ``{field:
            NAME, ...}`` or ``{statistic: NAME, ...}`` with ``above``, ``below`` or both, and ``label``. ``name`` and
            ``weight`` may stand in each.
        place: where it stands, for messages.

    Raises:
        BadCall: saying what is wrong with it.
    """
    if not isinstance(given, Mapping):
        raise BadCall(
            f"{place} is {given!r}; a rule is a mapping such as {{pattern: 'taxi|ride', label: uber}}"
        )
    for key in given:
        if key not in _KEYS:
            hint = nearest(str(key), _KEYS)
            raise BadCall(
                f"{place} has the unknown key {key!r}."
                + (f" Did you mean {hint!r}?" if hint else f" Allowed: {', '.join(_KEYS)}.")
            )
    kinds = [key for key in ("pattern", "field", "statistic") if given.get(key) is not None]
    if len(kinds) != 1 or given.get("label") is None:
        raise BadCall(f"{place} needs a label and one of pattern, field and statistic; found {dict(given)}")
    kind, label = kinds[0], str(given["label"])
    name = str(place if given.get("name") is None else given["name"])
    weight = positive(f"{place}: weight", _number(given.get("weight", 1.0), f"{place}: weight"))
    if kind == "pattern":
        if "above" in given or "below" in given:
            raise BadCall(f"{place}: a pattern has no threshold; leave out above and below")
        return Rule(name, _pattern(str(given["pattern"]), label, place), weight, "sample", (label,))
    low, high = (
        _number(given.get(key, default), f"{place}: {key}")
        for key, default in (("above", -math.inf), ("below", math.inf))
    )
    if "above" not in given and "below" not in given:
        raise BadCall(f"{place}: a threshold needs above, below, or both")
    value = str(given[kind])
    if kind == "field":
        return Rule(name, _field(value, low, high, label), weight, "metadata", (label,), value)
    if value not in STATISTICS:
        hint = nearest(value, STATISTICS)
        raise BadCall(
            f"{place}: there is no statistic {value!r}."
            + (f" Did you mean {hint!r}?" if hint else "")
            + f" Allowed: {', '.join(STATISTICS)}."
        )
    return Rule(name, _statistic(value, low, high, label), weight, "sample", (label,))


def _number(value: Any, what: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise BadCall(f"{what} is a number, found {value!r}") from None


def _pattern(pattern: str, label: str, place: str) -> Callable[[Any], Vote]:
    try:
        search = re.compile(pattern, re.IGNORECASE).search
    except re.error as error:
        raise BadCall(f"{place}: the pattern {pattern!r} is no regular expression: {error}") from None

    def says(text: Any) -> Vote:
        if not isinstance(text, str):
            raise TypeError("a pattern looks at a text, and these samples are none")
        return label if search(text) else None

    return says


def _field(name: str, low: float, high: float, label: str) -> Callable[[Any], Vote]:
    def says(about: Mapping[str, Any]) -> Vote:
        value = about.get(name)
        # A sample of which the data do not say it, or leave it blank, is one to abstain from.
        if value is None or not str(value).strip():
            return None
        return label if low < float(value) < high else None

    return says


def _text(text: Any) -> str:
    if not isinstance(text, str):
        raise TypeError("this statistic is one of texts, and these samples are none")
    return text


def _tensor(sample: Any) -> Tensor:
    if not isinstance(sample, Tensor):
        raise TypeError("this statistic is one of numbers, and these samples are texts")
    return sample


STATISTICS: dict[str, Callable[[Any], float]] = {
    "length": lambda sample: float(len(_text(sample))),
    "words": lambda sample: float(len(_text(sample).split())),
    "mean": lambda sample: float(_tensor(sample).mean()),
    "std": lambda sample: float(_tensor(sample).std(correction=0)),
    "min": lambda sample: float(_tensor(sample).min()),
    "max": lambda sample: float(_tensor(sample).max()),
}
"""Of texts the number of characters or words; of anything else that of all its numbers, images in [0, 1]."""


def _statistic(name: str, low: float, high: float, label: str) -> Callable[[Any], Vote]:
    measure = STATISTICS[name]
    return lambda sample: label if low < measure(sample) < high else None
