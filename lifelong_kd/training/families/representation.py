"""What the features still know of each task, apart from the head, and how far they moved from the last student's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.generalisation import mean_of
from lifelong_kd.evaluation.plots_representation import plot_forgetting_by_depth
from lifelong_kd.evaluation.representation import (
    deep_forgetting,
    head_forgetting,
    knn_accuracy,
    linear_probe,
    shallow_forgetting,
)
from lifelong_kd.evaluation.similarity import linear_cka
from lifelong_kd.teacher.all_snapshots import AllSnapshots
from lifelong_kd.teacher.base import Teacher
from lifelong_kd.teacher.snapshot import Snapshot
from lifelong_kd.training.families.accuracy import accuracy_on
from lifelong_kd.training.families.base import Family, Found, Look

if TYPE_CHECKING:
    from lifelong_kd.training.ask import Answers

__all__ = ["Representation"]


class Representation(Family):
    """Linear probe and nearest neighbours on the features, deep and shallow forgetting, and CKA to the last student.

    After each task the features of training and test samples of all tasks so far are taken. A probe reads the training
    data of earlier tasks again: that is a diagnosis, nothing of it reaches the student. Each probe tells apart the
    classes of its own task, as in Davari et al., "Probing Representation Forgetting in Supervised and Unsupervised
    Continual Learning" (CVPR 2022, arXiv:2203.13381), so that its accuracy does not fall for more classes alone. Deep
    and shallow forgetting are those of Lanzillotta et al. (arXiv:2512.07400).

    ``head`` is the network's own accuracy on the same test samples, read as the stream's scenario says; in a
    class-incremental stream it tells all classes apart, as the probe of ``seen`` does.

    The student's features at the end of its training are compared with those of its snapshot, the student before the
    task, on the test samples of all tasks so far; without a snapshot among the teachers, ``similarity`` is ``None``.
    Of a model whose features cannot be asked for nothing is found, and every score is ``None``.

    Args:
        samples: at most so many training samples and so many test samples a task.
        neighbours: how many nearest neighbours vote.
        probe: whether the linear probe is fitted; deep forgetting needs it.
        seen: whether a probe and neighbours that tell all classes seen apart are asked too, once about the test
            samples of all tasks so far, in a class-incremental stream.

    Raises:
        BadCall: for fewer than two samples, or no neighbours.
    """

    def __init__(
        self, *, samples: int = 500, neighbours: int = 5, probe: bool = True, seen: bool = False
    ) -> None:
        if samples < 2:
            raise BadCall(f"representation: samples must be at least 2, found {samples}")
        if neighbours < 1:
            raise BadCall(f"representation: neighbours must be at least 1, found {neighbours}")
        self.samples = samples
        self.neighbours = neighbours
        self.probe = probe
        self.seen = seen

    def before_end(self, look: Look) -> Found:
        """``similarity``: CKA of the student to the student before this task, on each task so far."""
        before = _student_before(look)
        if before is None or not look.asker.describes:
            return {"similarity": None}
        found = []
        for task in range(look.task + 1):
            index = look.pick("test", task, self.samples)
            then = look.asker.features_of(before, look.data("test", task), index)
            now = _features(look.answers("test", task, limit=self.samples, features=True))
            # A student that diverges is found out after this.
            found.append(linear_cka(now, then) if bool(now.isfinite().all()) else None)
        return {"similarity": found}

    def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
        """Rows of accuracies, one column for each task so far, by ``head``, ``probe`` and ``neighbours``.

        ``deep_forgetting``, ``shallow_forgetting`` and ``head_forgetting`` have a column for each earlier task.
        """
        if not look.asker.describes:
            return {}
        tasks = range(look.task + 1)
        train = [look.answers("train", task, limit=self.samples, features=True) for task in tasks]
        test = [look.answers("test", task, limit=self.samples, features=True) for task in tasks]
        found: Found = {"head": [accuracy_on(look, task, answers) for task, answers in enumerate(test)]}
        pairs = [self._read([train[task]], [test[task]]) for task in tasks]
        found["probe"] = [probe for probe, _ in pairs]
        found["neighbours"] = [neighbours for _, neighbours in pairs]
        if self.seen and look.stream.scenario == "class":
            found["probe_seen"], found["neighbours_seen"] = self._read(train, test)
        return {**found, **_forgetting([*earlier, found])}

    def _read(self, train: Sequence[Answers], test: Sequence[Answers]) -> tuple[float | None, float | None]:
        """Accuracies of a probe and of neighbours that learn and are asked about all of this at once."""
        x, test_x = (torch.cat([_features(one) for one in answers]).numpy() for answers in (train, test))
        y, test_y = (torch.cat([one.targets for one in answers]).numpy() for answers in (train, test))
        probe = linear_probe(x, y, test_x, test_y) if self.probe else None
        return probe, knn_accuracy(x, y, test_x, test_y, self.neighbours)

    def summary(self, found: Sequence[Found]) -> dict[str, float | None]:
        """Means over the tasks so far, of forgetting and CKA over the earlier ones, after the last task.

        ``feature_similarity`` is the mean over all tasks so far of the CKA on the tasks before them.
        """
        last: Found = found[-1] if found else {}
        drift = [
            value
            for one in found
            if one.get("similarity") is not None
            for value in one["similarity"][: len(one["similarity"]) - 1]
        ]
        return {
            "probe_accuracy": mean_of(last.get("probe", [])),
            "neighbour_accuracy": mean_of(last.get("neighbours", [])),
            "probe_accuracy_seen": last.get("probe_seen"),
            "neighbour_accuracy_seen": last.get("neighbours_seen"),
            "deep_forgetting": mean_of(last.get("deep_forgetting", [])),
            "shallow_forgetting": mean_of(last.get("shallow_forgetting", [])),
            "head_forgetting": mean_of(last.get("head_forgetting", [])),
            "feature_similarity": mean_of(drift),
        }

    def draw(self, folder: Path, found: Sequence[Found]) -> list[tuple[str, Path]]:
        last = found[-1] if found else {}
        if not last.get("shallow_forgetting"):
            return []
        path = folder / "forgetting_by_depth.png"
        drawn = plot_forgetting_by_depth(last["shallow_forgetting"], last["deep_forgetting"], path)
        return [("plots/forgetting_by_depth", drawn)]


def _forgetting(found: Sequence[Found]) -> Found:
    head = [one["head"] for one in found]
    probe = [one["probe"] for one in found]
    return {
        "deep_forgetting": deep_forgetting(probe),
        "shallow_forgetting": shallow_forgetting(head),
        "head_forgetting": head_forgetting(head, probe),
    }


def _student_before(look: Look) -> nn.Module | None:
    """The student as it was before this task, if one of the teachers, or of their members, is its snapshot."""
    if look.plugin is None:
        return None
    waiting: list[Teacher] = list(look.plugin.strategy.teachers.values())
    while waiting:
        teacher = waiting.pop()
        # Not a student of this very task, which a loop of rounds may have made a teacher.
        if (
            isinstance(teacher, Snapshot)
            and teacher.task_index == look.task - 1
            and teacher.module is not None
        ):
            return teacher.module
        if isinstance(teacher, AllSnapshots) and look.task - 1 in teacher.modules:
            return teacher.modules[look.task - 1]
        waiting.extend(teacher.members)
    return None


def _features(answers: Answers) -> Tensor:
    if answers.features is None:
        raise RuntimeError("the features were not asked for")
    return answers.features
