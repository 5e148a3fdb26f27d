"""What every controller of rounds promises."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lifelong_kd.core.errors import BadCall
from lifelong_kd.rounds.base import Controller, Proposal
from lifelong_kd.testing.course import Course, Kind, Played, Response
from lifelong_kd.testing.expect import expect
from lifelong_kd.testing.watched import Watched

__all__ = ["check_controller"]


def check_controller(
    make: Callable[[], Controller],
    *,
    tasks: int = 3,
    terms: Sequence[str] | Mapping[str, Kind] = ("kd",),
    most: int = 200,
    respond: Response | None = None,
) -> None:
    """Check that a controller decides soundly and by the view alone, in several made-up courses of tasks.

    Each task ends, its first round is kept, what is kept is a round of the method that ran to its end; the
    same view gets the same decision again, from a fresh controller, too; the view stays as it is; each
    proposal can be carried out; each decision has a reason; nothing is asked for that the controller does not
    look at or must not see.

    Args:
        make: makes a fresh controller.
        tasks: of each course.
        terms: the strategy's terms: names of some that have a teacher, or the kind of each by name.
        most: rounds that a task may take.
        respond: one more course, ``respond(of, task, index, proposal)`` the accuracy on task ``of`` after
            round ``index`` of ``task``.

    Raises:
        AssertionError: saying which promise is broken.
    """
    kinds: dict[str, Kind] = dict(terms) if isinstance(terms, Mapping) else dict.fromkeys(terms, "distill")
    watched = Watched(make)
    try:
        watched.controller.check(kinds)
    except BadCall as error:
        raise AssertionError(f"{watched.name} refuses the terms {', '.join(kinds)}: {error}") from error
    responses = RESPONSES if respond is None else (*RESPONSES, respond)
    courses = [Course(response, tasks, kinds, most=most) for response in responses]
    courses += [replace(courses[0], temperature=None, samples=1), replace(courses[0], speaking=False)]
    if "generator" in watched.looks:
        courses += [replace(course, scored=False) for course in courses]
    if not _refuses(watched.controller, {}):
        courses.append(replace(courses[0], terms={}))
    for course in courses:
        _check_kept(watched.name, course, course.play(watched, watched.name))
    with tempfile.TemporaryDirectory() as folder:
        course = replace(courses[0], folder=Path(folder))
        _check_kept(watched.name, course, course.play(watched, watched.name))


def _trade(of: int, task: int, index: int, proposal: Proposal) -> float:
    """High weights keep what was learned and stand in the way of learning; the rate 0.1 is best."""
    factors = list(proposal.factors.values())
    weight = 0.0 if proposal.plain else sum(factors) / len(factors) if factors else 1.0
    if of < task:
        return 0.85 - 0.5 / (1 + weight)
    missed = 0.1 * abs(math.log10((proposal.lr or 0.1) / 0.1))
    return max(0.0, 0.9 - 0.4 * weight / (4 + weight) - missed + 0.02 * (proposal.generation > 0))


def _chance(of: int, task: int, index: int, proposal: Proposal) -> float:
    """No rule at all."""
    return (of * 7919 + task * 104729 + index * 1299709 + 12345) * 2654435761 % 2**32 / 2**32


RESPONSES: tuple[Response, ...] = (
    _trade,
    _chance,
    lambda of, task, index, proposal: 0.0,
    lambda of, task, index, proposal: 1.0,
    lambda of, task, index, proposal: min(1.0, 0.3 + 0.05 * index),
    lambda of, task, index, proposal: max(0.0, 0.9 - 0.05 * index),
)


def _refuses(controller: Controller, kinds: Mapping[str, Kind]) -> bool:
    try:
        controller.check(kinds)
    except BadCall:
        return True
    return False


def _check_kept(name: str, course: Course, played: Sequence[Played]) -> None:
    for task in played:
        best = task.best
        expect(not best.pruned, f"{name} ends task {task.task} with a round that it broke off")
        method = not (course.terms and course.speaking and task.task)
        expect(
            method or not best.proposal.plain,
            f"{name} ends task {task.task} with plain fine-tuning, although the strategy has terms that speak",
        )
