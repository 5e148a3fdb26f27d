"""A teacher that knows from descriptions of the classes which of them are alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Batch, Task
from lifelong_kd.knowledge.options import positive
from lifelong_kd.teacher.labeller import Classes, Labeller, unknown_label
from lifelong_kd.teacher.picked import unknown
from lifelong_kd.teacher.similarity import by_encoder, by_words
from lifelong_kd.teacher.written import read_written

__all__ = ["Semantics", "semantic_labels"]


def semantic_labels(similarity: Tensor, own: float, temperature: float) -> Tensor:
    """Soft labels whose wrong classes share the rest by their similarity to the right one.

    ``p_y = own``, and ``p_c = (1 - own) softmax_{c != y}(similarity(y, c) / T)``.

    Args:
        similarity: of each class with each, (classes, classes).
        own: share of the true class, in (0, 1]; the whole of it where there is no other.
        temperature: T > 0; smaller puts the rest on the most similar class.

    Returns:
        One distribution for each true class, (classes, classes).

    >>> semantic_labels(torch.tensor([[1.0, 0.5, 0.5], [0.5, 1.0, 0.0], [0.5, 0.0, 1.0]]), 0.8, 1.0)[0]
    tensor([0.8000, 0.1000, 0.1000])
    """
    eye = torch.eye(len(similarity), dtype=torch.bool)
    if len(similarity) == 1:
        return torch.ones_like(similarity)
    others = (similarity / temperature).masked_fill(eye, -torch.inf).softmax(dim=1)
    return torch.where(eye, own, (1 - own) * others)


class Semantics(Labeller):
    """Soft labels from class descriptions: which wrong classes are near the right one.

    ``p_y = own, p_c = (1 - own) softmax_{c != y}(cos(t_y, t_c) / T)`` with vectors t of the descriptions: label
    smoothing (Szegedy et al. 2016, arXiv 1512.00567) that is not the same for all wrong classes. The vectors are TF-IDF
    weights of words and pairs of words, fitted on the descriptions of the classes that compete, none of a class to
    come; or what a sentence encoder says, with ``encoder``. It needs the label of a sample: it does not teach on
    unlabelled data.

    Args:
        descriptions: a text for every class of the stream; its name, with blanks for ``_``, if null.
        path: instead, a YAML or JSON file of them, relative to the working directory.
        own: share of the true class, in (0, 1].
        temperature: T > 0; smaller puts the rest on the most similar classes.
        encoder: a folder or a name of Hugging Face of an encoder that ``transformers`` can load, whose mean output over
            the words is the vector of a text; TF-IDF if null.
        classes: which classes a sample can be of: all that have been ``seen``, or the ``new`` ones of the task.

    Raises:
        BadCall: for options out of range, a description that is no text, a class of the stream without one, one of a
            class that it does not have, or an encoder that cannot be loaded.
        DataMissing: if the file is not there.

    Example:
        strategy:
          name: compose
          teachers: {words: {name: semantics, own: 0.8}}
          terms:
            words: {teacher: words, knowledge: {name: kd, temperature: 1.0}, over: seen, weight: 0.5}
    """

    sources: frozenset[str] = Labeller.sources - {"external"}

    def __init__(
        self,
        *,
        descriptions: Mapping[str, str] | None = None,
        path: str | None = None,
        own: float = 0.8,
        temperature: float = 0.1,
        encoder: str | None = None,
        classes: Classes = "seen",
    ) -> None:
        super().__init__(classes)
        if descriptions is not None and path is not None:
            raise BadCall("the teacher 'semantics' takes descriptions or path, not both")
        if not 0 < own <= 1:
            raise BadCall(f"own must lie in (0, 1], got {own}")
        found = descriptions if path is None else read_written(path, "descriptions")
        if not isinstance(found, Mapping) and (found is not None or path is not None):
            raise BadCall(f"{path or 'descriptions'} holds no mapping from classes to texts")
        self.path = path
        self.place = path or "descriptions"
        for name, text in (found or {}).items():
            if isinstance(text, bool) or not isinstance(text, str | int | float):
                raise BadCall(f"{self.place}: the description of {name!r} is a text, found {text!r}")
        self.descriptions = None if found is None else {str(name): str(text) for name, text in found.items()}
        self.own = own
        self.temperature = positive("temperature", temperature)
        self.encoder = encoder
        self._labels: Tensor | None = None

    def check_labels(self, names: Sequence[str]) -> None:
        if self.descriptions is None or not names:
            return
        other, missing = unknown(self.descriptions, names)
        missing += [name for name in names if not self.descriptions.get(name, "-").strip()]
        if missing:
            raise BadCall(
                f"{self.place}: there is no description of {', '.join(map(repr, missing))}, of {len(names)} classes"
            )
        if other:
            raise BadCall(f"{self.place}: {unknown_label(other[0], names)}")

    def begin_task(self, task: Task) -> None:
        super().begin_task(task)
        texts = [self.text(column) for column in self.competing]
        similarity = by_words(texts) if self.encoder is None else by_encoder(texts, self.encoder)
        self._labels = torch.zeros_like(similarity)
        # In a task-incremental stream the rest of a label is for the other classes of the same task.
        for group in self.allowed(torch.tensor(sorted(task.by_label) or [0])):
            places = group.nonzero().squeeze(1)
            inside = similarity[places[:, None], places]
            self._labels[places[:, None], places] = semantic_labels(inside, self.own, self.temperature)

    def text(self, column: int) -> str:
        """The description of a column's class."""
        name = self.name(column)
        if self.descriptions is None:
            return name.replace("_", " ")
        if name not in self.descriptions:
            raise BadCall(f"{self.place}: there is no description of {name!r}")
        return self.descriptions[name]

    def label(self, batch: Batch) -> tuple[Tensor, Tensor]:
        if self._labels is None:
            raise RuntimeError("semantics was asked before a task had begun")
        columns = torch.tensor(self.competing)
        y = batch.y.cpu()
        known = torch.isin(y, columns)
        place = torch.searchsorted(columns, y.clamp(min=0)).clamp(max=len(columns) - 1)
        return self._labels[place], known
