"""An experiment: a stream, a student and a strategy, from the first task to the last, resumable at any moment."""

from __future__ import annotations

import copy
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from lifelong_kd.core.errors import BadCall, RunFailed
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.model.freeze import digest
from lifelong_kd.model.network import Network
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.stream.stream import Stream
from lifelong_kd.tracking.base import RunInfo, Status, Tracker
from lifelong_kd.tracking.composite import Trackers
from lifelong_kd.tracking.jsonl import NAME as METRICS
from lifelong_kd.tracking.jsonl import JsonlTracker
from lifelong_kd.tracking.jsonl import truncate as truncate_metrics
from lifelong_kd.training import checkpoint
from lifelong_kd.training.avalanche.strategy import AvalancheStrategy
from lifelong_kd.training.caching import fill_caches
from lifelong_kd.training.cost import cost_of
from lifelong_kd.training.engine import Engine
from lifelong_kd.training.environment import environment
from lifelong_kd.training.evaluate import DIVERGED, Evaluator, logged
from lifelong_kd.training.folder import RunFolder, check_folder
from lifelong_kd.training.interrupt import Interrupted, interruptible
from lifelong_kd.training.options import EvaluationOptions, TrainingOptions
from lifelong_kd.training.plots import draw
from lifelong_kd.training.plugin import DistillationPlugin
from lifelong_kd.training.randomness import own_randomness
from lifelong_kd.training.recorder import Recorder
from lifelong_kd.training.results import Ledger, Results
from lifelong_kd.training.state import RunState

__all__ = ["Experiment"]


