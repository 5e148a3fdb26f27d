"""What there is, in text: the lists and pages that ``lifelong-kd list`` and ``show`` print."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_args, get_origin

from lifelong_kd.config.nouns import NOUNS, registry_of
from lifelong_kd.core.errors import nearest

__all__ = ["listing", "page", "which_page"]


_PYTHON_ONLY = {
    "teacher": "a strategy makes it, or your own strategy does, from lifelong_kd.teacher.",
    "knowledge": "a strategy's term has it, or your own strategy's does, from lifelong_kd.knowledge.",
}
_MARKS: dict[Any, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


def listing(noun: str | None) -> str:
    """Each component of ``noun`` (of every noun if None) with its first sentence; none is imported."""
    if noun is None:
        return "\n\n".join(f"{name}\n{listing(name)}" for name in NOUNS)
    entries = list(registry_of(noun))
    width = max((len(entry.name) for entry in entries), default=0)
    lines = []
    for entry in entries:
        owner = "" if entry.owner in ("lifelong_kd", "avalanche-lib") else f"  [{entry.owner}]"
        lines.append(f"  {entry.name.ljust(width)}  {entry.summary()}{owner}".rstrip())
    return "\n".join(lines) or "  (none)"


def page(noun: str, name: str) -> str:
    """A component's signature, documentation, options with type, default and meaning, and an example."""
    from lifelong_kd.config.signature import documented, options_of
    from lifelong_kd.config.validate import fields_of

    entry = registry_of(noun).entry(name)
    factory = entry.load()
    options = options_of(factory, f"{noun} {name!r}")
    text, meaning = documented(factory)
    common = _common(noun)
    sections = [f"{noun} {name}, from {entry.owner}", signature_text(name, factory), text]
    sections.append("Options:\n" + ("\n".join(_option(o, meaning) for o in options.values()) or "  none"))
    if common is not None:
        described = "\n".join(_option(o, {}) for o in fields_of(common).values() if o.name not in options)
        sections.append(f"Options of every {noun}:\n{described}")
    if noun in _PYTHON_ONLY:
        sections.append(f"Used from Python, no key of a configuration: {_PYTHON_ONLY[noun]}")
    else:
        sections.append("In a configuration:\n" + _indent(_example(noun, name, options)))
    return "\n\n".join(section for section in sections if section)


def which_page(word: str) -> str:
    """What to call instead of ``show`` with one word.

    >>> which_page("lwf")
    '`show` takes a noun and a name: lifelong-kd show strategy lwf'
    """
    nouns = [noun for noun in NOUNS if word in registry_of(noun)]
    if nouns:
        return "`show` takes a noun and a name: " + " or ".join(f"lifelong-kd show {n} {word}" for n in nouns)
    if word in NOUNS:
        return f"`show` takes a noun and a name; `lifelong-kd list {word}` has the names"
    names = [name for noun in NOUNS for name in registry_of(noun).names()]
    hint = nearest(word, names)
    suggestion = f" Did you mean {hint!r}?" if hint else ""
    return (
        f"`show` takes a noun and a name, and nothing is called {word!r}.{suggestion} See `lifelong-kd list`."
    )


def _common(noun: str) -> Any:
    from lifelong_kd.config.sections import ModelSection, StreamSection

    return {"stream": StreamSection, "model": ModelSection}.get(noun)


def signature_text(name: str, factory: Callable[..., Any]) -> str:
    """How the factory is called, annotations as they were written.

    >>> def scaled(x: float, *, factor: float = 1.0) -> float: ...
    >>> signature_text("scaled", scaled)
    'scaled(x: float, *, factor: float = 1.0)'
    """
    words = []
    star = False
    for parameter in inspect.signature(factory).parameters.values():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not star:
            words.append("*")
        star |= parameter.kind in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_POSITIONAL)
        annotation = parameter.annotation
        written = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
        typed = "" if annotation is inspect.Parameter.empty else f": {written}"
        default = "" if parameter.default is inspect.Parameter.empty else f" = {parameter.default!r}"
        mark = _MARKS.get(parameter.kind, "")
        words.append(f"{mark}{parameter.name}{typed}{default}")
    return f"{name}({', '.join(words)})"


def _option(option: Any, meaning: Mapping[str, str]) -> str:
    from lifelong_kd.config.describe import describe, found
    from lifelong_kd.config.signature import REQUIRED

    default = "required" if option.default is REQUIRED else f"default {found(option.default)}"
    line = f"  {option.name}: {describe(option.annotation)}; {default}"
    return f"{line}\n      {meaning[option.name]}" if option.name in meaning else line


def _example(noun: str, name: str, options: Mapping[str, Any]) -> str:
    from lifelong_kd.config.dialect import dump_yaml
    from lifelong_kd.config.signature import REQUIRED

    defaults = {
        o.name: _sample(o.annotation) if o.default is REQUIRED else _plain(o.default)
        for o in options.values()
    }
    component = {"name": name, **defaults}
    where: dict[str, dict[str, Any]] = {
        "head": {"model": {"name": "mlp", "head": component}},
        "transform": {"stream": {"name": "split_cifar10", "augment": [component]}},
        "tracker": {"tracking": {"others": [component]}},
        "schedule": {"strategy": {"name": "lwf", "weight": component}},
        "memory": {"strategy": {"name": "replay", "memory": component}},
    }
    return dump_yaml(where.get(noun, {noun: component})).rstrip()


def _sample(annotation: Any) -> Any:
    """A value that a required option of this type takes, so that the example is valid."""
    from lifelong_kd.config.describe import component_of, literals
    from lifelong_kd.config.nouns import shorthand_of

    component = component_of(annotation)
    if component is not None:
        return 1.0 if float in shorthand_of(component.noun) else registry_of(component.noun).names()[0]
    if get_origin(annotation) in (list, tuple):
        return [_sample(part) for part in get_args(annotation) if part is not ...]
    if names := literals(annotation):
        return names[0]
    return {int: 1, float: 1.0, bool: True}.get(annotation, "...")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
