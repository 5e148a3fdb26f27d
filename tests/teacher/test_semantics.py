"""Descriptions of classes as a teacher: which wrong classes are near."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Batch, Task
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.strategy.term import Distill
from lifelong_kd.teacher.semantics import Semantics, semantic_labels
from lifelong_kd.teacher.similarity import by_encoder, by_words

NAMES = ("car_rental", "car_insurance", "weather")
FIRST = Task(0, "class", (0, 1))
SECOND = Task(1, "class", (2,), ((0, 1),))


def batch(*y: int) -> Batch:
    x = torch.zeros(len(y), 2)
    return Batch(x, torch.tensor(y), torch.zeros(len(y), dtype=torch.int64), x)


def teacher(task: Task = SECOND, **options: Any) -> Semantics:
    made = Semantics(**options)
    made.check_columns(NAMES)
    made.begin_task(task)
    return made


def test_soft_labels_by_hand() -> None:
    similarity = torch.tensor([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]])
    found = semantic_labels(similarity, 0.7, 0.5)
    near = math.e / (math.e + 1)
    assert found[0].tolist() == pytest.approx([0.7, 0.3 * near, 0.3 * (1 - near)])
    assert found[2].tolist() == pytest.approx([0.15, 0.15, 0.7])
    assert torch.equal(semantic_labels(torch.ones(1, 1), 0.7, 0.5), torch.ones(1, 1))


def test_the_wrong_class_that_shares_a_word_is_nearer() -> None:
    said = teacher(own=0.8).teach(batch(0, 2))
    share = said.logits.exp()
    assert said.known is not None and said.known.all()
    assert share.sum(dim=1).tolist() == pytest.approx([1.0, 1.0])
    assert share[0, 0] == pytest.approx(0.8) and share[0, 1] > 2 * share[0, 2]
    # Nothing is like the weather.
    assert share[1].tolist() == pytest.approx([0.1, 0.1, 0.8])


def test_it_needs_a_label_that_competes() -> None:
    said = teacher().teach(batch(-1, 1))
    assert said.known is not None and said.known.tolist() == [False, True]
    said = teacher(classes="new").teach(batch(0, 2))
    assert said.known is not None and said.known.tolist() == [False, True]
    assert said.logits[1, 2] == 0.0
    assert teacher(FIRST).teach(batch(0)).logits.shape == (1, 2)


def test_a_term_on_unlabelled_data_is_refused() -> None:
    with pytest.raises(BadCall, match="Semantics cannot teach on 'external'"):
        Distill(teacher(), Kd(temperature=1.0), source="external")


def test_classes_to_come_are_not_looked_at() -> None:
    words = {"car_rental": "hire a car", "car_insurance": "insure a car", "weather": "car car car"}
    alone = Semantics(descriptions={name: words[name] for name in NAMES[:2]})
    alone.check_columns(NAMES[:2])
    alone.begin_task(FIRST)
    assert torch.equal(
        alone.teach(batch(0, 1)).logits, teacher(FIRST, descriptions=words).teach(batch(0, 1)).logits
    )


def test_in_a_task_incremental_stream_the_rest_is_for_the_other_classes_of_the_task() -> None:
    task = Task(1, "task", (2,), ((0, 1),), {0: (0, 1), 1: (2,)}, 1)
    asked = batch(0, 2)
    asked.label = torch.tensor([0, 1])
    said = teacher(task, own=0.7).teach(asked)
    assert said.known is not None and said.known.all()
    assert said.logits[0, :2].exp().tolist() == pytest.approx([0.7, 0.3]) and said.logits[0, 2].isnan()
    assert said.logits[1, :2].isnan().all() and said.logits[1, 2] == 0.0
    # Of a replayed sample of another task the new classes say nothing.
    known = teacher(task, classes="new").teach(asked).known
    assert known is not None and known.tolist() == [False, True]


def test_similarity_of_words() -> None:
    found = by_words(["hire a car", "hire a car", "rain"])
    assert found[0].tolist() == pytest.approx([1.0, 1.0, 0.0])
    assert torch.equal(by_words(["", "-"]), torch.zeros(2, 2))


def test_a_description_that_is_missing_is_named_before_anything_is_trained(tmp_path: Path) -> None:
    made = Semantics(descriptions={"car_rental": "hire", "weather": " "})
    with pytest.raises(BadCall, match=r"no description of 'car_insurance', 'weather', of 3 classes"):
        made.check_columns(NAMES)
    file = tmp_path / "words.json"
    file.write_text(json.dumps({name: name for name in (*NAMES, "wether")}))
    with pytest.raises(BadCall, match=r"words.json: 'wether' is no class.*'weather'"):
        Semantics(path=str(file)).check_columns(NAMES)
    file.write_text("[1]")
    with pytest.raises(BadCall, match="no mapping from classes to texts"):
        Semantics(path=str(file))


def test_a_description_is_a_text(tmp_path: Path) -> None:
    for value in (None, ["hire", "a car"], {"a": "b"}, True):
        with pytest.raises(BadCall, match=r"descriptions: the description of 'car_rental' is a text, found"):
            Semantics(descriptions={"car_rental": value})  # type: ignore[dict-item]
    json_file, file = tmp_path / "words.json", tmp_path / "words.yaml"
    json_file.write_text('{"weather": null}')
    with pytest.raises(BadCall, match=r"words.json: the description of 'weather' is a text, found None"):
        Semantics(path=str(json_file))
    for nothing in ("null", "~", "", "[rain]"):
        file.write_text(f"weather: {nothing}\n")
        with pytest.raises(BadCall, match=r"words.yaml: the description of 'weather' is a text, found"):
            Semantics(path=str(file))
    file.write_text("")
    with pytest.raises(BadCall, match=r"words.yaml holds no mapping"):
        Semantics(path=str(file))
    # What is quoted is a text, and classes may be called so.
    file.write_text("null: 'null'\n~: 0\nno: 1.10\n")
    assert Semantics(path=str(file)).descriptions == {"null": "null", "~": "0", "no": "1.10"}


@pytest.mark.parametrize(
    "options",
    [{"own": 0.0}, {"own": 1.1}, {"temperature": 0.0}, {"path": "a", "descriptions": {"a": "b"}}],
)
def test_options_that_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadCall):
        Semantics(**options)


def encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library whose encoder turns each of two words into a vector; the second of a text may be padding."""
    hidden = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [9.0, 9.0]]])

    def tokenizer(texts: list[str], **options: object) -> dict[str, torch.Tensor]:
        assert texts == ["hire car", "hire"] and options["padding"]
        return {"attention_mask": torch.tensor([[1, 1], [1, 0]])}

    class Encoder:
        def eval(self) -> Encoder:
            return self

        def __call__(self, **words: torch.Tensor) -> SimpleNamespace:
            return SimpleNamespace(last_hidden_state=hidden)

    def load(made: object) -> SimpleNamespace:
        def from_pretrained(name: str) -> object:
            if name != "there":
                raise OSError(f"{name} is not a folder\nand more")
            return made

        return SimpleNamespace(from_pretrained=from_pretrained)

    library = ModuleType("transformers")
    library.AutoTokenizer, library.AutoModel = load(tokenizer), load(Encoder())  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "transformers", library)


def test_an_encoders_vectors_are_means_over_the_words(monkeypatch: pytest.MonkeyPatch) -> None:
    encoding(monkeypatch)
    before = torch.random.get_rng_state()
    found = by_encoder(["hire car", "hire"], "there")
    # (1, 1) / 2 and (1, 0): the padding does not count.
    assert found[0].tolist() == pytest.approx([1.0, math.sqrt(0.5)])
    assert torch.equal(torch.random.get_rng_state(), before)


def test_an_encoder_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    encoding(monkeypatch)
    with pytest.raises(BadCall, match=r"the encoder 'nothing' cannot be loaded: nothing is not a folder$"):
        by_encoder(["a", "b"], "nothing")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(BadCall, match=r"needs transformers: pip install 'lifelong_kd\[text\]'"):
        by_encoder(["a", "b"], "there")
