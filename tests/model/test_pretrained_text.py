"""A language model of the package transformers, made here: small, with weights nobody trained."""

import sys
from pathlib import Path

import pytest
import torch

from lifelong_kd.core.errors import BadCall, DataMissing
from lifelong_kd.model.build import build_network
from lifelong_kd.model.from_transformers import transformers_model
from lifelong_kd.stream.encode.pretrained import Pretrained
from lifelong_kd.testing import check_encoder, check_model

WORDS = [
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "[PAD]",
    "pay",
    "my",
    "bill",
    "play",
    "some",
    "music",
    "what",
    "is",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> str:
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("language")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    # Filling is number 4 here, not the usual 0.
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = transformers.BertConfig(
            vocab_size=len(WORDS),
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=8,
            max_position_embeddings=16,
            pad_token_id=4,
        )
        transformers.BertModel(config).save_pretrained(folder)
    return str(folder)


def test_pieces_and_features_fit_together(place: str):
    encoder = Pretrained(pretrained=place, length=8)
    check_encoder(lambda: Pretrained(pretrained=place, length=8))
    assert encoder.filling == 4 and encoder.vocabulary == len(WORDS)
    x = encoder.encode(["pay my bill"])
    assert x.tolist() == [[1, 5, 6, 7, 2, 4, 4, 4]]
    model = transformers_model((8,), pretrained=place).eval()
    assert (model.feature_size, model.vocabulary, model.filling, model.tokenizer) == (8, 13, 4, place)
    with torch.no_grad():
        said = model.network(input_ids=x[:, :5]).last_hidden_state
        torch.testing.assert_close(model(x), said.mean(dim=1))
        assert model(torch.full((1, 8), 4)).isfinite().all()


def test_it_is_a_model_like_others(place: str):
    check_model(lambda: build_network((8,), 4, model=("transformers", {"pretrained": place})), (8,), 4)


def test_what_is_not_there_or_does_not_fit(place: str, tmp_path: Path):
    with pytest.raises(DataMissing, match="tokenizer of"):
        Pretrained(pretrained=str(tmp_path / "nowhere"))
    with pytest.raises(DataMissing, match="cannot be loaded"):
        transformers_model((8,), pretrained=str(tmp_path / "nowhere"))
    with pytest.raises(BadCall, match="at most 16 pieces"):
        transformers_model((32,), pretrained=place)
    with pytest.raises(BadCall, match="at least 3"):
        Pretrained(pretrained=place, length=2)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    for make in (lambda: Pretrained(pretrained="x"), lambda: transformers_model((8,), pretrained="x")):
        with pytest.raises(BadCall, match=r"pip install 'lifelong_kd\[text\]'"):
            make()
