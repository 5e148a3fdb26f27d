"""Components from checked settings: nested ones first, options in the types their owner asked for."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from lifelong_kd.config.describe import component_of
from lifelong_kd.config.nouns import registry_of
from lifelong_kd.config.signature import options_of
from lifelong_kd.config.validate import contains_component, parse
from lifelong_kd.core.errors import BadCall, LifelongError

__all__ = ["make", "make_options"]


def make(noun: str, settings: Mapping[str, Any], *supplied: Any) -> Any:
    """The component ``{name: ..., options}`` of ``noun``.

    Args:
        noun: which registry.
        settings: what the check returned for it.
        *supplied: the positional arguments that the framework gives to this noun.

    Raises:
        BadCall: if the component refuses its options.
    """
    called = f"{noun} {settings['name']!r}"
    factory = registry_of(noun).get(settings["name"])
    options = make_options(noun, settings)
    try:
        return factory(*supplied, **options)
    except LifelongError:
        raise
    except Exception as error:
        raise BadCall(f"{called} could not be built: {type(error).__name__}: {error}") from error


def make_options(noun: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The component's own options as its factory takes them; keys that are not its own are left out."""
    called = f"{noun} {settings['name']!r}"
    options = options_of(registry_of(noun).get(settings["name"]), called)
    return {
        name: _value(option.annotation, settings[name])
        for name, option in options.items()
        if name in settings
    }


def _value(annotation: Any, value: Any) -> Any:
    if value is None:
        return None
    component = component_of(annotation)
    if component is not None:
        return make(component.noun, value) if isinstance(value, Mapping) and "name" in value else value
    if not contains_component(annotation):
        return parse(annotation, value)
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _value(parts[0], value)
    if origin is list:
        return [_value(parts[0], item) for item in value]
    if origin is dict:
        return {name: _value(parts[1], item) for name, item in value.items()}
    if origin in (Union, types.UnionType):
        return _of_union(parts, value)
    return value


def _of_union(parts: tuple[Any, ...], value: Any) -> Any:
    """A component by its mapping, a list of components as a list, anything else as the plain type it is."""
    for part in parts:
        origin = get_origin(part)
        named = isinstance(value, Mapping) and "name" in value
        if contains_component(part) and (isinstance(value, list) if origin is list else named):
            return _value(part, value)
    return value
