"""The family about generalisation: how much better the student does on what it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from lifelong_kd.evaluation.generalisation import gap, mean_of, memory_overfit_gap
from lifelong_kd.memory.base import Samples
from lifelong_kd.model.multihead import ABSENT
from lifelong_kd.training.families.accuracy import accuracy_on
from lifelong_kd.training.families.asked import exemplars_of
from lifelong_kd.training.families.base import Family, Found, Look, Split
from lifelong_kd.training.reading import own, predicted

if TYPE_CHECKING:
    # A configuration asks for a family's options without loading Avalanche.
    from lifelong_kd.training.ask import Answers

__all__ = ["Generalisation"]


class Generalisation(Family):
    """Accuracy on what was trained on less accuracy on what was not: of the new task, and of the memory.

    ``generalisation_gap`` is train less test accuracy of the task just learned, ``validation_gap`` train less
    validation. ``memory_overfit_gap`` is the accuracy on the exemplars of earlier tasks less that on held-out data
    (validation if there are any, else test) of the same classes, mean over these tasks; ``memory`` has both of every
    task with exemplars, the new one included. A reservoir in a domain-incremental stream does not know whose its
    exemplars are: there all tasks so far are one. ``unseen_accuracy`` is that on test tasks to come, mean over those
    that the student can answer, ``None`` without any: all in a domain-incremental stream; in a class-incremental one
    those without a new class, as the top class is always wrong in the others; in a task-incremental one those whose
    columns the head has already.

    The training data, validation and test data of the evaluation are used; beside them only the exemplars, and the
    validation data of earlier tasks, are asked about. Accuracies are those of the stream's own scenario.
    """

    by_default = True

    def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
        valid = _accuracy(look, "valid", look.task) if look.stream.has_validation else None
        train, test = _accuracy(look, "train", look.task), _accuracy(look, "test", look.task)
        memory = _memory(look)
        old = [one for one in memory if one["tasks"] != [look.task]]
        return {
            "train_accuracy": train,
            "validation_accuracy": valid,
            "test_accuracy": test,
            "generalisation_gap": gap(train, test),
            "validation_gap": gap(train, valid),
            "memory": memory,
            "memory_overfit_gap": memory_overfit_gap(
                [one["stored_accuracy"] for one in old], [one["held_out_accuracy"] for one in old]
            ),
            "unseen_accuracy": mean_of(
                [_unseen(look, number) for number in range(look.task + 1, len(look.stream))]
            ),
        }

    def summary(self, found: Sequence[Found]) -> dict[str, float | None]:
        """Means over the tasks, each right after it was learned; of the memory's gap the last."""
        return {
            **{
                name: mean_of([one[name] for one in found])
                for name in ("generalisation_gap", "validation_gap")
            },
            "memory_overfit_gap": found[-1]["memory_overfit_gap"] if found else None,
            "unseen_accuracy": mean_of([one["unseen_accuracy"] for one in found]),
        }


def _accuracy(look: Look, split: Split, task: int) -> float | None:
    return accuracy_on(look, task, look.answers(split, task))


def _unseen(look: Look, task: int) -> float | None:
    stream, classes = look.stream, look.stream.tasks[task].classes
    if stream.scenario == "class":
        seen = {column for known in stream.tasks[: look.task + 1] for column in known.classes}
        return _accuracy(look, "test", task) if set(classes) <= seen else None
    return _accuracy(look, "test", task) if _has_columns(look.answers("test", task), classes) else None


def _has_columns(said: Answers, classes: Sequence[int]) -> bool:
    if max(classes) >= said.logits.shape[1] or not len(said):
        return False
    scores = said.logits[:, list(classes)]
    return bool(((scores != ABSENT) & scores.isfinite()).any(dim=0).all())


def _memory(look: Look) -> list[Found]:
    """Accuracy on exemplars and on held-out data of the same classes, by where the exemplars come from."""
    plugin = look.plugin
    if plugin is None:
        return []
    found: list[Found] = []
    for tasks, samples in exemplars_of(plugin.strategy.memory, plugin.tasks[-1]):
        said = look.asker.ask_raw(samples["raw"], samples["y"], samples["label"], plugin.strategy.data)
        found.append(
            {
                "tasks": list(tasks),
                "samples": len(said),
                "stored_accuracy": accuracy_on(look, tasks[0], said),
                "held_out_accuracy": _held_out(look, tasks, samples),
            }
        )
    return found


def _held_out(look: Look, tasks: Sequence[int], samples: Samples) -> float | None:
    split: Split = "valid" if look.stream.has_validation else "test"
    classes, right = samples["y"].cpu().unique(), []
    for task in tasks:
        said = look.answers(split, task)
        same = torch.isin(said.targets, classes)
        logits = own(said.logits, look.stream.tasks[task].classes, look.stream.scenario)
        right.append((predicted(logits) == said.targets)[same])
    together = torch.cat(right)
    return float(together.double().mean()) if len(together) else None
