"""Which terms a controller turns."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lifelong_kd.core.errors import BadCall, nearest
from lifelong_kd.rounds.base import View

__all__ = ["refuse_fine_tuning", "refuse_unknown", "turned"]


def turned(view: View, terms: Sequence[str] | None) -> tuple[str, ...]:
    """The terms named (all that have a teacher if ``None``) that have something to say in this task."""
    if terms is None:
        return view.distilling()
    return tuple(name for name in terms if name in view.knobs and view.knobs[name].speaks)


def refuse_fine_tuning(view: View) -> None:
    """Refuse to end a task with a round of plain fine-tuning because every round of the method diverged.

    Raises:
        BadCall: if such a round is the kept one.
    """
    if view.best is not None and view.best.proposal.plain:
        raise BadCall(
            "every round of the method diverged, and fine-tuning must not be kept in its place:"
            " lower optimizer.lr or the weights of the terms, or set training.grad_clip"
        )


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
