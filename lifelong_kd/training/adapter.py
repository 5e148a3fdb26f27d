"""How a template's model is called: plain, with task labels, with one head a task, in the template's precision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol, cast

import torch
from avalanche.models import MultiHeadClassifier, MultiTaskModule
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall, RunFailed
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import LOGITS, Batch, Said, Wants
from lifelong_kd.model.freeze import unwrapped
from lifelong_kd.model.hearing import Hearing
from lifelong_kd.model.inside import from_inside, heard_behind
from lifelong_kd.model.network import Network
from lifelong_kd.model.taps import penultimate
from lifelong_kd.training.stopwatch import Stopwatch

__all__ = ["Adapter", "Template", "of_several"]


class Template(Protocol):
    """What the plugin asks of an Avalanche template."""

    model: nn.Module
    device: torch.device
    loss: Tensor
    optimizer: torch.optim.Optimizer
    train_mb_size: int
    train_epochs: int
    mb_output: Tensor
    mb_x: Tensor
    mb_y: Tensor
    mbatch: Any
    experience: Any
    adapted_dataset: Any
    is_training: bool
    _criterion: Any

    def optimizer_step(self) -> None:
        """A step of the optimiser."""


def grow_head(model: nn.Module, classes: Sequence[int], label: int, seeds: Seeds, index: int) -> None:
    """Let the head of a network of ours grow for task ``index``; its new rows come from a generator of their own."""
    grow = getattr(model, "grow", None)
    if callable(grow):
        with seeds.default(f"head/{index}"):
            grow(classes, label)


PER_SAMPLE = (
    nn.Linear,
    nn.Embedding,
    nn.EmbeddingBag,
    nn.modules.conv._ConvNd,
    nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._AdaptiveAvgPoolNd,
    nn.modules.dropout._DropoutNd,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.Flatten,
    nn.Identity,
    nn.ReLU,
    nn.LeakyReLU,
    nn.GELU,
    nn.SiLU,
    nn.Tanh,
    nn.Sigmoid,
    nn.Sequential,
    nn.ModuleList,
    nn.ModuleDict,
    nn.ParameterDict,
)
"""Layers that look at each sample by itself; of others we do not know."""


def _per_sample(module: nn.Module) -> bool:
    ours = type(module).__module__.startswith("lifelong_kd.model.")
    return ours or type(module).__module__ == "avalanche.models.simple_mlp" or isinstance(module, PER_SAMPLE)


class Adapter:
    """Calls the student and the teachers of one template.

    In a network of Avalanche's with one head a task (``MultiTaskModule``) the earlier heads are asked on the features
    that the current forward pass computed already, so that a second pass does not move BatchNorm statistics twice.
    """

    def __init__(self, template: Template) -> None:
        self.template = template
        self._features: Tensor | None = None
        self._classifier: MultiHeadClassifier | None = None
        self._watched: nn.Module | None = None
        self._looked_at: nn.Module | None = None
        self._separable = False
        self._hearing: Hearing | None = None
        self.teaching = Stopwatch(template.device)

    @property
    def multitask(self) -> bool:
        """Whether the model has to be told task labels."""
        return isinstance(self.template.model, MultiTaskModule)

    @property
    def separable(self) -> bool:
        """Whether the student says the same of a sample whatever else is in the batch, and needs no task labels."""
        model = self.template.model
        if model is not self._looked_at:
            self._looked_at = model
            self._separable = not self.multitask and all(map(_per_sample, unwrapped(model).modules()))
        return self._separable

    def precision(self) -> AbstractContextManager[Any]:
        """The template's autocast, if it has one."""
        context = getattr(self.template, "precision_context", None)
        return cast(AbstractContextManager[Any], context()) if context is not None else nullcontext()

    # ---- teachers ---------------------------------------------------------------------------------------------

    def forward(
        self, module: nn.Module, x: Tensor, label: Tensor, wants: Wants = LOGITS, at: str | None = None
    ) -> Said:
        """What any module built like the student says; of each of its heads by task label if it has several.

        Where ``at`` names a stage, ``x`` is its output.
        """
        with self.teaching.running(), self.precision():
            if isinstance(module, MultiTaskModule) and at is None:
                # Without labels such a network answers for every task; some override only ``forward``.
                heads = {key: said.float() for key, said in module(x, None).items()}
                if not wants.only_logits:
                    raise BadCall(
                        "the features and maps of a model with task labels cannot be distilled; give a network of"
                        " lifelong_kd with the head 'multihead'"
                    )
                return Said(x.new_empty(len(x), 0), heads=heads)
            return _ask(module, x, wants, leaves=wants.gradients, at=at)

    # ---- the student ------------------------------------------------------------------------------------------

    def listen(self, wants: Wants) -> None:
        """Keep what is wanted besides the logits of the template's next forward pass."""
        if wants.only_logits:
            self._hearing = None
            return
        self._hearing = Hearing(self.template.model, wants)
        self._hearing.__enter__()

    def heard(self, logits: Tensor) -> Said:
        """What the student said in the pass that :meth:`listen` waited for."""
        hearing, self._hearing = self._hearing, None
        if hearing is None:
            return Said(logits)
        hearing.__exit__(None, None, None)
        return hearing.said(logits)

    def student(self, batch: Batch, wants: Wants = LOGITS) -> Said:
        """What the student says about a batch, under the samples' own task labels."""
        # The heads are asked on the features of the new batch only, so those have to survive this pass.
        features = self._features
        said = self.say(self.template.model, batch.x, batch.label, wants, batch.at)
        self._features = features
        return said

    def say(
        self, module: nn.Module, x: Tensor, label: Tensor, wants: Wants = LOGITS, at: str | None = None
    ) -> Said:
        """What any module built like the student says, under the samples' own task labels; it may carry a gradient.

        Where ``at`` names a stage, ``x`` is its output.
        """
        with self.precision():
            if isinstance(module, MultiTaskModule) and at is None:
                return _ask(module, x, wants, label)
            return _ask(module, x, wants, at=at)

    def answer(self, module: nn.Module, x: Tensor, label: Tensor) -> Tensor:
        """The logits of any module built like the student, under the samples' own task labels."""
        with torch.no_grad():
            return self.say(module, x, label).logits

    def heads(self, batch: Batch) -> dict[int, Tensor]:
        """What each head of the student says about a batch; of the new one from the features it has already."""
        model = self.template.model
        with self.precision():
            current = batch.x is self.template.mb_x
            if current and self._classifier is not None and self._features is not None:
                features, classifier = self._features, self._classifier
                labels = classifier.known_train_tasks_labels
                said = {label: classifier.forward_single_task(features, label) for label in labels}
            else:
                said = model(batch.x, None)
        return {label: logits.float() for label, logits in said.items()}

    def watch(self) -> None:
        """Remember the features that reach the heads, where a single classifier holds all of them."""
        model = self.template.model
        if not self.multitask or model is self._watched:
            return
        found = [module for module in model.modules() if isinstance(module, MultiHeadClassifier)]
        if len(found) == 1:
            self._classifier = found[0]
            found[0].register_forward_pre_hook(self._remember)
        self._watched = model

    def _remember(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if module.training:
            self._features = inputs[0]

    def forget(self) -> None:
        """The student has changed: its heads are asked about a batch anew."""
        self._features = None

    def describe(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and penultimate features of ``x`` in evaluation mode; the student is left as it was.

        Raises:
            BadCall: for a model that has to be told task labels.
        """
        if self.multitask:
            raise BadCall(
                "the features of a model with task labels cannot be asked for; give a network of lifelong_kd with the"
                " head 'multihead'"
            )
        model = unwrapped(self.template.model)
        modes = {module: module.training for module in model.modules()}
        model.eval()
        try:
            with torch.no_grad(), self.precision():
                features = penultimate(model, x)
                logits = model.head(features) if isinstance(model, Network) else model(x)
        finally:
            for module, mode in modes.items():
                module.training = mode
        return logits.float(), features.float()


@contextmanager
def of_several() -> Iterator[None]:
    """Inside, BatchNorm's complaint about a batch of a single sample says what can be done about it.

    Raises:
        RunFailed: instead of torch's error.
    """
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise RunFailed(
            "BatchNorm cannot be trained on a batch of a single sample, such as one that is left over at the end of an"
            " epoch: set training.drop_last, or change training.batch_size or the size of the draws"
        ) from error


def _ask(
    model: nn.Module, x: Tensor, wants: Wants, *label: Tensor, leaves: bool = False, at: str | None = None
) -> Said:
    def answer() -> Tensor:
        logits: Tensor = model(x, *label) if at is None else from_inside(model, x, at)
        return logits.float()

    if wants.only_logits:
        with of_several():
            return Said(answer())
    heard = wants if at is None else heard_behind(model, wants, at)
    with of_several(), Hearing(model, heard, leaves=leaves) as hearing:
        logits = answer()
    return hearing.said(logits)
