"""GD: global distillation by three teachers."""

from __future__ import annotations

import copy
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import Component
from lifelong_kd.core.types import LOGITS, Batch, Moment, Said, Task, Wants
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.memory import as_memory
from lifelong_kd.phase.balanced import BalancedFineTuning
from lifelong_kd.phase.base import Phase
from lifelong_kd.phase.expert import ExpertPhase
from lifelong_kd.schedule.base import Schedule
from lifelong_kd.schedule.combined import Product
from lifelong_kd.schedule.ratio import Complement, OldAll
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.columns import pick
from lifelong_kd.strategy.task_loss import Classes, TaskLoss
from lifelong_kd.strategy.term import Distill, Term
from lifelong_kd.stream.pool import Pool
from lifelong_kd.teacher.composite import Composite
from lifelong_kd.teacher.expert import Expert
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["GlobalTeacher", "gd", "global_probabilities"]


def global_probabilities(old: Tensor, new: Tensor) -> Tensor:
    """One distribution over old and new classes out of one over each, for samples likely to be of old ones.

    With o old and n new classes the largest of the old ones keeps its probability m, the other old ones ``p_j
    (o - 1) / (o + n - 1)``, and the new ones share ``(1 - m) n / (o + n - 1)`` in the proportions of ``new``
    (Lee et al. 2019, arXiv 1903.12648, section 3 and its code).

    Args:
        old: probabilities of shape (batch, o).
        new: probabilities of shape (batch, n).

    Returns:
        Shape (batch, o + n), old classes first; each row sums to 1.

    >>> global_probabilities(torch.tensor([[0.75, 0.25]]), torch.tensor([[1.0]]))
    tensor([[0.7500, 0.1250, 0.1250]])
    """
    others = old.shape[1] + new.shape[1] - 1
    largest, where = old.max(dim=1, keepdim=True)
    kept = (old * (old.shape[1] - 1) / others).scatter(1, where, largest)
    return torch.cat([kept, new * (1 - largest) * new.shape[1] / others], dim=1)


class GlobalTeacher(Composite):
    """Q of global distillation: :func:`global_probabilities` of the previous model and the task's expert.

    Raises:
        BadCall: when a task begins that brings classes of earlier ones again.
    """

    def __init__(self, previous: Snapshot, expert: Expert) -> None:
        super().__init__([previous, expert])
        self._task: Task | None = None

    def begin_task(self, task: Task) -> None:
        shared = sorted(set(task.old) & set(task.new))
        if shared:
            first = ", ".join(map(str, shared[:5])) + (", ..." if len(shared) > 5 else "")
            raise BadCall(
                f"GD with a pool takes old classes from one teacher and new ones from another, but task {task.index}"
                f" has classes of earlier tasks again ({first}): leave out the pool, or use a stream in which no class"
                " comes again"
            )
        self._task = task

    def teach(self, batch: Batch, wants: Wants = LOGITS) -> Said:
        if self._task is None:
            raise RuntimeError("a teacher was asked before a task had begun")
        groups = self._task.old, tuple(sorted(self._task.new))
        old, new = (
            F.softmax(pick(self.logits(member, batch), classes), dim=1)
            for member, classes in zip(self.members, groups, strict=True)
        )
        logits = old.new_full((len(batch), max(self._task.seen) + 1), -torch.inf)
        logits[:, [*groups[0], *groups[1]]] = global_probabilities(old, new).log()
        return Said(logits)


class _PoolShare(Schedule):
    """External samples by all samples of the step, from the second task on."""

    def __init__(self, pool_batch: int | None) -> None:
        self.pool_batch = pool_batch

    def __call__(self, moment: Moment) -> float:
        drawn = moment.batch if self.pool_batch is None else self.pool_batch
        return drawn / (moment.batch + drawn) if drawn and moment.task else 0.0


