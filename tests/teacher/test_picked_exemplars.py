"""A few picked examples as a teacher: nearest mean and neighbours, where examples come from, what is kept."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from lifelong_kd.core.errors import BadCall, DataMissing
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.core.types import Batch, Task
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.term import Distill
from lifelong_kd.stream.text import as_bytes, as_texts
from lifelong_kd.teacher.cache import CacheKey, OutputCache
from lifelong_kd.teacher.ema import Ema
from lifelong_kd.teacher.exemplars import Exemplars
from lifelong_kd.teacher.picked import read_picks
from lifelong_kd.teacher.snapshot import Snapshot
from tests.teacher.life import CPU, Says, batch_of, call, inputs, network, rebuilder, saved

FIRST = Task(0, "class", (0, 1))
SECOND = Task(1, "class", (2,), ((0, 1),))


class Data:
    def __init__(self, x: Tensor, y: list[int]) -> None:
        self.x, self.targets = x, torch.tensor(y)
        self.labels = torch.zeros_like(self.targets)

    def raw(self, index: Tensor) -> Tensor:
        return self.x[index]

    def about(self, index: Tensor) -> list[dict[str, str]]:
        return [{} for _ in index]

    def plain(self, raw: Tensor) -> Tensor:
        return raw.float()

    def augmented(self, raw: Tensor, generator: torch.Generator) -> Tensor:
        return raw.float()


AXES = torch.tensor([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [3.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
TASK = Data(AXES, [0, 1, 0, 1])
"""Class 0 twice along the first axis, class 1 along the second and the third."""


def studied(task: Task = FIRST, data: Data = TASK, **options: Any) -> Exemplars:
    made = Exemplars(**options)
    made.begin(call, CPU)
    made.begin_task(task)
    made.study(task, data, Seeds(0))
    return made


def test_the_mean_rule_by_hand() -> None:
    made = studied(per_class=2, temperature=1.0)
    said = made.teach(batch_of(torch.tensor([[5.0, 0.0, 0.0], [0.0, 1.0, 0.0]])))
    # The mean of class 1 is (0, 1, 1) / sqrt 2: from the first axis 2, from the second 2 - sqrt 2.
    away = 2 - math.sqrt(2)
    expected = torch.tensor([[0.0, -2.0], [-2.0, -away]]).log_softmax(dim=1)
    assert torch.allclose(said.logits, expected, atol=1e-6)
    assert said.known is not None and said.known.all() and made.columns == (0, 1)


def test_neighbours_by_hand() -> None:
    made = studied(per_class=2, rule="knn", k=3, temperature=2.0, smoothing=0.1)
    said = made.teach(batch_of(torch.tensor([[1.0, 0.0, 0.0]])))
    # Two at distance 0, and one of two at squared distance 2: weights 1, 1, exp(-1).
    share = 2 / (2 + math.exp(-1))
    expected = torch.tensor([[0.9 * share + 0.05, 0.9 * (1 - share) + 0.05]])
    assert torch.allclose(said.logits.exp(), expected, atol=1e-6)
    # More neighbours than there are examples.
    assert studied(per_class=1, rule="knn", k=50).teach(batch_of(AXES)).logits.isfinite().all()


def test_only_the_first_examples_of_a_class_are_kept_and_those_of_earlier_tasks_stay() -> None:
    made = studied(per_class=1)
    assert made.nbytes == 2 * 3 * 4
    made.begin_task(SECOND)
    made.study(SECOND, Data(torch.tensor([[1.0, 1.0, 0.0]]), [2]), Seeds(0))
    assert made.nbytes == 3 * 3 * 4 and made.columns == (0, 1, 2)
    assert made.teach(batch_of(AXES[:2])).logits.argmax(dim=1).tolist() == [0, 1]
    assert made.teach(batch_of(torch.tensor([[2.0, 2.0, 0.0]]))).logits.argmax(dim=1).tolist() == [2]
    # A task that is told twice, as of a resumed run, replaces its own.
    made.study(SECOND, Data(torch.tensor([[1.0, 1.0, 0.0]]), [2]), Seeds(0))
    assert made.nbytes == 3 * 3 * 4
    strategy = Strategy(terms={"album": Distill(made, Kd(temperature=1.0), over="seen")})
    assert strategy.nbytes == 3 * 3 * 4


def test_only_the_new_classes_if_asked() -> None:
    made = studied(per_class=1, classes="new")
    made.begin_task(SECOND)
    made.study(SECOND, Data(torch.tensor([[1.0, 1.0, 0.0]]), [2]), Seeds(0))
    said = made.teach(batch_of(AXES))
    assert made.columns == (2,) and said.logits[:, :2].isnan().all()
    assert torch.equal(said.logits[:, 2], torch.zeros(4))


def test_in_a_task_incremental_stream_tasks_do_not_compete() -> None:
    task = Task(1, "task", (2,), ((0, 1),), {0: (0, 1), 1: (2,)}, 1)
    for rule in ("mean", "knn"):
        made = studied(per_class=2, rule=rule, smoothing=0.0)
        made.begin_task(task)
        made.study(task, Data(torch.tensor([[1.0, 1.0, 0.0]]), [2]), Seeds(0))
        batch = batch_of(torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
        batch.label = torch.tensor([0, 1])
        said = made.teach(batch)
        assert said.logits[0, 2].isnan() and said.logits[0, 0] > said.logits[0, 1]
        assert said.logits[1, :2].isnan().all() and said.logits[1, 2] == 0.0


def test_a_restart_in_the_middle_of_a_task() -> None:
    made, again = studied(per_class=2), studied(per_class=1)
    assert not torch.equal(again.teach(batch_of(AXES)).logits, made.teach(batch_of(AXES)).logits)
    again.load_state_dict(saved(made), rebuilder())
    assert torch.equal(again.teach(batch_of(AXES)).logits, made.teach(batch_of(AXES)).logits)


# ---- features of another teacher ------------------------------------------------------------------------------


def test_features_of_the_previous_student() -> None:
    snapshot = Snapshot()
    snapshot.begin(call, CPU)
    made = Exemplars(per_class=2, features_of=snapshot, temperature=1.0)
    made.begin(call, CPU)
    made.begin_task(FIRST)
    made.study(FIRST, Data(inputs(0, 4), [0, 0, 1, 1]), Seeds(0))
    assert made.members == (snapshot,) and not made.ready and not made.adapts
    student = network()
    snapshot.observe(student, FIRST)
    assert made.ready
    student.eval()
    with torch.no_grad():
        features = [
            torch.nn.functional.normalize(student.features(x), dim=1) for x in (inputs(0, 4), inputs(1, 3))
        ]
    means = torch.stack([features[0][:2].mean(dim=0), features[0][2:].mean(dim=0)])
    means = torch.nn.functional.normalize(means, dim=1)
    expected = -((features[1][:, None] - means) ** 2).sum(dim=2)
    assert torch.allclose(made.teach(batch_of(inputs(1, 3))).logits, expected.log_softmax(dim=1), atol=1e-5)


def test_a_cache_of_logits_is_not_asked_for_features() -> None:
    snapshot = Snapshot()
    snapshot.begin(call, CPU)
    snapshot.observe(network(), FIRST)
    snapshot.cache = OutputCache(CacheKey("", "", ""), {"logits": torch.zeros(9, 6)})
    made = Exemplars(per_class=2, features_of=snapshot)
    made.begin(call, CPU)
    made.begin_task(FIRST)
    made.study(FIRST, Data(inputs(0, 4), [0, 0, 1, 1]), Seeds(0))
    assert made.teach(batch_of(inputs(1, 3), index=torch.arange(3))).logits.isfinite().all()


def test_what_follows_the_student_is_asked_anew() -> None:
    made = Exemplars(per_class=1, features_of=Ema(decay=0.5))
    assert made.adapts
    with pytest.raises(BadCall, match="a teacher that offers features"):
        Exemplars(per_class=1, features_of=Says(None))


# ---- where examples come from ---------------------------------------------------------------------------------


def written(path: Path, content: object) -> str:
    path.write_text(json.dumps(content))
    return str(path)


def test_texts_and_rows_in_a_file(tmp_path: Path) -> None:
    texts = Data(as_bytes(["eat", "cook", "fly"], 8), [0, 0, 1])
    path = written(tmp_path / "picks.json", {"food": [1, "dine out today"], "travel": ["go away"]})
    made = Exemplars(path=path)
    made.check_columns(["food", "travel"])
    made.begin_task(FIRST)
    made.study(FIRST, texts, Seeds(0))
    kept = made.state_dict()["kept"]
    assert as_texts(kept["raw"]) == ["cook", "dine out", "go away"] and kept["y"].tolist() == [0, 0, 1]


def test_images_in_a_file(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 200, dtype=np.uint8)).save(tmp_path / "a.png")
    path = written(tmp_path / "picks.yaml", {"0": ["a.png"], "1": [0]})
    data = Data(torch.zeros(2, 1, 2, 2, dtype=torch.uint8), [0, 1])
    made = Exemplars(path=path)
    made.begin_task(FIRST)
    made.study(FIRST, data, Seeds(0))
    assert made.state_dict()["kept"]["raw"].flatten(1).tolist() == [[200] * 4, [0] * 4]
    vectors = Exemplars(path=path)
    vectors.begin_task(FIRST)
    with pytest.raises(BadCall, match="neither texts nor images"):
        vectors.study(FIRST, TASK, Seeds(0))


def test_files_that_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="is not there"):
        Exemplars(path=str(tmp_path / "none.yaml"))
    for content, message in (
        ([1], "no mapping"),
        ({"a": "text"}, "examples of 'a'"),
        ({"a": []}, "examples of 'a'"),
    ):
        with pytest.raises(BadCall, match=message):
            Exemplars(path=written(tmp_path / "picks.json", content))
    made = Exemplars(path=written(tmp_path / "picks.json", {"food": [7]}))
    with pytest.raises(BadCall, match="has no examples of 'travel', 'money'"):
        made.check_columns(["food", "travel", "money"])
    with pytest.raises(BadCall, match=r"'food' is no class.*Did you mean 'foods'"):
        made.check_columns(["foods"])
    made.check_columns(["food"])
    task = Task(0, "class", (0,))
    made.begin_task(task)
    with pytest.raises(BadCall, match="exemplar 7 of class 'food' is no row: the task has 2"):
        made.study(task, TASK, Seeds(0))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"path": "a.yaml", "per_class": 1},
        {"per_class": 0},
        {"per_class": 1, "k": 0},
        {"per_class": 1, "rule": "median"},
        {"per_class": 1, "temperature": 0.0},
        {"per_class": 1, "smoothing": -0.1},
    ],
)
def test_options_that_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadCall):
        Exemplars(**options)


def test_samples_inside_the_network_are_abstained_from() -> None:
    inside = Batch(AXES, torch.zeros(4).long(), torch.zeros(4).long(), AXES, at="stages.0")
    said = studied(per_class=1).teach(inside)
    assert said.known is not None and not said.known.any()


def test_only_a_whole_number_as_it_is_counted_is_a_row(tmp_path: Path) -> None:
    file = tmp_path / "album.yaml"
    file.write_text("a: [0, 10, 010, 1e5, '3']\nb: [1.10, no]\n")
    assert read_picks(str(file)) == {"a": [0, 10, "010", "1e5", "3"], "b": ["1.10", "no"]}
    file.write_text("a: [1, null]\n")
    with pytest.raises(BadCall, match=r"the examples of 'a' are a list of .* found \[1, None\]"):
        read_picks(str(file))
