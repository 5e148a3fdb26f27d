"""The nouns a configuration can name, and where their registries live."""

from __future__ import annotations

import importlib
from types import MappingProxyType

from lifelong_kd.core.errors import BadCall, nearest
from lifelong_kd.core.registry import Registry, registries

__all__ = ["NOUNS", "registry_of", "shorthand_of"]

NOUNS = MappingProxyType(
    {
        "stream": "lifelong_kd.stream",
        "transform": "lifelong_kd.stream",
        "encoder": "lifelong_kd.stream",
        "model": "lifelong_kd.model",
        "head": "lifelong_kd.model",
        "teacher": "lifelong_kd.teacher",
        "knowledge": "lifelong_kd.knowledge",
        "schedule": "lifelong_kd.schedule",
        "memory": "lifelong_kd.memory",
        "generator": "lifelong_kd.generator",
        "pool": "lifelong_kd.stream",
        "term": "lifelong_kd.strategy.terms",
        "phase": "lifelong_kd.phase",
        "correction": "lifelong_kd.correction",
        "strategy": "lifelong_kd.strategy",
        "optimizer": "lifelong_kd.training",
        "rounds": "lifelong_kd.rounds",
        "family": "lifelong_kd.training.families",
        "tracker": "lifelong_kd.tracking",
    }
)
"""Each noun and the package whose import creates its registry; all of these imports are light."""


def registry_of(noun: str) -> Registry:
    """The registry of ``noun``; an unknown noun is a ``BadCall`` that lists the known ones."""
    if noun not in NOUNS:
        hint = nearest(noun, NOUNS)
        suggestion = f" Did you mean {hint!r}?" if hint else ""
        raise BadCall(f"there is no noun called {noun!r}.{suggestion} Known: {', '.join(NOUNS)}.")
    importlib.import_module(NOUNS[noun])
    if noun == "strategy":  # Avalanche's own strategies are added by name from the room that runs them
        importlib.import_module("lifelong_kd.training")
    return registries[noun]


def shorthand_of(noun: str) -> tuple[type, ...]:
    """Types of plain values that stand for a component of ``noun``, such as a number for a schedule."""
    shorthand: tuple[type, ...] = getattr(importlib.import_module(NOUNS[noun]), "shorthand", ())
    return shorthand
