"""What a controller can turn of a strategy in the current task, and a student that begins anew."""

from __future__ import annotations

from typing import Any

from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Moment
from lifelong_kd.model.fresh import fresh_copy
from lifelong_kd.rounds.base import Knob
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.term import Term

__all__ = ["knobs_of", "start_fresh"]


def knobs_of(strategy: Strategy, batch: int) -> dict[str, Knob]:
    """The strategy's terms as the current task begins.

    Args:
        strategy: whose task has begun.
        batch: new samples a step.
    """
    task = strategy.task
    moment = Moment(
        task=task.index,
        old=len(task.old),
        new=len(task.new),
        batch=batch,
        replayed=strategy.draws.replayed(batch),
    )
    return {
        name: Knob(
            kind=strategy.knobs.kind(name),
            weight=float(term.weight(moment)),
            speaks=_speaks(term, strategy) and task.index > 0,
            temperature=strategy.knobs.temperature(name),
        )
        for name, term in strategy.terms.items()
    }


def _speaks(term: Term, strategy: Strategy) -> bool:
    memory, generator = strategy.memory, strategy.generator
    if term.source in ("memory", "memory2") and not (memory is not None and len(memory)):
        return False
    if term.source == "generated" and not (generator is not None and generator.ready):
        return False
    return term.teacher is None or term.teacher.ready


def start_fresh(engine: Any, seeds: Seeds, name: str) -> None:
    """Give the student newly drawn weights, and its optimiser nothing to remember.

    Raises:
        BadCall: if a part of the network cannot be drawn anew.
    """
    with seeds.default(name):
        fresh = fresh_copy(engine.model)
    engine.model.load_state_dict(fresh.state_dict())
    engine.optimizer.state.clear()
