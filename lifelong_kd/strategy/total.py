"""The loss of a step: the task loss of the new batch and every term, weighted and added up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from lifelong_kd.strategy.adaptive import Balance
from lifelong_kd.strategy.knobs import Knobs
from lifelong_kd.strategy.learner import Learner
from lifelong_kd.strategy.lesson import Lesson, Source
from lifelong_kd.strategy.term import Term

__all__ = ["Part", "Total"]


@dataclass(frozen=True)
class Part:
    """A term's contribution to one step: ``raw`` unweighted and without gradient, and its ``weight``."""

    raw: Tensor
    weight: float


class Total:
    """``L = w_0 L_task + sum_k w_k L_k`` over the terms that have no optimiser step of their own.

    ``parts`` are the summands of the last step by name, for the log. ``balance`` tells adaptive weights what they
    follow.

    Args:
        terms: the strategy's terms by name, in the order in which they are added.
        knobs: the weights of the terms, as a controller of rounds has turned them.
    """

    def __init__(self, terms: Mapping[str, Term], knobs: Knobs) -> None:
        self._terms = terms
        self._knobs = knobs
        self.parts: dict[str, Part] = {}
        self.balance = Balance({name: term.weight for name, term in terms.items()})

    @property
    def learners(self) -> list[Learner]:
        """Whatever learns beside the student."""
        return [term.learner for term in self._terms.values() if term.learner is not None]

    def sources(self, lesson: Lesson) -> list[Source]:
        """The draws that this step's terms will ask the student about, each once, in the order of the terms."""
        wanted = (
            term.source
            for name, term in self._terms.items()
            if term.source != "new" and not term.separate and getattr(term, "view", "same") != "raw"
            if term.teacher is None or term.teacher.ready
            if self._knobs.weight(name, lesson.moment) != 0.0
        )
        drawn = [(source, lesson.batch(source)) for source in dict.fromkeys(wanted)]
        # What is replayed inside the network does not enter it with the others.
        return [source for source, batch in drawn if batch is not None and batch.at is None]

    def of(self, task_loss: Tensor, weight: float, lesson: Lesson) -> Tensor:
        """The loss of a step.

        Args:
            task_loss: of the new batch.
            weight: its weight.
            lesson: the step.
        """
        for learner in self.learners:
            learner.zero_grad()
        self.parts = {"task": Part(task_loss.detach(), weight)}
        total = task_loss if weight == 1.0 else task_loss * weight
        for name, term in self._terms.items():
            if term.separate:
                continue
            weight = self._knobs.weight(name, lesson.moment)
            if weight == 0.0:
                continue
            value = term.value(lesson)
            if value is None:
                continue
            if self.balance.observes(name):
                self.balance.observe(name, task_loss, value, lesson.model)
                weight = self._knobs.weight(name, lesson.moment)
            self.parts[name] = Part(value.detach(), weight)
            total = total + (value if weight == 1.0 else weight * value)
        self.balance.stepped()
        return total

    def separate(self, lesson: Lesson) -> Iterator[Tensor]:
        """The weighted losses of the terms that have an optimiser step of their own, each computed when asked for."""
        for name, term in self._terms.items():
            weight = self._knobs.weight(name, lesson.moment) if term.separate else 0.0
            value = term.value(lesson.again()) if weight else None
            if value is not None:
                self.parts[name] = Part(value.detach(), weight)
                yield value if weight == 1.0 else weight * value

    def stepped(self, lesson: Lesson) -> None:
        """Told after the optimiser's step: what learns beside the student makes its own, and the terms look at it."""
        for learner in self.learners:
            learner.step()
        for name, term in self._terms.items():
            if self._knobs.weight(name, lesson.moment) != 0.0:
                term.after_step(lesson)
