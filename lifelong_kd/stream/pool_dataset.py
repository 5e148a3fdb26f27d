"""The training samples of another data set, without labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.stream import registry
from lifelong_kd.stream.pool_held import HeldPool, in_memory_if_it_fits
from lifelong_kd.stream.source import Source
from lifelong_kd.stream.store import Store

__all__ = ["DatasetPool"]


class DatasetPool(HeldPool):
    """The training samples of another registered stream, such as CIFAR-10's for a stream of CIFAR-100, without labels.

    All of its classes at once, drawn with replacement; its test samples are left alone. The stream's own data set is
    refused: the tasks to come are in it, and a learner that sees them early, with or without labels, is not compared
    with others fairly.

    Args:
        stream: name of the stream whose data are taken, as ``lifelong-kd list stream`` has it.
        root: folder of its data; if null ``$LIFELONG_KD_DATA`` or ``~/.cache/lifelong_kd/data``.
        options: that stream's own options, such as ``{download: false}``.

    Raises:
        BadCall: for an unknown stream, or if its samples do not fit, or are those of the run's own stream.
        DataMissing: if its data are not there and cannot be downloaded.
    """

    def __init__(
        self, *, stream: str, root: str | None = None, options: dict[str, object] | None = None
    ) -> None:
        super().__init__(f"the pool {stream!r}")
        registry.entry(stream)
        self.stream = stream
        self.root = Path(root).expanduser() if root is not None else None
        self.options: Mapping[str, object] = dict(options or {})

    def open(self, like: Tensor) -> Store:
        try:
            source = registry.get(self.stream)(self.root, Seeds(0), **self.options)
        except TypeError as error:
            raise BadCall(
                f"the stream {self.stream!r} of the pool does not take {dict(self.options)}: {error}"
            ) from error
        if not isinstance(source, Source):
            raise BadCall(f"{self.stream!r} is an Avalanche benchmark, which gives no data set to draw from")
        return in_memory_if_it_fits(source.train.store)
