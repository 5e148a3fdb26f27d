"""A small study of the hyper-parameters within each task, on its validation data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from lifelong_kd.core.errors import BadCall
from lifelong_kd.rounds.base import Controller, Figures, Knob, Proposal, Round, Verdict, View
from lifelong_kd.rounds.study import Range, Tried, break_off, load_optuna, suggest, write_study
from lifelong_kd.rounds.terms import refuse_unknown, turned

__all__ = ["Search"]

Score = Literal["average", "balanced", "new"]


class Search(Controller):
    """Optuna tries settings, each from the student as the task found it; the best on validation data is kept.

    The first round is as configured and each range includes the configured value, so that nothing worse on the
    validation data is ever kept. In later tasks the second round is what the task before kept. Then come draws at
    random (log-uniform) until ``startup`` rounds are over, and then a tree-structured Parzen estimator (Bergstra et
    al., NIPS 2011) over all rounds of the task. Needs the extra 'search' and a stream with validation data.

    Searching the first task alone (``tasks: first``) costs a fraction and is about as good as searching everywhere
    (Lee et al., arXiv 2404.06466). As no term speaks in the first task, a term's numbers are then searched in the first
    task in which it does; the learning rate and the epochs in the first. Later tasks reuse what was kept, in one round.

    Each task's study lies in the run's folder as ``rounds/task_<k>.journal``, a study called ``task_<k>`` that
    ``optuna-dashboard FILE`` shows and ``optuna.load_study`` reads from a ``JournalStorage`` with a
    ``JournalFileBackend``.

    Args:
        trials: rounds of a task that is searched, the configured one included.
        tasks: ``all`` tasks are searched, each anew, or only the ``first`` one that has something to search.
        lr: lowest and highest learning rate; not searched if null.
        factor: lowest and highest factor of each term's weight; not searched if null.
        epochs: fewest and most epochs; not searched if null.
        temperature: lowest and highest temperature of each term that has one; not searched if null.
        terms: names of the terms whose factor and temperature are searched; all that have a teacher if null.
        score: what is made as high as possible, on validation data: the ``average`` accuracy of the tasks so far,
            the ``balanced`` mean of the new task's and that of all old ones together, or that of the ``new`` one alone.
        startup: rounds before the estimator takes over from draws at random, and before any round is broken off.
        prune: whether a round is broken off whose accuracy on the new task stays below the median of those before.
            Only where that accuracy is the score: for the score ``new``, and in the first task.
        warm_up: epochs after which, at the earliest, a round is broken off.

    Raises:
        BadCall: for a number out of range, if nothing is to be searched, or if Optuna is not installed.
    """

    looks = frozenset({"validation"})

    def __init__(
        self,
        *,
        trials: int = 10,
        tasks: Literal["all", "first"] = "all",
        lr: tuple[float, float] | None = None,
        factor: tuple[float, float] | None = (0.1, 10.0),
        epochs: tuple[int, int] | None = None,
        temperature: tuple[float, float] | None = None,
        terms: list[str] | None = None,
        score: Score = "average",
        startup: int = 4,
        prune: bool = False,
        warm_up: int = 1,
    ) -> None:
        for name, number, least in (("trials", trials, 2), ("startup", startup, 1), ("warm_up", warm_up, 1)):
            if number < least:
                raise BadCall(f"search: {name} must be at least {least}, found {number}")
        if score not in ("average", "balanced", "new") or tasks not in ("all", "first"):
            raise BadCall(
                "search: score is 'average', 'balanced' or 'new', tasks 'all' or 'first';"
                f" found {score!r} and {tasks!r}"
            )
        if terms is not None and not terms:
            raise BadCall("search: terms is an empty list; leave it null for all that have a teacher")
        self.lr = _range("lr", lr)
        self.epochs = _range("epochs", epochs, whole=True)
        self.of_terms = {
            kind: span
            for kind, span in (
                ("factor", _range("factor", factor)),
                ("temperature", _range("temperature", temperature)),
            )
            if span is not None
        }
        if self.lr is None and self.epochs is None and not self.of_terms:
            raise BadCall("search: give at least one of lr, factor, epochs and temperature a range")
        load_optuna()
        self.trials = trials
        self.tasks = tasks
        self.terms = tuple(terms) if terms is not None else None
        self.score: Score = score
        self.startup = startup
        self.prunes = prune  # an option of this controller
        self.warm_up = warm_up

    def check(self, knobs: Mapping[str, Literal["distill", "rehearse", "other"]]) -> None:
        refuse_unknown(self.terms, knobs)
        if self.lr is None and self.epochs is None and not self.terms and "distill" not in knobs.values():
            raise BadCall(
                "search: the strategy has no term with a teacher, so that there is nothing to search; give lr or epochs"
                " a range, or name other terms"
            )

    def first(self, view: View) -> Proposal:
        space = self._space(view)
        why = "as configured" if space or not view.earlier else "as an earlier task kept it"
        return _proposal(view, self._start(view), why)

    def judge(self, view: View) -> Verdict:
        space = self._space(view)
        if not space:
            why = "nothing to search in this task" + (", and it diverged" if view.last.diverged else "")
            return Verdict(keep=not view.last.diverged, why=why)
        tried = [self._tried(view, one, space) for one in view.rounds]
        last, count = tried[-1], len(tried)
        best = None if view.kept is None else tried[view.kept].score
        keep = not last.pruned and (best is None or last.score > best)
        why = "diverged" if view.last.diverged else _reason(self.score, last, best, keep)
        if view.folder is not None:
            kept = count - 1 if keep else view.kept
            rows = [replace(one, kept=number == kept) for number, one in enumerate(tried)]
            rows[-1] = replace(rows[-1], why=why)
            write_study(view.folder / f"task_{view.task}.journal", f"task_{view.task}", rows, space)
        return Verdict(keep, self._next(view, tried, space) if count < self.trials else None, why)

    def prune(self, view: View, curve: tuple[float, ...]) -> bool:
        space = self._space(view)
        if not (space and view.rounds and (self.score == "new" or view.task == 0)):
            return False
        tried = [self._tried(view, one, space) for one in view.rounds]
        return break_off(tried, space, curve, startup=self.startup, warm_up=self.warm_up)

    def _next(self, view: View, tried: Sequence[Tried], space: Mapping[str, Range]) -> Proposal:
        count = len(tried)
        if count == 1 and self.tasks == "all" and view.earlier:
            carried = {**self._start(view), **self._carried(view)}
            if carried != tried[0].values:
                return _proposal(view, carried, "as the task before kept it")
        values = suggest(tried, space, seed=view.seed + count, startup=self.startup)
        how = "drawn at random" if count < self.startup else "suggested by the rounds so far"
        return _proposal(view, {**self._start(view), **values}, f"{how}: {_said(values)}")

    def _space(self, view: View) -> dict[str, Range]:
        """What is searched in this task, by name; each range includes the configured value and what was kept."""
        carried = self._carried(view)
        return {
            name: self._span(name).including(value).including(carried.get(name, value))
            for name, value in self._configured(view).items()
            if self.tasks == "all" or name not in carried
        }

    def _span(self, name: str) -> Range:
        return {"lr": self.lr, "epochs": self.epochs}.get(name) or self.of_terms[name.partition("/")[0]]

    def _start(self, view: View) -> dict[str, float]:
        """The values of the first round."""
        configured = self._configured(view)
        return {**configured, **self._carried(view)} if self.tasks == "first" else configured

    def _configured(self, view: View) -> dict[str, float]:
        """The configured value of everything that could be searched in this task."""
        values: dict[str, float] = {}
        if self.lr is not None:
            if not view.lr > 0:
                raise BadCall(
                    f"search: the configured learning rate is {view.lr}; a search needs one above 0"
                )
            values["lr"] = view.lr
        if self.epochs is not None:
            values["epochs"] = view.epochs
        for name in turned(view, self.terms):
            values |= {f"{kind}/{name}": value for kind, value in self._knob(view.knobs[name]).items()}
        return values

    def _knob(self, knob: Knob) -> dict[str, float]:
        given = {"factor": 1.0, "temperature": knob.temperature}
        return {kind: value for kind, value in given.items() if kind in self.of_terms and value is not None}

    def _carried(self, view: View) -> dict[str, float]:
        """What earlier tasks kept, the last one that says so, of what could be searched in this one."""
        found: dict[str, float] = {}
        for outcome in view.earlier:
            found |= _values(view, outcome.proposal)
        return {name: found[name] for name in self._configured(view) if name in found}

    def _tried(self, view: View, one: Round, space: Mapping[str, Range]) -> Tried:
        values = _values(view, one.proposal)
        return Tried(
            {name: values[name] for name in space},
            _score(one.figures, self.score),
            one.curve,
            one.pruned,
            one.kept,
            one.why,
        )


def _said(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name.replace('/', ' ')} {value:.4g}" for name, value in values.items())


def _score(figures: Figures, score: Score) -> float:
    if score == "average":
        return figures.average()
    new, old = figures.new(), figures.old()
    return new if score == "new" or old is None else (new + old) / 2


def _values(view: View, proposal: Proposal) -> dict[str, float]:
    """A proposal as named values; a learning rate or number of epochs that it does not name is the configured one."""
    return {
        "lr": proposal.lr if proposal.lr is not None else view.lr,
        "epochs": proposal.epochs if proposal.epochs is not None else view.epochs,
        **{f"factor/{name}": value for name, value in proposal.factors.items()},
        **{f"temperature/{name}": value for name, value in proposal.temperatures.items()},
    }


def _proposal(view: View, values: Mapping[str, float], why: str) -> Proposal:
    lr, epochs = values.get("lr", view.lr), values.get("epochs", view.epochs)
    parts = [(*name.partition("/"), value) for name, value in values.items()]
    return Proposal(
        # Not named where it is the configured one: several groups of parameters may have rates of their own.
        lr=lr if lr != view.lr else None,
        epochs=int(epochs) if epochs != view.epochs else None,
        factors={term: value for kind, _, term, value in parts if kind == "factor"},
        temperatures={term: value for kind, _, term, value in parts if kind == "temperature"},
        why=why,
    )


def _reason(score: str, last: Tried, best: float | None, keep: bool) -> str:
    if last.pruned:
        return (
            f"broken off after {len(last.curve)} epoch{'s' if len(last.curve) != 1 else ''}, below the median"
        )
    if best is None:
        return f"{score} accuracy {last.score:.4f}"
    return f"{score} accuracy {last.score:.4f}, {'above' if keep else 'not above'} {best:.4f}"


def _range(name: str, given: tuple[float, float] | None, *, whole: bool = False) -> Range | None:
    if given is None:
        return None
    if len(given) != 2 or not 0 < given[0] < given[1] < math.inf or (whole and given[0] < 1):
        least = "at least 1" if whole else "above 0"
        raise BadCall(f"search: {name} is two numbers {least}, the lower one first; found {list(given)}")
    return Range(given[0], given[1], whole)
