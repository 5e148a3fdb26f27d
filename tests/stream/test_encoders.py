"""Texts as numbers: by hash, by weight, as words in order; and that a text is encoded once."""

import math
import zlib

import pytest
import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.stream.build import build_stream
from lifelong_kd.stream.encode.base import Encoder, Remembered
from lifelong_kd.stream.encode.hashing import Hashing
from lifelong_kd.stream.encode.tfidf import Tfidf
from lifelong_kd.stream.encode.tokens import Tokens
from lifelong_kd.stream.source import Samples, Source
from lifelong_kd.stream.store import TensorStore
from lifelong_kd.stream.text import as_bytes
from lifelong_kd.stream.transform import Pipeline

TEXTS = ["pay my bill", "what is my balance", "play some music", "what song is this", "pay pay pay"]


class Counting(Encoder):
    """Length and first letter; remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fitted: list[str] = []

    def fit(self, texts) -> None:
        self.fitted = list(texts)

    def encode(self, texts) -> Tensor:
        self.asked += texts
        return torch.tensor([[float(len(text)), float(ord((text or " ")[0]))] for text in texts]).view(-1, 2)


@pytest.mark.parametrize("encoder", [Hashing(size=64), Tfidf(size=64), Tokens(vocabulary=50, length=5)])
def test_a_text_has_the_same_row_whatever_stands_beside_it(encoder: Encoder):
    encoder.fit(TEXTS)
    whole = encoder.encode(TEXTS)
    assert torch.equal(whole, torch.cat([encoder.encode([text]) for text in TEXTS]))
    assert encoder.encode([""]).abs().sum() == 0


def test_hashing_counts_words_and_scales_to_length_one():
    encoder = Hashing(size=4096)
    row = encoder.encode(["pay pay bill"])[0]
    # Two words: counts 2 and 1.
    assert sorted(row.abs()[row != 0].tolist()) == pytest.approx([1 / math.sqrt(5), 2 / math.sqrt(5)])
    assert (Hashing(size=4096, ngrams=2).encode(["pay my bill"]) != 0).sum() == 5
    near, far = (
        Hashing(size=4096, by="char").encode([a, b])
        for a, b in (("transfer", "transferred"), ("transfer", "music"))
    )
    assert near[0] @ near[1] > 0.5 > abs(far[0] @ far[1])


def test_tfidf_weighs_by_the_texts_that_it_was_fitted_to():
    encoder = Tfidf(size=10)
    encoder.fit(["a1 b1", "a1 c1"])
    row = encoder.encode(["a1 b1 unheard"])[0]
    # idf = ln((1 + n) / (1 + df)) + 1, words in alphabetical order.
    common, rare = 1.0, math.log(3 / 2) + 1
    norm = math.hypot(common, rare)
    assert row.tolist() == pytest.approx([common / norm, rare / norm, 0.0])
    with pytest.raises(BadCall, match="no words"):
        Tfidf().fit(["?", "!"])
    with pytest.raises(BadCall, match="fitted"):
        Tfidf().encode(["a"])


def test_tokens_are_hashes_in_order_cut_and_filled():
    rows = Tokens(vocabulary=1000, length=3).encode(["Pay my Bill today", "my"])
    number = {word: 1 + zlib.crc32(word.encode()) % 999 for word in ("pay", "my", "bill")}
    assert rows.tolist() == [[number["pay"], number["my"], number["bill"]], [number["my"], 0, 0]]
    assert rows.dtype == torch.int64


def test_each_text_is_encoded_once():
    encoder = Counting()
    remembered = Remembered(encoder)
    raw = as_bytes(TEXTS, 20)
    first = remembered(raw[[0, 1, 0]])
    again = remembered(raw[[1, 2]])
    assert encoder.asked == [TEXTS[0], TEXTS[1], TEXTS[2]]
    assert torch.equal(first[1], again[0])
    assert torch.equal(remembered(raw), encoder.encode(TEXTS))


def test_a_full_memory_of_rows_changes_no_row():
    encoder = Counting()
    remembered = Remembered(encoder, limit=56)  # two rows of 8 bytes with their texts of 20
    raw = as_bytes(TEXTS, 20)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        index = torch.randint(len(TEXTS), (3,), generator=generator)
        assert torch.equal(remembered(raw[index]), Counting().encode([TEXTS[i] for i in index.tolist()]))
    assert len(remembered._place) <= 2 + 3 and len(encoder.asked) > len(TEXTS)
    assert len(remembered._rows) <= 56 // 8
    assert len(remembered(raw[:0])) == 0


def test_both_views_of_a_pipeline_are_the_encoders_rows():
    pipeline = Pipeline(encoder=Hashing(size=32))
    raw = as_bytes(TEXTS, 20)
    assert torch.equal(pipeline.train(raw), pipeline.eval(raw))
    assert torch.equal(pipeline.eval(raw), Hashing(size=32).encode(TEXTS))
    assert pipeline.check((20,)) == (32,) and not pipeline.random


def test_fitted_on_the_training_texts_of_the_first_task_alone():
    texts = [f"word{number}" for number in range(40)]
    samples = Samples(TensorStore(as_bytes(texts, 10)), torch.arange(40) % 4)
    encoder = Counting()
    source = Source(samples, samples, ("a", "b", "c", "d"), encoder=encoder, kind="texts")
    stream = build_stream("made", source, experiences=2, seeds=Seeds(0))
    assert stream.parts is not None
    rows = stream.parts["train"][0].rows.tolist()
    assert encoder.fitted == [texts[row] for row in rows] and len(rows) == 18
    for option in ({"normalize": "auto"}, {"augment": [object()]}):
        with pytest.raises(BadCall, match="has texts"):
            build_stream("made", source, experiences=2, seeds=Seeds(0), **option)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Hashing(size=0),
        lambda: Tfidf(ngrams=0),
        lambda: Tokens(vocabulary=1),
        lambda: Tokens(length=0),
    ],
)
def test_sizes_of_nothing_are_refused(make):
    with pytest.raises(BadCall, match="at least"):
        make()
