"""Which terms a controller turns."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lifelong_kd.core.errors import BadCall, nearest
from lifelong_kd.rounds.base import View

__all__ = ["refuse_unknown", "turned"]


def turned(view: View, terms: Sequence[str] | None) -> tuple[str, ...]:
    """The terms named (all that have a teacher if ``None``) that have something to say in this task."""
    if terms is None:
        return view.distilling()
    return tuple(name for name in terms if name in view.knobs and view.knobs[name].speaks)


def refuse_unknown(terms: Sequence[str] | None, knobs: Collection[str]) -> None:
    """Refuse names that no term of the strategy has.

    Raises:
        BadCall: naming the first, and those that there are.
    """
    for name in terms or ():
        if name not in knobs:
            hint = nearest(name, knobs)
            raise BadCall(
                f"the strategy has no term {name!r} whose weight could be turned."
                + (f" Did you mean {hint!r}?" if hint else "")
                + f" Its terms: {', '.join(knobs) or 'none'}."
            )
