"""Components from checked settings: nested ones first, options in the types their owner asked for."""

from __future__ import annotations

import importlib
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Annotated, Any, Union, get_args, get_origin

from lifelong_kd.config.describe import LISTS, MAPPINGS, component_of, contains_component
from lifelong_kd.config.nesting import shared_first
from lifelong_kd.config.nouns import NOUNS, registry_of, shorthand_of
from lifelong_kd.config.signature import options_of
from lifelong_kd.config.validate import parse
from lifelong_kd.core.errors import BadCall, DataMissing, LifelongError

Shared = Mapping[tuple[str, str], Any]
"""Components that others refer to: noun and given name -> the object."""

__all__ = ["make", "make_options"]


def make(
    noun: str,
    settings: Mapping[str, Any],
    *supplied: Any,
    key: str = "",
    shared: Shared = MappingProxyType({}),
) -> Any:
    """The component ``{name: ..., options}`` of ``noun``.

    Args:
        noun: which registry.
        settings: what the check returned for it.
        *supplied: the positional arguments that the framework gives to this noun.
        key: its dotted key in the configuration, for the message if it refuses.
        shared: the components that it, or one inside it, may refer to.

    Raises:
        BadCall: if the component, or one inside it, refuses its options; the message begins with its key.
    """
    called = f"{noun} {settings['name']!r}"
    factory = registry_of(noun).get(settings["name"])
    options = make_options(noun, settings, key, shared)
    with _naming(key, called):
        return factory(*supplied, **options)


@contextmanager
def _naming(key: str, called: str) -> Iterator[None]:
    """A refusal becomes a ``BadCall`` that begins with ``key``; so do missing data but those of the stream itself."""
    place = f"{key}: " if key else ""
    try:
        yield
    except LifelongError as error:
        if type(error) is DataMissing and place and key != "stream":
            raise DataMissing(f"{place}{error}") from error
        if type(error) is not BadCall or not place:
            raise
        raise BadCall(f"{place}{error}") from error
    except Exception as error:
        raise BadCall(f"{place}{called} could not be built: {type(error).__name__}: {error}") from error


def make_options(
    noun: str, settings: Mapping[str, Any], key: str = "", shared: Shared = MappingProxyType({})
) -> dict[str, Any]:
    """The component's own options as its factory takes them; keys that are not its own are left out."""
    called = f"{noun} {settings['name']!r}"
    options = options_of(registry_of(noun).get(settings["name"]), called)
    known = dict(shared)
    return {
        name: _value(options[name].annotation, settings[name], f"{key or noun}.{name}", known)
        for name in shared_first(options)
        if name in settings
    }


def _value(annotation: Any, value: Any, key: str, shared: dict[tuple[str, str], Any]) -> Any:
    if value is None:
        return None
    component = component_of(annotation)
    if component is not None:
        if isinstance(value, Mapping) and "name" in value:
            if component.later:
                return value["name"], make_options(component.noun, value, key, shared)
            return make(component.noun, value, key=key, shared=shared)
        if isinstance(value, str) and (component.noun, value) in shared:
            return shared[component.noun, value]
        _check_shorthand(component.noun, value, key)
        return value
    if not contains_component(annotation):
        return parse(annotation, value)
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _value(parts[0], value, key, shared)
    if origin in LISTS:
        return [_value(parts[0], item, f"{key}[{index}]", shared) for index, item in enumerate(value)]
    if origin in MAPPINGS:
        return _mapping(parts[1], value, key, shared)
    if origin in (Union, types.UnionType):
        return _of_union(parts, value, key, shared)
    return value


def _mapping(annotation: Any, value: Mapping[str, Any], key: str, shared: dict[tuple[str, str], Any]) -> Any:
    """Each item, one after the other: what is shared may be referred to by those behind it."""
    component = component_of(annotation)
    made = {}
    for name, item in value.items():
        made[name] = _value(annotation, item, f"{key}.{name}", shared)
        if component is not None and component.shared:
            shared[component.noun, name] = made[name]
    return made


def _of_union(parts: tuple[Any, ...], value: Any, key: str, shared: dict[tuple[str, str], Any]) -> Any:
    """A component by its mapping, several of them as a list or mapping, anything else as the plain type it is."""
    for part in parts:
        origin = get_origin(part)
        if origin in LISTS:
            fits = isinstance(value, list)
        elif origin in MAPPINGS:
            fits = isinstance(value, Mapping)
        else:
            fits = isinstance(value, Mapping | str) and _stands_for(part, value, shared)
        if contains_component(part) and fits:
            return _value(part, value, key, shared)
    return value


def _stands_for(annotation: Any, value: Mapping[str, Any] | str, shared: Shared) -> bool:
    if isinstance(value, str):
        component = component_of(annotation)
        return component is not None and (component.noun, value) in shared
    return "name" in value


def _check_shorthand(noun: str, value: Any, key: str) -> None:
    """Let the noun read a plain value now: later its owner would refuse it without knowing the key."""
    read = getattr(importlib.import_module(NOUNS[noun]), f"as_{noun}", None)
    if read is not None and isinstance(value, shorthand_of(noun)):
        with _naming(key, noun):
            read(value)
