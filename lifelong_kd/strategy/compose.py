"""Any method, put together in a configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.registry import Component
from lifelong_kd.correction.base import Correction
from lifelong_kd.generator.base import Generator
from lifelong_kd.memory import as_memory
from lifelong_kd.phase.base import Phase
from lifelong_kd.phase.expert import ExpertPhase
from lifelong_kd.strategy.base import Strategy, TrainingSet
from lifelong_kd.strategy.noise import GradientNoise
from lifelong_kd.strategy.task_loss import Competing, Kind, TaskLoss
from lifelong_kd.strategy.term import Rehearse, Term
from lifelong_kd.stream.pool import Pool
from lifelong_kd.teacher.base import Teacher
from lifelong_kd.teacher.expert import Expert
from lifelong_kd.teacher.snapshot import Snapshot

__all__ = ["compose"]


def compose(
    *,
    teachers: Mapping[str, Annotated[Teacher, Component("teacher", shared=True)]] | None = None,
    terms: Mapping[str, Annotated[Term, Component("term", default="distill")]] | None = None,
    task_loss: Competing = "all",
    task_loss_kind: Kind = "ce",
    smoothing: float = 0.0,
    margin: float | None = None,
    task_weight: Annotated[object, Component("schedule")] = 1.0,
    memory: Annotated[object, Component("memory")] | None = None,
    memory_batch: int | None = None,
    train_on: TrainingSet = "new",
    phases: Sequence[Annotated[Phase, Component("phase")]] = (),
    corrections: Sequence[Annotated[Correction, Component("correction")]] = (),
    pool: Annotated[Pool, Component("pool")] | None = None,
    pool_batch: int | None = None,
    generator: Annotated[Generator, Component("generator")] | None = None,
    generator_batch: int | None = None,
    held: float = 0.0,
    noise: float = 0.0,
    noise_decay: float = 0.55,
) -> Strategy:
    """A method of your own: every part of a strategy, named in the configuration.

    ``L = task_weight * task_loss(new batch) + sum over terms of weight * mean of knowledge(student, teacher)``.

    A term without a ``name`` is ``distill``: a teacher, a knowledge, the data it works on, and its weight. A teacher
    that several parts ask stands once under ``teachers``, and they refer to it by the name it has there; a teacher
    written out in two terms is two teachers, each with a copy of the network. A snapshot teaches what the student said
    under the corrections that act in training.

    Args:
        teachers: teachers by a name of your choice, to which terms, phases, corrections and later teachers may refer.
        terms: summands of the loss by a name of your choice, in the order in which they are added.
        task_loss: over which classes the task loss is taken: ``all`` columns, those ``seen`` so far, the ``new``, the
            ``old``, or ``separated``, for each sample the old or the new ones, whichever its own is among.
        task_loss_kind: ``ce``, cross-entropy; ``bce``, binary cross-entropy of sigmoid outputs; or ``nca``, PODNet's
            loss with a margin.
        smoothing: share of a label, in [0, 1), that is spread over all classes; of ``ce`` only.
        margin: of ``nca`` only, at least 0; 0.6 if null.
        task_weight: weight of the task loss on the new batch: a number, one a task, or a schedule.
        memory: what is kept; a number is that many samples in total, in a reservoir, or chosen by herding if
            ``train_on`` is ``new_and_memory``.
        memory_batch: samples drawn from memory a step, at least 1; as many as the new batch if null.
        train_on: what a task is trained on: its ``new`` data, those and the exemplars in one shuffled set
            (``new_and_memory``), or ``everything`` so far.
        phases: what a task consists of beside its main training; those of one time in this order.
        corrections: what is fitted when a task has been learned and changes what is predicted, in this order.
        pool: unlabelled samples, from elsewhere or left out of the labelled ones, for terms on the source ``external``.
        pool_batch: samples drawn from the pool a step, at least 1; as many as the new batch if null.
        generator: makes samples of earlier tasks, for terms on the source ``generated``; it learns beside the student.
        generator_batch: samples that it makes a step, at least 1; as many as the new batch if null.
        held: share of the exemplars in [0, 1) kept out of training, with as many new samples a class, for a
            correction.
        noise: variance, at least 0, of the Gaussian noise added to the gradients before the first step.
        noise_decay: the noise's variance after s steps is ``noise / (1 + s)^noise_decay``; at least 0.

    Raises:
        BadCall: if the parts do not fit one another, a teacher under ``teachers`` is asked by nothing, or an
            ``expert`` is trained by no phase.

    Example:
        strategy:
          name: compose
          task_loss: new
          teachers: {old: snapshot}
          terms:
            labels: {teacher: old, knowledge: {name: kd, temperature: 2.0}, weight: 2.5}
            features: {teacher: old, knowledge: cosine, weight: {name: sqrt_old_new, scale: 1.0}}
    """
    loss = TaskLoss(task_loss, task_loss_kind, smoothing=smoothing, margin=margin)
    chosen = dict(terms or {})
    _check_kinds(Term, chosen, "terms.")
    _check_kinds(Phase, dict(enumerate(phases)), "phases.")
    _check_kinds(Correction, dict(enumerate(corrections)), "corrections.")
    for term in chosen.values():
        if isinstance(term, Rehearse) and term.task_loss is None:
            own = term.over
            term.task_loss = (
                TaskLoss(own, task_loss_kind, smoothing=smoothing, margin=margin) if own is not None else loss
            )
    strategy = Strategy(
        task_loss=loss,
        terms=chosen,
        task_weight=task_weight,
        memory=as_memory(memory, "herding" if train_on == "new_and_memory" else "reservoir")
        if memory is not None
        else None,
        memory_batch=memory_batch,
        train_on=train_on,
        phases=phases,
        corrections=corrections,
        pool=pool,
        pool_batch=pool_batch,
        generator=generator,
        generator_batch=generator_batch,
        held=held,
        noise=GradientNoise(eta=noise, gamma=noise_decay) if noise else None,
    )
    strategy.called = dict(teachers or {})
    _correct_snapshots(strategy)
    _check_teachers(strategy, teachers or {})
    return strategy


def _check_kinds(kind: type, parts: Mapping[str, object] | Mapping[int, object], place: str) -> None:
    for name, part in parts.items():
        if not isinstance(part, kind):
            raise BadCall(
                f"{place}{name} is {part!r}, not a {kind.__name__}; names and mappings are for a configuration, from"
                " Python a part is an object, such as Distill(Snapshot(), Kd())"
            )


def _correct_snapshots(strategy: Strategy) -> None:
    """A snapshot says what the student said, corrections that act in training included."""
    for correction in strategy.corrections:
        for teacher in strategy.teachers.values():
            if correction.in_training and isinstance(teacher, Snapshot):
                teacher.corrected_by(correction)


def _check_teachers(strategy: Strategy, named: Mapping[str, Teacher]) -> None:
    asked = list(strategy.teachers.values())
    for name, teacher in named.items():
        if not any(teacher is known for known in asked):
            raise BadCall(
                f"teachers.{name}: no term, phase or correction asks it; say `teacher: {name}` in one"
            )
    filled = [phase.teacher for phase in strategy.phases if isinstance(phase, ExpertPhase)]
    for teacher in asked:
        if isinstance(teacher, Expert) and not any(teacher is known for known in filled):
            raise BadCall(
                "a teacher 'expert' says nothing unless a phase trains it: give it a name under teachers, and that"
                " name to the phase, as in teachers: {new: expert} and phases: [{name: expert, teacher: new}]"
            )
