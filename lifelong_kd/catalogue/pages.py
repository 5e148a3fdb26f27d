"""The page about one component."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from lifelong_kd.catalogue.docstring import links, plain, read
from lifelong_kd.catalogue.example import example
from lifelong_kd.catalogue.layout import fill, paragraph, section, table
from lifelong_kd.catalogue.made_up import required
from lifelong_kd.catalogue.option import option_lines
from lifelong_kd.config.load import load_config
from lifelong_kd.config.make import make
from lifelong_kd.config.sections import ModelSection, StreamSection
from lifelong_kd.config.signature import Option, documented, options_of
from lifelong_kd.config.validate import fields_of
from lifelong_kd.core.errors import LifelongError
from lifelong_kd.core.registry import Entry

__all__ = ["signature_text", "written"]

_COMMON: dict[str, Any] = {"stream": StreamSection, "model": ModelSection}
_MARKS: dict[Any, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
# An annotation that stands for a component, written as its noun.
_COMPONENT = re.compile(r"Annotated\[[\w.]+, Component\(['\"](\w+)['\"][^)]*\)\]")
_SAVED = "example.yaml"


def written(noun: str, entry: Entry, *, width: int, bold: bool) -> str:
    """The page about ``entry``; see :func:`lifelong_kd.catalogue.page`."""
    factory = entry.load()
    options = options_of(factory, f"{noun} {entry.name!r}")
    doc = read(factory)

    def part(title: str, *lines: str) -> str:
        return section(title, lines, bold)

    def prose(texts: list[str]) -> str:
        return "\n\n".join(paragraph(text, width) for text in texts)

    needs, parts = _of_strategy(entry.name, options) if noun == "strategy" else (_needs(noun, factory), [])
    shown = example(noun, entry.name, factory, options, doc)
    if parts:
        needs.insert(2, ("head", f"{shown.head}, as in the example below"))
    if parts and not doc.needs:
        needs.append(("stream", "class-, task- or domain-incremental"))
    common = _COMMON.get(noun)
    shared = [o for o in fields_of(common).values() if o.name not in options] if common is not None else []
    meant = {key: plain(said) for key, said in documented(common)[1].items()} if common is not None else {}
    where = f"in {shown.file}" if shown.file else f"to be saved as {_SAVED}"
    own = "" if shown.runs else "  (Its paths and names stand for your own.)\n"
    sections = [
        section(f"{noun} {entry.name}, from {entry.owner}", [paragraph(doc.summary, width)], bold),
        part("Formula", fill(doc.formula[0], width, "  ", " " * 6), prose(doc.formula[1:]))
        if doc.formula
        else "",
        part("Paper", prose(doc.papers), *[f"  {link}" for link in links(doc.papers)]),
        part("Needs", *[paragraph(text, width) for text in doc.needs], table(needs, width) if needs else ""),
        part("Parts, as built with the defaults", table(parts, width)) if parts else "",
        part("About", prose(doc.paragraphs)),
        part("Returns", prose([doc.returns]) if doc.returns else ""),
        part("Refuses", prose(doc.raises)),
        part("Signature", paragraph(signature_text(entry.name, factory), width)),
        part(
            "Options", "\n".join(option_lines(o, doc.arguments, width) for o in options.values()) or "  none"
        ),
        part(f"Options of every {noun}", "\n".join(option_lines(o, meant, width) for o in shared))
        if shared
        else "",
        part("From Python", f"    {doc.example}".replace("\n", "\n    "))
        if doc.example.startswith(">>>")
        else "",
        part("Run", f"  lifelong-kd run {shown.file or _SAVED}"),
        part(f"In a configuration, {where}", own + _indent(shown.text)),
    ]
    return "\n\n".join(text for text in sections if text)


def _of_strategy(
    name: str, options: Mapping[str, Option]
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """What a strategy needs and consists of, read off one that has been built; nothing if it cannot be."""
    from lifelong_kd.catalogue.parts import needs_of, parts_of
    from lifelong_kd.strategy.base import Strategy

    try:
        given = {"name": name, **required(options)}
        settings = load_config({"stream": "split_digits", "model": "mlp", "strategy": given}).settings
        strategy = make("strategy", settings["strategy"])
    except LifelongError:
        return [], []
    if not isinstance(strategy, Strategy):
        return [], []
    return needs_of(strategy), parts_of(strategy)


def _needs(noun: str, factory: Callable[..., Any]) -> list[tuple[str, str]]:
    """What a component says of itself as a class: what it compares or offers, where it can stand."""
    rows = []
    if noun == "knowledge":
        rows.append(("compares", _listed(getattr(factory, "needs", ()))))
        if getattr(factory, "mixes_samples", False):
            rows.append(("batch", "a sample's value depends on the other samples of its batch"))
        if getattr(factory, "skips_unknown", False):
            rows.append(("stored logits", "columns that the teacher did not have yet are left out"))
    if noun == "teacher":
        rows.append(("offers", _listed(getattr(factory, "offers", ()))))
        rows.append(("teaches on", _listed(getattr(factory, "sources", ()))))
        if kept := getattr(factory, "needs_fields", ()):
            rows.append(("memory", f"one that keeps {_listed(kept)}"))
    if noun == "phase":
        times = {
            "before": "before the task's own training",
            "after": "after the task's own training, before the memory chooses",
            "balanced": "after the task's own training, when the memory has chosen",
        }
        rows.append(("when", times.get(getattr(factory, "when", ""), "")))
    if noun == "correction":
        trained = getattr(factory, "in_training", False)
        rows.append(("acts", "in training and in evaluation" if trained else "in evaluation"))
        rows.append(("memory", "needed" if getattr(factory, "needs_memory", False) else "not needed"))
    return [(name, text) for name, text in rows if text]


_ORDER = ("logits", "features", "maps", "gradients", "new", "memory", "memory2", "external", "generated")


def _listed(names: Any) -> str:
    if not isinstance(names, set | frozenset | tuple):
        return ""
    known = [name for name in _ORDER if name in names]
    return ", ".join([*known, *sorted(set(names) - set(known))])


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
        text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
        typed = "" if annotation is inspect.Parameter.empty else f": {text}"
        default = "" if parameter.default is inspect.Parameter.empty else f" = {parameter.default!r}"
        mark = _MARKS.get(parameter.kind, "")
        words.append(f"{mark}{parameter.name}{typed}{default}")
    return _COMPONENT.sub(r"\1", f"{name}({', '.join(words)})")


def _indent(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())
