"""A run under way: task after task, round after round, and what is logged and kept of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from lifelong_kd.core.errors import Diverged
from lifelong_kd.tracking.composite import Trackers
from lifelong_kd.training.caching import fill_caches
from lifelong_kd.training.evaluate import Evaluator
from lifelong_kd.training.families.measuring import Families
from lifelong_kd.training.families.plain import plain
from lifelong_kd.training.keeper import Keeper
from lifelong_kd.training.logged import round_line, round_values
from lifelong_kd.training.measure import DIVERGED
from lifelong_kd.training.options import TrainingOptions
from lifelong_kd.training.plugin import DistillationPlugin
from lifelong_kd.training.recorder import Recorder
from lifelong_kd.training.results import Ledger, Results
from lifelong_kd.training.rounds.loop import Rounds
from lifelong_kd.training.rounds.record import short
from lifelong_kd.training.rounds.spent import Spent
from lifelong_kd.training.state import RunState
from lifelong_kd.training.telling import Teller
from lifelong_kd.training.watch import Watch

__all__ = ["Session"]


@dataclass
class _Round:
    """What the session notes of a round: what it took, what the families found in it, how many epochs it had.

    ``best_epoch`` is the one whose weights were taken, ``None`` where no watch chose one.
    """

    spent: Spent
    pending: dict[str, Any]
    epochs: int
    best_epoch: int | None


class Session:
    """Trains on every task in turn, evaluates after each, and goes on from any checkpoint.

    Args:
        engine: the template.
        plugin: the strategy; ``None`` for Avalanche's own, which has neither rounds nor checkpoints.
        state: takes out and puts back the whole state; ``None`` for Avalanche's own.
        rounds: the loop of rounds; ``None`` for Avalanche's own.
        stream: the tasks.
        training: how each task is trained.
        ledger: what has been measured.
        evaluator: asks about the streams.
        families: further scores.
        recorder: losses of the steps.
        trackers: who is told.
        teller: tells them of tables, pictures and models.
        keeper: writes the run folder.
    """

    def __init__(
        self,
        *,
        engine: Any,
        plugin: DistillationPlugin | None,
        state: RunState | None,
        rounds: Rounds | None,
        stream: Any,
        training: TrainingOptions,
        ledger: Ledger,
        evaluator: Evaluator,
        families: Families,
        recorder: Recorder,
        trackers: Trackers,
        teller: Teller,
        keeper: Keeper,
    ) -> None:
        self.engine = engine
        self.plugin = plugin
        self.state = state
        self.rounds = rounds
        self.stream = stream
        self.training = training
        self.ledger = ledger
        self.evaluator = evaluator
        self.families = families
        self.recorder = recorder
        self.trackers = trackers
        self.teller = teller
        self.keeper = keeper
        self._saved: dict[str, Any] | None = None
        self._task = 0
        self._epoch = 0
        self._epochs = 0
        self._lasted = 0
        self._steps = 0
        self._total = 1
        self._mark = 0.0
        self._watch: Watch | None = None
        self._pruned = False
        self._diverged: str | None = None
        self._begun = Spent()
        self._past: list[_Round] = []

    # ---- the whole run ----------------------------------------------------------------------------------------

    def run(self, saved: dict[str, Any] | None, *, resume: bool) -> Results:
        """From the first task, or from a checkpoint, to the last.

        Args:
            saved: the state to go on from.
            resume: whether there was a run to go on with.
        """
        self._mark = time.perf_counter()
        self._saved = saved
        self.recorder.report, self.recorder.step = self._report, self._progress
        first = self._go_on()
        if saved is None:
            if resume:
                self.trackers.message("No checkpoint to go on from: starting again from the first task.")
            if self.evaluator.options.before_first:
                self.evaluator.before_first(self.ledger)
                self._tick("evaluation")
        for task in range(first, len(self.stream.tasks)):
            self._learn(task)
        return self._finish()

    def _go_on(self) -> int:
        """Bring the run to where its last checkpoint was; the number of tasks that are done."""
        saved = self._saved
        if saved is None or self.state is None or self.rounds is None:
            return 0
        done = int(saved["task"])
        self.state.enter(self.stream.benchmark.train_stream[:done], saved)
        self.rounds.load_outcomes(saved["rounds"])
        self.engine.first_epoch = int(saved["epoch"])
        self.engine.inside = bool(saved["inside"])
        if not self.engine.inside:
            self._saved = None
        self._task = max(done - 1, 0)
        # A tracker may have lost what it was told in the last moments before a kill.
        for path, task, known in self.keeper.kept_models(done):
            self.teller.model(path, task, known)
        return done

    def _learn(self, task: int) -> None:
        self._task = task
        self._steps = 0
        if not self.engine.inside:
            self.ledger.task_seconds = 0.0
        self.engine.on_task = self._train_task
        self.engine.on_epoch = self._end_of_epoch
        self.engine.train(
            self.stream.benchmark.train_stream[task],
            eval_streams=[],
            shuffle=self.training.shuffle,
            reset_optimizer_state=self.training.reset_optimizer,
        )
        self._tick("training")
        self._epoch = 0
        entry, heard = self.evaluator.after_task(task, self.ledger)
        entry |= self._about_rounds()
        found = self.families.after_task(task, heard)
        entry |= found
        pictures = self.families.show(task, heard, self.keeper.folder.plots)
        self._tick("evaluation")
        entry["seconds"] = self.ledger.task_seconds
        if self.plugin is not None and self.plugin.strategy.stage.notes:
            entry["phases"] = plain(self.plugin.strategy.stage.notes)
        self.teller.task(entry, found, self.families.summaries(), self._step(), pictures)
        self.keeper.check_log()
        path, known = self.keeper.keep_model(task)
        self.teller.model(path, task, known)
        self._save(task + 1, 0, inside=False)
        self.keeper.write_results("running", self.families.summaries())

    def _finish(self) -> Results:
        summaries = self.families.summaries()
        pictures = self.keeper.draw(summaries, self.families.draw)
        data = self.keeper.results("finished", summaries)
        self.teller.end(data, summaries, pictures, self._step(), self.families.tables())
        results = self.keeper.finish(summaries)
        self.teller.results()
        return results

    # ---- a task and its rounds --------------------------------------------------------------------------------

    def _train_task(self) -> None:
        """Every plugin has begun the task: train it, round after round."""
        resumed = self.engine.inside
        self._past = []
        if resumed and self._saved is not None and self.state is not None and self.rounds is not None:
            # What a checkpoint inside the task kept takes the place of what the plugins began with.
            self.state.restore(self._saved)
            self.rounds.resume(self._task, self._saved["rounds"])
            self.families.pending = dict(self._saved["pending"])
            self._past = [_Round(**{**p, "spent": Spent(**p["spent"])}) for p in self._saved["past"]]
        elif self.rounds is not None:
            # What came before the first round, such as an expert's training, every round goes on from.
            self._tick("training")
            self.rounds.begin(self._task)
            if not self.rounds.single:
                self._tick("rounds")
            self._begun = self._spent()
        watch = self._saved["watch"] if resumed and self._saved is not None else None
        begun = self._saved["begun"] if resumed and self._saved is not None else None
        self._saved = None
        if begun is not None:
            self._begun = Spent(**begun)
        while True:
            self._train_round(watch)
            if self.rounds is None or not self._judge():
                return
            watch = None
            self._save(self._task, 0, inside=True)
            self._tick("rounds")

    def _train_round(self, watch: Mapping[str, Any] | None) -> None:
        if self.plugin is not None:
            fill_caches(self.engine, self.plugin.strategy)
        if self.rounds is not None:
            self.rounds.keep_caches()
        loader = self.engine.dataloader
        self._epoch = self.engine.first_epoch
        self._epochs = self.engine.epochs_of_task()
        self._total = self.engine.steps_of_task()
        self._steps = self._epoch * len(loader)
        self._pruned, self._diverged = False, None
        self._watch = Watch(self.training) if Watch.wanted(self.training) else None
        self.engine.lr_factor = 1.0
        if self._watch is not None and watch is not None:
            self._watch.load_state_dict(watch)
            self.engine.lr_factor = self._watch.factor
        self._tick("training")
        self.families.begin(self._task, self._total, resumed=self._epoch > 0)
        self._tick("evaluation")
        try:
            self._train_and_end()
        except Diverged as error:
            if self.rounds is None or self.rounds.single:
                raise
            # The controller is told of it. The strategy may be full of NaN: it is put back, not asked to end the task.
            self._diverged = str(error)
            self.engine.first_epoch = 0
            self._tick("training")
        self.ledger.epochs += self._epoch
        self._lasted, self._epoch = self._epoch, 0

    def _train_and_end(self) -> None:
        self.engine.run_epochs()
        self.recorder.flush()
        if self._watch is not None:
            self._watch.finish(self.engine.model)
        self._tick("training")
        self.families.before_end(self._task)
        self._tick("evaluation")
        if self.rounds is not None:
            self.rounds.trained()
        if self.plugin is not None:
            self.plugin.end()
        self._tick("training")

    def _judge(self) -> bool:
        """Whether another round follows; what was rolled back is counted apart."""
        rounds = self.rounds
        if rounds is None:
            return False
        spent = self._spent() - self._begun
        best = self._watch.best_epoch if self._watch is not None and self._diverged is None else None
        self._past.append(_Round(spent, self.families.pending, self._lasted, best))
        done, more = rounds.judge(pruned=self._pruned, diverged=self._diverged)
        self.ledger.rounds += 1
        self.ledger.evaluations += 1
        if not rounds.single:
            self._tick("rounds")
            self.trackers.message(round_line(self._task, done, more))
            self.trackers.log(round_values(done, spent.training), "evaluation", self._step())
        if not more:
            self.families.pending = self._past[rounds.kept].pending
            for index, past in enumerate(self._past):
                if index != rounds.kept:
                    self._roll_back(past.spent)
        self._begun = self._spent()
        return more

    def _spent(self) -> Spent:
        seconds = self.ledger.seconds
        return Spent(seconds["training"], seconds["teaching"], self.ledger.samples)

    def _roll_back(self, spent: Spent) -> None:
        seconds = self.ledger.seconds
        seconds["training"] -= spent.training
        seconds["rounds"] += spent.training
        seconds["teaching"] -= spent.teaching
        self.ledger.samples -= spent.samples
        if self.plugin is not None:
            self.plugin.adapter.teaching.set(seconds["teaching"])

    def _about_rounds(self) -> dict[str, Any]:
        """The rounds of the task that was just learned, for its entry in the record."""
        if self.rounds is None:
            return {}
        pairs = zip(self.rounds.done, self._past, strict=True)
        return {
            "rounds": [
                {**short(done, past.spent.training), "epochs": past.epochs, "best_epoch": past.best_epoch}
                for done, past in pairs
            ],
            "kept_round": self.rounds.kept,
        }

    # ---- callbacks of the loop --------------------------------------------------------------------------------

    def _end_of_epoch(self, epoch: int) -> bool:
        """Whether the task, or this round of it, ends here."""
        self.recorder.flush()
        self._check_weights(epoch)
        self._epoch = epoch
        task = self._task
        every = self.evaluator.options.every
        if every is not None and epoch % every == 0:
            self._tick("training")
            checks = [self.evaluator.validation(number) for number in range(task + 1)]
            values = {f"validation/accuracy/{n}": m.accuracy for n, m in enumerate(checks) if m is not None}
            self.ledger.evaluations += 1
            self.trackers.log(values, "epoch", self._step())
            self._tick("evaluation")
        stop = False
        if self._watch is not None:
            self._tick("training")
            seen = self.evaluator.validation(task)
            stop = self._watch.see(epoch, seen.loss if seen is not None else None, self.engine.model)
            self.engine.lr_factor = self._watch.factor
            self._tick("evaluation")
        if self.rounds is not None and self.rounds.watching:
            self._tick("training")
            self._pruned = self.rounds.after_epoch()
            self._tick("rounds")
        stop = stop or self._pruned
        often = self.training.checkpoint_every
        if often is not None and epoch % often == 0 and epoch < self._epochs and not stop:
            self._tick("training")
            self._save(task, epoch, inside=True)
        return stop

    def _check_weights(self, epoch: int) -> None:
        """A loss is that of the weights before its step: what the last step did shows here, before it is kept."""
        tensors = [t for t in self.engine.model.state_dict().values() if t.is_floating_point()]
        if tensors and not bool(torch.stack([tensor.isfinite().all() for tensor in tensors]).all()):
            raise Diverged(
                f"the weights are no longer finite after epoch {epoch} of task {self._task}. {DIVERGED}"
            )

    def _report(self, values: Mapping[str, float]) -> None:
        if not np.isfinite(values["loss"]):
            raise Diverged(
                f"the training loss became {values['loss']} in task {self._task}, epoch {self._epoch + 1}. {DIVERGED}"
            )
        self.trackers.log(
            {f"train/{name}": value for name, value in values.items()}, "iteration", self._step()
        )

    def _progress(self) -> None:
        self._steps += 1
        self.ledger.samples += len(self.engine.mb_y)
        self.trackers.progress(self._task, self._epoch, self._epochs, self._steps, self._total)
        if self.families.wanted(self._steps):
            self._tick("training")
            self.families.during(self._task, self._steps)
            self._tick("evaluation")

    def _step(self) -> dict[str, int]:
        epoch = self.ledger.epochs + self._epoch
        return {
            "task": self._task,
            "epoch": epoch,
            "iteration": self.engine.clock.train_iterations,
            "evaluation": self.ledger.evaluations,
        }

    def _tick(self, what: str) -> None:
        now = time.perf_counter()
        self.ledger.seconds[what] += now - self._mark
        self.ledger.task_seconds += now - self._mark
        self._mark = now
        if self.plugin is not None:
            self.ledger.seconds["teaching"] = self.plugin.adapter.teaching.read()

    def _save(self, task: int, epoch: int, *, inside: bool) -> None:
        if self.state is None or self.rounds is None:
            return
        self.keeper.save(
            {
                "task": task,
                "epoch": epoch,
                "inside": inside,
                **self.state.capture(),
                "rounds": self.rounds.state_dict(),
                "watch": self._watch.state_dict() if inside and epoch and self._watch is not None else None,
                "pending": self.families.pending if inside and epoch else {},
                "past": [{**vars(p), "spent": asdict(p.spent)} for p in self._past] if inside else [],
                "begun": asdict(self._begun) if inside else None,
            }
        )
