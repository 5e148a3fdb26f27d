"""Who teaches in a strategy, and what everybody is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from lifelong_kd.core.types import Wants
from lifelong_kd.correction.base import Correction
from lifelong_kd.phase.base import Phase
from lifelong_kd.strategy.term import Term
from lifelong_kd.teacher.base import Teacher

__all__ = ["roster", "wanted"]


def roster(terms: Mapping[str, Term], helpers: Sequence[Phase | Correction]) -> dict[str, Teacher]:
    """The teachers by the name of the first term, or the class of the first helper, that uses them, each once.

    The members of an ensemble come before it, as ``name/0``, ``name/1`` and so on.
    """
    found: dict[str, Teacher] = {}

    def add(name: str, teacher: Teacher) -> None:
        if any(teacher is known for known in found.values()):
            return
        for number, member in enumerate(teacher.members):
            add(f"{name}/{number}", member)
        found[name] = teacher

    for name, term in terms.items():
        if term.teacher is not None:
            add(name, term.teacher)
    counted: Counter[str] = Counter()
    for part in helpers:
        for teacher in part.teachers:
            kind = type(part).__name__
            if all(teacher is not known for known in found.values()):
                add(f"{kind}/{counted[kind]}", teacher)
                counted[kind] += 1
    return found


def wanted(terms: Mapping[str, Term]) -> tuple[dict[str, Wants], dict[int, Wants]]:
    """What the student is asked on each source, and each teacher (by ``id``) anywhere, besides logits."""
    wants: dict[str, Wants] = {}
    asked: dict[int, Wants] = {}
    for term in terms.values():
        wants[term.source] = wants.get(term.source, Wants()) | term.wants
        if term.teacher is not None:
            asked[id(term.teacher)] = asked.get(id(term.teacher), Wants()) | term.wants
    return wants, asked
