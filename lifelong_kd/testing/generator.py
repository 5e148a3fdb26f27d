"""What every generator promises."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import LOGITS, Batch, Said, Task, Wants
from lifelong_kd.generator.base import Generator, Made
from lifelong_kd.model.build import build_network
from lifelong_kd.model.freeze import digest
from lifelong_kd.model.hearing import Hearing
from lifelong_kd.model.inside import from_inside
from lifelong_kd.teacher.snapshot import Snapshot
from lifelong_kd.testing.expect import expect

__all__ = ["check_generator"]

TASKS = (
    Task(0, "class", (0, 1), (), {0: (0, 1)}),
    Task(1, "class", (2, 3), ((0, 1),), {0: (0, 1, 2, 3)}),
    Task(2, "class", (4, 5), ((0, 1), (2, 3)), {0: (0, 1, 2, 3, 4, 5)}),
)
EACH, BATCH, STEPS = 12, 6, 4


class _Data:
    """Images (1, 8, 8) of a task's classes: a bright row each, the more classes there are the further down."""

    def __init__(self, classes: tuple[int, ...]) -> None:
        generator = torch.Generator().manual_seed(classes[0])
        self.targets = torch.tensor(classes).repeat_interleave(EACH)
        self.left_out = 0
        self.labels = torch.zeros_like(self.targets)
        self.x = torch.randint(64, (len(self.targets), 1, 8, 8), generator=generator, dtype=torch.uint8)
        self.x[torch.arange(len(self.targets)), 0, self.targets] += 160

    def raw(self, index: Tensor) -> Tensor:
        return self.x[index]

    def raw_left_out(self, index: Tensor) -> Tensor:
        return self.raw(index[:0])

    def about(self, index: Tensor) -> list[dict[str, str]]:
        return [{} for _ in range(len(index))]

    def plain(self, raw: Tensor) -> Tensor:
        return raw.float() / 255 if raw.dtype == torch.uint8 else raw

    def augmented(self, raw: Tensor, generator: torch.Generator) -> Tensor:
        return self.plain(raw)


def _forward(
    module: nn.Module, x: Tensor, label: Tensor, wants: Wants = LOGITS, at: str | None = None
) -> Said:
    with Hearing(module, wants, leaves=wants.gradients) as hearing:
        return hearing.said(module(x) if at is None else from_inside(module, x, at))


class _Run:
    """A generator beside a small student that grows and is moved a little in each task, as a strategy tells it."""

    def __init__(self, make: Callable[[], Generator]) -> None:
        self.generator = make()
        self.name = type(self.generator).__name__
        self.seeds = Seeds(7)
        self.solver = Snapshot()
        self.solver.begin(_forward, torch.device("cpu"))
        with Seeds(0).default("student"):
            self.student = build_network(
                (1, 8, 8), 6, model=("cnn", {"width": 4}), head=("linear", {"grow": True})
            )
        self.generator.begin(self.seeds, torch.device("cpu"))

    def begin(self, number: int, *, resumed: bool = False) -> None:
        self.task, self.data = TASKS[number], _Data(TASKS[number].new)
        with Seeds(0).default(f"head/{number}"):
            self.student.grow(self.task.new)
        self.generator.check(self.task, self.data, self.student)
        self.generator.begin_task(self.task, self.data, self.solver, resumed=resumed)

    def batch(self, step: int) -> Batch:
        rows = torch.randint(2 * EACH, (BATCH,), generator=torch.Generator().manual_seed(step))
        raw, y = self.data.raw(rows), self.data.targets[rows]
        return Batch(self.data.plain(raw), y, torch.zeros_like(y), raw)

    def made(self, seed: int, count: int = BATCH) -> Made:
        return self.generator.draw(count, torch.Generator().manual_seed(seed))

    def learn(self, steps: range) -> None:
        share = 1 - 1 / (self.task.index + 1)
        for step in steps:
            replayed = None
            if self.generator.ready:
                made = self.made(step)
                y = made.y if made.y is not None else torch.zeros(BATCH, dtype=torch.int64)
                replayed = Batch(made.raw, y, torch.zeros_like(y), made.raw, at=self.generator.level)
            self.generator.learn(self.batch(step), replayed, share)

    def end(self) -> None:
        with torch.no_grad():
            for number, parameter in enumerate(self.student.parameters()):
                moved = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
                parameter.add_(0.1 * moved)
        self.generator.end_task(self.task, self.data, self.student)
        self.solver.observe(self.student, self.task)

    def whole(self, number: int) -> None:
        self.begin(number)
        self.learn(range(STEPS))
        self.end()


