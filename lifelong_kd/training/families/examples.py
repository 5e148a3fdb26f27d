"""Images, texts and recordings that the student gets wrong, to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall, nearest
from lifelong_kd.evaluation.corruption import CORRUPTIONS, SEVERITIES
from lifelong_kd.evaluation.plots_examples import Example, as_picture, plot_examples
from lifelong_kd.evaluation.plots_texts import plot_texts
from lifelong_kd.stream.text import as_texts
from lifelong_kd.training.families.base import Family, Found, Look
from lifelong_kd.training.families.images import check_images, corrupted_by
from lifelong_kd.training.families.picked import picked
from lifelong_kd.training.reading import own, predicted

if TYPE_CHECKING:
    from lifelong_kd.stream.stream import Stream
    from lifelong_kd.training.ask import Answers

__all__ = ["Examples"]

Change = Callable[[Tensor, torch.Generator], Tensor]


class Examples(Family):
    """Test images of the tasks seen that the student gets wrong, and those that it gets wrong once corrupted.

    The second are images that it gets right as they are. Both are taken from all tasks in turn, drawn by the run's
    seed; they lie in ``plots/examples/`` and are logged after each task. Of texts it is the texts, of recordings their
    spectrograms; neither is corrupted.

    Args:
        count: images in a picture.
        samples: at most so many of each test task are looked through.
        corruption: noise, blur, contrast, jpeg or shift; null for no corrupted images.
        severity: of the corruption, 1 to 5.

    Raises:
        BadCall: for an unknown corruption or severity, or less than one image or sample.
    """

    def __init__(
        self, *, count: int = 24, samples: int = 200, corruption: str | None = "noise", severity: int = 3
    ) -> None:
        for option, value in (("count", count), ("samples", samples)):
            if value < 1:
                raise BadCall(f"{option} must be at least 1, found {value}")
        if corruption is not None and corruption not in CORRUPTIONS:
            near = nearest(corruption, CORRUPTIONS)
            hint = f" Did you mean {near!r}?" if near else ""
            raise BadCall(f"there is no corruption {corruption!r}, but {', '.join(CORRUPTIONS)}.{hint}")
        if severity not in SEVERITIES:
            raise BadCall(f"severity is 1 to 5, found {severity!r}")
        self.count, self.samples = count, samples
        self.corruption, self.severity = corruption, severity

    def check(self, stream: Stream) -> None:
        """Refuse a stream of measurements that are no images.

        Raises:
            BadCall: if they are not.
        """
        if stream.kind == "samples":
            check_images(stream, "examples")

    def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
        """The shares that are wrong, and of each example ``[task, place among the samples, class, answer]``."""
        wrong: list[list[list[int]]] = []
        spoiled: list[list[list[int]]] = []
        asked = 0
        for task in range(look.task + 1):
            clean = picked(look, "test", task, self.samples)
            said = self._said(look, task, clean)
            asked += len(clean)
            wrong.append(_rows(task, clean.targets, said, said != clean.targets))
            if self.corruption is not None and look.stream.kind == "samples":
                other = self._said(look, task, self._corrupted(look, task))
                fell = (said == clean.targets) & (other != clean.targets)
                spoiled.append(_rows(task, clean.targets, other, fell))
        return {
            "wrong_share": sum(map(len, wrong)) / asked if asked else None,
            "corrupted_share": sum(map(len, spoiled)) / asked if asked and spoiled else None,
            "wrong": _in_turn(wrong, self.count),
            "corrupted": _in_turn(spoiled, self.count),
        }

    def show(self, look: Look, found: Found, folder: Path) -> list[tuple[str, Path]]:
        pictures = []
        for name, how in (
            ("wrong", "as they are"),
            ("corrupted", f"under {self.corruption} {self.severity}"),
        ):
            rows = found[name]
            if rows:
                path = folder / "examples" / f"task_{look.task}_{name}.png"
                title = f"Wrong after task {look.task}, {how}: class → answer"
                if look.stream.kind == "texts":
                    pictures.append(
                        (f"examples/{name}", plot_texts(self._texts(look, rows), path, title=title))
                    )
                    continue
                examples = self._images(look, rows, corrupted=name == "corrupted")
                pictures.append((f"examples/{name}", plot_examples(examples, path, title=title)))
        return pictures

    def _said(self, look: Look, task: int, answers: Answers) -> Tensor:
        if not len(answers):
            return answers.targets
        return predicted(own(answers.logits, look.stream.tasks[task].classes, look.stream.scenario))

    def _change(self, look: Look, task: int) -> Change:
        assert self.corruption is not None
        return corrupted_by(look.seeds, task, self.corruption, self.severity)

    def _corrupted(self, look: Look, task: int) -> Answers:
        return look.answers("test", task, limit=self.samples, change=self._change(look, task))

    def _texts(self, look: Look, rows: Sequence[Sequence[int]]) -> list[tuple[str, str, str]]:
        """Text, class and answer of each example."""
        names = look.stream.class_names
        found = []
        for task, place, true, said in rows:
            row = look.pick("test", task, self.samples)[place : place + 1]
            found.append((as_texts(look.data("test", task).raw(row))[0], str(names[true]), str(names[said])))
        return found

    def _images(self, look: Look, rows: Sequence[Sequence[int]], *, corrupted: bool) -> list[Example]:
        """The images as the student was asked about them."""
        seen: dict[int, Tensor] = {}
        for task in {row[0] for row in rows}:
            kept: list[Tensor] = []
            spoil = self._change(look, task) if corrupted else None
            look.answers("test", task, limit=self.samples, change=_keeping(kept, spoil))
            seen[task] = torch.cat(kept)
        names = look.stream.class_names
        drawn = as_picture if look.stream.kind == "recordings" else _as_it_is
        return [
            Example(drawn(seen[task][place]), str(names[true]), str(names[said]))
            for task, place, true, said in rows
        ]


def _as_it_is(x: Tensor) -> Tensor:
    return x


def _keeping(kept: list[Tensor], spoil: Change | None) -> Change:
    def change(x: Tensor, generator: torch.Generator) -> Tensor:
        x = x if spoil is None else spoil(x, generator)
        kept.append(x.detach().cpu())
        return x

    return change


def _rows(task: int, targets: Tensor, said: Tensor, chosen: Tensor) -> list[list[int]]:
    places = chosen.nonzero().flatten().tolist()
    return [[task, place, int(targets[place]), int(said[place])] for place in places]


def _in_turn(by_task: Sequence[Sequence[list[int]]], count: int) -> list[list[int]]:
    """At most ``count`` of all tasks: the first of each, then the second of each, and so on."""
    longest = max(map(len, by_task), default=0)
    ordered = (rows[place] for place in range(longest) for rows in by_task if place < len(rows))
    return [row for row, _ in zip(ordered, range(count), strict=False)]
