"""What the generator makes, to look at: of which classes, how sure the solver is, how well it models the data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.generalisation import mean_of
from lifelong_kd.evaluation.sheet import Row, draw_sheet
from lifelong_kd.training.families.base import Family, Found, Look

if TYPE_CHECKING:
    # A configuration asks for a family's options without loading Avalanche.
    from lifelong_kd.training.samples import Replayed

__all__ = ["SampleSheets"]

NUMBERS = ("class_entropy", "confidence", "agreement", "score", "score_old")
ROWS = 50
"""More classes would make a picture that nobody can look at."""


class SampleSheets(Family):
    """The samples that the generator makes after each task, as the next task will replay them.

    Nothing is measured, drawn or written where the strategy has no generator. With the solver (the student as it is
    now) saying of which of the classes seen each sample is::

        class_entropy = -sum_c p_c log p_c / log C     p_c: share of class c of the C classes seen

    which is 1 where all classes are replayed equally often and 0 where there is but one; ``confidence`` is the mean
    probability of the class said, ``agreement`` the share of samples that are of the class that the generator was asked
    for, of one that is asked. ``score`` is the generator's own on the validation data of the task, in its unit, lower
    is better, ``score_old`` its mean over those of the earlier tasks: how much it has forgotten.

    Images become a sheet, ``plots/samples_task_K.png``, with a row for each class; its share and confidence stand
    beside it. Samples that are no images in [0, 1], or made inside the network, leave the numbers alone.
    A data-free generator makes new samples only when the next task begins: those after task K are those that task K
    replayed, and after the first task there are none.

    Args:
        samples: made after each task, at least 1.
        columns: images in a row of the sheet, at least 1.

    Raises:
        BadCall: for less than one sample or column.
    """

    by_default = True

    def __init__(self, *, samples: int = 500, columns: int = 12) -> None:
        for option, value in (("samples", samples), ("columns", columns)):
            if value < 1:
                raise BadCall(f"{option} must be at least 1, found {value}")
        self.samples, self.columns = samples, columns

    def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
        """The numbers; ``share`` and the confidences ``sure`` of each class by its name."""
        made = self._made(look)
        if made is None:
            return {}
        names = look.stream.class_names
        classes = _seen(look)
        mine = {column: made.said == column for column in classes}
        share = {str(names[column]): float(rows.double().mean()) for column, rows in mine.items()}
        sure = {
            str(names[column]): float(made.confidence[rows].mean())
            for column, rows in mine.items()
            if rows.any()
        }
        asked = made.asked
        return {
            "class_entropy": _balance(list(share.values())),
            "confidence": float(made.confidence.mean()),
            "agreement": float((made.said == asked).double().mean()) if asked is not None else None,
            **self._scores(look),
            "share": share,
            "sure": sure,
        }

    def show(self, look: Look, found: Found, folder: Path) -> list[tuple[str, Path]]:
        made = self._made(look) if found else None
        if made is None or not _images(look, made):
            return []
        names, classes = look.stream.class_names, _seen(look)
        rows = [
            Row(_named(str(names[column]), found), made.raw[made.said == column][: self.columns])
            for column in classes[:ROWS]
        ]
        more = f", the first {ROWS} of {len(classes)} classes" if len(classes) > ROWS else ""
        title = f"Generated after task {look.task}: class by the solver, share, confidence{more}"
        path = draw_sheet(rows, folder / f"samples_task_{look.task}.png", columns=self.columns, title=title)
        return [("samples/sheet", path)]

    def summary(self, found: Sequence[Found]) -> dict[str, float | None]:
        """Means over the tasks after which there were samples."""
        measured = [one for one in found if one]
        if not measured:
            return {}
        return {name: mean_of([one.get(name) for one in measured]) for name in NUMBERS}

    def _made(self, look: Look) -> Replayed | None:
        from lifelong_kd.training.samples import replayed

        if look.plugin is None or look.plugin.strategy.generator is None:
            return None
        return replayed(look.plugin, self.samples, look.seeds.derive(f"look/samples/{look.task}"))

    def _scores(self, look: Look) -> dict[str, float | None]:
        """The generator's own score on validation data of this task and, as a mean, of those before it."""
        from lifelong_kd.training.samples import score_of

        generator = look.plugin.strategy.generator if look.plugin is not None else None
        if generator is None or not look.stream.has_validation:
            return {"score": None, "score_old": None}
        scores = [score_of(generator, look.data("valid", task)) for task in range(look.task + 1)]
        old = [score for score in scores[:-1] if score is not None]
        return {"score": scores[-1], "score_old": sum(old) / len(old) if old else None}


def _seen(look: Look) -> list[int]:
    assert look.plugin is not None
    return list(look.plugin.tasks[-1].seen)


def _balance(shares: Sequence[float]) -> float | None:
    """Entropy of the shares by its most; ``None`` where one class is all there is."""
    if len(shares) < 2:
        return None
    return -sum(share * math.log(share) for share in shares if share > 0) / math.log(len(shares))


def _images(look: Look, made: Replayed) -> bool:
    if look.plugin is None or look.plugin.strategy.generator is None or look.plugin.strategy.generator.level:
        return False
    pictured = made.raw.dim() == 4 and made.raw.shape[1] in (1, 3)
    return pictured and bool(made.raw.min() >= 0) and bool(made.raw.max() <= 1)


def _named(name: str, found: Mapping[str, Mapping[str, float]]) -> str:
    short = name if len(name) <= 9 else f"{name[:8]}…"
    sure = found["sure"].get(name)
    return f"{short}: {100 * found['share'][name]:.0f} %" + ("" if sure is None else f", {100 * sure:.0f} %")
