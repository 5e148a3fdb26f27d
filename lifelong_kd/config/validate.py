"""Check values against options, all problems at once, and fill in the defaults."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticUndefined

from lifelong_kd.config.describe import (
    LISTS,
    MAPPINGS,
    component_of,
    component_words,
    contains_component,
    describe,
    found,
    literals,
    one,
    shorthand_words,
)
from lifelong_kd.config.nesting import noun_of, shape_fits, shared_first
from lifelong_kd.config.nouns import registry_of, shorthand_of
from lifelong_kd.config.signature import REQUIRED, Option, options_of, supplied_by_framework
from lifelong_kd.core.errors import BadCall, Problem, nearest

__all__ = ["Checker", "fields_of", "parse"]

NAME = re.compile(r"[A-Za-z0-9_-]+")
"""What a name given in a mapping of components may be; it ends up in dotted keys and in the log."""


@lru_cache(maxsize=512)
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation)


def parse(annotation: Any, value: object) -> Any:
    """A plain value as its annotation wants it (a list as a tuple, text as a path), without guessing.

    Raises:
        pydantic.ValidationError: if it does not fit; ``"3"`` is no number and ``1`` not true.
        TypeError: if the value is not plain data.
    """
    return _adapter(annotation).validate_json(json.dumps(value), strict=True)


def fields_of(section: type[BaseModel]) -> dict[str, Option]:
    """The fields of a section as options, with their limits in the annotation."""
    options = {}
    for name, field in section.model_fields.items():
        annotation: Any = (
            Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
        )
        default = REQUIRED if field.default is PydanticUndefined else field.default
        options[name] = Option(
            name, annotation, default.model_dump() if isinstance(default, BaseModel) else default
        )
    return options


class Checker:
    """Collects problems while it resolves values; ``problems`` is empty if everything was right.

    >>> checker = Checker()
    >>> checker.value(float, 1, "optimizer.lr")
    1.0
    >>> checker.value(float, "fast", "optimizer.lr")
    >>> print(*checker.problems)
    optimizer.lr: found 'fast', allowed: a number.
    """

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._shared: dict[str, list[str]] = {}

    def report(self, key: str, message: str, hint: str | None = None) -> None:
        """Add a problem with ``key``."""
        self.problems.append(Problem(key, message, hint=hint))

    def options(
        self, options: Mapping[str, Option], given: Mapping[Any, Any], key: str, called: str
    ) -> dict[str, Any]:
        """All options with their values: the given ones checked, the others' defaults.

        Args:
            options: what is allowed.
            given: what was found.
            key: dotted key of the mapping, empty at the top.
            called: whose options they are, such as ``strategy 'lwf'``; ends the message of an unknown key.
        """
        prefix = f"{key}." if key else ""
        for name in given:
            if name not in options:
                allowed = ", ".join(options) or "none"
                message = f"unknown key of {called}, found {found(given[name])}; allowed keys: {allowed}."
                self.report(f"{prefix}{name}", message, nearest(str(name), options))
        resolved: dict[str, Any] = {}
        outer = {noun: list(names) for noun, names in self._shared.items()}
        for name in shared_first(options):
            option = options[name]
            if name not in given and option.default is REQUIRED:
                self.report(f"{prefix}{name}", f"is missing; allowed: {describe(option.annotation)}.")
                continue
            value = _named(option, given[name]) if name in given else option.default
            if (
                isinstance(value, Mapping)
                and "name" not in value
                and self._unnamed(option, f"{prefix}{name}")
            ) or (value is None and option.default is None):
                resolved[name] = None
            else:
                resolved[name] = self.value(option.annotation, value, f"{prefix}{name}")
        self._shared = outer
        return {name: resolved[name] for name in options if name in resolved}

    def _unnamed(self, option: Option, key: str) -> bool:
        """Report options without a name, if they stand for a component that is a plain value by default."""
        noun = noun_of(option.annotation)
        if noun is None or option.default is REQUIRED:
            return False
        known = ", ".join(registry_of(noun).names())
        self.report(
            f"{key}.name",
            f"is missing, and {key} is {found(option.default)} by default, which has no options;"
            f" allowed: {known}.",
        )
        return True

    def value(self, annotation: Any, value: Any, key: str) -> Any:
        """``value`` as plain data, defaults inside it filled in; None and a problem if it does not fit."""
        component = component_of(annotation)
        if component is not None:
            if component.default is not None and isinstance(value, Mapping) and "name" not in value:
                value = {"name": component.default, **value}
            return self.component(component.noun, value, key)
        if contains_component(annotation):
            return self._structure(annotation, value, key)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel) and isinstance(value, Mapping):
            return self.options(fields_of(annotation), value, key, key)
        try:
            return _adapter(annotation).dump_python(parse(annotation, value), mode="json")
        except ValidationError as error:
            own = [detail for detail in error.errors() if detail["type"] == "value_error"]
            if own:
                self.report(key, f"found {found(value)}: {own[0]['ctx']['error']}.")
                return None
        except TypeError:  # an object from Python where only plain data can stand
            pass
        hint = nearest(value, literals(annotation)) if isinstance(value, str) else None
        self.report(key, f"found {found(value)}, allowed: {describe(annotation)}.", hint)
        return None

    def _structure(self, annotation: Any, value: Any, key: str) -> Any:
        """A list of components, or a component among other types."""
        parts = get_args(annotation)
        origin = get_origin(annotation)
        if origin is Annotated:
            return self.value(parts[0], value, key)
        if origin in LISTS and isinstance(value, list | tuple):
            return [self.value(parts[0], item, f"{key}[{index}]") for index, item in enumerate(value)]
        if origin in MAPPINGS and isinstance(value, Mapping):
            if parts[0] is int:
                return {
                    str(name): self._numbered_item(parts[1], name, item, key) for name, item in value.items()
                }
            return {name: self._named_item(parts[1], name, item, key) for name, item in value.items()}
        if origin in (Union, types.UnionType):
            plain = [part for part in parts if not contains_component(part)]
            for part in plain:
                quiet = Checker()
                resolved = quiet.value(part, value, key)
                if not quiet.problems:
                    return resolved
            fitting = [part for part in parts if part not in plain and shape_fits(part, value)]
            if fitting:
                named = isinstance(value, Mapping) and "name" in value
                best = next(
                    (part for part in fitting if named == (component_of(part) is not None)), fitting[0]
                )
                return self.value(best, value, key)
        self.report(key, f"found {found(value)}, allowed: {describe(annotation)}.")
        return None

    def _numbered_item(self, annotation: Any, number: Any, value: Any, key: str) -> Any:
        """An item of a mapping from whole numbers, whose keys are kept as text."""
        if not re.fullmatch(r"[0-9]+", str(number)):
            self.report(f"{key}.{number}", f"found {found(number)}, allowed: a whole number.")
        return self.value(annotation, value, f"{key}.{number}")

    def _named_item(self, annotation: Any, name: Any, value: Any, key: str) -> Any:
        """An item of a mapping; from here on its name stands for it, if it is shared."""
        if not isinstance(name, str) or not NAME.fullmatch(name):
            self.report(
                f"{key}.{name}", f"found {found(name)}, allowed: a name of letters, digits, '_' and '-'."
            )
        resolved = self.value(annotation, value, f"{key}.{name}")
        component = component_of(annotation)
        if component is not None and component.shared:
            self._shared.setdefault(component.noun, []).append(str(name))
        return resolved

    def component(self, noun: str, value: Any, key: str, common: Mapping[str, Option] | None = None) -> Any:
        """A component as ``{name: ..., option: ...}`` with every option, or its shorthand as it was given.

        Args:
            noun: which registry.
            value: a name, a mapping with ``name``, a shorthand of the noun, or, from Python, the object. A name
                alone that a shared component was given is kept, and stands for that component.
            key: dotted key.
            common: options of the noun that the framework reads itself, whatever the component.
        """
        if isinstance(value, str):
            value = {"name": value}
        if not isinstance(value, Mapping):
            plain = value is None or isinstance(value, bool | int | float | list | tuple)
            fits = isinstance(value, shorthand_of(noun)) and not isinstance(value, bool)
            if plain and not fits:
                self.report(key, f"found {found(value)}, allowed: {component_words(noun)}.")
            return list(value) if isinstance(value, tuple) else value
        registry = registry_of(noun)
        name = value.get("name")
        shared = self._shared.get(noun, [])
        if name in shared and len(value) == 1:
            return name
        known = ", ".join(registry.names())
        if name in shared and name not in registry:
            self.report(
                key,
                f"{name!r} is a name given here to one {noun}; its options stand where it was given, not again.",
            )
            return None
        if name is None:
            self.report(f"{key}.name", f"is missing; allowed: {known}.")
            return None
        if name not in registry:
            hint = nearest(str(name), [*shared, *registry.names()])
            self.report(
                f"{key}.name",
                f"there is no {one(noun)} called {name!r}; known: {known}"
                + (f"; given a name here: {', '.join(shared)}" if shared else "")
                + (f"; or {shorthand_words(noun)}." if shorthand_of(noun) else ".")
                + ("" if hint else " One of your own is read with --import FILE."),
                hint,
            )
            return None
        called = f"{noun} {name!r}"
        try:
            factory = registry.get(name)
            options = {**(common or {}), **_without(options_of(factory, called), common or {})}
        except BadCall as error:
            self.report(key, str(error))
            return None
        given = {option: item for option, item in value.items() if option != "name"}
        positional = self._positional(factory, given, options, key, called)
        given = _without(given, positional)
        return {"name": name, **self.options(options, given, key, called)}

    def _positional(
        self,
        factory: Callable[..., Any],
        given: Mapping[str, Any],
        options: Mapping[str, Option],
        key: str,
        called: str,
    ) -> dict[str, None]:
        """Keys that name a positional parameter, each reported: usually a forgotten ``*``."""
        wrong = [name for name in supplied_by_framework(factory) if name in given and name not in options]
        for name in wrong:
            self.report(
                f"{key}.{name}",
                f"{called} takes {name!r} by position, from the framework; an option stands after a *.",
            )
        return dict.fromkeys(wrong)


def _named(option: Option, value: Any) -> Any:
    """Options that were given without a name are those of the component that is the default."""
    noun = noun_of(option.annotation)
    if noun is None or not isinstance(value, Mapping) or "name" in value:
        return value
    if isinstance(option.default, Mapping):
        return {**option.default, **value}
    is_name = isinstance(option.default, str) and option.default in registry_of(noun)
    return {"name": option.default, **value} if is_name else value


def _without(mapping: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name not in names}
