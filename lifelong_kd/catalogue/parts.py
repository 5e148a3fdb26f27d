"""A strategy that has been built, in words: read off the object, so that it says what really happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lifelong_kd.catalogue.docstring import read
from lifelong_kd.config.describe import found
from lifelong_kd.config.nouns import registry_of
from lifelong_kd.config.signature import options_of
from lifelong_kd.schedule.base import Schedule
from lifelong_kd.schedule.constant import Constant
from lifelong_kd.schedule.per_task import PerTask
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.task_loss import TaskLoss
from lifelong_kd.strategy.term import Distill, Rehearse, Term

__all__ = ["needs_of", "parts_of", "words"]

_SOURCES = {
    "new": "the new batch",
    "memory": "a memory batch",
    "memory2": "a second memory batch",
    "external": "a batch from the pool",
    "generated": "a batch that the generator makes",
}
_LOSSES = {
    "ce": "cross-entropy",
    "bce": "binary cross-entropy of sigmoid outputs",
    "nca": "NCA with a margin",
}
_CLASSES = {
    "separated": "over the old classes or the new ones, whichever a sample is of",
    "old": "over the old classes",
    "new": "over the new classes",
    "seen": "over the classes seen",
    "all": "over all classes",
    "per_task": "over each earlier task's classes",
    "padded": "over the classes seen, the teacher's new ones at probability 0",
}
_TRAINED_ON = {
    "new": "the task's own data",
    "new_and_memory": "the task's own data and the exemplars, in one set",
    "everything": "the data of all tasks so far",
}


def parts_of(strategy: Strategy) -> list[tuple[str, str]]:
    """What ``strategy`` consists of, line by line: name of the slot, and what fills it."""
    loss = strategy.task_loss
    rows = [("task loss", f"{_loss(loss)}, x the new batch x weight {_weight(strategy.task_weight)}")]
    names = {id(teacher): name for name, teacher in _shared(strategy).items()}
    rows += [(f"term {name}", _term(term, names)) for name, term in strategy.terms.items()]
    rows.append(("trained on", _TRAINED_ON[strategy.train_on]))
    if strategy.memory is not None:
        drawn = strategy.draws.memory_batch
        size = f", {drawn} drawn a step" if drawn is not None else ""
        rows.append(("memory", words("memory", strategy.memory) + size))
    if strategy.pool is not None:
        rows.append(("pool", words("pool", strategy.pool)))
    if strategy.generator is not None:
        rows.append(("generator", words("generator", strategy.generator)))
    rows += [(f"phase, {phase.when}", words("phase", phase)) for phase in strategy.phases]
    rows += [("correction", words("correction", correction)) for correction in strategy.corrections]
    if strategy.held.share:
        rows.append(
            ("held out", f"{strategy.held.share:g} of the exemplars, and as many new samples a class")
        )
    if strategy.noise is not None:
        rows.append(
            ("noise", f"on the gradients, eta {strategy.noise.eta:g}, gamma {strategy.noise.gamma:g}")
        )
    return rows


def needs_of(strategy: Strategy) -> list[tuple[str, str]]:
    """What has to be there for ``strategy``: a memory, and what it asks of the network."""
    memory = words("memory", strategy.memory) if strategy.memory is not None else "none"
    wants = [term.wants for term in strategy.terms.values()]
    asked = []
    if any(want.features for want in wants):
        asked.append("its features (the input of its head)")
    if any(want.maps or want.at for want in wants):
        asked.append("the outputs of its stages")
    if any(want.gradients for want in wants):
        asked.append("gradients of its logits by those outputs")
    rows = [("memory", memory), ("network", "any" if not asked else "one that shows " + ", ".join(asked))]
    if strategy.pool is not None:
        rows.append(("data", "unlabelled samples, from the pool"))
    return rows


def words(noun: str, component: object) -> str:
    """A component as ``name (option value, ...)``, options that are not set left out.

    >>> from lifelong_kd.knowledge.kd import Kd
    >>> words("knowledge", Kd(temperature=4.0))
    'kd (temperature 4)'
    """
    kind = type(component)
    name, factory = _registered(noun, kind)
    members = getattr(component, "members", ())
    inside = [words("teacher", member) for member in members] if noun == "teacher" else []
    for option in options_of(factory, name) if factory is not None else ():
        value = getattr(component, option, getattr(component, f"_{option}", None))
        if isinstance(value, Schedule):
            inside.append(f"{option} {_weight(value)}")
        elif isinstance(value, bool | int | float | str):
            inside.append(f"{option} {_value(value)}")
        elif (
            isinstance(value, list | tuple) and value and all(isinstance(i, int | float | str) for i in value)
        ):
            inside.append(f"{option} {found(list(value))}")
    if factory is None:  # a class that has no name in a configuration says itself what it is
        inside.append(read(kind).summary.rstrip("."))
    return f"{name} ({', '.join(inside)})" if inside else name


def _registered(noun: str, kind: type) -> tuple[str, Any]:
    """The name that a class is registered under, and the class; else its own name."""
    place = f"{kind.__module__}:{kind.__name__}"
    for entry in registry_of(noun):
        if entry.target is kind or entry.target == place:
            return entry.name, kind
    return kind.__name__, None


def _value(value: bool | int | float | str) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _term(term: Term, names: Mapping[int, str]) -> str:
    teacher = words("teacher", term.teacher) if term.teacher is not None else None
    if teacher is not None and id(term.teacher) in names:
        teacher += f" '{names[id(term.teacher)]}'"
    source, weight = _SOURCES[term.source], f"weight {_weight(term.weight)}"
    if isinstance(term, Rehearse):
        over = term.task_loss.over if term.task_loss is not None else "all"
        # Samples from a memory are of old classes: the new ones alone could not score them.
        return f"the task loss {_CLASSES['seen' if over == 'new' else over]} x {source} x {weight}"
    if not isinstance(term, Distill):
        own = [words("term", term), *([teacher] if teacher is not None else [])]
        return " x ".join([*own, source, weight])
    said = " x ".join([str(teacher), words("knowledge", term.knowledge), source, weight])
    if "logits" in term.knowledge.needs:
        said += f", {_CLASSES[term.over]}"
    if term.target == "hard":
        said += ", target hard: the class that the teacher finds most likely"
    if term.target_noise:
        said += f", target_noise {term.target_noise:g} on the teacher's logits"
    if term.at is not None:
        said += f", at {', '.join(term.at)}"
    if term.view != "same":
        said += (
            ", on samples without augmentation" if term.view == "raw" else ", with and without augmentation"
        )
    return said + (", by an optimiser step of its own" if term.separate else "")


def _shared(strategy: Strategy) -> dict[str, object]:
    """Teachers that more than one part asks, by a letter."""
    asking = [term.teacher for term in strategy.terms.values() if term.teacher is not None]
    helpers: Sequence[Any] = [*strategy.phases, *strategy.corrections]
    asking += [teacher for part in helpers for teacher in part.teachers]
    several = {id(teacher): teacher for teacher in asking if sum(teacher is other for other in asking) > 1}
    return {chr(ord("A") + number): teacher for number, teacher in enumerate(several.values())}


def _loss(loss: TaskLoss) -> str:
    kind = _LOSSES[loss.kind]
    if loss.smoothing:
        kind += f" of labels smoothed by {loss.smoothing:g}"
    return f"{kind}, {_CLASSES[loss.over]}"


def _weight(weight: Schedule) -> str:
    if isinstance(weight, Constant):
        return f"{weight.weight:g}"
    if isinstance(weight, PerTask):
        return f"{found(list(weight.weights))}, one a task"
    return words("schedule", weight)
