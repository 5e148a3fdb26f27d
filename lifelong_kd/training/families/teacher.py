"""The family about teachers: does the student follow them, are they right where they are asked, do the losses agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Said, Task
from lifelong_kd.evaluation.fidelity import correlation
from lifelong_kd.evaluation.generalisation import mean_of
from lifelong_kd.teacher.base import Teacher
from lifelong_kd.training.families.asked import AskedSamples, sources
from lifelong_kd.training.families.base import Family, Found, Look
from lifelong_kd.training.families.conflict import conflict
from lifelong_kd.training.families.reliability import compared, known_classes, unaskable
from lifelong_kd.training.families.trial import without_trace

if TYPE_CHECKING:
    # A configuration asks for a family's options without loading Avalanche.
    from lifelong_kd.training.plugin import DistillationPlugin

__all__ = ["Teaching"]

SOURCES = ("train", "held_out", "held_out_old", "memory")
SCORES = {
    "agreement": "agreement",
    "kl": "kl",
    "teacher_accuracy": "teacher_accuracy",
    "teacher_calibration_error": "calibration_error",
}


class Teaching(Family):
    """Fidelity and reliability: student and teachers compared when a task has been trained, before any of them moves.

    For each teacher, and each source of samples: how often both have the same top class and the KL divergence between
    them (Stanton et al. 2021, arXiv:2106.05945), the accuracy, calibration error and entropy of the teacher, and the
    student's accuracy on the same samples. Sources are the task's training data, held-out data of the task and of
    earlier ones, and exemplars of earlier tasks. For each term the angle between its gradient and that of the task
    loss. A student may follow its teacher where that is wrong: compare ``agreement`` with ``teacher_accuracy``.

    Everybody is asked in evaluation mode, the student with those corrections that act in training. Stored logits
    are those of the moment when a sample entered the memory: they teach on ``memory`` alone, and classes that came
    later do not compete there. Samples that a teacher abstains from are left out. A model that is told task labels
    answers head by head; it is named under ``left_out`` instead. In a task-incremental stream the columns of a
    sample's own task compete.

    Args:
        samples: samples that are asked about, of each source; at least 1.
        gradient_batches: training batches over which the gradients are averaged; 0 leaves them out.

    Raises:
        BadCall: if an option is out of range.
    """

    by_default = True

    def __init__(self, *, samples: int = 200, gradient_batches: int = 1) -> None:
        if samples < 1:
            raise BadCall(f"samples must be at least 1, got {samples}")
        if gradient_batches < 0:
            raise BadCall(f"gradient_batches must be at least 0, got {gradient_batches}")
        self.samples = samples
        self.gradient_batches = gradient_batches

    def before_end(self, look: Look) -> Found:
        plugin = look.plugin
        if plugin is None:
            return {}
        multitask = plugin.adapter.multitask
        reasons = {
            name: unaskable(teacher, multitask=multitask)
            for name, teacher in plugin.strategy.teachers.items()
        }
        able = {name: teacher for name, teacher in plugin.strategy.teachers.items() if reasons[name] is None}
        found: Found = {
            "teachers": {},
            "left_out": {name: why for name, why in reasons.items() if why is not None},
        }
        if able:
            strategy, task = plugin.strategy, plugin.tasks[-1]
            asked = sources(look, self.samples, strategy.data, task, strategy.memory)
            for name, teacher in able.items():
                compared_on = self._compare(look, plugin, teacher, task, asked)
                if compared_on:
                    found["teachers"][name] = compared_on
        if plugin.strategy.terms and self.gradient_batches and not multitask:
            found["gradients"] = conflict(look, plugin, self.gradient_batches)
        return found

    def _compare(
        self,
        look: Look,
        plugin: DistillationPlugin,
        teacher: Teacher,
        task: Task,
        asked: Mapping[str, AskedSamples],
    ) -> dict[str, Any]:
        known, found = known_classes(teacher, task), {}
        engine = look.engine
        if teacher.needs_fields:
            samples = asked.get("memory")
            if samples is None or samples.stored is None:
                return {}
            width = min(samples.stored.shape[1], samples.logits.shape[1])
            then = samples.stored[:, :width]
            now = samples.logits[:, :width].masked_fill(then.isnan(), -torch.inf)
            then = then.masked_fill(then.isnan(), -torch.inf)
            numbers = compared(now, then, samples.y, samples.label, task, known)
            return {} if numbers is None else {"memory": numbers}
        for source, samples in asked.items():
            with without_trace(engine, plugin), torch.no_grad():
                batches = samples.batches(engine.eval_mb_size, engine.device)
                answers = [teacher.teach(batch) for batch in batches]
            said = torch.cat([answer.logits.float().cpu() for answer in answers])
            # Where a teacher abstains there is nothing to follow and nothing to be wrong about.
            sure = torch.cat([_sure(answer).cpu() for answer in answers])
            if not sure.any():
                continue
            student, y, label = samples.logits[sure], samples.y[sure], samples.label[sure]
            numbers = compared(student, said[sure], y, label, task, known)
            if numbers is not None:
                found[source] = numbers
        return found

    def summary(self, found: Sequence[Found]) -> dict[str, float | None]:
        """Means over tasks and teachers, and over tasks for the gradients.

        ``fidelity_accuracy_correlation`` is that between the student's agreement with its teacher on held-out data of
        earlier tasks and its accuracy there, over tasks and teachers.
        """
        if not any(one.get("teachers") or one.get("gradients") for one in found):
            return {}
        scores = {
            f"{score}_{source}": mean_of([row[number] for row in _rows(found, source)])
            for source in SOURCES
            for score, number in SCORES.items()
        }
        pairs = [
            (row["agreement"], row["student_accuracy"])
            for row in _rows(found, "held_out_old")
            if row["agreement"] is not None and row["student_accuracy"] is not None
        ]
        scores["fidelity_accuracy_correlation"] = correlation([a for a, _ in pairs], [b for _, b in pairs])
        angles = [one.get("gradients", {}) for one in found]
        for term in dict.fromkeys(name for one in angles for name in one):
            scores[f"gradient_cosine_{term}"] = mean_of(
                [one[term]["cosine"] for one in angles if term in one]
            )
        return scores


def _sure(said: Said) -> torch.Tensor:
    """The samples that a teacher says anything about."""
    return torch.ones(len(said.logits), dtype=torch.bool) if said.known is None else said.known


def _rows(found: Sequence[Found], source: str) -> Iterator[Mapping[str, Any]]:
    """What was found on a source, over tasks and teachers."""
    for one in found:
        for by_source in one.get("teachers", {}).values():
            if source in by_source:
                yield by_source[source]
