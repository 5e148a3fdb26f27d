"""Types in words: what a message says is allowed."""

from __future__ import annotations

import collections.abc
import re
import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from lifelong_kd.config.nouns import shorthand_of
from lifelong_kd.core.registry import Component

__all__ = [
    "LISTS",
    "MAPPINGS",
    "component_of",
    "component_words",
    "contains_component",
    "describe",
    "found",
    "literals",
    "one",
    "shorthand_words",
]

LISTS = (list, tuple, collections.abc.Sequence)
"""Origins of annotations that a YAML list stands for."""

MAPPINGS = (dict, collections.abc.Mapping)
"""Origins of annotations that a YAML mapping with free names stands for."""

_WORDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
    type(None): "null",
    None: "null",
    Any: "anything",
    object: "anything",
}
_PLURALS = {
    "family": "families",
    "knowledge": "kinds of knowledge",
    "memory": "memories",
    "rounds": "controllers of rounds",
    "strategy": "strategies",
}
_SINGULARS = {"rounds": "controller of rounds"}
_BOUNDS = {
    "ge": "at least {}",
    "gt": "above {}",
    "le": "at most {}",
    "lt": "below {}",
    "min_length": "at least {} long",
}


def describe(annotation: Any) -> str:
    """An annotation in words.

    >>> describe(int | list[int] | None)
    'a whole number, a list of whole numbers or null'
    """
    if annotation in _WORDS:
        return _WORDS[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _describe_annotated(arguments)
    if origin in (Union, types.UnionType):
        return _join(_unique(describe(argument) for argument in arguments))
    if origin is Literal:
        return _join([_literal(argument) for argument in arguments])
    if origin in LISTS and arguments:
        items = _unique(describe(argument) for argument in arguments if argument is not ...)
        fixed = f"{len(arguments)} " if origin is tuple and ... not in arguments else ""
        return f"a list of {fixed}" + _join([_plural(item) for item in items])
    if origin in MAPPINGS:
        keys = "names" if arguments[0] is str else _plural(describe(arguments[0]))
        return f"a mapping from {keys} to {_plural(describe(arguments[1]))}"
    fields = getattr(annotation, "model_fields", None)
    if isinstance(fields, dict):
        return "{" + ", ".join(f"{name}: ..." for name in fields) + "}"
    return getattr(annotation, "__name__", str(annotation))


def _describe_annotated(arguments: tuple[Any, ...]) -> str:
    component = next((extra for extra in arguments[1:] if isinstance(extra, Component)), None)
    if component is not None:
        return component_words(component.noun)
    constraints = [part for extra in arguments[1:] for part in getattr(extra, "metadata", [extra])]
    bounds = [
        words.format(getattr(constraint, bound))
        for constraint in constraints
        for bound, words in _BOUNDS.items()
        if getattr(constraint, bound, None) is not None
    ]
    return describe(arguments[0]) + (f" ({', '.join(bounds)})" if bounds else "")


def component_words(noun: str) -> str:
    """What can stand for a component of ``noun``.

    >>> component_words("schedule")
    'a schedule by name, {name: ..., options}, a number or a list'
    """
    article = "an" if noun[0] in "aeiou" else "a"
    return _join([f"{article} {one(noun)} by name", "{name: ..., options}", *_shorthands(noun)])


def one(noun: str) -> str:
    """What one component of ``noun`` is called.

    >>> one("rounds"), one("schedule")
    ('controller of rounds', 'schedule')
    """
    return _SINGULARS.get(noun, noun)


def shorthand_words(noun: str) -> str:
    """Which plain values stand for a component of ``noun``.

    >>> shorthand_words("memory")
    'a whole number'
    """
    return _join(_shorthands(noun))


def _shorthands(noun: str) -> list[str]:
    kinds = shorthand_of(noun)
    # A whole number is a number.
    return [
        "a list" if kind is list else describe(kind)
        for kind in kinds
        if kind is not int or float not in kinds
    ]


def _unique(items: Any) -> list[str]:
    return list(dict.fromkeys(items))


def _join(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} or {items[-1]}"


def _plural(words: str) -> str:
    for one, many in (("a whole number", "whole numbers"), ("a number", "numbers"), ("a list", "lists")):
        if words.startswith(one):
            return many + words.removeprefix(one)
    # A component: "a phase by name, {name: ..., options}" and its shorthand.
    return re.sub(r"^an? ([\w ]+) by name", _component_plural, words)


def _component_plural(found: re.Match[str]) -> str:
    noun = next((noun for noun, called in _SINGULARS.items() if called == found[1]), found[1])
    return f"{_PLURALS.get(noun, noun + 's')}, each by name"


def _literal(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def found(value: object) -> str:
    """A value as it would stand in YAML, shortened.

    >>> found(None), found(True), found("auto")
    ('null', 'true', "'auto'")
    """
    if isinstance(value, tuple):
        value = list(value)
    text = "null" if value is None else _literal(value) if isinstance(value, bool) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def literals(annotation: Any) -> list[str]:
    """All names that a ``Literal`` anywhere in ``annotation`` allows, to look for the nearest."""
    if get_origin(annotation) is Literal:
        return [argument for argument in get_args(annotation) if isinstance(argument, str)]
    return [name for argument in get_args(annotation) for name in literals(argument)]


def contains_component(annotation: Any) -> bool:
    """Whether ``annotation`` or one of its parts stands for a component."""
    return component_of(annotation) is not None or any(
        contains_component(part) for part in get_args(annotation)
    )


def component_of(annotation: Any) -> Component | None:
    """The component that ``annotation`` itself (not one of its parts) stands for."""
    if get_origin(annotation) is Annotated:
        return next((extra for extra in get_args(annotation)[1:] if isinstance(extra, Component)), None)
    return None
