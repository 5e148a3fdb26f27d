"""From a data set to a stream: order, split, validation, views, benchmark."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Scenario
from lifelong_kd.stream.benchmark import make_benchmark
from lifelong_kd.stream.dataset import part_dataset
from lifelong_kd.stream.foreign import wrap_benchmark
from lifelong_kd.stream.part import Part
from lifelong_kd.stream.per_class import few_of_each, priority
from lifelong_kd.stream.plan import Plan, plan, tasks_of_groups
from lifelong_kd.stream.source import Samples, Source
from lifelong_kd.stream.store import TensorStore
from lifelong_kd.stream.stream import Stream, StreamTask
from lifelong_kd.stream.text import as_texts
from lifelong_kd.stream.transform import Pipeline, Transform
from lifelong_kd.stream.validation import held_out

__all__ = ["build_stream"]

Normalise = str | Mapping[str, Sequence[float]] | None


def build_stream(
    name: str,
    source: Source | Any,
    *,
    scenario: Scenario = "class",
    experiences: int | Sequence[int] | Sequence[Sequence[int]] | Literal["groups"] = 5,
    class_order: int | Sequence[int] | None = None,
    validation: float = 0.1,
    per_class: int | None = None,
    augment: Sequence[Transform] = (),
    normalize: Normalise = None,
    in_memory: bool | Literal["auto"] = "auto",
    seeds: Seeds,
) -> Stream:
    """A stream of tasks from what a registered stream function returned.

    Args:
        name: what the stream is called.
        source: a data set, or an Avalanche benchmark that is taken as it is.
        scenario: ``class``, ``task`` or ``domain`` (see :func:`lifelong_kd.stream.plan.plan`).
        experiences: number of tasks, number of classes of each, the classes of each, or ``"groups"``: a task for each
            group of classes that the data bring. A benchmark brings its own.
        class_order: the order itself, a seed of its own, or ``None``: drawn from the run's seed. With ``"groups"`` it
            is the order of these.
        validation: share of each class's training data that is held out; 0 for none. Data that bring validation samples
            of their own have those instead. Test data are never touched.
        per_class: training samples of each class in each task, drawn from the others after the validation split;
            ``None`` for all.
        augment: transforms of the training view.
        normalize: ``None``; ``"auto"``, mean and standard deviation of the first task's training data (later tasks are
            not looked at); or ``{"mean": [...], "std": [...]}``, one value a channel, for data in [0, 1].
        in_memory: whether image files are decoded into one tensor; ``"auto"``: if they take at most 4 GiB.
        seeds: the run's; the names ``class_order``, ``validation`` and ``per_class`` are used.

    Raises:
        BadCall: if the data cannot be read as asked.

    Example:
        >>> from lifelong_kd.stream.split_digits import split_digits
        >>> stream = build_stream("split_digits", split_digits(None, Seeds(0)), seeds=Seeds(0))
        >>> len(stream), stream.classes, stream.input_shape
        (5, 10, (1, 8, 8))
    """
    if scenario not in ("class", "task", "domain"):
        raise BadCall(f"stream.scenario must be class, task or domain, got {scenario!r}")
    if not isinstance(source, Source):
        if class_order is not None or augment or normalize is not None:
            raise BadCall(
                f"stream {name!r} is an Avalanche benchmark, which brings its own order and transforms:"
                " class_order, augment and normalize cannot be given"
            )
        return wrap_benchmark(
            name, source, scenario=scenario, validation=validation, per_class=per_class, seeds=seeds
        )
    _check_kind(source, augment, normalize)
    if experiences == "groups":
        experiences, class_order = tasks_of_groups(source, class_order, seeds), None
    drawn = plan(source, scenario, experiences, class_order, seeds)
    named, source = source, source.held(in_memory)
    parts = _parts(source, drawn, validation, per_class, seeds)
    first = parts["train"][0]
    if source.encoder is not None:
        source.encoder.fit(as_texts(first.gather(torch.arange(len(first)))))
    mean, std = _normalisation(normalize, first)
    pipeline = Pipeline(augment, mean, std, source.encoder)
    input_shape = pipeline.check(source.shape)
    tasks = tuple(
        StreamTask(
            index=index,
            label=task.label,
            classes=tuple(task.column[list(task.classes)].tolist()),
            class_names=tuple(source.class_names[number] for number in task.classes),
        )
        for index, task in enumerate(drawn.tasks)
    )
    benchmark = make_benchmark(
        {
            split: [part_dataset(part, pipeline, train=split == "train") for part in of_split]
            for split, of_split in parts.items()
        },
        labels=[{task.label} for task in tasks],
        classes=[task.classes for task in tasks],
    )
    return Stream(
        name=name,
        scenario=scenario,
        benchmark=benchmark,
        tasks=tasks,
        class_order=drawn.class_order,
        class_names=drawn.columns,
        input_shape=input_shape,
        classes=len(drawn.columns),
        transforms=pipeline,
        parts=parts,
        digest=_digest(scenario, named, drawn, parts),  # the same wherever the samples are held
        mean=pipeline.mean,
        std=pipeline.std,
        kind=source.kind,
    )


def _check_kind(source: Source, augment: Sequence[Transform], normalize: Normalise) -> None:
    """Refuse what is made for images, with texts and recordings."""
    if augment and source.kind != "samples":
        raise BadCall(
            f"stream.augment changes images in [0, 1], and the stream has {source.kind}: leave it out"
        )
    if normalize is not None and source.kind == "texts":
        raise BadCall("stream.normalize is for measurements, and the stream has texts: leave it out")


def _parts(
    source: Source, drawn: Plan, validation: float, per_class: int | None, seeds: Seeds
) -> dict[str, tuple[Part, ...]]:
    held = held_out(_strata(source), validation if source.valid is None else 0.0, seeds)
    parts = {"train": tuple(task.part(source.train, ~held, by_domain=True) for task in drawn.tasks)}
    if validation > 0 and source.valid is None:
        parts["valid"] = tuple(task.part(source.train, held, by_domain=True) for task in drawn.tasks)
    elif validation > 0 and source.valid is not None:
        by_domain = _tells_domains(source.train, source.valid)
        parts["valid"] = tuple(task.part(source.valid, None, by_domain=by_domain) for task in drawn.tasks)
    # A test set with domains of its own (CORe50's sessions 3, 7, 10) is the whole test of every task.
    by_domain = _tells_domains(source.train, source.test)
    parts["test"] = tuple(task.part(source.test, None, by_domain=by_domain) for task in drawn.tasks)
    for split, of_split in parts.items():
        for index, part in enumerate(of_split):
            if len(part) == 0:
                raise BadCall(f"task {index} has no {split} data: it has too few samples for that split")
    if per_class is not None:
        rank = priority(len(source.train.y), seeds)
        parts["train"] = tuple(
            part.at(few_of_each(part.targets, rank[part.rows], per_class, f"task {index}", drawn.columns))
            for index, part in enumerate(parts["train"])
        )
    return parts


def _strata(source: Source) -> Tensor:
    """What a validation split keeps the shares of: classes, within each domain if there are domains."""
    if source.train.domain is None:
        return source.train.y
    pairs = torch.stack([source.train.domain, source.train.y], dim=1)
    _, stratum = torch.unique(pairs, dim=0, return_inverse=True)
    return cast(Tensor, stratum)


def _tells_domains(train: Samples, other: Samples) -> bool:
    """Whether a task sees its own domains of ``other``: not if these are none of those that are trained on."""
    if train.domain is None or other.domain is None:
        return False
    return not set(train.domain.tolist()).isdisjoint(other.domain.tolist())


def _normalisation(
    normalize: Normalise, first: Part
) -> tuple[Sequence[float] | None, Sequence[float] | None]:
    if normalize is None:
        return None, None
    if normalize == "auto":
        return _statistics(first)
    if isinstance(normalize, str) or set(normalize) != {"mean", "std"}:
        raise BadCall(f"stream.normalize must be null, auto, or have mean and std; got {normalize!r}")
    return list(normalize["mean"]), list(normalize["std"])


def _statistics(part: Part) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel over a task's training data."""
    count, total, squares = 0, torch.zeros(1), torch.zeros(1)
    plain = Pipeline()
    for index in torch.arange(len(part)).split(1024):
        x = plain.eval(part.gather(index)).to(torch.float64).flatten(2 if part.store.shape[1:] else 1)
        x = x.transpose(0, 1).flatten(1)  # (channels, values)
        count, total, squares = count + x.shape[1], total + x.sum(1).cpu(), squares + x.square().sum(1).cpu()
    mean = total / count
    std = (squares / count - mean.square()).clamp(min=0).sqrt()
    # A channel that never varies in the first task stays as it is: dividing by 0 would make it infinite later.
    std[std < 1e-6] = 1.0
    return mean.tolist(), std.tolist()


def _digest(scenario: str, source: Source, drawn: Plan, parts: Mapping[str, tuple[Part, ...]]) -> str:
    digest = hashlib.sha256(f"{scenario} {drawn.class_order} {drawn.columns}".encode())
    for samples in (source.train, source.test, *([] if source.valid is None else [source.valid])):
        digest.update(samples.store.fingerprint())
        if source.kind != "samples" and isinstance(samples.store, TensorStore):
            # One's own files are edited between runs, and these are small.
            digest.update(samples.store.x.contiguous().numpy().tobytes())
        digest.update(samples.y.numpy().tobytes())
    for split, of_split in parts.items():
        for part in of_split:
            digest.update(f"{split} {part.label} {len(part)}".encode())
            digest.update(part.rows.numpy().tobytes())
            digest.update(part.targets.numpy().tobytes())
    return digest.hexdigest()
