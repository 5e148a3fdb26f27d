"""What a representation is still good for, whatever the head makes of it: probes, and forgetting by depth."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_kd.core.errors import BadCall

__all__ = ["deep_forgetting", "head_forgetting", "knn_accuracy", "linear_probe", "shallow_forgetting"]

Matrix = Sequence[Sequence[float | None]]
"""Row i holds accuracies after task i, column j those on task j, at least for j <= i; ``None`` where not measured."""


def linear_probe(
    train_features: ArrayLike, train_targets: ArrayLike, test_features: ArrayLike, test_targets: ArrayLike
) -> float | None:
    """Test accuracy of a linear classifier that was trained on frozen features: a linear probe.

    Logistic regression on features standardised by mean and deviation of the training features: scikit-learn's
    ``LogisticRegression(C=1.0, solver="lbfgs", max_iter=1000)``, multinomial with an L2 penalty, without a random
    draw. One that has not converged after 1000 iterations is used as it is then. With a single class among the training
    targets there is nothing to fit: the accuracy of answering that class.
    Paper: Alain and Bengio, "Understanding intermediate layers using linear classifier probes" (arXiv:1610.01644).

    Args:
        train_features: (N, D).
        train_targets: (N) classes.
        test_features: (M, D).
        test_targets: (M) classes.

    ``None`` without training or test samples.

    Raises:
        BadCall: for shapes that do not fit, or features that are not finite.

    >>> linear_probe([[0.0], [1.0]], [3, 5], [[-1.0], [2.0], [3.0], [4.0]], [3, 5, 5, 3])
    0.75
    """
    given = _checked(train_features, train_targets, test_features, test_targets)
    if given is None:
        return None
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y, test_x, test_y = given
    if len(np.unique(y)) == 1:
        return float(np.mean(test_y == y[0]))
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, solver="lbfgs", max_iter=1000))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        probe.fit(x, y)
    return float(np.mean(probe.predict(test_x) == test_y))


def knn_accuracy(
    train_features: ArrayLike,
    train_targets: ArrayLike,
    test_features: ArrayLike,
    test_targets: ArrayLike,
    neighbours: int = 5,
) -> float | None:
    """Test accuracy of the majority among the nearest training features by cosine distance.

    scikit-learn's ``KNeighborsClassifier(metric="cosine")`` with equal votes; a draw goes to the smallest class. A
    feature of all zeros is as far from every other.

    Args:
        train_features: (N, D).
        train_targets: (N) classes.
        test_features: (M, D).
        test_targets: (M) classes.
        neighbours: how many vote, at least 1; all of the training samples if they are fewer.

    ``None`` without training or test samples.

    Raises:
        BadCall: for shapes that do not fit, features that are not finite, or no neighbours.

    >>> knn_accuracy([[1.0, 0.0], [0.0, 1.0]], [0, 1], [[2.0, 1.0], [3.0, 1.0]], [0, 1], neighbours=1)
    0.5
    """
    if neighbours < 1:
        raise BadCall(f"the number of neighbours must be at least 1, found {neighbours}.")
    given = _checked(train_features, train_targets, test_features, test_targets)
    if given is None:
        return None
    from sklearn.neighbors import KNeighborsClassifier

    x, y, test_x, test_y = given
    vote = KNeighborsClassifier(n_neighbors=min(neighbours, len(x)), metric="cosine").fit(x, y)
    return float(np.mean(vote.predict(test_x) == test_y))


def deep_forgetting(probe: Matrix) -> list[float | None]:
    """Deep forgetting of each task j < k-1: what its representation lost, F_deep(j) = P[j][j] - P[k-1][j].

    Paper: Lanzillotta, Meier, Hofmann, "Heads collapse, features stay: Why Replay needs big buffers" (ICLR 2026,
    arXiv:2512.07400; its first version has another title).

    Args:
        probe: P[i][j], the accuracy on task j's test data of a probe trained on the features after task i of task j's
            training data.

    ``None`` where an accuracy is missing; an empty list before the second task. Negative where a later task helped.

    Raises:
        BadCall: if a row is too short.

    >>> deep_forgetting([[1.0], [0.75, 1.0]])
    [0.25]
    """
    _check_rows(probe)
    last = probe[-1] if probe else ()
    return [_difference(probe[j][j], last[j]) for j in range(len(probe) - 1)]


def shallow_forgetting(head: Matrix) -> list[float | None]:
    """Shallow forgetting of each task j < k-1: what the outputs lost, F_shallow(j) = R[j][j] - R[k-1][j].

    That is the paper's definition (arXiv:2512.07400): it holds everything that the network's own predictions lost, from
    the representation or from the head; ``head_forgetting`` is the part beyond deep forgetting.

    Args:
        head: R[i][j], the network's own accuracy on task j's test data after task i.

    ``None`` and errors as in ``deep_forgetting``.
    """
    return deep_forgetting(head)


def head_forgetting(head: Matrix, probe: Matrix) -> list[float | None]:
    """What the head of each task j < k-1 lost beyond its features: F_shallow(j) - F_deep(j).

    Large where the features still tell the classes apart and the head has come out of line with them, which could be
    mended by training the head alone.

    Args:
        head: R[i][j], the network's own accuracies.
        probe: P[i][j], the accuracies of the probe.

    Raises:
        BadCall: if a row is too short, or the two have not equally many rows.

    >>> head_forgetting([[1.0], [0.25, 1.0]], [[1.0], [0.75, 1.0]])
    [0.5]
    """
    if len(head) != len(probe):
        raise BadCall(f"head and probe need a row for each task, found {len(head)} and {len(probe)} rows.")
    return [
        _difference(shallow, deep)
        for shallow, deep in zip(shallow_forgetting(head), deep_forgetting(probe), strict=True)
    ]


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else before - after


def _check_rows(matrix: Matrix) -> None:
    for i, row in enumerate(matrix):
        if len(row) <= i:
            raise BadCall(f"row {i} needs an accuracy for each of the tasks 0 to {i}, found {len(row)}.")


def _checked(
    train_features: ArrayLike, train_targets: ArrayLike, test_features: ArrayLike, test_targets: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]] | None:
    """The four as arrays; ``None`` if there is nothing to learn from or nothing to ask about."""
    x, test_x = (np.asarray(values, dtype=np.float64) for values in (train_features, test_features))
    y, test_y = (np.asarray(values, dtype=np.int64) for values in (train_targets, test_targets))
    if y.shape != x.shape[:1] or test_y.shape != test_x.shape[:1]:
        raise BadCall(
            f"features (N, D) and targets (N) belong together, found {x.shape} and {y.shape} to train with,"
            f" {test_x.shape} and {test_y.shape} to test with."
        )
    if not len(y) or not len(test_y):
        return None
    if x.ndim != 2 or test_x.ndim != 2 or x.shape[1] != test_x.shape[1]:
        raise BadCall(
            "features are (N, D), as many dimensions to train with as to test with, found"
            f" {x.shape} and {test_x.shape}."
        )
    if not (np.isfinite(x).all() and np.isfinite(test_x).all()):
        raise BadCall("a probe needs finite features, found NaN or infinite ones.")
    return x, y, test_x, test_y
