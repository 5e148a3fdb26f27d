"""What a data set gives a stream: its training and test samples and the names of its classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.stream.encode.base import Encoder
from lifelong_kd.stream.store import FileStore, Store
from lifelong_kd.stream.view import View

__all__ = ["Kind", "Samples", "Source"]

Kind = Literal["samples", "texts", "recordings"]


@dataclass(frozen=True)
class Samples:
    """Samples and their classes.

    ``y`` is the class of each sample, int64 (samples,), counted from 0 in the order of the source's ``class_names``;
    ``domain`` says under which condition each was taken (session, season, camera), int64 (samples,), or is ``None``;
    ``metadata`` what else is known of each, such as the speaker of a recording: for rules, never for the model.
    """

    store: Store
    y: Tensor
    domain: Tensor | None = None
    metadata: Sequence[Mapping[str, str]] | None = None

    def __post_init__(self) -> None:
        for name, values in (("classes", self.y), ("domains", self.domain), ("metadata", self.metadata)):
            if values is not None and len(values) != len(self.store):
                raise BadCall(f"there are {len(self.store)} samples but {len(values)} {name}")


@dataclass(frozen=True)
class Source:
    """What the function of a registered stream returns.

    ``views``, if given, turns the stream into one whose every task shows all data in a view of its own: it is called
    with the number of tasks and returns a view for each.

    ``valid`` are validation samples that the data bring, taken as they are unless no validation is asked for; ``None``
    lets a share of the training samples be held out. ``groups`` are classes that belong together, such as the intents
    of a domain, which ``experiences: groups`` makes tasks of. ``encoder`` reads the raw samples, which are texts then.
    ``kind`` is what the raw samples are, for those who can only deal with one kind.

    >>> from lifelong_kd.stream.store import TensorStore
    >>> samples = Samples(TensorStore(torch.zeros(4, 1, 2, 2)), torch.tensor([0, 1, 0, 1]))
    >>> Source(samples, samples, ("a", "b")).shape
    (1, 2, 2)
    """

    train: Samples
    test: Samples
    class_names: Sequence[str]
    views: Callable[[int], Sequence[View]] | None = None
    valid: Samples | None = None
    groups: Sequence[Sequence[int]] | None = None
    encoder: Encoder | None = None
    kind: Kind = "samples"

    def __post_init__(self) -> None:
        classes = len(self.class_names)
        for name, samples in (("training", self.train), ("test", self.test)):
            found = torch.unique(samples.y).tolist()
            beyond = [number for number in found if not 0 <= number < classes]
            if beyond:
                raise BadCall(f"the {name} data have classes {beyond}, but {classes} classes are named")
            absent = [self.class_names[number] for number in range(classes) if number not in set(found)]
            if absent:
                raise BadCall(f"the {name} data have no sample of {', '.join(absent)}")
        if self.valid is not None:
            beyond = sorted(set(torch.unique(self.valid.y).tolist()) - set(range(classes)))
            if beyond:
                raise BadCall(f"the validation data have classes {beyond}, but {classes} classes are named")
            if self.valid.store.shape != self.train.store.shape:
                raise BadCall("validation samples have another shape than training samples")
        if self.train.store.shape != self.test.store.shape:
            raise BadCall(
                f"training samples have shape {self.train.store.shape} but test samples {self.test.store.shape}"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one raw sample."""
        return self.train.store.shape

    def held(self, in_memory: bool | str, limit: int = 4 * 2**30) -> Source:
        """The same source with its image files decoded into memory, or left as files.

        Args:
            in_memory: ``True``, ``False``, or ``"auto"``: decoded if they take at most ``limit`` bytes.
            limit: bytes.
        """
        fits = self.train.store.nbytes + self.test.store.nbytes <= limit
        decode = fits if in_memory == "auto" else bool(in_memory)
        valid = None if self.valid is None else _held(self.valid, decode)
        return replace(self, train=_held(self.train, decode), valid=valid, test=_held(self.test, decode))


def _held(samples: Samples, decode: bool) -> Samples:
    store = samples.store
    if not isinstance(store, FileStore):
        return samples
    if decode:
        return replace(samples, store=store.decoded())
    store.check_sizes()
    return samples
