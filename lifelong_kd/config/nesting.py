"""Annotations with components in them: which noun, which form, which come first."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from lifelong_kd.config.describe import LISTS, MAPPINGS, component_of
from lifelong_kd.config.signature import Option

__all__ = ["noun_of", "shape_fits", "shared_first"]


def shared_first(options: Mapping[str, Option]) -> list[str]:
    """The names of ``options``, those first whose components the others can refer to."""
    return sorted(options, key=lambda name: not _shares(options[name].annotation))


def _shares(annotation: Any) -> bool:
    component = component_of(annotation)
    return (component is not None and component.shared) or any(_shares(part) for part in get_args(annotation))


def noun_of(annotation: Any) -> str | None:
    """The noun whose component can stand for ``annotation`` itself or for one of its alternatives."""
    component = component_of(annotation)
    if component is not None:
        return component.noun
    if get_origin(annotation) not in (Annotated, Union, types.UnionType):
        return None
    parts = get_args(annotation)
    if any(get_origin(part) in MAPPINGS for part in parts):  # what has no name may be one of those
        return None
    return next((noun for part in parts if (noun := noun_of(part))), None)


def shape_fits(annotation: Any, value: Any) -> bool:
    """Whether ``value`` has the outer form of ``annotation``: a list, a mapping, or neither."""
    origin = get_origin(annotation)
    if origin in LISTS:
        return isinstance(value, list | tuple)
    if origin in MAPPINGS:
        return isinstance(value, Mapping)
    return not isinstance(value, list | tuple) or component_of(annotation) is not None
