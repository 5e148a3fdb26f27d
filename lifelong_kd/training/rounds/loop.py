"""The rounds of one task: what is proposed is set up, what was trained is measured, kept or rolled back."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from lifelong_kd.core.errors import Diverged
from lifelong_kd.rounds.base import Controller, Figures, Knob, Outcome, Proposal, Round, View
from lifelong_kd.rounds.single import Single
from lifelong_kd.teacher.generation import Generation
from lifelong_kd.training.plugin import DistillationPlugin
from lifelong_kd.training.rounds.decide import Decider
from lifelong_kd.training.rounds.equip import second_teacher
from lifelong_kd.training.rounds.figures import Sight
from lifelong_kd.training.rounds.knobs import knobs_of, start_fresh
from lifelong_kd.training.rounds.record import outcome_from, outcome_to, round_from, round_to
from lifelong_kd.training.state import RunState

__all__ = ["Rounds"]


class Rounds:
    """The rounds of a run's tasks, one task at a time.

    The state that a task begins with is kept and put back before each further round, random generators included, so
    that two rounds differ by what was proposed and by nothing else.

    Args:
        controller: decides.
        sight: measures what the controller may see.
        engine: the template.
        plugin: the strategy.
        state: takes out and puts back the whole state of the run.
        folder: where the controller may write.
    """

    def __init__(
        self,
        controller: Controller,
        sight: Sight,
        engine: Any,
        plugin: DistillationPlugin,
        state: RunState,
        folder: Path,
    ) -> None:
        self.single = isinstance(controller, Single)
        self.sight = sight
        self.engine = engine
        self.plugin = plugin
        self.state = state
        self.folder = folder
        self.outcomes: list[Outcome] = []
        self._looks = frozenset(controller.looks)
        self._decider = Decider(controller, plugin.seeds)
        self._task = 0
        self._rounds: list[Round] = []
        self._kept: int | None = None
        self._proposal = Proposal()
        self._curve: list[float] = []
        self._base: dict[str, Any] = {}
        self._best: dict[str, Any] | None = None
        self._left: dict[str, Any] | None = None
        self._notes: dict[str, float] = {}
        self._knobs: dict[str, Knob] = {}
        self._caches: dict[int, Any] = {}

    # ---- a task -----------------------------------------------------------------------------------------------

    def begin(self, task: int) -> None:
        """The first round of a task is about to be trained; everything stands as the task found it."""
        self._task, self._rounds, self._kept, self._curve = task, [], None, []
        self._best, self._notes = None, {}
        self._knobs = self._read_knobs()
        if self.single:
            self._proposal = Proposal(why="as configured")
            return
        self._base = self._capture()
        self._proposal = self._decider.first(self._view())
        self._turn()
        self._start()

    @property
    def index(self) -> int:
        """The number of the round that is going on, from 0."""
        return len(self._rounds)

    @property
    def watching(self) -> bool:
        """Whether the controller is asked after each epoch if the round is to be broken off."""
        return self._decider.controller.prunes

    def after_epoch(self) -> bool:
        """Let the controller see the current task's validation accuracy; whether it breaks the round off."""
        self._curve.append(self.sight.validation(self._task).accuracy)
        return self._decider.prune(self._view(), tuple(self._curve))

    def trained(self) -> None:
        """The round has been trained, and is about to end: from here a controller may go on."""
        self._left = self._capture() if self._decider.controller.goes_on else None

    def judge(self, *, pruned: bool = False, diverged: str | None = None) -> tuple[Round, bool]:
        """The round has been trained to the end of its last phase: measure it and let the controller decide.

        Args:
            pruned: whether the controller broke it off.
            diverged: how it diverged, if it did; nothing of it is measured then.

        Returns:
            The round, and whether another one follows; then everything stands as the task found it, or else as the
            kept round left it.
        """
        if self.single:
            done = Round(0, self._proposal, Figures(self._task), kept=True, why="the only round")
            self._rounds, self._kept, self._caches = [done], 0, {}
            return done, False
        if diverged is None:
            try:
                figures = self.sight.figures(self._task, self._looks)
            except Diverged as error:
                diverged = str(error)
        if diverged is not None:
            self.plugin.leave()
            figures = self.sight.nothing(self._task, self._looks)
        lost = diverged is not None
        done = Round(self.index, self._proposal, figures, tuple(self._curve), pruned or lost, lost)
        self._rounds.append(done)
        verdict = self._decider.judge(self._view(), diverged)
        done = replace(done, kept=verdict.keep, why=verdict.why)
        self._rounds[-1] = done
        if verdict.keep:
            self._kept = done.index
            self._notes = dict(self.plugin.strategy.stage.notes)
            self._best = None
            if verdict.next is not None:
                self._best = self._capture()
        self._curve = []
        if verdict.next is None:
            self._finish()
            return done, False
        self._proposal = verdict.next
        self._rewind(self._base if verdict.next.start != "last" or self._left is None else self._on())
        self._left = None
        self._turn()
        self._start()
        return done, True

    @property
    def kept(self) -> int:
        """The index of the round that is kept."""
        if self._kept is None:
            raise RuntimeError("no round has been kept yet")
        return self._kept

    @property
    def done(self) -> list[Round]:
        """This task's rounds so far; ``kept`` of each says what was decided when it was over."""
        return list(self._rounds)

    def _finish(self) -> None:
        kept = self._rounds[self.kept]
        if kept is not self._rounds[-1] and self._best is not None:
            self._put_back(self._best)
            self.plugin.strategy.stage.notes = dict(self._notes)
        self.outcomes.append(Outcome(self._task, kept.proposal, kept.figures, len(self._rounds)))
        self._base, self._best, self._left, self._caches = {}, None, None, {}
        self.plugin.strategy.knobs.turn({})
        self.engine.start_at(None)
        self.engine.round_epochs = None

    # ---- rolling back -----------------------------------------------------------------------------------------

    def _capture(self) -> dict[str, Any]:
        # What the loop goes on with must not change what was taken out.
        return copy.deepcopy({key: value for key, value in self.state.capture().items() if key != "ledger"})

    def _put_back(self, state: Mapping[str, Any]) -> None:
        iterations = self.engine.clock.train_iterations
        self.state.restore(copy.deepcopy(dict(state)))
        # The count of iterations is the axis of the log, which only goes forward.
        self.engine.clock.train_iterations = iterations

    def _on(self) -> dict[str, Any]:
        """Where the training of the last round ended; the clock of the task begins anew, as each round has its own."""
        assert self._left is not None
        return {**self._left, "clock": self._base["clock"]}

    def _rewind(self, state: Mapping[str, Any]) -> None:
        """Begin the task again with ``state``; the teachers' answers are the same in each round."""
        teachers = self.plugin.strategy.teachers.values()
        caches = {id(teacher): self._caches.get(id(teacher)) for teacher in teachers}
        self.plugin.again()
        self._put_back(state)
        for teacher in teachers:
            if caches[id(teacher)] is not None and teacher.ready:
                vars(teacher)["cache"] = caches[id(teacher)]

    def keep_caches(self) -> None:
        """Remember the teachers' answers of this round: when it is over the teachers are other ones."""
        teachers = self.plugin.strategy.teachers.values()
        self._caches = {
            id(teacher): getattr(teacher, "cache", None)
            for teacher in teachers
            if not isinstance(teacher, Generation)
        }

    def _turn(self) -> None:
        """Weights, temperatures, learning rate and epochs as proposed."""
        proposal, strategy = self._proposal, self.plugin.strategy
        self.engine.start_at(proposal.lr)
        self.engine.round_epochs = proposal.epochs
        second = dict.fromkeys(second_teacher(strategy), proposal.generation)
        others = 0.0 if proposal.plain else 1.0
        strategy.knobs.turn({**proposal.factors, **second}, proposal.temperatures, others=others)

    def _start(self) -> None:
        """The proposed student and, as its second teacher, that of the kept round."""
        proposal, best = self._proposal, self._best
        if proposal.start == "kept" and best is not None:
            self.engine.model.load_state_dict(best["model"])
        elif proposal.start == "fresh":
            start_fresh(self.engine, self.plugin.seeds, f"rounds/{self._task}/{self.index}")
        if proposal.generation and best is not None:
            for teacher in self.plugin.strategy.teachers.values():
                if isinstance(teacher, Generation):
                    teacher.become(copy.deepcopy(best["model"]), self._task, self.state.rebuild)

    # ---- what the controller knows ----------------------------------------------------------------------------

    def _read_knobs(self) -> dict[str, Knob]:
        found = knobs_of(self.plugin.strategy, self.engine.train_mb_size)
        second = second_teacher(self.plugin.strategy)
        return {name: knob for name, knob in found.items() if name not in second}

    def _view(self) -> View:
        task = self.plugin.strategy.task
        before = None
        if self.outcomes:
            last = self.outcomes[-1].figures
            before = Figures(self._task, None, last.validation, last.memory)
        return View(
            task=self._task,
            scenario=task.scenario,
            old_classes=len(task.old),
            new_classes=len(task.new),
            lr=self.engine.configured_lr[0],
            epochs=self.engine.configured_epochs(),
            knobs=self._knobs,
            before=before,
            rounds=tuple(self._rounds),
            kept=self._kept,
            earlier=tuple(self.outcomes),
            seed=self.plugin.seeds.derive(f"rounds/{self._task}") % 2**31,
            folder=self.folder,
        )

    # ---- what is kept -----------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything about the task that is going on, and how the earlier ones ended."""
        return {
            "outcomes": [outcome_to(outcome) for outcome in self.outcomes],
            "rounds": [round_to(done) for done in self._rounds],
            "kept": self._kept,
            "proposal": asdict(self._proposal),
            "curve": list(self._curve),
            "base": self._base,
            "best": self._best,
            "notes": dict(self._notes),
            "knobs": {name: asdict(knob) for name, knob in self._knobs.items()},
        }

    def load_outcomes(self, state: Mapping[str, Any]) -> None:
        """Take back how the earlier tasks ended."""
        self.outcomes = [outcome_from(saved) for saved in state["outcomes"]]

    def resume(self, task: int, state: Mapping[str, Any]) -> None:
        """Take back the task that was going on; the state of the run itself has been put back already."""
        self._task = task
        self._rounds = [round_from(saved) for saved in state["rounds"]]
        self._kept = None if state["kept"] is None else int(state["kept"])
        self._proposal = Proposal(**state["proposal"])
        self._curve = [float(value) for value in state["curve"]]
        self._base, self._best = dict(state["base"]), state["best"]
        self._notes = dict(state["notes"])
        self._knobs = {name: Knob(**knob) for name, knob in state["knobs"].items()}
        if not self.single:
            self._turn()