class Experiment:
    """Everything that was built from a configuration, ready to run.

    ``strategy`` is an Avalanche template and ``benchmark`` an Avalanche benchmark, for those who would rather write the
    loop themselves.

    Args:
        settings: the resolved configuration, written to the run folder.
        name: the run's name, and its folder's under ``runs/``.
        stream: the tasks.
        network: the student.
        strategy: how it learns.
        optimizer: makes the optimiser from the student's parameters.
        training: how each task is trained.
        evaluation: what is measured.
        trackers: who is told.
        seeds: named generators; everything random in the run follows from their root.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        precision: ``float32`` or ``bf16``.
    """

    def __init__(
        self,
        *,
        settings: Mapping[str, Any],
        name: str,
        stream: Stream,
        network: nn.Module,
        strategy: Strategy | AvalancheStrategy,
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
        training: TrainingOptions,
        evaluation: EvaluationOptions,
        trackers: Sequence[Tracker],
        seeds: Seeds,
        device: str,
        precision: str,
    ) -> None:
        if training.threads is not None:
            torch.set_num_threads(training.threads)
        self.settings = dict(settings)
        self.name = name
        self.stream = stream
        self.training = training
        self.seeds = seeds
        self.device = torch.device(device)
        self.trackers = Trackers(trackers)
        self._has_metrics = any(isinstance(tracker, JsonlTracker) for tracker in trackers)
        self.ledger = Ledger(len(stream.tasks))
        self.recorder = Recorder(
            parts=(lambda: strategy.parts) if isinstance(strategy, Strategy) else None,
            every=int(self.settings.get("tracking", {}).get("log_every", 50)),
            report=self._report,
            step=self._progress,
        )
        self.make_optimizer = optimizer
        if training.channels_last:
            network = network.to(memory_format=torch.channels_last)
        pristine = copy.deepcopy(network)
        network = network.to(self.device)
        common: dict[str, Any] = {
            "model": network,
            "optimizer": optimizer(network.parameters()),
            "train_mb_size": training.batch_size,
            "train_epochs": training.epochs,
            "eval_mb_size": training.eval_batch_size,
            "device": self.device,
            "evaluator": self.recorder,
        }
        self.plugin: DistillationPlugin | None = None
        self.state: RunState | None = None
        if isinstance(strategy, Strategy):
            strategy.check_stream(
                [task.classes for task in stream.tasks], [str(n) for n in stream.class_names]
            )
            self.plugin = DistillationPlugin(strategy, scenario=stream.scenario, seeds=seeds)
            self.engine: Any = Engine(criterion=nn.CrossEntropyLoss(), plugins=[self.plugin], **common)
            self.plugin.attach(self.engine)
            place_data(stream, self.device)
            self.state = RunState(self.engine, self.plugin, seeds, self.ledger, pristine)
        elif not isinstance(strategy, AvalancheStrategy):
            raise BadCall(
                "a strategy's function has to return a lifelong_kd.strategy.base.Strategy;"
                f" this one returned {type(strategy).__name__}"
            )
        else:
            # Networks of its own, such as a generator, start from the run's seed.
            with seeds.default("init/avalanche"):
                self.engine = strategy.template(stream, common)
        self.engine.equip(options=training, pipeline=stream.transforms, seeds=seeds, precision=precision)
        # Tells the optimiser the names of its parameters before any head grows.
        self.engine.make_optimizer(reset_optimizer_state=True)
        self.evaluator = Evaluator(self.engine, self.recorder, stream, evaluation)
        self._ran = False
        self._saved: dict[str, Any] | None = None
        self._task = 0
        self._epoch = 0
        self._epochs = 0
        self._steps_of_task = 0
        self._mark = 0.0

    @property
    def strategy(self) -> Any:
        """The Avalanche template."""
        return self.engine

    @property
    def benchmark(self) -> Any:
        """The Avalanche benchmark."""
        return self.stream.benchmark

    # ---- the whole run ----------------------------------------------------------------------------------------

    def run(self, folder: Path | str | None = None, *, resume: bool = False) -> Results:
        """Train on every task in turn, evaluate after each, and write the run folder.

        Args:
            folder: the run folder; ``runs/<name>`` if not given.
            resume: go on with the run that is in the folder.

        Raises:
            BadCall: if the folder is in use, or holds another run, or none to resume; or if this experiment ran before.
            RunFailed: if the loss is no longer finite, or the disk is full; the folder can be resumed.
            Interrupted: after Ctrl-C or SIGTERM; the folder can be resumed.
        """
        if self._ran:
            raise BadCall("an experiment runs once, as its student has learned by then: build another one")
        place = RunFolder(Path(folder) if folder is not None else Path("runs") / self.name)
        place.refuse_in_use()
        check_folder(place, resume=resume)
        place.lock()
        status: Status = "failed"
        try:
            # Once more: between the look and the lock another process may have had a whole run here.
            check_folder(place, resume=resume)
        except BadCall:
            place.unlock()
            raise
        self._ran = True
        try:
            with interruptible(f"Go on with: lifelong-kd resume {place.path}"), own_randomness(self.seeds):
                self._open(place, resume=resume)
                results = self._run(place, resume=resume)
                status = "finished"
        except Interrupted:
            status = "interrupted"
            raise
        finally:
            self._close(place, status)
        return results

    def _open(self, folder: RunFolder, *, resume: bool) -> None:
        folder.sweep()
        about = folder.read_json("run.json") or {"run_id": secrets.token_hex(4), "created": time.time()}
        if not resume:
            folder.write_yaml("config.yaml", self.settings)
        folder.write_json("environment.json", environment(self.device))
        folder.write_json("run.json", {**about, "name": self.name, "status": "running"})
        self._about = about
        # Avalanche's own strategies have no state that can be saved without pickle.
        self._saved = checkpoint.latest(folder) if self.state is not None else None
        truncate_metrics(folder.path, int(self._saved["lines"]) if self._saved is not None else 0)
        wandb = dict(self.settings.get("tracking", {}).get("wandb", {}))
        self.trackers.start(
            RunInfo(
                name=self.name,
                folder=folder.path,
                config=self.settings,
                run_id=str(about["run_id"]),
                stream=self.stream.name,
                strategy=str(self.settings.get("strategy", {}).get("name", "custom")),
                scenario=self.stream.scenario,
                seed=self.seeds.root,
                tasks=len(self.stream.tasks),
                group=wandb.get("group"),
                job_type=wandb.get("job_type", "train"),
                tags=tuple(wandb.get("tags", ())),
                notes=wandb.get("notes"),
                resumed=resume,
            )
        )

    def _close(self, folder: RunFolder, status: Status) -> None:
        """Tell the trackers and write how the run ended; a disk that is still full does not hide why it did."""
        try:
            self.trackers.finish(status)
            if status != "finished":
                with suppress(RunFailed):
                    self._write_status(folder, status)
        finally:
            folder.unlock()

    def _write_status(self, folder: RunFolder, status: Status) -> None:
        about = folder.read_json("run.json")
        if about is not None:
            folder.write_json("run.json", {**about, "status": status})

    def _run(self, folder: RunFolder, *, resume: bool) -> Results:
        self._mark = time.perf_counter()
        first = self._go_on()
        if self._saved is None:
            if resume:
                self.trackers.message("No checkpoint to go on from: starting again from the first task.")
            if self.evaluator.options.before_first:
                self.evaluator.before_first(self.ledger)
                self._tick("evaluation")
        for task in range(first, len(self.stream.tasks)):
            self._learn(folder, task)
        return self._finish(folder)

    def _go_on(self) -> int:
        """Bring the run to where its last checkpoint was; the number of tasks that are done."""
        saved = self._saved
        if saved is None or self.state is None:
            return 0
        done = int(saved["task"])
        self.state.enter(self.stream.benchmark.train_stream[:done], saved)
        self.engine.first_epoch = int(saved["epoch"])
        self._task = max(done - 1, 0)
        return done

    def _learn(self, folder: RunFolder, task: int) -> None:
        self._task = task
        self._steps_of_task = 0
        if not self.engine.first_epoch:
            self.ledger.task_seconds = 0.0
        self.engine.on_start = self._start_of_epochs
        self.engine.on_epoch = lambda epoch: self._end_of_epoch(folder, task, epoch)
        self.engine.train(
            self.stream.benchmark.train_stream[task],
            eval_streams=[],
            shuffle=self.training.shuffle,
            reset_optimizer_state=self.training.reset_optimizer,
        )
        self._tick("training")
        self.ledger.epochs += self._epochs
        self._epoch = 0
        entry = self.evaluator.after_task(task, self.ledger)
        self._tick("evaluation")
        entry["seconds"] = self.ledger.task_seconds
        if self.plugin is not None and self.plugin.strategy.stage.notes:
            entry["phases"] = dict(self.plugin.strategy.stage.notes)
        step = self._step()
        self.trackers.log(logged(entry, self.ledger), "task", step)
        self._lines(folder)
        self._keep_model(folder, task)
        self._save(folder, task + 1, 0)
        folder.write_json("results.json", self._results("running"))

    def _finish(self, folder: RunFolder) -> Results:
        data = self._results("finished")
        names = [str(name) for name in self.stream.class_names]
        for key, path in draw(folder.plots, data, names):
            self.trackers.figure(key, path, self._step())
        rows = [[i, j, value] for i, row in enumerate(data["accuracy_matrix"]) for j, value in enumerate(row)]
        self.trackers.table("accuracy_matrix", ["after task", "test task", "accuracy"], rows, self._step())
        self.trackers.summary(
            {name: value for name, value in self.ledger.scores().items() if value is not None}
        )
        # Last of all: a run that is killed before this line is not finished, and resuming it draws the plots again.
        self._write_status(folder, "finished")
        folder.write_json("results.json", data)
        return Results(folder.path, data)

    # ---- callbacks of the loop --------------------------------------------------------------------------------

    def _start_of_epochs(self) -> None:
        """Every plugin has begun the task: now what a checkpoint inside the task kept takes its place."""
        if self._saved is not None and self.state is not None and self.engine.first_epoch:
            self.state.restore(self._saved)
        self._saved = None
        if self.plugin is not None:
            fill_caches(self.engine, self.plugin.strategy)
        self._epoch = self.engine.first_epoch
        loader = self.engine.dataloader
        self._epochs = self.engine.epochs_of_task()
        self._total = self.training.iterations or self._epochs * len(loader)
        self._steps_of_task = self._epoch * len(loader)

    def _end_of_epoch(self, folder: RunFolder, task: int, epoch: int) -> None:
        self.recorder.flush()
        self._check_weights(task, epoch)
        self._epoch = epoch
        every = self.evaluator.options.every
        if every is not None and epoch % every == 0:
            self._tick("training")
            checks = [self.evaluator.validation(number) for number in range(task + 1)]
            values = {f"validation/accuracy/{n}": m.accuracy for n, m in enumerate(checks) if m is not None}
            self.trackers.log(values, "epoch", self._step())
            self._tick("evaluation")
        often = self.training.checkpoint_every
        if often is not None and epoch % often == 0 and epoch < self._epochs:
            self._tick("training")
            self._save(folder, task, epoch)

    def _check_weights(self, task: int, epoch: int) -> None:
        """A loss is that of the weights before its step: what the last step did shows here, before it is kept."""
        tensors = [t for t in self.engine.model.state_dict().values() if t.is_floating_point()]
        if tensors and not bool(torch.stack([tensor.isfinite().all() for tensor in tensors]).all()):
            raise RunFailed(
                f"the weights are no longer finite after epoch {epoch} of task {task}. {DIVERGED}"
            )

    def _report(self, values: Mapping[str, float]) -> None:
        if not np.isfinite(values["loss"]):
            raise RunFailed(
                f"the training loss became {values['loss']} in task {self._task}, epoch {self._epoch + 1}. {DIVERGED}"
            )
        self.trackers.log(
            {f"train/{name}": value for name, value in values.items()}, "iteration", self._step()
        )

    def _progress(self) -> None:
        self._steps_of_task += 1
        self.ledger.samples += len(self.engine.mb_y)
        epoch = min(self._steps_of_task * self._epochs // max(self._total, 1), self._epochs - 1)
        self.trackers.progress(self._task, epoch, self._epochs, self._steps_of_task, self._total)

    def _step(self) -> dict[str, int]:
        epoch = self.ledger.epochs + self._epoch
        return {"task": self._task, "epoch": epoch, "iteration": self.engine.clock.train_iterations}

    def _tick(self, what: str) -> None:
        now = time.perf_counter()
        self.ledger.seconds[what] += now - self._mark
        self.ledger.task_seconds += now - self._mark
        self._mark = now
        if self.plugin is not None:
            self.ledger.seconds["teaching"] = self.plugin.adapter.teaching.read()

    # ---- what is kept -----------------------------------------------------------------------------------------

    def _keep_model(self, folder: RunFolder, task: int) -> None:
        model = self.engine.model
        about: dict[str, Any] = {
            "task": task,
            "classes": [str(name) for name in self.ledger.per_task[-1]["classes"]],
            "digest": digest(model),
            "config": self.settings,
            "scores": self.ledger.scores(),
        }
        if self.plugin is not None and isinstance(model, Network):
            about["network"] = {
                "input_shape": list(self.stream.input_shape),
                "classes": self.stream.classes,
                "columns": [str(name) for name in self.stream.class_names],
                "tasks": [[list(done.new), done.label] for done in self.plugin.tasks],
            }
        path = checkpoint.save_model(folder, model, task=task, about=about)
        taught = self.plugin is not None and bool(self.plugin.strategy.teachers) and task > 0
        parent = {"parent": f"{self._about['run_id']}-task-{task - 1}"} if taught else {}
        known = {key: value for key, value in about.items() if key not in ("config", "network")}
        self.trackers.artifact(path, f"{self._about['run_id']}-task-{task}", "model", {**known, **parent})

    def _results(self, status: str) -> dict[str, Any]:
        about = {
            "name": self.name,
            "run_id": self._about["run_id"],
            "seed": self.seeds.root,
            "strategy": self.settings.get("strategy"),
            "stream": self.settings.get("stream"),
            "scenario": self.stream.scenario,
            "class_order": list(self.stream.class_order),
            "data": self.stream.digest,
        }
        memory = self.plugin.strategy.memory if self.plugin is not None else None
        cost = cost_of(self.engine, self.stream, self.ledger, memory.nbytes if memory is not None else 0)
        return self.ledger.as_results(about, cost, status)

    def _lines(self, folder: RunFolder) -> int:
        """How many lines the metrics have; without them the folder would not be whole, so that it must not go on."""
        lines = [tracker.position() for tracker in self.trackers if isinstance(tracker, JsonlTracker)]
        if self._has_metrics and not lines:
            raise RunFailed(f"{folder.path / METRICS} can no longer be written: is the disk full?")
        return int(lines[0]) if lines else 0

    def _save(self, folder: RunFolder, task: int, epoch: int) -> None:
        if self.state is not None:
            position = {"task": task, "epoch": epoch, "lines": self._lines(folder)}
            checkpoint.save(folder, {**position, **self.state.capture()}, task=task, epoch=epoch)


def place_data(stream: Stream, device: torch.device) -> None:
    """Hold the stream's tensors on the device if they take at most half of its free memory."""
    if device.type == "cuda" and stream.nbytes <= torch.cuda.mem_get_info(device)[0] // 2:
        stream.to(device)
