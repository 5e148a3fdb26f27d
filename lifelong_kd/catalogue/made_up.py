"""Configurations made up around a component: in a place where it can stand, with everything that it needs there."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, get_args, get_origin

from lifelong_kd.config.describe import LISTS, MAPPINGS, component_of, literals
from lifelong_kd.config.nouns import registry_of, shorthand_of
from lifelong_kd.config.signature import REQUIRED, Option
from lifelong_kd.core.registry import Component

__all__ = ["made_up", "required"]

Settings = dict[str, Any]

_BY_TYPE: dict[Any, Any] = {int: 1, float: 1.0, bool: True, str: "path/to/your_own"}
_BY_NAME: Settings = {
    "total": 200,
    "capacity": 200,
    "per_class": 20,
    "stream": "split_cifar10",
    "architecture": "resnet18",
    "weights": [1.0] * 5,
}
_USUAL: Sequence[str] = ("snapshot", "kd", "linear", "reservoir", "noise")

# What is checked when a task begins, and not by the configuration; and where a component has something to do.
_AROUND: Mapping[tuple[str, str], Settings] = {
    ("term", "margin_ranking"): {"model": {"name": "mlp", "head": "cosine"}},
    ("term", "important_maps"): {"model": "cnn"},
    ("pool", "dataset"): {"stream": "split_cifar100", "model": "resnet32"},
    ("rounds", "scholar"): {"strategy": "dgr"},
    ("family", "samples"): {"strategy": "dgr"},
    ("head", "multihead"): {"stream": {"name": "split_digits", "scenario": "task"}},
}
_NEEDS_EXEMPLARS = ("margin_ranking",)

DISTILL: Settings = {"teacher": "snapshot", "knowledge": "kd"}
EXEMPLARS: Settings = {"memory": {"name": "herding", "total": 200}, "train_on": "new_and_memory"}


def made_up(
    noun: str, name: str, factory: Callable[..., Any], options: Mapping[str, Option]
) -> Iterator[Settings]:
    """Configurations to be tried, the likeliest first; not all are valid.

    Options are those that are required and, where nothing else stands around them, the defaults that say something.
    """
    short = {"name": name, **required(options)}
    full = {"name": name, **required(options), **_defaults(options)}
    # Of options that are null by default one may have to be given: how many samples, from which file.
    fuller = [{**full, option.name: _sample(option)} for option in options.values() if option.default is None]
    for component in (full, *fuller) if noun in _PLACES else ():
        yield {**_PLACES[noun](component), **_AROUND.get((noun, name), {})}
    if noun in ("knowledge", "teacher", "term", "phase", "correction", "pool", "generator"):
        model = {"model": "cnn"} if "maps" in getattr(factory, "needs", ()) else {}
        less = [
            {**short, option.name: _sample(option)} for option in options.values() if option.default is None
        ]
        for component in (short, *less):
            around = {**model, **_AROUND.get((noun, name), {})}
            for strategy in _composed(noun, component, factory):
                yield {**around, "strategy": {"name": "compose", **strategy}}
    elif noun not in _PLACES:
        yield {noun: full}
        yield {noun: short}


_PLACES: dict[str, Callable[[Settings], Settings]] = {
    "head": lambda component: {"model": {"name": "mlp", "head": component}},
    "transform": lambda component: {"stream": {"name": "split_cifar10", "augment": [component]}},
    "encoder": lambda component: {
        "stream": {"name": "split_text", "path": "texts.csv", "features": component}
    },
    "tracker": lambda component: {"tracking": {"others": [component]}},
    "schedule": lambda component: {"strategy": {"name": "lwf", "weight": _told_apart(component)}},
    "memory": lambda component: {"strategy": {"name": "replay", "memory": component}},
    "rounds": lambda component: {"strategy": "lwf", "rounds": component},
    "family": lambda component: {
        "strategy": "lwf",
        "evaluation": {component["name"]: _switched_on(component)},
    },
}


def _switched_on(family: Settings) -> Settings | bool:
    """Its options, or true where it has none."""
    return {name: value for name, value in family.items() if name != "name"} or True


def _told_apart(schedule: Settings) -> Settings:
    """One less the number 1, or its product with itself, would show nothing."""
    return {**schedule, "of": "old_all"} if schedule["name"] in ("complement", "product", "sum") else schedule


def _composed(noun: str, component: Settings, factory: Callable[..., Any]) -> Iterator[Settings]:
    """Options of the strategy ``compose`` with the component in one of them."""
    bare: Any = component["name"] if len(component) == 1 else component
    if noun == "knowledge":
        yield {"terms": {component["name"]: {"teacher": "snapshot", "knowledge": bare}}}
    elif noun == "teacher":
        yield from _taught(bare)
    elif noun == "term":
        named = {component["name"]: component}
        if component["name"] in _NEEDS_EXEMPLARS:
            yield {"terms": named, **EXEMPLARS}
        yield {"terms": named}
        yield {"terms": named, "memory": 200}
        yield {"terms": named, **EXEMPLARS}
    elif noun == "pool":
        yield {"terms": {"external": {**DISTILL, "source": "external"}}, "pool": bare}
    elif noun == "generator":
        replay = {**DISTILL, "source": "generated", "over": "padded"}
        yield {"terms": {"replay": replay}, "generator": bare}
    else:
        yield from _beside(noun, component, factory)


def _taught(teacher: Any) -> Iterator[Settings]:
    called = teacher["name"] if isinstance(teacher, Mapping) else teacher
    if called == "concatenation":  # its new classes are said by one that learned them
        slots = {"old": "snapshot", "new": "expert", "both": {**teacher, "old": "old", "new": "new"}}
        term = {"teacher": "both", "knowledge": "kd", "over": "seen"}
        yield {"teachers": slots, "terms": {"kd": term}, "phases": [{"name": "expert", "teacher": "new"}]}
    if teacher == "expert":  # it has nothing to say unless a phase trains it
        term = {"teacher": "tutor", "knowledge": "kd", "over": "new"}
        phase = {"name": "expert", "teacher": "tutor"}
        yield {"teachers": {"tutor": teacher}, "terms": {"expert": term}, "phases": [phase]}
    for knowledge in ("kd", "mse"):
        term = {"teacher": teacher, "knowledge": knowledge}
        yield {"terms": {knowledge: term}}
        yield {"terms": {knowledge: {**term, "source": "memory", "over": "all"}}, "memory": 200}


def _beside(noun: str, component: Settings, factory: Callable[..., Any]) -> Iterator[Settings]:
    """A phase or a correction beside a distilling term; one that has a teacher shares it with a term."""
    kept: Settings = {}
    if getattr(factory, "when", "") == "balanced" or getattr(factory, "needs_memory", False):
        kept = EXEMPLARS
    if "``held``" in (inspect.getdoc(factory) or ""):
        kept = {**EXEMPLARS, "held": 0.1}
    for teacher in ("expert", "ema", "snapshot") if "teacher" in component else ():
        term = {"teacher": "tutor", "knowledge": "kd", **({"over": "new"} if teacher == "expert" else {})}
        slot = {f"{noun}s": [{**component, "teacher": "tutor"}]}
        yield {"teachers": {"tutor": teacher}, "terms": {"kd": term}, **kept, **slot}
    slot = {f"{noun}s": [component if len(component) > 1 else component["name"]]}
    yield {"terms": {"kd": DISTILL}, **kept, **slot}
    yield {"terms": {"kd": DISTILL}, **EXEMPLARS, **slot}


def required(options: Mapping[str, Option]) -> Settings:
    """The options that must be given, with something that they take."""
    return {option.name: _sample(option) for option in options.values() if option.default is REQUIRED}


def _defaults(options: Mapping[str, Option]) -> Settings:
    """The defaults that say something, as they would stand in YAML."""
    said = {
        o.name: o.default for o in options.values() if o.default is not REQUIRED and o.default is not None
    }
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in said.items()
        if value != ()
    }


def _sample(option: Option) -> Any:
    return _BY_NAME.get(option.name) or _sample_of(option.annotation)


def _sample_of(annotation: Any) -> Any:
    """A value that an option of this type takes."""
    component = component_of(annotation)
    if component is not None:
        return _sample_component(component)
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in MAPPINGS:
        return {"one": _sample_of(parts[1])}
    if origin in LISTS:
        items = [_sample_of(part) for part in parts if part is not ...]
        return _several(items[0], component_of(parts[0])) if component_of(parts[0]) is not None else items
    if names := literals(annotation):
        return names[0]
    if annotation in _BY_TYPE:
        return _BY_TYPE[annotation]
    return _sample_of(parts[0]) if parts else "..."


def _several(item: Any, component: Component | None) -> list[Any]:
    """Two different ones: of two that are the same one is enough."""
    other = "ema" if component is not None and component.noun == "teacher" else item
    return [item, other]


def _sample_component(component: Component) -> Any:
    if float in shorthand_of(component.noun):
        return 1.0
    registry = registry_of(component.noun)
    return next((name for name in _USUAL if name in registry), registry.names()[0])
