"""A teacher from elsewhere: larger, pre-trained, of another architecture, with other classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall, DataMissing
from lifelong_kd.core.types import LOGITS, Batch, Said, Wants
from lifelong_kd.model.freeze import digest, frozen_copy
from lifelong_kd.model.origin import resolve_model
from lifelong_kd.model.saved import load_saved, read_metadata
from lifelong_kd.teacher.base import Rebuild
from lifelong_kd.teacher.frozen import FrozenTeacher

__all__ = ["External"]


class External(FrozenTeacher):
    """A frozen network that was trained elsewhere, ready from the first step on.

    Give one of ``path``, ``architecture`` with ``weights``, or from Python ``module``, which is copied.

    It sees what the student sees, in the stream's own view and normalisation: train it on data normalised
    alike, or put its own normalisation before it (``torch.nn.Sequential(..., network)``). Its logits are said
    at the student's columns: column k of a class-incremental stream is the k-th class of its class order. A model
    of ours knows the names of its classes, and each goes to the student's column of that name, whatever the order
    of classes was in its run; classes that the stream does not have are left out. Columns that stand for no class
    of the teacher are NaN, and ``columns`` lists the others, so that a term leaves the rest out.

    Args:
        module: the network, from Python.
        path: a model of ours: a file that ``lifelong-kd export`` wrote, a run folder (``runs/x`` for the model after
            its last task, ``runs/x:3`` for that after task 3), or ``wandb:ENTITY/PROJECT/NAME:TAG``. If a file of
            one's own registered its architecture, the run has to import that file as well.
        architecture: an image classifier of torchvision by name, such as ``resnet50``.
        weights: a file with that architecture's weights, as ``torch.save(network.state_dict(), file)`` writes it; its
            number of classes is read from the file. No code in it is run.
        class_map: the student's column for each column of the teacher, ``{teacher's: student's}``; others of the
            teacher are not taught. If null they go by the names of their classes, and where the teacher has no names
            each column is the student's.
        at: its modules whose outputs are compared, in the order of those of the term that compares maps; if null those
            that the term names, or its stages.

    Raises:
        BadCall: if there is no network or more than one, a file does not fit, or two classes are mapped to one.
        DataMissing: if a file is not there.

    Example:
        >>> External(nn.Linear(4, 3), class_map={0: 5, 2: 1}).columns
        (1, 5)
    """

    def __init__(
        self,
        module: nn.Module | None = None,
        *,
        path: str | None = None,
        architecture: str | None = None,
        weights: str | None = None,
        class_map: dict[int, int] | None = None,
        at: list[str] | None = None,
    ) -> None:
        super().__init__()
        given = [one for one in (module, path, architecture) if one is not None]
        if len(given) != 1 or (architecture is None) != (weights is None):
            raise BadCall(
                "an external teacher is one of: path, architecture with weights, or a module from Python"
            )
        self.class_map = dict(class_map) if class_map is not None else None
        self._check_map()
        self._map = self.class_map
        self.at = tuple(at) if at is not None else None
        self._names: dict[int, str] = {}
        source = None
        if path is not None:
            source = resolve_model(path)
            self._names = _classes_of(read_metadata(source.path))
            # Initial weights are drawn and thrown away; what they draw must not be missing elsewhere.
            with torch.random.fork_rng(devices=[]):
                module = load_saved(source.path)
        elif architecture is not None and weights is not None:
            module = _of_torchvision(architecture, _there(weights))
        if not isinstance(module, nn.Module):
            raise BadCall(f"an external teacher is a torch.nn.Module, not {module!r}")
        self.module: nn.Module = frozen_copy(module)
        self._met = False
        if source is not None:
            self.origin = source.parent

    def _check_map(self) -> None:
        if self.class_map is None:
            return
        if not self.class_map:
            raise BadCall("class_map maps no class: leave it out if the teacher's classes are the student's")
        students = list(self.class_map.values())
        twice = sorted({column for column in students if students.count(column) > 1})
        if twice:
            raise BadCall(f"class_map gives the student's class {twice[0]} to several classes of the teacher")
        if min(*self.class_map, *students) < 0:
            raise BadCall("class_map has a negative class; classes are counted from 0")

    @property
    def columns(self) -> tuple[int, ...] | None:
        return tuple(sorted(self._map.values())) if self._map is not None else None

    def check_columns(self, columns: Sequence[str]) -> None:
        names = list(self._names.values())
        if not names or not columns or len(set(names)) < len(names) or len(set(columns)) < len(columns):
            return
        if self.class_map is None:
            self._map = self._by_name(columns)
            return
        for theirs, ours in self.class_map.items():
            name = self._names.get(theirs)
            # A name that the stream does not have is for the map to translate.
            if name in columns and ours < len(columns) and name != columns[ours]:
                raise BadCall(
                    f"class_map gives the external teacher's column {theirs}, class {name!r}, to the student's column"
                    f" {ours}, class {columns[ours]!r}; leave it out, and classes go by their names"
                )

    def _by_name(self, columns: Sequence[str]) -> dict[int, int] | None:
        """The student's column of each class that both know; ``None`` if every column is where it was."""
        places = {name: column for column, name in enumerate(columns)}
        found = {theirs: places[name] for theirs, name in self._names.items() if name in places}
        if not found:
            raise BadCall(
                f"the external teacher knows none of the stream's classes: it knows {_some(self._names.values())},"
                f" the stream has {_some(columns)}; if they mean the same, give a class_map"
            )
        return None if found == {column: column for column in range(len(columns))} else found

    def begin(self, forward: Any, device: torch.device) -> None:
        super().begin(forward, device)
        self.module.to(device)

    def teach(self, batch: Batch, wants: Wants = LOGITS) -> Said:
        if batch.at is not None:
            raise BadCall(
                f"an external teacher has no stage {batch.at!r} of the student's: it cannot teach on samples that are"
                " replayed inside the student"
            )
        if self.at is not None and (wants.maps or wants.at):
            wants = replace(wants, maps=False, at=self.at)
        said = self.ask(batch, wants) if self._met else self._first(batch, wants)
        if self._map is not None:
            said.logits = self._mapped(said.logits, self._map)
        return said

    def _first(self, batch: Batch, wants: Wants) -> Said:
        """The first answer shows whether the network takes these samples at all."""
        try:
            said = self.ask(batch, wants)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, ValueError) as error:
            raise BadCall(
                f"the external teacher {type(self.module).__name__} does not take the stream's samples of shape"
                f" {tuple(batch.x.shape[1:])}: {str(error).strip().splitlines()[0]}"
            ) from error
        width = said.logits.shape[1] if said.logits.dim() == 2 else 0
        beyond = [column for column in self._map or () if column >= width]
        if not width or beyond:
            raise BadCall(
                f"class_map names class {beyond[0]} of the external teacher, which has {width}"
                if width
                else f"the external teacher gives {tuple(said.logits.shape)} where (batch, classes) is needed"
            )
        self._met = True
        return said

    @staticmethod
    def _mapped(logits: Tensor, class_map: Mapping[int, int]) -> Tensor:
        theirs, ours = (
            torch.tensor(list(side), device=logits.device) for side in (class_map.keys(), class_map.values())
        )
        said = logits.new_full((len(logits), max(class_map.values()) + 1), torch.nan)
        return said.index_copy(1, ours, logits.index_select(1, theirs))

    def state_dict(self) -> dict[str, Any]:
        return {"digest": digest(self.module)}

    def load_state_dict(self, state: Mapping[str, Any], rebuild: Rebuild) -> None:
        if state["digest"] != digest(self.module):
            raise BadCall(
                "the external teacher is not the one that the run began with: its file has changed since"
            )


