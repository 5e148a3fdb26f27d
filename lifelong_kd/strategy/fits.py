"""Which teacher, knowledge, source and columns go together in one term."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from lifelong_kd.core.errors import BadCall
from lifelong_kd.knowledge.base import Knowledge
from lifelong_kd.knowledge.l1 import L1
from lifelong_kd.knowledge.mse import Mse
from lifelong_kd.strategy.columns import Over
from lifelong_kd.strategy.lesson import View
from lifelong_kd.teacher.base import Teacher

__all__ = ["check_fit"]


def check_fit(
    teacher: Teacher, knowledge: Knowledge, source: str, over: str, view: str, at: Sequence[str] | None
) -> None:
    """Refuse the parts of a distillation term that do not fit one another.

    Raises:
        BadCall: saying which do not, and what would.
    """
    missing = knowledge.needs - teacher.offers
    if missing:
        raise BadCall(
            f"{type(knowledge).__name__} needs {sorted(missing)}, which {type(teacher).__name__} does not offer;"
            f" it offers {sorted(teacher.offers)}"
        )
    if "logits" in teacher.needs_fields and not knowledge.skips_unknown:
        raise BadCall(
            f"{type(knowledge).__name__} needs every column, but logits stored earlier lack those of later classes;"
            " use a knowledge that leaves them out, such as mse"
        )
    if source not in teacher.sources:
        raise BadCall(
            f"{type(teacher).__name__} cannot teach on {source!r}; it can on {sorted(teacher.sources)}"
        )
    if over not in get_args(Over):
        raise BadCall(f"a term compares classes {', '.join(map(repr, get_args(Over)))}; not {over!r}")
    if over == "padded" and isinstance(knowledge, Mse | L1):
        raise BadCall(
            f"over='padded' gives new classes probability 0, that is a logit of minus infinity, from which"
            f" {type(knowledge).__name__} is infinitely far; use a knowledge of probabilities, such as kd"
        )
    if view not in get_args(View):
        raise BadCall(f"a term sees the view {', '.join(map(repr, get_args(View)))}; not {view!r}")
    if view != "same" and teacher.needs_fields:
        raise BadCall(
            f"{type(teacher).__name__} kept what was said about the augmented view: use view 'same'"
        )
    if at is not None and "maps" not in knowledge.needs:
        raise BadCall(f"{type(knowledge).__name__} compares no modules' outputs: leave out 'at'")
