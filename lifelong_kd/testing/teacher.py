"""What every teacher promises."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import LOGITS, Batch, Said, Task, Wants
from lifelong_kd.model.build import build_network
from lifelong_kd.model.freeze import digest
from lifelong_kd.model.hearing import Hearing
from lifelong_kd.model.inside import from_inside
from lifelong_kd.model.network import Network
from lifelong_kd.teacher.base import Teacher, networks
from lifelong_kd.teacher.expert import Expert
from lifelong_kd.testing.expect import expect
from lifelong_kd.training.task_data import ForeignData

__all__ = ["check_teacher"]

TASKS = (Task(0, "class", (0, 1)), Task(1, "class", (2, 3), ((0, 1),)))
SAMPLES = 16


def check_teacher(make: Callable[[], Teacher]) -> None:
    """Check a teacher inside the second of two tasks of a small network with a growing head.

    It stays bitwise as it is while the student trains and it teaches, unless it says that it adapts; answers alike
    twice; says what it offers in the right shapes and without a gradient to any parameter; is no part of the student;
    goes on alike after a restart.

    Args:
        make: makes a fresh teacher. An :class:`~lifelong_kd.teacher.expert.Expert` in it is given the student.

    Raises:
        AssertionError: saying which promise is broken.
    """
    teacher = make()
    name = type(teacher).__name__
    student = _network()
    _live(teacher, student)
    expect(teacher.ready, f"{name} is not ready inside the second task")
    batch = _batch(teacher)
    _check_unmoved(teacher, student, batch)
    _check_said(teacher, batch)
    _check_apart(teacher, student)
    _check_restart(make, teacher, batch)


def _network() -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_network(
            (1, 8, 8), 4, model=("cnn", {"width": 4, "dropout": 0.5}), head=("linear", {"grow": True})
        )
        network.grow(TASKS[0].new)
    return network


def _forward(
    module: nn.Module, x: Tensor, label: Tensor, wants: Wants = LOGITS, at: str | None = None
) -> Said:
    with Hearing(module, wants, leaves=wants.gradients) as hearing:
        return hearing.said(module(x) if at is None else from_inside(module, x, at))


def _family(teacher: Teacher) -> list[Teacher]:
    """The members of a teacher, members first, each once, as a strategy tells them."""
    found: list[Teacher] = []
    for member in teacher.members:
        found += [one for one in _family(member) if all(one is not known for known in found)]
    return [*found, teacher]


def _modules(teacher: Teacher) -> Iterator[nn.Module]:
    for member in _family(teacher):
        yield from networks(member)


def _samples(seed: int) -> Tensor:
    return torch.rand(SAMPLES, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


def _batch(teacher: Teacher) -> Batch:
    generator = torch.Generator().manual_seed(5)
    x = _samples(1)
    return Batch(
        x=x,
        y=torch.arange(SAMPLES) % 4,
        label=torch.zeros(SAMPLES, dtype=torch.int64),
        raw=x,
        fields={
            field: torch.randn(SAMPLES, 4, generator=generator) for field in sorted(teacher.needs_fields)
        },
    )


def _step(student: nn.Module, seed: int) -> None:
    student.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        loss = (student(_samples(seed)) - 1.0).square().mean()
    student.zero_grad()
    loss.backward()
    with torch.no_grad():
        for parameter in student.parameters():
            if parameter.grad is not None:
                parameter.sub_(0.1 * parameter.grad)


def _live(teacher: Teacher, student: Network) -> None:
    """The first task, and the beginning of the second."""
    family = _family(teacher)
    generator = torch.Generator().manual_seed(3)
    for member in family:
        member.begin(_forward, torch.device("cpu"))
    for task in TASKS:
        if task.index:
            with torch.random.fork_rng(devices=[]):
                student.grow(task.new)
        _tell_of(task, family)
        for member in family:
            if isinstance(member, Expert):
                member.keep(student, task.index)
        for step in range(3):
            _step(student, 10 * task.index + step)
            for member in family:
                member.after_step(student, generator)
        if task.index == 0:
            for member in family:
                member.observe(student, task)


def _tell_of(task: Task, family: list[Teacher]) -> None:
    y = torch.tensor(task.new).repeat_interleave(SAMPLES // 2)
    data = ForeignData(_Labelled(_samples(50 + task.index), y), torch.device("cpu"))
    for member in family:
        member.begin_task(task)
        member.study(task, data, Seeds(0))


class _Labelled:
    """The training data of a task, as a benchmark of Avalanche's has them."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.targets = x, y.tolist()

    def eval(self) -> _Labelled:
        return self

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        return self.x[place], self.targets[place]


