"""An experiment: a stream, a student and a strategy, from the first task to the last, resumable at any moment."""

from __future__ import annotations

import copy
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lifelong_kd.core.errors import BadCall, RunFailed
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.rounds.base import Controller
from lifelong_kd.rounds.single import Single
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.stream.stream import Stream
from lifelong_kd.tracking.base import RunInfo, Status, Tracker
from lifelong_kd.tracking.composite import Trackers, one_line
from lifelong_kd.tracking.jsonl import truncate as truncate_metrics
from lifelong_kd.training import checkpoint
from lifelong_kd.training.ask import Asker
from lifelong_kd.training.avalanche.strategy import AvalancheStrategy
from lifelong_kd.training.check_succession import check_succession
from lifelong_kd.training.engine import Engine
from lifelong_kd.training.environment import environment
from lifelong_kd.training.evaluate import Evaluator
from lifelong_kd.training.families.base import Family
from lifelong_kd.training.families.measuring import Families
from lifelong_kd.training.folder import RunFolder, check_folder
from lifelong_kd.training.inputs import check_generator, check_input
from lifelong_kd.training.interrupt import Interrupted, interruptible
from lifelong_kd.training.keeper import Keeper, write_status
from lifelong_kd.training.options import EvaluationOptions, TrainingOptions
from lifelong_kd.training.plugin import DistillationPlugin
from lifelong_kd.training.randomness import own_randomness
from lifelong_kd.training.recorder import Recorder
from lifelong_kd.training.results import Ledger, Results
from lifelong_kd.training.rounds.equip import equip
from lifelong_kd.training.rounds.figures import Sight
from lifelong_kd.training.rounds.loop import Rounds
from lifelong_kd.training.session import Session
from lifelong_kd.training.state import RunState
from lifelong_kd.training.succession import Succession, Successors
from lifelong_kd.training.telling import Teller
from lifelong_kd.training.watch import Watch

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
        controller: how often, and how, each task is trained; once if ``None``.
        families: scores beyond the accuracy matrix, by name.
        successors: networks that take the student's place when later tasks begin.
        plots: whether the accuracy matrix and its like are drawn at the end.
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
        controller: Controller | None = None,
        families: Mapping[str, Family] | None = None,
        successors: Successors | None = None,
        plots: bool = True,
    ) -> None:
        if training.threads is not None:
            torch.set_num_threads(training.threads)
        # Process-wide, as torch has it: the next experiment sets its own.
        torch.set_float32_matmul_precision(training.matmul)
        check_input(stream, network)
        self.settings = dict(settings)
        self.name = name
        self.stream = stream
        self.training = training
        self.seeds = seeds
        self.plots = plots
        self.origin = getattr(network, "origin", None)
        self.device = torch.device(device)
        self.trackers = Trackers(trackers)
        self.ledger = Ledger(len(stream.tasks))
        self.recorder = Recorder(
            parts=(lambda: strategy.parts) if isinstance(strategy, Strategy) else None,
            every=int(self.settings.get("tracking", {}).get("log_every", 50)),
        )
        self.make_optimizer = optimizer
        if training.channels_last:
            network = network.to(memory_format=torch.channels_last)
        succession = Succession(
            copy.deepcopy(network), successors or Successors(), optimizer, seeds, training.channels_last
        )
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
        self.controller = controller or Single()
        if isinstance(strategy, Strategy):
            check_generator(stream, strategy)
            equip(strategy, self.controller, stream)
            strategy.check_stream(
                [task.classes for task in stream.tasks], [str(n) for n in stream.class_names]
            )
            check_succession(strategy, succession, stream)
            self.plugin = DistillationPlugin(strategy, scenario=stream.scenario, seeds=seeds)
            self.plugin.succession = succession
            self.engine: Any = Engine(criterion=nn.CrossEntropyLoss(), plugins=[self.plugin], **common)
            self.plugin.attach(self.engine)
            place_data(stream, self.device)
            self.state = RunState(self.engine, self.plugin, seeds, self.ledger, succession)
        elif not isinstance(strategy, AvalancheStrategy):
            raise BadCall(
                "a strategy's function has to return a lifelong_kd.strategy.base.Strategy;"
                f" this one returned {type(strategy).__name__}"
            )
        elif succession.later:
            raise BadCall(
                "model.student: Avalanche's own strategies go on with one network from the first task to the last"
            )
        elif not isinstance(self.controller, Single):
            raise BadCall(
                "rounds: Avalanche's own strategies have no state that could be put back; they are trained in a single"
                " round"
            )
        else:
            # Networks of its own, such as a generator, start from the run's seed.
            with seeds.default("init/avalanche"):
                self.engine = strategy.template(stream, common)
        self.engine.equip(options=training, pipeline=stream.transforms, seeds=seeds, precision=precision)
        # Tells the optimiser the names of its parameters before any head grows.
        self.engine.make_optimizer(reset_optimizer_state=True)
        self.asker = Asker(self.engine, self.plugin, stream.benchmark)
        self.evaluator = Evaluator(self.engine, self.recorder, stream, evaluation, self.asker, seeds)
        if Watch.wanted(training) and not stream.has_validation:
            raise BadCall(
                "training.early_stopping and lr_schedule 'plateau' look at validation data, and the stream keeps none:"
                " set stream.validation to a share such as 0.1"
            )
        self.families = Families(
            families or {},
            stream=stream,
            engine=self.engine,
            plugin=self.plugin,
            asker=self.asker,
            seeds=seeds,
            ledger=self.ledger,
        )
        self._ran = False

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
        why: str | None = None
        try:
            # Once more: between the look and the lock another process may have had a whole run here.
            check_folder(place, resume=resume)
        except BadCall:
            place.unlock()
            raise
        self._ran = True
        try:
            with interruptible(f"Go on with: lifelong-kd resume {place.path}"), own_randomness(self.seeds):
                saved = self._open(place, resume=resume)
                results = self._session(place).run(saved, resume=resume)
                status = "finished"
        except Interrupted:
            status = "interrupted"
            raise
        except Exception as error:
            why = one_line(error)
            raise
        finally:
            self._close(place, status, why)
        return results

    def _open(self, folder: RunFolder, *, resume: bool) -> dict[str, Any] | None:
        """Write what the run is and tell the trackers; the state to go on from, if there is one."""
        folder.sweep()
        about = folder.read_json("run.json") or {"run_id": secrets.token_hex(4), "created": time.time()}
        if not resume:
            folder.write_yaml("config.yaml", self.settings)
        around = environment(self.device)
        folder.write_json("environment.json", around)
        about.pop("error", None)
        folder.write_json("run.json", {**about, "name": self.name, "status": "running"})
        self._about = {**about, "name": self.name}
        # Avalanche's own strategies have no state that can be saved without pickle.
        saved = checkpoint.latest(folder) if self.state is not None else None
        logged = int(saved["lines"]) if saved is not None else 0
        if saved is not None:
            self.origin = saved.get("origin", self.origin)
        truncate_metrics(folder.path, logged)
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
                logged=logged,
                about={
                    "data": self.stream.digest,
                    "class_order": list(self.stream.class_order),
                    "environment": around,
                },
            )
        )
        return saved

    def _session(self, folder: RunFolder) -> Session:
        keeper = Keeper(
            folder,
            self._about,
            settings=self.settings,
            engine=self.engine,
            plugin=self.plugin,
            stream=self.stream,
            seeds=self.seeds,
            ledger=self.ledger,
            trackers=self.trackers,
            controller=str(self.settings.get("rounds", {}).get("name", type(self.controller).__name__)),
            plots=self.plots,
            origin=self.origin,
        )
        rounds = None
        if self.plugin is not None and self.state is not None:
            sight = Sight(self.asker, self.stream)
            place = folder.path / "rounds"
            rounds = Rounds(self.controller, sight, self.engine, self.plugin, self.state, place)
        return Session(
            engine=self.engine,
            plugin=self.plugin,
            state=self.state,
            rounds=rounds,
            stream=self.stream,
            training=self.training,
            ledger=self.ledger,
            evaluator=self.evaluator,
            families=self.families,
            recorder=self.recorder,
            trackers=self.trackers,
            teller=Teller(self.trackers, folder, self.ledger, str(self._about["run_id"]), self.plots),
            keeper=keeper,
        )

    def _close(self, folder: RunFolder, status: Status, why: str | None) -> None:
        """Tell the trackers and write how the run ended; a disk that is still full does not hide why it did."""
        try:
            self.trackers.finish(status)
            if status != "finished":
                with suppress(RunFailed):
                    write_status(folder, status, why)
        finally:
            folder.unlock()


def place_data(stream: Stream, device: torch.device) -> None:
    """Hold the stream's tensors on the device if they take at most half of its free memory."""
    if device.type == "cuda" and stream.nbytes <= torch.cuda.mem_get_info(device)[0] // 2:
        stream.to(device)
