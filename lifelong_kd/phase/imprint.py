"""The rows of new classes begin as the means of their features."""

from __future__ import annotations

from typing import ClassVar

import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.memory.exemplars import described
from lifelong_kd.model.freeze import unwrapped
from lifelong_kd.model.imprint import imprint
from lifelong_kd.model.network import Network
from lifelong_kd.phase.base import Phase, Stage, When
from lifelong_kd.phase.classes import first_met

__all__ = ["Imprint"]


class Imprint(Phase):
    """Imprinting: at a task's start the rows of its new classes become the means of their features.

    Of a head with several proxies a class (``lsc``) they become the centres of its features, by k-means. Rows
    have the mean length of the old classes' rows. Classes that were met before keep theirs, so that in a
    domain-incremental stream nothing is done after the first task.

    Papers: Qi, Brown, Lowe 2018, arXiv 1712.07136, section 3.2; as in the code of LUCIR (Hou et al. 2019,
    CVPR) and PODNet (Douillard et al. 2020, arXiv 2004.13513).

    Args:
        first_task: whether the rows of the first task are imprinted, too, on the features of an untrained
            network.

    Example:
        >>> Imprint().when
        'before'
    """

    when: ClassVar[When] = "before"

    def __init__(self, *, first_task: bool = False) -> None:
        self.first_task = first_task

    def run(self, stage: Stage) -> None:
        task = stage.task
        classes = first_met(task)
        if not classes or (task.index == 0 and not self.first_task):
            return
        model = unwrapped(stage.model)
        if not isinstance(model, Network):
            raise BadCall(
                f"{type(model).__name__} has no head to imprint; give a network of lifelong_kd with the head"
                " 'linear', 'cosine' or 'lsc'"
            )
        targets = stage.data.targets
        rows = torch.isin(targets, torch.tensor(classes)).nonzero().squeeze(1)
        _, features = described(stage.data, rows, stage.describe)
        seed = stage.seeds.derive(f"phase/imprint/{task.index}") % 2**32
        imprint(model.head, features, targets[rows], classes, old=task.old, seed=seed)
