"""The contract of a family of scores, and what it may look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor

if TYPE_CHECKING:
    # A configuration asks for a family's options without loading what runs it.
    from lifelong_kd.core.seeds import Seeds
    from lifelong_kd.stream.stream import Stream
    from lifelong_kd.training.ask import Answers, Asker
    from lifelong_kd.training.plugin import DistillationPlugin

__all__ = ["Family", "Found", "Look", "Split", "Table"]

Split = Literal["train", "valid", "test"]

Found = dict[str, Any]
"""What a family found: names to numbers, lists of numbers, or mappings of these; plain data, as JSON has it.

Numbers of NumPy and torch are kept as Python's, and one that is not finite as ``None``.
"""


@dataclass(frozen=True)
class Look:
    """A student after a task (or at the end of its training, for ``before_end``), and everything about it.

    ``task`` is the task just learned; ``heard`` what the evaluation asked already, so that it costs nothing to ask
    again: the whole of each test task and of the validation data of ``task``, and of its training data as many samples
    as ``evaluation.train_samples`` says.
    ``plugin`` is ``None`` for Avalanche's own strategies. ``pending`` is what the family found in this task so far: in
    ``before_end``, as ``trace`` the list of what it found during training, and ``training_seconds`` of the run so far.
    """

    task: int
    stream: Stream
    engine: Any
    plugin: DistillationPlugin | None
    asker: Asker
    seeds: Seeds
    heard: Mapping[tuple[Split, int], Answers] = field(default_factory=dict)
    pending: Mapping[str, Any] = field(default_factory=dict)

    def answers(
        self,
        split: Split,
        task: int,
        *,
        limit: int | None = None,
        features: bool = False,
        change: Callable[[Tensor, torch.Generator], Tensor] | None = None,
    ) -> Answers:
        """What the student says about a split of a task, as in evaluation: corrections applied, nothing disturbed.

        Args:
            split: ``train``, ``valid`` or ``test``.
            task: whose.
            limit: at most so many samples, always the same ones: those of a draw by the run's seed.
            features: whether the input of the head is wanted too.
            change: what is done to each batch of images (B, C, H, W) in [0, 1] before normalisation; its generator
                is seeded by the number of the batch, the same each time.
        """
        known = self.heard.get((split, task))
        if known is not None and change is None and not features and limit is None:
            return known
        return self.asker.ask(self.data(split, task), self.pick(split, task, limit), features, change)

    def data(self, split: Split, task: int) -> Any:
        """The samples of a split of a task: ``targets``, ``labels``, ``raw(index)``, ``plain(raw)``."""
        return self.asker.data(split, task)

    def pick(self, split: Split, task: int, limit: int | None) -> Tensor:
        """Which samples: all, or ``limit`` of them drawn by the run's seed, in order."""
        from lifelong_kd.training.ask import drawn

        return drawn(len(self.data(split, task).targets), limit, self.seeds.derive(f"look/{split}/{task}"))


@dataclass(frozen=True)
class Table:
    """A table for a person: its headings, and the cells of each row; the first column says what a row is."""

    columns: Sequence[str]
    rows: Sequence[Sequence[float | int | str | None]]


class Family:
    """Scores that belong together.

    ``by_default`` says whether it is on unless the configuration switches it off; such a family costs little.
    A family has options and no state: what it found after each task is kept for it in the run's record, so that a
    resumed run knows it. The constructor takes the family's options, keyword-only, each documented under ``Args:``.
    """

    by_default: ClassVar[bool] = False
    needs_validation: ClassVar[bool] = False
    """Whether nothing can be found of a stream without validation data."""

    varies: ClassVar[frozenset[str]] = frozenset()
    """Names, at any depth of what it finds and of its scores, that a clock or the machine decides."""

    def check(self, stream: Stream) -> None:
        """Refuse a stream that nothing can be found of, before anything is trained.

        Raises:
            BadCall: saying what is missing.
        """

    def interval(self, steps: int) -> int | None:
        """Iterations between two calls of ``during`` in a task of ``steps`` iterations; ``None`` for never."""
        return None

    def during(self, look: Look, step: int) -> Found:
        """Told after ``step`` iterations of the task (from 1); what it returns is added to ``pending["trace"]``."""
        return {}

    def before_end(self, look: Look) -> Found:
        """Told when a task's training is over, before memory, corrections and teachers look at the student.

        What it returns is kept with what ``after_task`` finds.
        """
        return {}

    def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
        """What is found after a task; ``earlier`` is what was found after the tasks before it."""
        return {}

    def show(self, look: Look, found: Found, folder: Path) -> list[tuple[str, Path]]:
        """Pictures of this task, as (tracking key, file), drawn and told at once; ``found`` is what was found in it."""
        return []

    def summary(self, found: Sequence[Found]) -> dict[str, float | None]:
        """The family's scores so far, by flat names, from what was found after each task."""
        return {}

    def table(self, found: Sequence[Found]) -> Table | None:
        """What the run ends with on the console and as a table ``report/<family>``; ``None`` for nothing."""
        return None

    def draw(self, folder: Path, found: Sequence[Found]) -> list[tuple[str, Path]]:
        """Plots of what was found, as (tracking key, file); none where there is nothing to see."""
        return []
