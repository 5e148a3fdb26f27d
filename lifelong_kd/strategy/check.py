"""Which parts of a strategy fit one another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from lifelong_kd.core.errors import BadCall
from lifelong_kd.phase.expert import ExpertPhase
from lifelong_kd.teacher.expert import Expert

if TYPE_CHECKING:
    from lifelong_kd.strategy.base import Strategy

__all__ = ["TrainingSet", "check_parts"]

TrainingSet = Literal["new", "new_and_memory", "everything"]
"""What a task is trained on: its own data, those and the exemplars in one shuffled set, or all data so far."""


def check_parts(strategy: Strategy) -> None:
    """Refuse a strategy whose parts do not fit one another.

    Raises:
        BadCall: saying which.
    """
    for name, term in strategy.terms.items():
        if term.source in ("memory", "memory2") and strategy.memory is None:
            raise BadCall(f"term {name!r} works on {term.source!r}, but the strategy has no memory")
        if term.source == "generated" and strategy.generator is None:
            raise BadCall(f"term {name!r} works on 'generated', but the strategy has no generator")
        if term.source == "external" and strategy.pool is None:
            raise BadCall(
                f"term {name!r} works on 'external', but the strategy has no pool of unlabelled samples"
            )
    if strategy.train_on not in get_args(TrainingSet):
        raise BadCall(
            f"a task is trained on {', '.join(map(repr, get_args(TrainingSet)))}; not on {strategy.train_on!r}"
        )
    if strategy.train_on == "new_and_memory":
        if strategy.memory is None:
            raise BadCall("train_on='new_and_memory' needs a memory")
        if strategy.memory.chooses == "step":
            raise BadCall(
                "a memory that takes samples as they pass by would take its own exemplars again from a training set"
                " that they have joined; use 'herding' or 'balanced'"
            )
        if strategy.task_loss.over == "new" and strategy.task_loss.kind != "bce":
            raise BadCall(
                f"{strategy.task_loss.kind} over 'new' classes cannot score exemplars of old classes;"
                " use 'seen' or 'all'"
            )
    _check_experts(strategy)
    _check_adaptive(strategy)
    _check_held(strategy)
    for correction in strategy.corrections:
        if correction.needs_memory and strategy.memory is None:
            raise BadCall(f"{type(correction).__name__} needs a memory of exemplars")
        if correction.needs_held and not strategy.held.share:
            raise BadCall(
                f"{type(correction).__name__} is fitted on samples kept out of training: give 'held'"
            )


def _check_experts(strategy: Strategy) -> None:
    """An expert that teaches another has learned before it."""
    trained: list[object] = []
    for phase in strategy.phases:
        if not isinstance(phase, ExpertPhase):
            continue
        teacher = phase.taught_by
        if any(phase.teacher is one for one in trained):
            raise BadCall("two phases 'expert' train one teacher: give each a teacher of its own")
        if isinstance(teacher, Expert) and not any(teacher is one for one in trained):
            raise BadCall(
                "a phase 'expert' is taught by a teacher 'expert' that no phase before it trains: put the phases in the"
                " order in which they teach, the largest expert first"
            )
        trained.append(phase.teacher)


def _check_adaptive(strategy: Strategy) -> None:
    """Gradients are measured of terms beside the task loss: elsewhere an adaptive weight would never adapt."""
    weights = {"task_weight": strategy.task_weight}
    weights |= {
        f"the weight of {name!r}": term.weight for name, term in strategy.terms.items() if term.separate
    }
    for place, weight in weights.items():
        if any(part.adaptive for part in weight.parts()):
            raise BadCall(
                f"{place} cannot follow the size of gradients: they are compared for terms that share a step with"
                " the task loss"
            )


def _check_held(strategy: Strategy) -> None:
    """What is held out of the training set must not come back by another way."""
    if not strategy.held.share:
        return
    if strategy.memory is None:
        raise BadCall("samples are held out beside exemplars of old classes: 'held' needs a memory")
    if strategy.train_on == "everything":
        raise BadCall(
            "train_on='everything' has the exemplars that 'held' keeps out of training among its data"
        )
    for name, term in strategy.terms.items():
        if term.source in ("memory", "memory2"):
            raise BadCall(
                f"term {name!r} draws from the whole memory, the exemplars that 'held' keeps out of training"
                " included; train on them with train_on='new_and_memory'"
            )