def gd(
    *,
    temperature: float = 2.0,
    weight: Annotated[object, Component("schedule")] | None = None,
    expert_weight: Annotated[object, Component("schedule")] | None = None,
    memory: Annotated[object, Component("memory")] = 2000,
    pool: Annotated[Pool, Component("pool")] | None = None,
    pool_batch: int | None = None,
    task_loss: Classes = "seen",
    expert_epochs: int | None = None,
    expert_lr: float | None = None,
    balanced_epochs: int = 20,
    balanced_lr: float = 0.01,
) -> Strategy:
    """GD: the previous model teaches the old classes, an expert the new ones, and both together all of them.

    ``L = CE(new data and exemplars) + weight * T^2 KL(P^T || student^T) over old + expert_weight * T^2 KL(C^T
    || student^T) over new``; P is the previous model, C a copy of it that has learned the new task alone.
    With a pool of unlabelled samples all of it is a mean over those too, on which ``KL(Q || student)`` over
    all classes seen takes the place of the cross-entropy; Q joins P and C. Then the head is fine-tuned on
    balanced exemplars.

    Needs: with a pool, a class- or task-incremental stream, in which no class comes again. In a
    domain-incremental one both P and C teach all classes.

    Paper: Lee, Lee, Shin, Lee 2019, "Overcoming Catastrophic Forgetting with Unlabeled Data in the Wild",
    arXiv 1903.12648, section 3; T = 2, for Q 1, 2000 exemplars, 20 epochs of fine-tuning at a tenth of the
    learning rate of 0.1. Its code has T^2 and weighs each teacher by the classes it covers, o / (o + n) for P
    and n / (o + n) for C, which holds one to one. Not here: the choice of pool samples by the model's
    confidence, the loss that makes C less confident on the pool, and in the fine-tuning the paper's weights
    of samples by class, where here the exemplars are balanced themselves.

    Args:
        temperature: T, softens P, C and the student.
        weight: weight of P's term: a number, one a task, or a schedule; o / (o + n) if null.
        expert_weight: weight of C's term; n / (o + n) if null.
        memory: what is kept; a number is that many exemplars in total, chosen by herding.
        pool: where unlabelled samples are drawn from; none if null, which leaves Q out as the paper does.
        pool_batch: samples drawn from the pool a step; as many as the new batch if null.
        task_loss: over which classes the cross-entropy is taken: ``all`` columns, or those ``seen`` so far.
        expert_epochs: epochs of C; as many as the main training if null.
        expert_lr: its learning rate; that of the run if null.
        balanced_epochs: epochs of the fine-tuning of the head; 0 leaves it out.
        balanced_lr: its learning rate.

    Example:
        strategy: {name: gd, memory: 2000, pool: {name: files, path: images}}
    """
    previous, expert, knowledge = Snapshot(), Expert(), Kd(temperature=temperature)
    external = _PoolShare(pool_batch) if pool is not None else None
    own: Any = Complement(of=external) if external is not None else 1.0
    first = OldAll() if weight is None else weight
    second = Complement(of=OldAll()) if expert_weight is None else expert_weight
    terms: dict[str, Term] = {
        "previous": Distill(previous, knowledge, weight=Product(of=first, by=own), over="old"),
        "expert": Distill(expert, knowledge, weight=Product(of=second, by=own), over="new"),
    }
    if external is not None:
        joined = GlobalTeacher(previous, expert)
        terms |= {
            "previous_external": Distill(
                previous,
                knowledge,
                source="external",
                weight=Product(of=copy.deepcopy(first), by=external),
                over="old",
            ),
            "expert_external": Distill(
                expert,
                knowledge,
                source="external",
                weight=Product(of=copy.deepcopy(second), by=external),
                over="new",
            ),
            "ensemble": Distill(joined, Kd(temperature=1.0), source="external", weight=external, over="seen"),
        }
    phases: list[Phase] = [ExpertPhase(expert, start="warm", epochs=expert_epochs, lr=expert_lr, over="new")]
    if balanced_epochs:
        phases.append(BalancedFineTuning(epochs=balanced_epochs, lr=balanced_lr, train="head"))
    return Strategy(
        task_loss=TaskLoss(task_loss),
        task_weight=own,
        terms=terms,
        memory=as_memory(memory, "herding"),
        train_on="new_and_memory",
        phases=phases,
        pool=pool,
        pool_batch=pool_batch,
    )
