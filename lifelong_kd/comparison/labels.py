"""What rows are called: the strategy, and in few words what tells it from others of its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lifelong_kd.comparison.settings import identity

__all__ = ["labels", "shown"]

# Characters of a label, and of a value in it.
WIDTH, VALUE = 40, 16


def labels(strategy: str, options: Sequence[Mapping[str, Any]]) -> list[str]:
    """A label for each row of a strategy, no two the same.

    Args:
        strategy: its name.
        options: of each row the settings that tell it from the others.

    >>> labels("derpp", [{"rounds.name": "balance"}, {"rounds.name": "single"}])
    ['derpp, balance', 'derpp, single']
    >>> labels("lwf", [{"strategy.temperature": 2.0}, {"strategy.temperature": 4.0}])
    ['lwf, temperature=2', 'lwf, temperature=4']
    """
    keys = list(dict.fromkeys(key for one in options for key in one))
    words = _words(keys)
    full = [_label(strategy, one, keys, words) for one in options]
    if all(len(label) <= WIDTH for label in full) and len(set(full)) == len(full):
        return full
    few = _fewest(options, keys)
    brief = [_label(strategy, one, few, words) for one in options]
    return _numbered(
        [label if label == other else f"{label}, …" for label, other in zip(brief, full, strict=True)]
    )


def shown(value: Any) -> str:
    """A setting as YAML writes it, a number to six digits.

    >>> shown(None), shown(True), shown(0.1 + 0.2)
    ('null', 'true', '0.3')
    """
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(shown(item) for item in value) + "]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _label(strategy: str, options: Mapping[str, Any], keys: Sequence[str], words: Mapping[str, str]) -> str:
    parts = [strategy]
    for key in keys:
        if key in options:
            value = _short(shown(options[key]))
            # A component names itself; one that is switched off is known by its place.
            named = key.endswith(".name") or (isinstance(options[key], str) and "." not in key)
            parts.append(value if named and options[key] is not None else f"{words[key]}={value}")
    return ", ".join(parts)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= VALUE else f"{text[: VALUE - 1]}…"


def _words(keys: Sequence[str]) -> dict[str, str]:
    """The last word of each key; as many as it takes where several end in the same."""
    parts = {key: key.removesuffix(".name").split(".") for key in keys}
    words = {}
    for key, mine in parts.items():
        count = 1
        while count < len(mine) and any(
            other != key and theirs[-count:] == mine[-count:] for other, theirs in parts.items()
        ):
            count += 1
        words[key] = ".".join(mine[-count:])
    return words


def _fewest(options: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[str]:
    """Few keys that are enough to tell the rows apart: again and again the one that splits them most."""
    chosen: list[str] = []
    kinds: list[tuple[str, ...]] = [() for _ in options]
    while len(set(kinds)) < len(options):
        split = {
            key: [
                (*kind, identity(one[key]) if key in one else "")
                for kind, one in zip(kinds, options, strict=True)
            ]
            for key in keys
            if key not in chosen
        }
        best = max(
            split, key=lambda key: (len(set(split[key])), key.endswith(".name"), -len(key)), default=None
        )
        if best is None or len(set(split[best])) == len(set(kinds)):
            break
        chosen.append(best)
        kinds = split[best]
    return [key for key in keys if key in chosen]


def _numbered(names: Sequence[str]) -> list[str]:
    """A number behind each of those that are the same."""
    seen: dict[str, int] = {}
    numbered = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        numbered.append(f"{name} #{seen[name]}" if names.count(name) > 1 else name)
    return numbered
