"""Named components of one noun: built in, registered by a user's file, or found by entry point.

A registry knows its built-in components as ``"module:attribute"`` strings and imports a module only when its
component is asked for, so that listing names costs no import of torch or Avalanche.
"""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import importlib.util
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lifelong_kd.core.errors import BadCall, nearest

__all__ = ["Component", "Entry", "Registry", "first_sentence", "registries"]

Factory = TypeVar("Factory", bound=Callable[..., Any])

registries: dict[str, Registry] = {}
"""Every registry that has been created so far, by its noun."""


@dataclass(frozen=True)
class Component:
    """Marks a parameter whose value is itself a component: ``Annotated[object, Component("schedule")]``.

    The configuration then accepts a name, ``{name: ..., options}`` or a shorthand that the noun's own
    ``as_<noun>`` understands (a number for a schedule), validates it and builds it. A list, or a mapping from
    names, of components is ``list[Annotated[object, Component("phase")]]`` or ``dict[str, Annotated[...]]``.

    Args:
        noun: which registry.
        default: the component that options without a name belong to.
        shared: in a mapping from names: each component can be referred to by its name from the other options
            of the same owner, wherever a component of this noun can stand, and is one object then.
        later: it is checked with the rest, and built by its owner, who alone knows what for: the owner is given its
            name and its options as a pair.
    """

    noun: str
    default: str | None = None
    shared: bool = False
    later: bool = False


@dataclass(frozen=True)
class Entry:
    """Where one component comes from: ``target`` is ``"module:attribute"`` or the factory itself."""

    name: str
    target: str | Callable[..., Any]
    owner: str

    def load(self) -> Callable[..., Any]:
        """The factory (a class or a function), imported if need be."""
        if callable(self.target):
            return self.target
        module, _, attribute = self.target.partition(":")
        try:
            factory: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
            return factory
        except (ImportError, AttributeError) as error:
            raise BadCall(f"{self.name!r} ({self.owner}) cannot be loaded: {error}") from error

    def summary(self) -> str:
        """The first sentence of the component's docstring, read without importing its module."""
        if callable(self.target):
            return first_sentence(inspect.getdoc(self.target))
        module, _, attribute = self.target.partition(":")
        return first_sentence(_docstring_from_source(module, attribute))


def first_sentence(text: str | None) -> str:
    """The lines of a docstring up to the first that ends a sentence or a paragraph, as one.

    >>> first_sentence("A sentence over\\ntwo lines.\\nAnother.")
    'A sentence over two lines.'
    """
    lines: list[str] = []
    for line in (text or "").strip().splitlines():
        if not line.strip():
            break
        lines.append(line.strip())
        if lines[-1].endswith((".", ":")):
            break
    return " ".join(lines)


def _docstring_from_source(module: str, attribute: str) -> str | None:
    package, _, leaf = module.rpartition(".")
    # find_spec on the full name would import the parents; ours are light, a foreign package is not.
    if not module.startswith("lifelong_kd."):
        return None
    root = importlib.util.find_spec(package)
    if root is None or not root.submodule_search_locations:
        return None
    path = Path(next(iter(root.submodule_search_locations))) / f"{leaf}.py"
    if not path.is_file():
        return None
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == attribute:
            return ast.get_docstring(node)
    return None


class Registry:
    """The components of one noun, by name.

    >>> shapes = Registry("shape", {})
    >>> @shapes.register("square")
    ... def square(*, side: float = 1.0) -> float:
    ...     "A square."
    ...     return side * side
    >>> shapes.get("square")(side=2.0)
    4.0
    """

    def __init__(self, noun: str, builtin: Mapping[str, str]) -> None:
        self.noun = noun
        self._entries: dict[str, Entry] = {}
        self._scanned = False
        for name, target in builtin.items():
            self.add(name, target, owner="lifelong_kd")
        registries[noun] = self

    def add(self, name: str, target: str | Callable[..., Any], *, owner: str) -> None:
        """Add a component; a name that is taken is an error that names both owners."""
        taken = self._entries.get(name)
        if taken is not None:
            raise BadCall(
                f"two components are called {self.noun} {name!r}: one from {taken.owner}, one from {owner}."
                " Rename one of them."
            )
        self._entries[name] = Entry(name, target, owner)

    def register(self, name: str) -> Callable[[Factory], Factory]:
        """Decorator that adds a class or function under ``name``."""

        def add(factory: Factory) -> Factory:
            code = getattr(factory, "__code__", None)
            owner = code.co_filename if code is not None else f"module {factory.__module__}"
            self.add(name, factory, owner=owner)
            return factory

        return add

    def remove(self, name: str) -> None:
        """Forget a component (for tests and notebooks that define one twice)."""
        del self._entries[name]

    def _scan(self) -> None:
        """Find installed plugins once, without importing them."""
        if self._scanned:
            return
        for point in importlib.metadata.entry_points(group=f"lifelong_kd.{self.noun}"):
            owner = f"package {point.dist.name}" if point.dist is not None else "an installed package"
            target = f"{point.module}:{point.attr}"
            found = self._entries.get(point.name)
            # A scan that stopped at a name taken twice is repeated, and stops there again.
            if found is None or (found.owner, found.target) != (owner, target):
                self.add(point.name, target, owner=owner)
        self._scanned = True

    def names(self) -> list[str]:
        """All names, sorted."""
        self._scan()
        return sorted(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return (self._entries[name] for name in self.names())

    def __contains__(self, name: object) -> bool:
        self._scan()
        return name in self._entries

    def entry(self, name: str) -> Entry:
        """The entry called ``name``; an unknown name is an error that says the nearest and all allowed ones."""
        self._scan()
        if name not in self._entries:
            hint = nearest(str(name), self._entries)
            suggestion = f" Did you mean {hint!r}?" if hint else ""
            raise BadCall(
                f"there is no {self.noun} called {name!r}.{suggestion} Known: {', '.join(self.names())}."
            )
        return self._entries[name]

    def get(self, name: str) -> Callable[..., Any]:
        """The factory called ``name``."""
        return self.entry(name).load()
