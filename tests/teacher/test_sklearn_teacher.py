"""Estimators of scikit-learn as teachers: what they say, the same after a restart, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from sklearn.naive_bayes import GaussianNB
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Batch, Task
from lifelong_kd.stream.text import as_bytes
from lifelong_kd.teacher.from_sklearn import Sklearn

TASK = Task(1, "class", (2, 3, 5), ((0, 1),))


class Data:
    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.targets, self.labels = x, y, torch.zeros_like(y)

    def raw(self, index: Tensor) -> Tensor:
        return self.x[index]

    def about(self, index: Tensor) -> list[dict[str, str]]:
        return [{} for _ in index]

    def plain(self, raw: Tensor) -> Tensor:
        return raw.float() * 2

    def augmented(self, raw: Tensor, generator: torch.Generator) -> Tensor:
        return raw.float() * 2


def made_data(classes: tuple[int, ...] = (2, 3, 5), each: int = 12) -> Data:
    rng = torch.Generator().manual_seed(0)
    y = torch.tensor(classes).repeat(each)
    return Data(torch.randn(len(y), 2, generator=rng) + torch.stack([y, -y], dim=1), y)


def batch_of(x: Tensor, y: Tensor | None = None) -> Batch:
    label = torch.zeros(len(x), dtype=torch.int64)
    return Batch(x, label - 1 if y is None else y, label, x)


def studied(data: Data | None = None, seed: int = 0, **options: Any) -> Sklearn:
    teacher = Sklearn(**options)
    assert not teacher.ready
    teacher.begin_task(TASK)
    teacher.study(TASK, data or made_data(), Seeds(seed))
    return teacher


def test_what_it_says_is_what_the_estimator_says() -> None:
    data = made_data()
    said = studied(data, estimator="naive_bayes", smoothing=0.1).teach(batch_of(data.plain(data.x)))
    theirs = GaussianNB().fit(data.plain(data.x).double().numpy(), data.targets.numpy())
    share = torch.from_numpy(theirs.predict_proba(data.plain(data.x).double().numpy()))
    expected = (0.9 * share + 0.1 / 3).float().log()
    assert torch.allclose(said.logits[:, [2, 3, 5]], expected, atol=1e-5)
    assert said.logits[:, [0, 1, 4]].isnan().all() and said.known is not None and said.known.all()


@pytest.mark.parametrize(
    ("estimator", "options"),
    [
        ("random_forest", {"n_estimators": 5}),
        ("extra_trees", {"n_estimators": 5}),
        ("gradient_boosting", {"max_iter": 3, "min_samples_leaf": 2}),
        ("svm", {}),
        ("linear_svm", {}),
        ("logistic", {}),
        ("knn", {"n_neighbors": 3}),
        ("tree", {}),
        ("sklearn.linear_model.RidgeClassifier", {}),
    ],
)
def test_every_estimator_is_right_more_often_than_not_and_fitted_again_is_the_same(
    estimator: str, options: dict[str, Any]
) -> None:
    data = made_data()
    one = studied(data, estimator=estimator, options=options)
    batch = batch_of(data.plain(data.x))
    said = one.teach(batch).logits
    assert (said.nan_to_num(-math.inf).argmax(dim=1) == data.targets).double().mean() > 0.5
    assert torch.allclose(said[:, [2, 3, 5]].exp().sum(dim=1), torch.ones(len(data.targets)), atol=1e-5)
    again = studied(data, estimator=estimator, options=options).teach(batch).logits
    assert torch.equal(said.nan_to_num(0.0), again.nan_to_num(0.0))


def test_the_seed_of_the_run_decides_and_no_generator_is_touched() -> None:
    data = made_data(each=40)
    batch = batch_of(data.plain(data.x))
    before = torch.random.get_rng_state()
    forests = [
        studied(data, seed, estimator="random_forest", options={"n_estimators": 3}).teach(batch).logits
        for seed in (0, 1)
    ]
    assert not torch.equal(forests[0].nan_to_num(0.0), forests[1].nan_to_num(0.0))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_two_classes_of_a_decision_function() -> None:
    data = made_data((2, 3), each=20)
    said = studied(data, estimator="linear_svm", smoothing=0.0).teach(batch_of(data.plain(data.x)))
    assert torch.allclose(said.logits[:, [2, 3]].exp().sum(dim=1), torch.ones(40), atol=1e-5)
    assert (said.logits[:, [2, 3]].argmax(dim=1) + 2 == data.targets).double().mean() > 0.6
    # The task's third class has no sample: no probability.
    assert (said.logits[:, 5] == -math.inf).all()


def test_a_task_with_samples_of_one_class_needs_no_fit() -> None:
    said = studied(made_data((3,)), estimator="logistic", smoothing=0.3).teach(batch_of(torch.zeros(1, 2)))
    assert said.logits[0, [2, 3, 5]].exp().tolist() == pytest.approx([0.1, 0.8, 0.1])


def test_what_is_known_to_be_of_another_tasks_class_is_not_taught() -> None:
    data = made_data()
    said = studied(data, estimator="naive_bayes").teach(batch_of(data.x[:3] * 2, torch.tensor([3, 0, -1])))
    assert said.known is not None and said.known.tolist() == [True, False, True]


def test_texts() -> None:
    texts = ["eat cake", "cook cake", "fly home", "fly away"]
    data = Data(as_bytes(texts, 10), torch.tensor([2, 2, 3, 3]))
    teacher = studied(data, estimator="logistic", input="text", options={"C": 100.0})
    raw = as_bytes(["some cake", "to fly"], 10)
    said = teacher.teach(batch_of(raw))
    assert said.logits[:, [2, 3]].argmax(dim=1).tolist() == [0, 1]
    with pytest.raises(BadCall, match="texts are uint8"):
        studied(made_data(), input="text")


@pytest.mark.parametrize(
    "estimator",
    [
        "naive_bayes",
        "gradient_boosting",
        "sklearn.discriminant_analysis.LinearDiscriminantAnalysis",
        "sklearn.gaussian_process.GaussianProcessClassifier",
    ],
)
def test_texts_for_an_estimator_that_takes_no_sparse_numbers(estimator: str) -> None:
    texts = [f"{verb} {word}" for word in ("one", "two", "ten", "all", "any") * 6 for verb in ("eat", "fly")]
    data = Data(as_bytes(texts, 10), torch.tensor([2, 3] * 30))
    said = studied(data, estimator=estimator, input="text").teach(batch_of(as_bytes(texts[:2], 10)))
    assert said.logits[:, [2, 3]].argmax(dim=1).tolist() == [0, 1]


def test_what_an_estimator_notices_only_when_it_is_asked() -> None:
    with pytest.raises(BadCall, match=r"cannot fit knn to task 1: .*n_neighbors"):
        studied(made_data((2, 3), each=2), estimator="knn")
    far = "sklearn.neighbors.RadiusNeighborsClassifier"
    teacher = studied(estimator=far, options={"radius": 0.1})
    with pytest.raises(BadCall, match=r"'sklearn': sklearn\.neighbors\.Radius.* cannot say .*radius"):
        teacher.teach(batch_of(torch.full((1, 2), 1e3)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"estimator": "random_forrest"}, "Did you mean 'random_forest'"),
        ({"estimator": "os.system"}, "there is no estimator 'os.system'"),
        ({"estimator": "sklearn.ensemble.Nothing"}, "there is no 'sklearn.ensemble.Nothing'"),
        ({"estimator": "sklearn.cluster.KMeans"}, "is no classifier"),
        ({"estimator": "sklearn.base.ClassifierMixin"}, "is no classifier"),
        ({"estimator": "sklearn.ensemble.VotingClassifier"}, "cannot be made without further"),
        ({"options": {"n_estimator": 5}}, "no option 'n_estimator'. Did you mean 'n_estimators'"),
        ({"input": "words"}, "input must be one of"),
        ({"smoothing": 1.0}, "smoothing"),
    ],
)
def test_what_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadCall, match=message):
        Sklearn(**options)


def test_an_option_that_scikit_learn_refuses_when_it_fits() -> None:
    with pytest.raises(BadCall, match=r"cannot fit random_forest to task 1: .*n_estimators"):
        studied(options={"n_estimators": -1})
