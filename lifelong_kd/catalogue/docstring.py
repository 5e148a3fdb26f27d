"""A docstring, taken apart: first sentence, formula, papers, what is needed, options, an example."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from lifelong_kd.config.dialect import parse_value
from lifelong_kd.config.signature import documented
from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import first_sentence

__all__ = ["Doc", "links", "plain", "read"]

_SECTION = re.compile(r"^(Returns|Raises|Example|Configuration):$")
_ROLE = re.compile(r":\w+:`~?(?:[\w.]*\.)?(\w+)`")
_FORMULA = re.compile(r"^``([^`]+)``[.,:;]?\s*", re.DOTALL)
_INSIDE = re.compile(r"``[^`]*( [=|<>*+] |\^)[^`]*``", re.DOTALL)
_LABEL = re.compile(r"^(Paper|Needs)s?:\s*", re.DOTALL)
_REFERENCE = re.compile(r"\(([^()]*(?:[A-Z][^()]*\b(?:19|20)\d\d\b|arXiv[\s:]+\d{4}\.\d{4,5})[^()]*)\)")
_AUTHORS = re.compile(
    r"(?:[A-Z][\w-]+\s)+(?:et al\.|(?:and|&)\s[A-Z][\w-]+)?,?\s?(?:(?:19|20)\d\d)?,?\s?(?:\"[^\"]+\")?,?\s?$"
)
_ANONYMOUS = re.compile(r"arXiv|[A-Z]{3,}\w*\s\d{4}")
_ARXIV = re.compile(r"arXiv[\s:]+(\d{4}\.\d{4,5})")
_DOI = re.compile(r"\bdoi:\s*(10\.\d{4,}/[^\s,;)]+)")


@dataclass
class Doc:
    """What a docstring says.

    ``paragraphs`` is what has no place of its own, ``example`` the text under ``Example:``, ``settings`` the keys of a
    configuration under ``Configuration:``, or under ``Example:`` if that is YAML.
    """

    summary: str
    formula: list[str] = field(default_factory=list)
    papers: list[str] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)
    paragraphs: list[str] = field(default_factory=list)
    raises: list[str] = field(default_factory=list)
    returns: str = ""
    arguments: dict[str, str] = field(default_factory=dict)
    example: str = ""
    settings: dict[str, Any] | None = None


def read(factory: Callable[..., Any]) -> Doc:
    """The docstring of ``factory``; a class with a function of its idea beside it says what that says, too.

    A knowledge is such a class: ``Kd`` stands beside ``kd_loss``, which has the formula and the paper.
    """
    doc = _parsed(factory)
    beside = _function_beside(factory)
    if beside is not None and not doc.formula:
        other = _parsed(beside)
        doc.formula = other.formula
        doc.paragraphs += [other.summary, *other.paragraphs]
        doc.papers = _each_once([*doc.papers, *other.papers])
        doc.returns = doc.returns or other.returns
    return doc


def links(texts: list[str]) -> list[str]:
    """Where the papers named in ``texts`` are found.

    >>> links(["Li & Hoiem 2016, arXiv 1606.09282"])
    ['https://arxiv.org/abs/1606.09282']
    """
    found = [f"https://arxiv.org/abs/{number}" for text in texts for number in _ARXIV.findall(text)]
    found += [f"https://doi.org/{name.rstrip('.')}" for text in texts for name in _DOI.findall(text)]
    return list(dict.fromkeys(found))


def _parsed(factory: Callable[..., Any]) -> Doc:
    text, arguments = documented(factory)
    blocks = list(_blocks(text))
    first = blocks.pop(0)[1] if blocks else ""
    summary = first_sentence(first)
    rest = " ".join(first.split())[len(summary) :].strip()
    doc = Doc(plain(summary), arguments={name: plain(said) for name, said in arguments.items()})
    if rest:
        blocks.insert(0, ("", rest))
    for section, block in blocks:
        if section == "Raises":
            doc.raises += _items(block)
        elif section == "Returns":
            doc.returns = plain(" ".join(block.split()))
        elif section == "Configuration":
            doc.settings = _yaml(block)
        elif section:
            doc.example = block
            doc.settings = doc.settings or _yaml(block)
        elif block.startswith(">>>"):
            doc.example = doc.example or block
        else:
            _paragraph(doc, block)
    if not doc.papers:
        doc.papers = _references(" ".join([text, *arguments.values()]))
    return doc


def _paragraph(doc: Doc, block: str) -> None:
    label = _LABEL.match(block)
    if label:
        said = plain(block[label.end() :])
        (doc.papers if label[1] == "Paper" else doc.needs).append(said)
        return
    formula = _FORMULA.match(block) if not doc.formula else None
    if formula and re.search(r"[=|<>*+]", formula[1]):
        rest = block[formula.end() :]
        doc.formula = [" ".join(formula[1].split()), *([plain(rest)] if rest.strip() else [])]
        return
    if not doc.formula and not doc.paragraphs and _INSIDE.search(block):
        doc.formula = [" ".join(plain(block).split())]
        return
    doc.paragraphs.append(block.rstrip() if block.startswith("    ") else plain(block).replace("::", ":"))


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """(section, text): paragraphs have no section; a section is its indented lines, without the indentation."""
    lines, number = text.splitlines(), 0
    while number < len(lines):
        section = _SECTION.match(lines[number].rstrip())
        if not lines[number].strip():
            number += 1
            continue
        end = number + 1
        if section:
            while end < len(lines) and (not lines[end].strip() or lines[end].startswith(" ")):
                end += 1
            yield section[1], inspect.cleandoc("\n".join(["", *lines[number + 1 : end]]))
        else:
            while end < len(lines) and lines[end].strip():
                end += 1
            yield "", "\n".join(lines[number:end])
        number = end


def _yaml(text: str) -> dict[str, Any] | None:
    if text.startswith(">>>"):
        return None
    try:
        found = parse_value(text)
    except BadCall:
        return None
    return found if isinstance(found, dict) else None


def _items(block: str) -> list[str]:
    """Entries such as ``BadCall: if ...`` whose further lines are indented."""
    return [plain(" ".join(item.split())) for item in re.split(r"\n(?! )", block) if item.strip()]


def _references(text: str) -> list[str]:
    """What stands in parentheses and names a year or a number of arXiv."""
    found = []
    for match in _REFERENCE.finditer(text):
        # Of a number or a venue alone the authors, and the title, are what stands before it.
        authors = _AUTHORS.search(text[: match.start()]) if _ANONYMOUS.match(match[1]) else None
        found.append(
            plain(" ".join(f"{authors[0].strip()}, {match[1]}".split() if authors else match[1].split()))
        )
    return _each_once(found)


def _each_once(references: list[str]) -> list[str]:
    """Without those that another one says in more words: the same first author and the same year."""
    longest: dict[str, str] = {}
    for reference in references:
        author = re.search(r"[A-Z]\w+", reference)
        year = re.search(r"\b(?:19|20)\d\d\b", reference)
        key = f"{author[0]} {year[0]}" if author and year else reference
        longest[key] = max(longest.get(key, ""), reference, key=len)
    return list(dict.fromkeys(longest.values()))


def plain(text: str) -> str:
    """Without the marks of the documentation's own language."""
    return _ROLE.sub(r"`\1`", text).replace("``", "`").strip()


def _function_beside(factory: Callable[..., Any]) -> Callable[..., Any] | None:
    if not inspect.isclass(factory):
        return None
    module = sys.modules[factory.__module__]
    names = [name for name in getattr(module, "__all__", ()) if name.endswith("_loss")]
    functions = [getattr(module, name) for name in names]
    own = [one for one in functions if one.__name__.replace("_", "").startswith(factory.__name__.lower())]
    return next(iter([*own, *functions]), None)
