"""What there is, in text: the lists and pages that ``lifelong-kd list`` and ``show`` print."""

from __future__ import annotations

from lifelong_kd.config.nouns import NOUNS, registry_of
from lifelong_kd.core.errors import nearest

__all__ = ["KEYS", "keys_page", "listing", "page", "which_page"]

KEYS = ("configuration", "training", "evaluation", "tracking")
"""Parts of a configuration that are no components and have a page of their own."""


def listing(noun: str | None) -> str:
    """Each component of ``noun`` (of every noun if None) with its first sentence; none is imported."""
    if noun is None:
        return "\n\n".join(f"{name}\n{listing(name)}" for name in NOUNS)
    entries = list(registry_of(noun))
    width = max((len(entry.name) for entry in entries), default=0)
    lines = []
    for entry in entries:
        owner = "" if entry.owner in ("lifelong_kd", "avalanche-lib") else f"  [{entry.owner}]"
        summary = entry.summary().replace("``", "`")
        lines.append(f"  {entry.name.ljust(width)}  {summary}{owner}".rstrip())
    return "\n".join(lines) or "  (none)"


def page(noun: str, name: str, *, width: int = 100, bold: bool = False) -> str:
    """Everything about one component: idea, formula, paper, needs, parts, options, an example and its command.

    Args:
        noun: which registry.
        name: which of its components.
        width: columns that prose is wrapped to.
        bold: whether headings are bold, for a terminal.

    Raises:
        BadCall: for an unknown noun or name, with the nearest right one.
    """
    entry = registry_of(noun).entry(name)
    from lifelong_kd.catalogue.pages import written

    return written(noun, entry, width=width, bold=bold)


def keys_page(name: str, *, width: int = 100, bold: bool = False) -> str:
    """The keys of a part of the configuration that is no component, one of ``KEYS``, with meanings and defaults."""
    from lifelong_kd.catalogue.keys import written_keys

    return written_keys(name, width=width, bold=bold)


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
    names = [*KEYS, *(name for noun in NOUNS for name in registry_of(noun).names())]
    hint = nearest(word, names)
    suggestion = f" Did you mean {hint!r}?" if hint else ""
    return (
        f"`show` takes a noun and a name, and nothing is called {word!r}.{suggestion} See `lifelong-kd list`."
    )