def _classes_of(metadata: Mapping[str, Any]) -> dict[int, str]:
    """The columns of a saved model that have been learned, with the names of their classes; none in an old file."""
    network = metadata.get("network") or {}
    names = network.get("columns") or []
    learned = sorted({column for classes, _ in network.get("tasks") or [] for column in classes})
    return {column: str(names[column]) for column in learned if column < len(names)}


def _some(names: Iterable[str]) -> str:
    """The first few of many names."""
    every = list(names)
    return ", ".join(map(repr, every[:5])) + (f" and {len(every) - 5} more" if len(every) > 5 else "")


def _there(path: str) -> Path:
    file = Path(path).expanduser()
    if not file.is_file():
        why = "is a folder" if file.is_dir() else "is not there"
        raise DataMissing(f"the external teacher's file {file} {why}")
    return file


def _of_torchvision(architecture: str, weights: Path) -> nn.Module:
    from torchvision import models

    from lifelong_kd.model.foreign import check_known

    check_known("torchvision architecture", architecture, models.list_models(module=models))
    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)
    except Exception as error:
        raise BadCall(f"{weights} cannot be read as weights: {str(error).strip().splitlines()[0]}") from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise BadCall(f"{weights} holds no mapping from names to tensors; write it with network.state_dict()")
    with torch.device("meta"):
        last = list(models.get_model(architecture, weights=None).state_dict())[-1]
    try:
        # The last layer's rows are the classes; everything else is the architecture's own.
        options = {"num_classes": len(state[last])} if last in state else {}
        with torch.random.fork_rng(devices=[]):
            network: nn.Module = models.get_model(architecture, weights=None, **options)
        network.load_state_dict(state)
    except (RuntimeError, ValueError, TypeError) as error:
        raise BadCall(
            f"{weights} does not fit {architecture!r}: {' '.join(str(error).split())[:300]}"
        ) from error
    return network
