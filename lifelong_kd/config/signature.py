"""The options of a component: its keyword parameters, their types, defaults and documentation."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lifelong_kd.config.describe import contains_component
from lifelong_kd.core.errors import BadCall

__all__ = ["REQUIRED", "Option", "documented", "options_of", "supplied_by_framework"]

REQUIRED = inspect.Parameter.empty
"""The default of an option that has none."""


@dataclass(frozen=True)
class Option:
    """One option: its evaluated annotation and its default (``REQUIRED`` if it must be given)."""

    name: str
    annotation: Any
    default: Any = REQUIRED


def _signature(factory: Callable[..., Any]) -> inspect.Signature:
    signature = inspect.signature(factory)
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in signature.parameters.values())
    declared = getattr(factory, "options", None)
    if takes_any and callable(declared):
        declared_signature: inspect.Signature = declared()
        return declared_signature
    return signature


def _namespace(factory: Callable[..., Any]) -> dict[str, Any]:
    function = inspect.unwrap(factory.__init__ if inspect.isclass(factory) else factory)
    names: dict[str, Any] | None = getattr(function, "__globals__", None)
    return names if names is not None else vars(sys.modules[factory.__module__])


def options_of(factory: Callable[..., Any], called: str) -> dict[str, Option]:
    """The options of ``factory`` by name, in the order of its signature.

    Keyword-only parameters count, and those by position that stand for a component, which the framework never
    supplies. A string annotation is evaluated where the factory was written.

    Args:
        factory: a class or a function.
        called: how messages name it, such as ``strategy 'lwf'``.

    Raises:
        BadCall: if an option has no annotation, or one that cannot be evaluated.
    """
    options: dict[str, Option] = {}
    for parameter in _signature(factory).parameters.values():
        if not _is_option(factory, parameter):
            continue
        annotation = parameter.annotation
        if annotation is inspect.Parameter.empty:
            raise BadCall(f"{called}: its option {parameter.name!r} has no type annotation")
        if isinstance(annotation, str):
            try:
                annotation = eval(annotation, _namespace(factory))
            except Exception as error:
                raise BadCall(
                    f"{called}: the type {annotation!r} of its option {parameter.name!r}"
                    f" cannot be evaluated: {error}"
                ) from error
        options[parameter.name] = Option(parameter.name, annotation, parameter.default)
    return options


def _is_option(factory: Callable[..., Any], parameter: inspect.Parameter) -> bool:
    if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
        return True
    if parameter.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD:
        return False
    annotation = parameter.annotation
    if isinstance(annotation, str):
        try:
            annotation = eval(annotation, _namespace(factory))
        except Exception:  # what the framework supplies may have a type for the type checker alone
            return False
    return contains_component(annotation)


def supplied_by_framework(factory: Callable[..., Any]) -> list[str]:
    """Names of the positional parameters that a user never gives."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    positional = [p for p in _signature(factory).parameters.values() if p.kind in kinds]
    return [p.name for p in positional if not _is_option(factory, p)]


def documented(factory: Callable[..., Any]) -> tuple[str, Mapping[str, str]]:
    """A docstring without its ``Args`` section, and that section's text by parameter.

    >>> def scaled(*, factor: float = 1.0) -> float:
    ...     '''A number.
    ...
    ...     Args:
    ...         factor: what it is
    ...             multiplied with.
    ...     '''
    >>> documented(scaled)
    ('A number.', {'factor': 'what it is multiplied with.'})
    """
    lines = (inspect.getdoc(factory) or "").splitlines()
    kept: list[str] = []
    arguments: dict[str, str] = {}
    name, inside = "", False
    for line in lines:
        if line.rstrip() in ("Args:", "Attributes:"):
            inside = True
        elif inside and line.strip() and not line.startswith(" "):
            inside = False
            kept.append(line)
        elif inside:
            start = re.match(r"^ {4}(\w+)(?: \([^)]*\))?: (.*)", line)
            if start:
                name = start[1]
                arguments[name] = start[2].strip()
            elif name and line.strip():
                arguments[name] += " " + line.strip()
        else:
            kept.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip(), arguments
