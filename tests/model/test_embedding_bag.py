"""The mean of word vectors: filling does not count, order does not either; what does not fit is refused."""

from typing import Any

import pytest
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.model.audio_cnn import audio_cnn
from lifelong_kd.model.build import build_network
from lifelong_kd.model.embedding_bag import embedding_bag
from lifelong_kd.model.fresh import fresh_copy
from lifelong_kd.stream.build import build_stream
from lifelong_kd.stream.encode.base import Encoder
from lifelong_kd.stream.encode.hashing import Hashing
from lifelong_kd.stream.encode.tokens import Tokens
from lifelong_kd.stream.source import Samples, Source
from lifelong_kd.stream.store import TensorStore
from lifelong_kd.stream.stream import Stream
from lifelong_kd.stream.text import as_bytes
from lifelong_kd.training.inputs import check_input


def test_the_features_are_those_of_the_mean_of_the_words():
    torch.manual_seed(0)
    model = embedding_bag((5,), vocabulary=9, width=4, hidden=[])
    table = model.embedding.weight
    x = torch.tensor([[3, 7, 0, 0, 0], [7, 3, 0, 0, 0], [2, 2, 4, 0, 0], [0, 0, 0, 0, 0]])
    features = model(x)
    torch.testing.assert_close(features[0], (table[3] + table[7]) / 2)
    torch.testing.assert_close(features[2], (2 * table[2] + table[4]) / 3)
    torch.testing.assert_close(features[1], features[0])
    assert torch.equal(features[3], torch.zeros(4))
    features.sum().backward()
    assert torch.equal(table.grad[0], torch.zeros(4)) and table.grad[3].abs().sum() > 0


def test_a_fresh_copy_after_the_same_seed_is_what_was_built():
    for name in ("embedding_bag", "text_transformer"):
        torch.manual_seed(3)
        network = build_network((5,), 2, model=(name, {"vocabulary": 9, "width": 4}))
        torch.manual_seed(3)
        fresh = fresh_copy(network)
        for one, two in zip(network.parameters(), fresh.parameters(), strict=True):
            assert torch.equal(one, two)


@pytest.mark.parametrize(
    ("shape", "options", "says"),
    [
        ((1, 8, 8), {}, "features=tokens"),
        ((5,), {"vocabulary": 1}, "at least 2"),
        ((5,), {"hidden": [0]}, "at least 1"),
        ((5,), {"dropout": 1.0}, "dropout"),
    ],
)
def test_what_does_not_fit_is_refused(shape: tuple[int, ...], options: dict[str, Any], says: str):
    with pytest.raises(BadCall, match=says):
        embedding_bag(shape, **options)


def test_what_comes_first_in_a_recording_and_what_comes_last_are_told_apart():
    torch.manual_seed(0)
    model = audio_cnn((1, 6, 32), width=4, stages=2, pieces=2).eval()
    x = torch.zeros(2, 1, 6, 32)
    x[0, :, 2, :8], x[1, :, 2, -8:] = 5.0, 5.0
    early, late = model(x).view(2, 4, 2)
    assert (early - late).abs().max() > 0.1
    assert model.feature_size == 8
    for shape, options in (((1, 6, 32), {"pieces": 17}), ((6, 32), {}), ((1, 6, 32), {"stages": 0})):
        with pytest.raises(BadCall):
            audio_cnn(shape, **{"stages": 2, **options})


def texts(encoder: Encoder | None) -> Stream:
    raw = as_bytes([f"word{n} it" for n in range(20)], 12)
    samples = Samples(TensorStore(raw), torch.arange(20) % 2)
    kind: Any = "samples" if encoder is None else "texts"
    source = Source(samples, samples, ("a", "b"), encoder=encoder, kind=kind)
    return build_stream("made", source, experiences=2, seeds=Seeds(0))


def network(stream: Stream, name: str, **options: Any) -> Any:
    return build_network(stream.input_shape, 2, model=(name, options))


def test_a_model_that_cannot_read_the_stream_is_refused():
    tokens = texts(Tokens(vocabulary=100, length=4))
    check_input(tokens, network(tokens, "embedding_bag", vocabulary=100))
    check_input(tokens, network(tokens, "text_transformer", vocabulary=200))
    with pytest.raises(BadCall, match=r"up to 99.*model\.vocabulary=100"):
        check_input(tokens, network(tokens, "embedding_bag", vocabulary=99))
    with pytest.raises(BadCall, match="embedding_bag or text_transformer"):
        check_input(tokens, network(tokens, "mlp"))
    for stream in (texts(Hashing(size=8)), texts(None)):
        check_input(stream, network(stream, "mlp"))
        with pytest.raises(BadCall, match="features=tokens"):
            check_input(stream, network(stream, "embedding_bag"))
