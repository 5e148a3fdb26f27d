"""LKD: standardised logits on any host."""

from __future__ import annotations

import copy
from typing import Annotated

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import Component
from lifelong_kd.knowledge.bce import Bce
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.knowledge.zscore import Zscore
from lifelong_kd.schedule.combined import Product
from lifelong_kd.strategy import registry
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.term import Distill

__all__ = ["lkd"]


def lkd(
    *,
    on: Annotated[object, Component("strategy")] = "lwf",
    temperature: float = 2.0,
    intra: float = 1 / 3,
    weight: Annotated[object, Component("schedule")] | None = None,
) -> Strategy:
    """LKD: any strategy whose soft labels are compared after standardising the logits over all classes.

    In each distillation of logits of the host ``on`` the knowledge becomes ``zscore``: ``T^2 KL`` of
    standardised logits, the student's over the old and new classes together, the teacher's over those it
    knows, both softened over the latter; plus ``intra`` times the same along the batch. Everything else is
    the host's.

    Paper: Gao et al. 2025, "Maintaining Fairness in Logit-based Knowledge Distillation for Class-Incremental
    Learning", AAAI 2025; it has no arXiv number. Its hosts are LwF, iCaRL, BiC, WA and PODNet,
    at T = 2. Its losses carry T^2 where its hosts' do not, at the same weight: a host's weight is multiplied
    by T^2 here unless ``weight`` is given. Its code weighs the two parts 1.5 and 0.5 on LwF and iCaRL, 1 and
    1/3 on WA, 0.5 and 0.5 on BiC; the ratio of 1/3 is the default. Its iCaRL has a softmax loss, and
    its WA weighs cross-entropy and distillation 1 each; here the host keeps its own task loss and weights.

    Args:
        on: the host: a strategy of its own with its options, such as ``lwf``, ``icarl``, ``bic`` or ``wa``.
        temperature: T, softens standardised logits of teacher and student.
        intra: weight of the part along the batch within the term; 0 leaves it out.
        weight: weight of the term in place of the host's: a number, one a task, or a schedule.

    Raises:
        BadCall: for a host that distils no logits.

    Example:
        strategy: {name: lkd, on: {name: lwf, task_loss: new}, weight: 1.5}
    """
    host = registry.get(on)() if isinstance(on, str) else on
    if not isinstance(host, Strategy):
        raise BadCall(f"lkd works on a strategy or the name of one, not on {host!r}")

    def standardised(term: Distill) -> Distill:
        squared = temperature**2 if isinstance(term.knowledge, Kd) else 1.0
        return Distill(
            term.teacher,
            Zscore(temperature=temperature, intra=intra),
            source=term.source,
            weight=Product(of=term.weight, by=squared) if weight is None else copy.deepcopy(weight),
            # The student's new classes enter its mean and deviation, and neither softmax.
            over="padded",
            view=term.view,
            separate=term.separate,
        )

    terms = {
        name: standardised(term)
        if isinstance(term, Distill) and isinstance(term.knowledge, Kd | Bce)
        else term
        for name, term in host.terms.items()
    }
    if all(terms[name] is term for name, term in host.terms.items()):
        raise BadCall(
            "lkd standardises logits, but its host distils none with 'kd' or 'bce': use lwf, icarl, bic, wa"
        )
    return Strategy(
        task_loss=host.task_loss,
        terms=terms,
        task_weight=host.task_weight,
        memory=host.memory,
        memory_batch=host.draws.memory_batch,
        train_on=host.train_on,
        phases=host.phases,
        corrections=host.corrections,
        pool=host.pool,
        pool_batch=host.draws.pool_batch,
        generator=host.generator,
        generator_batch=host.draws.generator_batch,
        held=host.held.share,
        noise=host.noise,
    )
