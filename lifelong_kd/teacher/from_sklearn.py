"""A teacher that is any classifier of scikit-learn, trained on each task."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall, nearest
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Batch, Task, TaskData
from lifelong_kd.knowledge.options import chosen
from lifelong_kd.stream.text import as_texts
from lifelong_kd.teacher.estimator import ESTIMATORS, make_estimator, probabilities
from lifelong_kd.teacher.labeller import Labeller, smoothed

__all__ = ["Sklearn"]

AT_ONCE = 1000
"""Samples read at a time."""


class Sklearn(Labeller):
    """An estimator of scikit-learn, fitted on each task's training data, whose probabilities are soft labels.

    ``p = (1 - s) predict_proba(x) + s / K`` over the K new classes of the task; of an estimator without probabilities
    the softmax of its ``decision_function``, a sigmoid of it between two classes. Fitted anew for each task, from a
    seed of the run's, so that a resumed run fits the same estimator again and nothing is pickled. It knows the
    classes of its task alone: give its term ``over: new``.

    Args:
        estimator: ``random_forest``, ``extra_trees``, ``gradient_boosting``, ``svm``, ``linear_svm``, ``logistic``,
            ``naive_bayes``, ``knn`` or ``tree``; or the path of another classifier, such as
            ``sklearn.neural_network.MLPClassifier``; of scikit-learn's alone.
        options: the estimator's own.
        input: ``view``, the numbers that the model sees, or ``text``, TF-IDF weights of a text's words and pairs of
            words, fitted on the task's training texts; all zeros written out for an estimator that needs them.
        smoothing: s, share of a label that is spread over the new classes, in [0, 1).

    Raises:
        BadCall: for an estimator or an option that scikit-learn does not have, or data that it cannot be fitted to.

    Example:
        strategy:
          name: compose
          teachers: {forest: {name: sklearn, estimator: random_forest, options: {n_estimators: 50}}}
          terms:
            forest: {teacher: forest, knowledge: {name: kd, temperature: 1.0}, over: new, weight: 0.5}
    """

    def __init__(
        self,
        *,
        estimator: str = "random_forest",
        options: Mapping[str, Any] | None = None,
        input: Literal["view", "text"] = "view",
        smoothing: float = 0.05,
    ) -> None:
        super().__init__("new")
        if not 0 <= smoothing < 1:
            raise BadCall(f"smoothing must lie in [0, 1), got {smoothing}")
        if not estimator.startswith("sklearn.") and estimator not in ESTIMATORS:
            hint = nearest(estimator, ESTIMATORS)
            raise BadCall(
                f"there is no estimator {estimator!r}."
                + (f" Did you mean {hint!r}?" if hint else "")
                + f" Allowed: {', '.join(ESTIMATORS)}, or the path of a classifier in sklearn."
            )
        self.estimator = estimator
        self.options = dict(options or {})
        self.input = chosen("input", input, ("view", "text"))
        self.smoothing = smoothing
        # Made once to have its options checked before anything is trained.
        make_estimator(estimator, self.options, 0)
        self._fitted: Any = None
        self._vectorizer: Any = None
        self._takes_sparse = True
        self._known: list[int] = []

    @property
    def ready(self) -> bool:
        return bool(self._known)

    def study(self, task: Task, data: TaskData, seeds: Seeds) -> None:
        mine = torch.isin(data.targets, torch.tensor(task.new)).nonzero().squeeze(1)
        y = data.targets[mine]
        self._known = sorted(set(y.tolist()))
        self._fitted = None
        # scikit-learn takes seeds of 32 bits.
        seed = seeds.derive(f"sklearn/{self.estimator}/{task.index}") % 2**32
        if len(self._known) < 2:
            return
        estimator = make_estimator(self.estimator, self.options, seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of convergence: how well it is fitted shows in what it says
            try:
                x = self._read_all(data, mine)
                self._fitted = self._fit(estimator, x, y.numpy())
                # Some find out only when they are asked, such as knn that it has fewer samples than neighbours.
                probabilities(self._fitted, self._dense(x[:1]))
            except (TypeError, ValueError) as error:
                raise BadCall(
                    f"the teacher 'sklearn' cannot fit {self.estimator} to task {task.index}: {str(error).strip()}"
                ) from error

    def _fit(self, estimator: Any, x: Any, y: Any) -> Any:
        self._takes_sparse = True
        try:
            return estimator.fit(x, y)
        except TypeError:
            if isinstance(x, np.ndarray):
                raise
        self._takes_sparse = False
        return estimator.fit(self._dense(x), y)

    def _dense(self, x: Any) -> Any:
        return x if self._takes_sparse or isinstance(x, np.ndarray) else x.toarray()

    def _read_all(self, data: TaskData, index: Tensor) -> Any:
        raws = [data.raw(rows) for rows in index.split(AT_ONCE)]
        if self.input == "view":
            return np.concatenate([_numbers(data.plain(raw)) for raw in raws])
        from sklearn.feature_extraction.text import TfidfVectorizer  # slow to import

        self._vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        return self._vectorizer.fit_transform([text for raw in raws for text in as_texts(raw)])

    def label(self, batch: Batch) -> tuple[Tensor, Tensor]:
        columns = torch.tensor(self.competing)
        share = torch.zeros(len(batch), len(columns), dtype=torch.float64)
        places = torch.searchsorted(columns, torch.tensor(self._known))
        if self._fitted is None:
            share[:, places] = 1.0
        else:
            x = _numbers(batch.x) if self.input == "view" else self._vectorizer.transform(as_texts(batch.raw))
            try:
                said = probabilities(self._fitted, self._dense(x))
            except (TypeError, ValueError) as error:
                raise BadCall(
                    f"the teacher 'sklearn': {self.estimator} cannot say of which class samples are:"
                    f" {str(error).strip()}"
                ) from error
            share[:, places] = torch.from_numpy(said).double()
        allowed = torch.ones_like(share, dtype=torch.bool)
        return smoothed(share, allowed, self.smoothing), allowed.any(dim=1)


def _numbers(x: Tensor) -> Any:
    """One row a sample, in double precision, as most estimators compute."""
    return x.detach().flatten(1).double().cpu().numpy()