def _check_unmoved(teacher: Teacher, student: nn.Module, batch: Batch) -> None:
    name = type(teacher).__name__
    before = [digest(module) for module in _modules(teacher)]
    first = teacher.teach(batch)
    expect(isinstance(first, Said), f"{name} says {type(first).__name__}, not Said")
    for step in range(5):
        _step(student, 100 + step)
        second = teacher.teach(batch)
    if teacher.adapts:
        return
    expect(_same(first.logits, second.logits), f"{name} answers differently after the student trained")
    after = [digest(module) for module in _modules(teacher)]
    expect(before == after, f"parameters or buffers of {name} moved while it taught; does it adapt?")


def _check_said(teacher: Teacher, batch: Batch) -> None:
    name, offers = type(teacher).__name__, teacher.offers
    logits = teacher.teach(batch).logits
    width = logits.shape[1]
    sure = teacher.teach(batch).known
    expect(
        sure is None or (sure.dtype == torch.bool and sure.shape == (SAMPLES,)),
        f"{name} abstains by {sure}, not by a bool for each sample",
    )
    expect(logits.shape == (SAMPLES, width), f"the logits of {name} have shape {tuple(logits.shape)}")
    expect(not logits.requires_grad, f"what {name} says carries a gradient")
    known = list(teacher.columns) if teacher.columns is not None else list(range(width))
    asked = logits if sure is None else logits[sure]
    expect(asked[:, known].isfinite().all(), f"{name} says no finite logits at the columns that it knows")
    other = [column for column in range(width) if column not in known]
    expect(logits[:, other].isnan().all(), f"{name} says something about classes that it does not know")
    if "features" in offers:
        features = teacher.teach(batch, Wants(features=True)).features
        expect(
            features is not None and features.dim() == 2 and len(features) == SAMPLES,
            f"{name} offers features and says none of shape (batch, dimensions)",
        )
    if "maps" in offers:
        maps = teacher.teach(batch, Wants(maps=True)).maps
        expect(
            maps and all(len(value) == SAMPLES and value.dim() in (2, 4) for value in maps.values()),
            f"{name} offers maps and says none of shape (batch, channels, height, width)",
        )
        expect(
            not any(value.requires_grad for value in maps.values()), f"the maps of {name} carry a gradient"
        )
    if "gradients" in offers:
        said = teacher.teach(batch, Wants(maps=True, gradients=True))
        found = torch.autograd.grad(
            said.logits[:, known].sum(), list(said.maps.values())[-1:], allow_unused=True
        )
        expect(
            found[0] is not None and found[0].abs().sum() > 0,
            f"{name} offers gradients, but its logits have none with respect to its last map",
        )
    for module in _modules(teacher):
        expect(
            not any(
                parameter.requires_grad or parameter.grad is not None for parameter in module.parameters()
            ),
            f"{name} has parameters that ask for gradients",
        )


def _check_apart(teacher: Teacher, student: nn.Module) -> None:
    name = type(teacher).__name__
    mine = {value.data_ptr() for value in student.state_dict().values() if value.numel()}
    parts = set(student.modules())
    for module in _modules(teacher):
        theirs = {value.data_ptr() for value in module.state_dict().values() if value.numel()}
        expect(not mine & theirs, f"{name} shares tensors with the student")
        expect(not parts & set(module.modules()), f"{name} is a part of the student")
        expect(
            teacher.adapts or not any(part.training for part in module.modules()),
            f"{name} is in training mode",
        )


def _check_restart(make: Callable[[], Teacher], teacher: Teacher, batch: Batch) -> None:
    name = type(teacher).__name__
    again = make()

    def rebuild(task: int) -> nn.Module:
        network = _network()
        with torch.random.fork_rng(devices=[]):
            for done in TASKS[: task + 1]:
                network.grow(done.new)
        return network

    family = _family(again)
    for member in family:
        member.begin(_forward, torch.device("cpu"))
    _tell_of(TASKS[1], family)
    for old, new in zip(_family(teacher), family, strict=True):
        new.load_state_dict(_through_a_file(old.state_dict()), rebuild)
    expect(again.ready, f"{name} is not ready after a restart")
    one, two = teacher.teach(batch), again.teach(batch)
    expect(_same(one.logits, two.logits), f"{name} answers differently after state_dict and load_state_dict")
    digests = [[digest(module) for module in _modules(one)] for one in (teacher, again)]
    expect(digests[0] == digests[1], f"{name} has other parameters or buffers after a restart")
    expect(
        all(one.training == two.training for one, two in zip(_parts(teacher), _parts(again), strict=True)),
        f"{name} is in another mode after a restart",
    )


def _parts(teacher: Teacher) -> Iterator[nn.Module]:
    for module in _modules(teacher):
        yield from module.modules()


def _through_a_file(state: Any) -> Any:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def _same(one: Tensor, other: Tensor) -> bool:
    return torch.equal(one.isnan(), other.isnan()) and torch.equal(one.nan_to_num(), other.nan_to_num())