def check_generator(make: Callable[[], Generator]) -> None:
    """Check a generator over three tasks of images (1, 8, 8) beside a small convolutional student.

    It is silent before the first task is over; draws as many samples as it is asked for, the same for a generator in
    the same state, of the stream's shape and range, of classes seen before, without a gradient, whatever it has learned
    since the task began; draws nothing from torch's default generator; leaves student and previous model alone; goes on
    bit for bit after a restart, in a task or between two.

    Args:
        make: makes a fresh generator.

    Raises:
        AssertionError: saying which promise is broken.
    """
    before = torch.get_rng_state()
    run = _Run(make)
    name = run.name
    expect(not run.generator.ready, f"a fresh {name} says that it is ready")
    run.begin(0)
    was = digest(run.student)
    run.learn(range(STEPS))
    expect(not run.generator.ready, f"{name} says that it is ready inside the first task")
    expect(digest(run.student) == was, f"{name} changes the student")
    run.end()
    run.begin(1)
    expect(run.generator.ready, f"{name} is not ready inside the second task")
    was, solver = digest(run.student), digest(_known(run.solver))
    _check_draws(run)
    first = run.made(1)
    run.learn(range(STEPS))
    expect(_same(first, run.made(1)), f"the samples of {name} depend on how far it has learned in the task")
    expect(digest(run.student) == was, f"{name} changes the student")
    expect(digest(_known(run.solver)) == solver, f"{name} changes the previous model")
    run.end()
    score = run.generator.score(run.data.raw(torch.arange(5)))
    expect(
        score is None or isinstance(score, float), f"the score of {name} is {score!r}, and no float or None"
    )
    expect(run.generator.nbytes >= 0, f"{name} keeps {run.generator.nbytes} bytes")
    expect(
        all(isinstance(value, float) for value in run.generator.values.values()),
        f"{name} has values that are no floats: {run.generator.values}",
    )
    expect(torch.equal(before, torch.get_rng_state()), f"{name} draws from torch's default generator")
    for inside in (False, True):
        _check_restart(make, inside=inside)


def _known(solver: Snapshot) -> nn.Module:
    if solver.module is None:
        raise RuntimeError("the previous model is not there")
    return solver.module


def _check_draws(run: _Run) -> None:
    name, shape = run.name, run.data.raw(torch.tensor([0])).shape[1:]
    for count in (1, 7):
        made = run.made(0, count)
        expect(len(made.raw) == count, f"{name} gives {len(made.raw)} samples and was asked for {count}")
        expect(made.raw.dtype == torch.float32, f"{name} gives {made.raw.dtype}, not float32")
        expect(not made.raw.requires_grad, f"the samples of {name} carry a gradient")
        expect(bool(made.raw.isfinite().all()), f"{name} gives samples that are not finite")
        if run.generator.level is None:
            expect(
                made.raw.shape[1:] == shape,
                f"{name} gives samples of shape {tuple(made.raw.shape[1:])}, not {tuple(shape)}",
            )
            low, high = float(made.raw.min()), float(made.raw.max())
            expect(low >= 0 and high <= 1, f"{name} gives images in [{low:.3g}, {high:.3g}], not in [0, 1]")
        if made.y is not None:
            expect(
                made.y.shape == (count,) and made.y.dtype == torch.int64,
                f"{name} gives classes of {made.y.dtype} {tuple(made.y.shape)}, not one int64 a sample",
            )
            old = set(TASKS[0].new)
            expect(
                set(made.y.tolist()) <= old, f"{name} gives classes {made.y.unique().tolist()}, not old ones"
            )
    expect(_same(run.made(3), run.made(3)), f"{name} draws other samples for a generator in the same state")
    expect(not _same(run.made(3), run.made(4)), f"{name} draws the same samples whatever the generator")


def _same(one: Made, other: Made) -> bool:
    if (one.y is None) != (other.y is None):
        return False
    return torch.equal(one.raw, other.raw) and (
        one.y is None or other.y is None or torch.equal(one.y, other.y)
    )


def _check_restart(make: Callable[[], Generator], *, inside: bool) -> None:
    """Two tasks, a restart inside the second or behind it, and the third."""
    run, other = _Run(make), _Run(make)
    for one in (run, other):
        # The other's student and previous model come from their own part of a checkpoint.
        one.whole(0)
    other.generator = make()
    other.seeds = Seeds(7)
    other.generator.begin(other.seeds, torch.device("cpu"))
    run.begin(1)
    run.learn(range(2))
    if not inside:
        run.learn(range(2, STEPS))
        run.end()
    state = _through_a_file({"generator": run.generator.state_dict(), "seeds": run.seeds.state_dict()})
    if inside:
        other.begin(1, resumed=True)
    else:
        other.task, other.data = run.task, run.data
        other.student.grow(run.task.new)
        other.student.load_state_dict(run.student.state_dict())
        other.solver.observe(other.student, other.task)
    other.seeds.load_state_dict(state["seeds"])
    other.generator.load_state_dict(state["generator"])
    if inside:
        for one in (run, other):
            one.learn(range(2, STEPS))
            one.end()
    for one in (run, other):
        one.begin(2)
        one.learn(range(STEPS))
    where = "inside a task" if inside else "between two tasks"
    expect(_same(run.made(5), other.made(5)), f"{run.name} goes on differently after a restart {where}")
    left, right = run.generator.state_dict(), other.generator.state_dict()
    expect(_equal(left, right), f"{run.name} has another state some steps after a restart {where}")


def _through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    read: dict[str, Any] = torch.load(file, weights_only=True)
    return read


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return isinstance(other, Tensor) and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)
