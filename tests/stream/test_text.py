"""Texts as bytes: cut between characters, read again, on any script."""

import pytest
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.stream.text import as_bytes, as_texts, longest


def test_texts_come_back():
    texts = ["pay my bill", "", "Überweisung €5", "你好", "a\nb"]
    raw = as_bytes(texts, 32)
    assert raw.shape == (5, 32) and raw.dtype == torch.uint8
    assert as_texts(raw) == texts
    assert as_texts(raw[[2, 0]]) == ["Überweisung €5", "pay my bill"]


@pytest.mark.parametrize(
    ("length", "left"), [(1, "a"), (2, "a"), (3, "aé"), (5, "aé"), (6, "aé€"), (10, "aé€😀"), (9, "aé€")]
)
def test_a_text_is_cut_after_a_whole_character(length: int, left: str):
    # 1, 2, 3 and 4 bytes.
    assert as_texts(as_bytes(["aé€😀"], length)) == [left]


def test_no_texts_and_lone_surrogates():
    assert as_bytes([], 4).shape == (0, 4) and as_texts(as_bytes([], 4)) == []
    assert as_texts(as_bytes(["a\ud800"], 4)) == ["a?"]
    assert longest(["a", "€"]) == 3 and longest([]) == 1 and longest([""]) == 1


@pytest.mark.parametrize(
    "raw", [torch.zeros(2, 3), torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.zeros(4, dtype=torch.uint8)]
)
def test_what_is_no_text_is_refused(raw: torch.Tensor):
    with pytest.raises(BadCall, match="uint8 of shape"):
        as_texts(raw)


def test_bytes_that_are_no_text_and_a_length_of_nothing_are_refused():
    with pytest.raises(BadCall, match="no text in UTF-8"):
        as_texts(torch.tensor([[200, 201]], dtype=torch.uint8))
    with pytest.raises(BadCall, match="at least 1 byte"):
        as_bytes(["a"], 0)
