"""The engine: an Avalanche template whose data, precision and evaluation are its own.

What happens to each task, with the hooks that every Avalanche plugin may use::

    before_train_dataset_adaptation    the strategy notes the task; the head grows
    after_train_dataset_adaptation     exemplars or earlier data join the training set
    make_train_dataloader              samples by the batch, on the device
    before_training_exp                the strategy begins the task; teacher outputs are cached
    for each epoch:                    a resumed task begins at the epoch after its checkpoint
        before_training_epoch
        for each batch:
            forward, task loss
            before_backward            the strategy adds its terms
            backward, clip, step
            after_training_iteration   a reservoir takes samples
        after_training_epoch           finite? evaluate? checkpoint?
    after_training_exp                 the memory chooses, the teachers take their snapshots
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import torch
from avalanche.models import MultiTaskModule
from avalanche.models.utils import avalanche_forward
from avalanche.training.templates import SupervisedTemplate
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall, RunFailed
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.model.network import Network
from lifelong_kd.stream.resolve import resolve
from lifelong_kd.stream.transform import Pipeline
from lifelong_kd.training.adapter import of_several
from lifelong_kd.training.loader import BatchLoader
from lifelong_kd.training.options import TrainingOptions
from lifelong_kd.training.randomness import undisturbed
from lifelong_kd.training.task_data import ForeignData, PartData

__all__ = ["Engine", "EngineMixin"]


class EngineMixin:
    """What the engine changes in a template; mixed into ``SupervisedTemplate`` and into Avalanche's own strategies.

    ``equip`` has to be called before the first task.
    """

    model: nn.Module
    device: torch.device
    optimizer: torch.optim.Optimizer
    dataloader: Any
    adapted_dataset: Any
    experience: Any
    loss: Tensor
    mbatch: Any
    mb_output: Any
    is_training: bool
    train_epochs: int
    _stop_training: bool

    own_steps: bool = False
    options: TrainingOptions
    pipeline: Pipeline | None
    seeds: Seeds

    def equip(
        self,
        *,
        options: TrainingOptions,
        pipeline: Pipeline | None,
        seeds: Seeds,
        precision: str,
    ) -> None:
        """Take everything that Avalanche's constructor has no place for.

        Args:
            options: how a task is trained.
            pipeline: the views of the stream's data; ``None`` for a benchmark that brings its own transforms.
            seeds: named generators.
            precision: ``float32`` or ``bf16``.

        Raises:
            BadCall: if gradients are to be clipped and the strategy changes the weights by itself, or a model that
                needs task labels is to be compiled.
        """
        if options.compile and isinstance(self.model, MultiTaskModule):
            raise BadCall("a model that needs task labels cannot be compiled: set training.compile to false")
        if options.grad_clip is not None and self.own_steps:
            raise BadCall(
                f"{type(self).__name__} changes the weights by itself: set training.grad_clip to null"
            )
        self.options = options
        self.pipeline = pipeline
        self.seeds = seeds
        self.bf16 = precision == "bf16"
        self.first_epoch = 0
        self.inside = False
        self.on_task: Callable[[], None] | None = None
        self.on_epoch: Callable[[int], bool] | None = None
        self.configured_lr = [float(group["lr"]) for group in self.optimizer.param_groups]
        self.base_lr = list(self.configured_lr)
        self.lr_factor = 1.0
        self.round_epochs: int | None = None
        self._compiled: Callable[..., Any] | None = None
        self._compiled_for: nn.Module | None = None

    # ---- data -------------------------------------------------------------------------------------------------

    def part_data(self, dataset: Any) -> PartData | None:
        """The data set's samples by the batch, or ``None`` if they are not held by one of our stores."""
        found = resolve(dataset, self.pipeline) if self.pipeline is not None else None
        if found is None or self.pipeline is None:
            return None
        return PartData(*found, self.pipeline, self.device)

    def task_data(self) -> PartData | ForeignData:
        """The data of the current experience, for a memory."""
        dataset = self.experience.dataset
        return self.part_data(dataset) or ForeignData(dataset, self.device)

    def make_train_dataloader(
        self, *args: Any, shuffle: bool = True, drop_last: bool = False, **kwargs: Any
    ) -> None:
        data = self.part_data(self.adapted_dataset)
        # Some of Avalanche's strategies ask for whole batches themselves.
        drop_last = drop_last or self.options.drop_last
        if data is None:
            template = cast(Any, super())
            kwargs = {
                **kwargs,
                "shuffle": shuffle,
                "drop_last": drop_last,
                "num_workers": self.options.workers,
            }
            template.make_train_dataloader(*args, **kwargs)
            return
        self.dataloader = BatchLoader(
            data,
            batch_size=cast(Any, self).train_mb_size,
            order=self.seeds.generator("order") if shuffle else None,
            augment=self.seeds.generator("augment/new"),
            drop_last=drop_last,
            workers=self.options.workers,
            channels_last=self.options.channels_last,
        )

    def make_eval_dataloader(self, *args: Any, **kwargs: Any) -> None:
        data = self.part_data(self.adapted_dataset)
        if data is None:
            cast(Any, super()).make_eval_dataloader(*args, num_workers=self.options.workers, **kwargs)
            return
        self.dataloader = BatchLoader(
            data,
            batch_size=cast(Any, self).eval_mb_size,
            workers=self.options.workers,
            channels_last=self.options.channels_last,
        )

    @property
    def mb_raw(self) -> Tensor | None:
        """The current batch before augmentation."""
        return self.dataloader.raw if isinstance(self.dataloader, BatchLoader) else None

    @property
    def mb_index(self) -> Tensor | None:
        """Where the current batch's samples stand in the task's training set."""
        return self.dataloader.index if isinstance(self.dataloader, BatchLoader) else None

    def _unpack_minibatch(self) -> None:
        if not isinstance(self.dataloader, BatchLoader):
            cast(Any, super())._unpack_minibatch()

    # ---- arithmetic -------------------------------------------------------------------------------------------

    def precision_context(self) -> AbstractContextManager[Any]:
        """Autocast to bfloat16 if asked for."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16) if self.bf16 else nullcontext()

    def forward(self) -> Any:
        template = cast(Any, self)
        with of_several(), self.precision_context():
            if self.options.compile and self.is_training:
                output = self._compiled_forward(template.mb_x)
            elif hasattr(self.experience, "task_labels"):
                output = avalanche_forward(self.model, template.mb_x, template.mb_task_id)
            else:
                output = self.model(template.mb_x)
        return output.float() if self.bf16 else output

    def _compiled_forward(self, x: Tensor) -> Any:
        # A head that grows would be compiled anew for every width, and after a few of them no more.
        network = self.model if isinstance(self.model, Network) else None
        part = network.backbone if network is not None else self.model
        if self._compiled is None or self._compiled_for is not part:
            self._compiled, self._compiled_for = torch.compile(part), part
        said = self._compiled(x)
        return network.head(said) if network is not None else said

    def criterion(self) -> Tensor:
        if self.is_training:
            return cast(Tensor, cast(Any, super()).criterion())
        # A head that has not met a class yet has no column for it: such samples have no loss to add.
        logits, target = self.mb_output, cast(Any, self).mb_y
        known = target < logits.shape[1]
        return nn.functional.cross_entropy(logits[known], target[known], reduction="sum") / max(
            len(target), 1
        )

    def optimizer_step(self) -> None:
        if self.options.grad_clip is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.options.grad_clip)
        self.optimizer.step()

    # ---- epochs -----------------------------------------------------------------------------------------------

    def _train_exp(self, experience: Any, eval_streams: Any = None, **kwargs: Any) -> None:
        if not isinstance(self.dataloader, BatchLoader) and self.options.iterations is not None:
            raise RunFailed("training.iterations needs the engine's own loader; set training.epochs instead")
        if self.on_task is not None:
            self.on_task()
        else:
            self.run_epochs(**kwargs)
        self.first_epoch, self.inside = 0, False

    def run_epochs(self, **kwargs: Any) -> None:
        """The epochs of the current task, from ``first_epoch`` on, until ``on_epoch`` says that it is enough."""
        epochs = self.epochs_of_task()
        for epoch in range(self.first_epoch, epochs):
            self._limit(epoch)
            self._set_learning_rate(epoch, epochs)
            cast(Any, self)._before_training_epoch(**kwargs)
            if self._stop_training:
                self._stop_training = False
                break
            cast(Any, self).training_epoch(**kwargs)
            cast(Any, self)._after_training_epoch(**kwargs)
            if self.on_epoch is not None and self.on_epoch(epoch + 1):
                break
        self.first_epoch = 0

    def start_at(self, lr: float | None) -> None:
        """Let the learning rate start at ``lr`` or, without one, as it was configured."""
        self.base_lr = list(self.configured_lr) if lr is None else [lr] * len(self.configured_lr)
        self.lr_factor = 1.0
        for group, base in zip(self.optimizer.param_groups, self.base_lr, strict=True):
            group["lr"] = base

    def epochs_of_task(self) -> int:
        """Passes over the current task's data, the last of which may be cut short by ``iterations``."""
        return self.configured_epochs() if self.round_epochs is None else self.round_epochs

    def configured_epochs(self) -> int:
        """The same as it is configured, whatever the current round has."""
        if self.options.iterations is None:
            return self.train_epochs
        return math.ceil(self.options.iterations / self._pass())

    def steps_of_task(self) -> int:
        """Steps of the current task's training."""
        if self.options.iterations is not None and self.round_epochs is None:
            return self.options.iterations
        return self.epochs_of_task() * len(self.dataloader)

    def _pass(self) -> int:
        self.dataloader.limit = None
        return max(len(self.dataloader), 1)

    def _set_learning_rate(self, epoch: int, epochs: int) -> None:
        # A function of the epoch, or of what a checkpoint holds, so that a resumed task goes on with the right one.
        options = self.options
        if options.lr_schedule == "constant":
            return
        if options.lr_schedule == "plateau":
            factor = self.lr_factor
        elif options.lr_schedule == "cosine":
            factor = 0.5 * (1.0 + math.cos(math.pi * epoch / epochs))
        else:
            factor = options.lr_factor ** sum(epoch >= milestone for milestone in options.lr_milestones)
        for group, base in zip(self.optimizer.param_groups, self.base_lr, strict=True):
            group["lr"] = base * factor

    def _limit(self, epoch: int) -> None:
        if self.options.iterations is not None and self.round_epochs is None:
            length = self._pass()
            self.dataloader.limit = min(length, self.options.iterations - epoch * length)

    # ---- evaluation -------------------------------------------------------------------------------------------

    def model_adaptation(self, model: nn.Module | None = None) -> nn.Module:
        if not self.is_training:
            # Avalanche grows heads in evaluation too; here evaluating never changes the model.
            return self.model
        return cast(nn.Module, cast(Any, super()).model_adaptation(model))

    def eval(self, experiences: Any, **kwargs: Any) -> Any:
        # Avalanche forgets the last batch when it evaluates, and some of its plugins look at it when a task ends.
        kept = {name: getattr(self, name) for name in ("mbatch", "mb_output", "loss")}
        with undisturbed():
            metrics = cast(Any, super()).eval(experiences, **kwargs)
        vars(self).update(kept)
        return metrics


class Engine(EngineMixin, SupervisedTemplate):
    """Our strategies' template: Avalanche's supervised loop with the engine's data, precision and evaluation."""
