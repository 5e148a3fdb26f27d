"""The key ``evaluation``: fixed keys, and a key for each family of scores, which is a component."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lifelong_kd.config.describe import found
from lifelong_kd.config.make import make
from lifelong_kd.config.nouns import registry_of
from lifelong_kd.config.sections import EvaluationSection
from lifelong_kd.config.validate import Checker, fields_of
from lifelong_kd.core.errors import BadCall, nearest

if TYPE_CHECKING:
    from lifelong_kd.training.families.base import Family

__all__ = ["families_of", "is_on_by_default", "resolve_evaluation"]

KEY = "evaluation"


def resolve_evaluation(value: Any, checker: Checker) -> dict[str, Any]:
    """The settings of ``evaluation`` with every default filled in; a family is ``False`` or a mapping of its options.

    Args:
        value: what was given, ``None`` for nothing. ``true`` switches a family on, ``false`` off, options on.
        checker: collects what is wrong.
    """
    fields = fields_of(EvaluationSection)
    given = {} if value is None else value
    if not isinstance(given, Mapping):
        checker.report(KEY, f"found {found(value)}, allowed: a mapping of keys.")
        return {}
    families = registry_of("family").names()
    for name in given:
        if name not in fields and name not in families:
            allowed = ", ".join([*fields, *families])
            message = f"unknown key of {KEY}, found {found(given[name])}; allowed keys: {allowed}."
            checker.report(f"{KEY}.{name}", message, nearest(str(name), [*fields, *families]))
    fixed = {name: given[name] for name in given if name in fields}
    settings = checker.options(fields, fixed, KEY, KEY)
    for name in families:
        if name in fields:
            owner = registry_of("family").entry(name).owner
            checker.report(
                f"{KEY}.{name}", f"is a key of {KEY}, and a family of {owner} is called so; rename it."
            )
        else:
            settings[name] = _family(name, given, checker)
    return settings


def is_on_by_default(family: str) -> bool:
    """Whether a family is measured where a configuration does not name it.

    Raises:
        BadCall: if it cannot be loaded.
    """
    return bool(getattr(registry_of("family").get(family), "by_default", False))


def _family(name: str, given: Mapping[str, Any], checker: Checker) -> Any:
    key = f"{KEY}.{name}"
    value = given.get(name)
    try:
        value = is_on_by_default(name) if value is None else value
    except BadCall as error:
        checker.report(key, f"{error}; `{name}: false` does without it.")
        return False
    if value is False:
        return False
    if value is not True and not isinstance(value, Mapping):
        checker.report(key, f"found {found(value)}, allowed: true, false or a mapping of its options.")
        return False
    options = {} if value is True else dict(value)
    settings = checker.component("family", {**options, "name": name}, key)
    return {option: item for option, item in (settings or {}).items() if option != "name"}


def families_of(settings: Mapping[str, Any]) -> dict[str, Family]:
    """The families that are switched on, built.

    Args:
        settings: the resolved ``evaluation``.

    Raises:
        BadCall: if a family refuses its options; the message begins with its key.
    """
    return {
        name: make("family", {**settings[name], "name": name}, key=f"{KEY}.{name}")
        for name in registry_of("family").names()
        if isinstance(settings.get(name), Mapping)
    }
