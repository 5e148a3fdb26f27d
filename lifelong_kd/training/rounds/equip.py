"""A strategy made ready for a controller: checked, and given the second teacher that is asked for."""

from __future__ import annotations

from lifelong_kd.core.errors import BadCall
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.rounds.base import Controller, refuse_peeking
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.lesson import Source
from lifelong_kd.strategy.term import Distill
from lifelong_kd.stream.stream import Stream
from lifelong_kd.teacher.generation import Generation

__all__ = ["equip", "second_teacher"]


def equip(strategy: Strategy, controller: Controller, stream: Stream) -> None:
    """Check that a controller can do something with a strategy and a stream, and add the second teacher it asks for.

    Raises:
        BadCall: if it cannot, or looks at what it must not see.
    """
    refuse_peeking(type(controller).__name__, controller.looks)
    controller.check({name: strategy.knobs.kind(name) for name in strategy.terms})
    if ("validation" in controller.looks or controller.prunes) and not stream.has_validation:
        raise BadCall(
            f"rounds: {type(controller).__name__} looks at validation data, and the stream keeps none:"
            " set stream.validation to a share such as 0.1"
        )
    if "memory" in controller.looks and strategy.memory is None:
        raise BadCall(f"rounds: {type(controller).__name__} looks at the memory, and the strategy has none")
    if "generator" in controller.looks:
        if strategy.generator is None:
            raise BadCall(
                f"rounds: {type(controller).__name__} looks at the generator, and the strategy has none: take one that"
                " has, such as dgr, or another controller"
            )
        if not stream.has_validation:
            raise BadCall(
                f"rounds: {type(controller).__name__} looks at the generator on validation data, and the stream keeps"
                " none: set stream.validation to a share such as 0.1"
            )
    if controller.generations:
        teacher = Generation()
        sources: list[Source] = ["new"]
        if any(term.source == "memory" for term in strategy.terms.values()):
            sources.append("memory")
        for source in sources:
            knowledge = Kd(temperature=controller.temperature)
            strategy.add(f"generation_{source}", Distill(teacher, knowledge, source=source, over="seen"))


def second_teacher(strategy: Strategy) -> list[str]:
    """The terms of the second teacher, whatever a strategy's own terms are called."""
    return [name for name, term in strategy.terms.items() if isinstance(term.teacher, Generation)]
