"""Avalanche's own strategies accept our benchmarks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from avalanche.models import MTSimpleMLP
from avalanche.training.supervised import DER, EWC, GDumb, ICaRL, LwF, Naive, Replay
from torch import nn

from tests.stream.conftest import Builder

COMMON: dict[str, Any] = {"train_mb_size": 64, "train_epochs": 8, "eval_mb_size": 256, "evaluator": None}


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU())
        self.classifier = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.classifier(self.features(x))
        return out


def accuracy(strategy: Any, experience: Any) -> float:
    """Of the model as it is, over all columns or those of the task."""
    right = total = 0
    strategy.model.eval()
    with torch.no_grad():
        for x, y, t in (experience.dataset[k] for k in range(len(experience.dataset))):
            args = (x[None], torch.tensor([t])) if isinstance(strategy.model, MTSimpleMLP) else (x[None],)
            right += int(strategy.model(*args).argmax() == y)
            total += 1
    return right / total


@pytest.mark.filterwarnings("ignore", "ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("make", "options"),
    [
        (Naive, {}),
        (Replay, {"mem_size": 50}),
        (EWC, {"ewc_lambda": 1.0}),
        (LwF, {"alpha": 1.0, "temperature": 2.0}),
        (DER, {"mem_size": 50}),
        (GDumb, {"mem_size": 400}),
        (ICaRL, {"memory_size": 50, "buffer_transform": None, "fixed_memory": True}),
    ],
)
def test_class_incremental(stream_of: Builder, make: Any, options: dict[str, Any]) -> None:
    stream = stream_of("split_digits", normalize="auto")
    torch.manual_seed(0)
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    if make is ICaRL:
        parts = {"feature_extractor": model.features, "classifier": model.classifier}
        strategy = ICaRL(**parts, optimizer=optimizer, **options, **COMMON)
    else:
        strategy = make(
            model=model, optimizer=optimizer, criterion=nn.CrossEntropyLoss(), **options, **COMMON
        )
    for experience in stream.benchmark.train_stream[:2]:
        strategy.train(experience)
    strategy.eval(stream.benchmark.test_stream[:2])
    assert accuracy(strategy, stream.benchmark.test_stream[1]) > 0.7


@pytest.mark.filterwarnings("ignore")
def test_task_incremental_with_a_head_for_each_task(stream_of: Builder) -> None:
    stream = stream_of("split_digits", scenario="task", normalize="auto")
    torch.manual_seed(0)
    model = MTSimpleMLP(input_size=64, hidden_size=32)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    strategy = Naive(model=model, optimizer=optimizer, criterion=nn.CrossEntropyLoss(), **COMMON)
    for experience in stream.benchmark.train_stream:
        strategy.train(experience)
    strategy.eval(stream.benchmark.test_stream)
    assert sorted(model.classifier.classifiers) == ["0", "1", "2", "3", "4"]
    assert accuracy(strategy, stream.benchmark.test_stream[4]) > 0.7
