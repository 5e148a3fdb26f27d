"""What a published protocol needs and no key of a configuration says: changes to an experiment before it starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from avalanche.core import SupervisedPlugin
from avalanche.training.plugins import EWCPlugin
from avalanche.training.utils import ParamData
from torch import Tensor, nn
from torch.utils.data import DataLoader

from lifelong_kd.schedule.per_task import PerTask

__all__ = ["fisher", "mean_over_seen", "only_last_task", "single_sample_fisher"]


def only_last_task(experiment: Any) -> None:
    """With ``joint``: no step before the last task, whose training set is the union of all.

    Ours trains after each task on everything so far; van de Ven et al. and Buzzega et al. train once, on the union.
    """
    experiment.strategy.plugins.append(_OnlyLast(len(experiment.stream.tasks) - 1))


class _OnlyLast(SupervisedPlugin):
    def __init__(self, last: int) -> None:
        super().__init__()
        self.last = last

    def before_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        if strategy.clock.train_exp_counter < self.last:
            strategy.stop_training()


def mean_over_seen(experiment: Any) -> None:
    """With ``icarl``: sigmoid losses as the mean over the classes seen, where ours is the sum (mammoth's ``ICarl``)."""
    strategy, seen, shares = experiment.plugin.strategy, 0, []
    for task in experiment.stream.tasks:
        seen += len(task.classes)
        shares.append(1 / seen)
    strategy.task_weight = PerTask(weights=shares)
    strategy.terms["distill"].weight = PerTask(weights=shares)


def single_sample_fisher(experiment: Any) -> None:
    """With ``avalanche/ewc``: the Fisher information of van de Ven et al., so that their strength applies halved.

    ``F = mean_n sum_c p_c(x_n) (d log p_c(x_n) / d theta)^2`` over single samples and every class that competes, where
    Avalanche squares the gradient of the mean loss of a batch at the true labels. A linear layer's gradient for one
    sample is the outer product of what it gets and what flows back, so the squares are sums of products of squares.
    """
    plugin = next(plugin for plugin in experiment.strategy.plugins if isinstance(plugin, EWCPlugin))

    def importances(
        model: nn.Module, criterion: Any, optimizer: Any, dataset: Any, *args: Any, **more: Any
    ) -> dict[str, ParamData]:
        task = experiment.strategy.experience
        scenario = experiment.stream.scenario
        columns = sorted(task.classes_in_this_experience) if scenario == "task" else None
        model.eval()
        optimizer.zero_grad()
        found = fisher(model, [batch[0] for batch in DataLoader(dataset, batch_size=512)], columns)
        model.train()
        return {name: ParamData(name, value.shape, init_tensor=value) for name, value in found.items()}

    plugin.compute_importances = importances


def fisher(model: nn.Module, batches: Sequence[Tensor], columns: Sequence[int] | None) -> dict[str, Tensor]:
    """The diagonal Fisher information of a network of linear layers, by the names of its parameters.

    Args:
        model: in which every parameter is the ``weight`` or the ``bias`` of a linear layer.
        batches: inputs.
        columns: the classes that compete; all of them if ``None``.
    """
    layers = {name: module for name, module in model.named_modules() if hasattr(module, "weight")}
    seen: dict[str, tuple[Tensor, Tensor]] = {}

    def watch(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        return lambda _, inputs, output: seen.update({name: (inputs[0].detach(), output)})

    hooks = [module.register_forward_hook(watch(name)) for name, module in layers.items()]
    total = {name: torch.zeros_like(parameter) for name, parameter in model.named_parameters()}
    for x in batches:
        logits = model(x)
        logs = (logits if columns is None else logits[:, list(columns)]).log_softmax(dim=1)
        for log in logs.unbind(dim=1):
            back = torch.autograd.grad(log.sum(), [output for _, output in seen.values()], retain_graph=True)
            for (name, (inputs, _)), flow in zip(seen.items(), back, strict=True):
                weighted = flow.square() * log.detach().exp().unsqueeze(1)
                total[f"{name}.weight"] += weighted.T @ inputs.square()
                total[f"{name}.bias"] += weighted.sum(dim=0)
    for hook in hooks:
        hook.remove()
    count = sum(len(x) for x in batches)
    return {name: value / count for name, value in total.items()}
