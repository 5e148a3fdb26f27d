"""How far the best column is above the second one."""

from __future__ import annotations

from collections.abc import Sequence

from lifelong_kd.training.families.base import Family, Found, Look


class Margin(Family):
    """Mean difference of the two highest logits on the test data of the new task.

    Args:
        scale: what it is multiplied by.
    """

    def __init__(self, *, scale: float = 1.0) -> None:
        self.scale = scale

    def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
        best = look.answers("test", look.task).logits.topk(2, dim=1).values
        return {"margin": self.scale * float((best[:, 0] - best[:, 1]).mean())}

    def summary(self, found: Sequence[Found]) -> dict[str, float | None]:
        return {"margin": sum(one["margin"] for one in found) / len(found)}
