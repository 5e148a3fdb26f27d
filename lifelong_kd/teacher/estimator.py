"""Classifiers of scikit-learn by name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from lifelong_kd.core.errors import BadCall, nearest

__all__ = ["ESTIMATORS", "make_estimator", "probabilities"]

ESTIMATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "random_forest": ("sklearn.ensemble.RandomForestClassifier", {}),
    "extra_trees": ("sklearn.ensemble.ExtraTreesClassifier", {}),
    "gradient_boosting": ("sklearn.ensemble.HistGradientBoostingClassifier", {}),
    "svm": ("sklearn.svm.SVC", {"decision_function_shape": "ovr"}),
    "linear_svm": ("sklearn.svm.LinearSVC", {}),
    "logistic": ("sklearn.linear_model.LogisticRegression", {"max_iter": 1000}),
    "naive_bayes": ("sklearn.naive_bayes.GaussianNB", {}),
    "knn": ("sklearn.neighbors.KNeighborsClassifier", {}),
    "tree": ("sklearn.tree.DecisionTreeClassifier", {}),
}
"""Short names: the class, and options that differ from scikit-learn's own."""


def make_estimator(name: str, options: Mapping[str, Any], seed: int) -> Any:
    """A classifier of scikit-learn, not fitted; ``random_state`` is the seed, if it has one and the options give none.

    Args:
        name: of :data:`ESTIMATORS`, or ``sklearn.MODULE.CLASS``.
        options: its keyword arguments.
        seed: of 32 bits.

    Raises:
        BadCall: if there is no such classifier, or it has no such option.
    """
    path, own = ESTIMATORS.get(name, (name, {}))
    kind = _kind(path)
    allowed = kind().get_params()
    for option in options:
        if option not in allowed:
            hint = nearest(str(option), allowed)
            raise BadCall(
                f"{kind.__name__} has no option {option!r}."
                + (f" Did you mean {hint!r}?" if hint else f" It has {', '.join(allowed)}.")
            )
    random = {"random_state": seed} if "random_state" in allowed else {}
    return kind(**{**own, **random, **options})


def _kind(path: str) -> Any:
    module, _, name = path.rpartition(".")
    if module.split(".")[0] != "sklearn":
        raise BadCall(f"{path!r} is no class of scikit-learn, and no other code is run by that name")
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        raise BadCall(
            f"there is no {path!r} in scikit-learn; a classifier's path is such as"
            " sklearn.neural_network.MLPClassifier"
        ) from None
    from sklearn.base import ClassifierMixin  # slow to import

    # A mixin alone cannot be asked for its options.
    if not (isinstance(kind, type) and issubclass(kind, ClassifierMixin) and hasattr(kind, "get_params")):
        raise BadCall(f"{path!r} is no classifier of scikit-learn")
    try:
        kind()
    except TypeError as error:
        raise BadCall(f"{path!r} cannot be made without further estimators: {error}") from error
    return kind


def probabilities(estimator: Any, x: Any) -> Any:
    """What a fitted classifier says of the classes that it was fitted on, (samples, classes), each row of sum 1."""
    if hasattr(estimator, "predict_proba"):
        return estimator.predict_proba(x)
    if not hasattr(estimator, "decision_function"):
        raise BadCall(f"{type(estimator).__name__} has neither predict_proba nor decision_function")
    from scipy.special import expit, softmax  # slow to import

    said = estimator.decision_function(x)
    if said.ndim == 1:
        right = expit(said)[:, None]
        return np.concatenate([1 - right, right], axis=1)
    return softmax(said, axis=1)
