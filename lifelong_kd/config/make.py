"""Components from checked settings: nested ones first, options in the types their owner asked for."""

from __future__ import annotations

import importlib
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Union, get_args, get_origin

from lifelong_kd.config.describe import component_of
from lifelong_kd.config.nouns import NOUNS, registry_of, shorthand_of
from lifelong_kd.config.signature import options_of
from lifelong_kd.config.validate import contains_component, parse
from lifelong_kd.core.errors import BadCall, LifelongError

__all__ = ["make", "make_options"]


def make(noun: str, settings: Mapping[str, Any], *supplied: Any, key: str = "") -> Any:
    """The component ``{name: ..., options}`` of ``noun``.

    Args:
        noun: which registry.
        settings: what the check returned for it.
        *supplied: the positional arguments that the framework gives to this noun.
        key: its dotted key in the configuration, for the message if it refuses.

    Raises:
        BadCall: if the component, or one inside it, refuses its options; the message begins with its key.
    """
    called = f"{noun} {settings['name']!r}"
    factory = registry_of(noun).get(settings["name"])
    options = make_options(noun, settings, key)
    with _naming(key, called):
        return factory(*supplied, **options)


@contextmanager
def _naming(key: str, called: str) -> Iterator[None]:
    """A refusal becomes a ``BadCall`` that begins with ``key``; missing data stay what they are."""
    place = f"{key}: " if key else ""
    try:
        yield
    except LifelongError as error:
        if type(error) is not BadCall or not place:
            raise
        raise BadCall(f"{place}{error}") from error
    except Exception as error:
        raise BadCall(f"{place}{called} could not be built: {type(error).__name__}: {error}") from error


def make_options(noun: str, settings: Mapping[str, Any], key: str = "") -> dict[str, Any]:
    """The component's own options as its factory takes them; keys that are not its own are left out."""
    called = f"{noun} {settings['name']!r}"
    options = options_of(registry_of(noun).get(settings["name"]), called)
    return {
        name: _value(option.annotation, settings[name], f"{key or noun}.{name}")
        for name, option in options.items()
        if name in settings
    }


def _value(annotation: Any, value: Any, key: str) -> Any:
    if value is None:
        return None
    component = component_of(annotation)
    if component is not None:
        if isinstance(value, Mapping) and "name" in value:
            return make(component.noun, value, key=key)
        _check_shorthand(component.noun, value, key)
        return value
    if not contains_component(annotation):
        return parse(annotation, value)
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _value(parts[0], value, key)
    if origin is list:
        return [_value(parts[0], item, f"{key}[{index}]") for index, item in enumerate(value)]
    if origin is dict:
        return {name: _value(parts[1], item, f"{key}.{name}") for name, item in value.items()}
    if origin in (Union, types.UnionType):
        return _of_union(parts, value, key)
    return value


def _of_union(parts: tuple[Any, ...], value: Any, key: str) -> Any:
    """A component by its mapping, a list of components as a list, anything else as the plain type it is."""
    for part in parts:
        origin = get_origin(part)
        named = isinstance(value, Mapping) and "name" in value
        if contains_component(part) and (isinstance(value, list) if origin is list else named):
            return _value(part, value, key)
    return value


def _check_shorthand(noun: str, value: Any, key: str) -> None:
    """Let the noun read a plain value now: later its owner would refuse it without knowing the key."""
    read = getattr(importlib.import_module(NOUNS[noun]), f"as_{noun}", None)
    if read is not None and isinstance(value, shorthand_of(noun)):
        with _naming(key, noun):
            read(value)
