"""Whether students of other architectures can be taught as a strategy wants, found out before anything is trained."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Said
from lifelong_kd.correction.base import Correction
from lifelong_kd.model.build import build_network
from lifelong_kd.model.freeze import frozen_copy
from lifelong_kd.model.hearing import Hearing, stage_names
from lifelong_kd.model.network import Network
from lifelong_kd.model.transfer import transfer
from lifelong_kd.phase.expert import ExpertPhase
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.term import Distill, Term
from lifelong_kd.stream.stream import Stream
from lifelong_kd.teacher.expert import Expert
from lifelong_kd.training.inputs import check_input
from lifelong_kd.training.succession import Succession

__all__ = ["check_succession"]

DEEP = frozenset({"features", "maps", "gradients"})
"""What a knowledge may need whose sizes depend on the architecture."""


def check_succession(strategy: Strategy, succession: Succession, stream: Stream) -> None:
    """Refuse students and experts that cannot read the stream, be compared with each other, or inherit weights.

    Each comparison of features or maps is made once, on an empty sample.

    Raises:
        BadCall: saying in which task, and what to do.
    """
    # What building draws must not be missing elsewhere.
    with torch.random.fork_rng(devices=[]):
        _check_experts(strategy, succession, stream)
        if succession.later:
            _check_students(strategy, succession, stream)


def _check_experts(strategy: Strategy, succession: Succession, stream: Stream) -> None:
    for expert in strategy.teachers.values():
        if not isinstance(expert, Expert) or expert.model is None:
            continue
        built = build_network(stream.input_shape, stream.classes, model=expert.model)
        _check_reads(stream, built, f"the expert's model {expert.model[0]!r}")
        for index in (0, *succession.later):
            for name, term in _deep_terms(strategy):
                if term.teacher is expert:
                    _compare(name, term, _grown(succession, index, stream), built, index, stream)
    for phase in strategy.phases:
        if isinstance(phase, ExpertPhase) and phase.transfer != "none":
            _check_begin(phase.teacher, succession.pristine(0), stream)


def _check_begin(expert: Expert, student: nn.Module, stream: Stream) -> None:
    if expert.model is None or not isinstance(student, Network):
        return
    try:
        transfer(
            build_network(stream.input_shape, stream.classes, model=expert.model), student, units="slice"
        )
    except BadCall as error:
        raise BadCall(f"the student cannot begin with weights of its expert: {error}") from error


def _check_students(strategy: Strategy, succession: Succession, stream: Stream) -> None:
    first, last = min(succession.later), max(succession.later)
    if first < 1 or last >= len(stream.tasks):
        found = first if first < 1 else last
        raise BadCall(
            f"model.student: there is no task {found} with a student of its own: of {len(stream.tasks)} tasks the"
            f" student can change at 1 to {len(stream.tasks) - 1}"
        )
    if not isinstance(succession.first, Network):
        raise BadCall(
            "model.student: the student is no network of lifelong_kd, whose head could be carried over"
        )
    parts: list[tuple[str, Term | Correction]] = [
        *((f"term {name!r}, ", term) for name, term in strategy.terms.items()),
        *(("", correction) for correction in strategy.corrections),
    ]
    for name, part in parts:
        if part.one_student:
            raise BadCall(
                f"model.student: {name}{type(part).__name__} compares the student with what it has kept of earlier"
                " ones, unit by unit, so that all of them need one architecture"
            )
    if strategy.generator is not None and strategy.generator.level is not None:
        raise BadCall(
            f"model.student: {type(strategy.generator).__name__} replays inside the network, at"
            f" {strategy.generator.level!r}, which is another place in another architecture"
        )
    for index in succession.later:
        _check_reads(stream, succession.later[index], f"model.student: in task {index}")
        before, after = _grown(succession, index - 1, stream), _grown(succession, index, stream)
        _check_weights(before, after, succession, index)
        for name, term in _deep_terms(strategy):
            if term.teacher.earlier_students(index):
                _compare(name, term, after, before, index, stream)


def _check_reads(stream: Stream, network: nn.Module, whose: str) -> None:
    try:
        check_input(stream, network)
    except BadCall as error:
        raise BadCall(f"{whose}: {error}") from error


def _deep_terms(strategy: Strategy) -> Iterator[tuple[str, Distill]]:
    for name, term in strategy.terms.items():
        if isinstance(term, Distill) and term.knowledge.needs & DEEP:
            yield name, term


def _grown(succession: Succession, index: int, stream: Stream) -> nn.Module:
    """The student of a task, its head grown for the tasks up to it."""
    network = succession.pristine(index)
    if isinstance(network, Network):
        for task in stream.tasks[: index + 1]:
            network.grow(task.classes, task.label)
    return network


def _check_weights(before: nn.Module, after: nn.Module, succession: Succession, index: int) -> None:
    ways = succession.successors
    if ways.transfer == "none" or not isinstance(before, Network) or not isinstance(after, Network):
        return
    try:
        transfer(before, after, units="slice", layers=ways.layers)
    except BadCall as error:
        raise BadCall(f"model.transfer: in task {index}: {error}") from error


def _compare(
    name: str, term: Distill, student: nn.Module, teacher: nn.Module, index: int, stream: Stream
) -> None:
    knowledge = copy.deepcopy(term.knowledge)
    x = torch.zeros(2, *stream.input_shape)
    try:
        mine, theirs = (_said(frozen_copy(network), term, x) for network in (student, teacher))
        width = min(mine.logits.shape[1], theirs.logits.shape[1])
        if "gradients" in knowledge.needs:
            knowledge(*(Said(said.logits[:, :width], said.features, said.maps) for said in (mine, theirs)))
        elif "maps" in knowledge.needs:
            knowledge(list(mine.maps.values()), list(theirs.maps.values()))
        else:
            knowledge(mine.features, theirs.features)
    except (BadCall, ValueError) as error:
        raise BadCall(
            f"term {name!r} cannot compare the student of task {index} with its teacher, which has another"
            f" architecture: {error}; a knowledge of logits such as kd can, and hint has a projector for features of"
            " other sizes"
        ) from error


def _said(network: nn.Module, term: Distill, x: torch.Tensor) -> Said:
    with torch.enable_grad(), Hearing(network, term.wants, leaves=True) as hearing:
        said = hearing.said(network(x))
    names = term.at if term.at is not None else stage_names(network) if said.maps else ()
    maps = (
        {name: said.maps[name] for name in names} if all(name in said.maps for name in names) else said.maps
    )
    return Said(said.logits, said.features, maps)
