"""A small transformer: places matter, filling does not, a text without words is finite."""

from typing import Any

import pytest
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.hearing import stage_names
from lifelong_kd.model.linear import linear
from lifelong_kd.model.network import Network
from lifelong_kd.model.text_transformer import Block, text_transformer


def made(length: int = 6) -> Any:
    torch.manual_seed(0)
    return text_transformer((length,), vocabulary=20, width=8, heads=2).eval()


def test_filling_is_not_seen():
    model, longer = made(6), made(9)
    longer.load_state_dict(
        {**model.state_dict(), "place": torch.cat([model.place.detach(), torch.ones(3, 8)])}
    )
    x = torch.tensor([[3, 5, 9, 0, 0, 0], [4, 4, 0, 0, 0, 0]])
    with torch.no_grad():
        model.embedding.weight[0] = 7.0  # even if the filling had a vector
        torch.testing.assert_close(longer(torch.cat([x, torch.zeros(2, 3, dtype=x.dtype)], 1)), model(x))


def test_the_order_of_the_words_is_seen():
    model = made()
    with torch.no_grad():
        one, other = model(torch.tensor([[3, 5, 9, 0, 0, 0], [9, 5, 3, 0, 0, 0]]))
    assert (one - other).abs().max() > 1e-4


def test_a_text_without_words_has_finite_features_and_gradients():
    model = made().train()
    features = model(torch.tensor([[0] * 6, [1] * 6]))
    assert torch.equal(features[0], torch.zeros(8))
    features.square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    assert model.embedding.weight.grad[0].abs().sum() == 0


def test_attention_agrees_with_a_loop():
    torch.manual_seed(1)
    block = Block(4, 2, 0.0).eval()
    x, seen = torch.randn(1, 3, 4), torch.tensor([True, True, False])
    with torch.no_grad():
        found = block(x, seen.view(1, 1, 1, 3))[0]
        query, key, value = block.asks(block.before_attention(x[0])).split(4, dim=1)
        rows = []
        for i in range(3):
            pieces = []
            for head in (slice(0, 2), slice(2, 4)):
                scores = torch.stack([query[i, head] @ key[j, head] / 2**0.5 for j in range(2)])
                share = scores.softmax(0)
                pieces.append(share[0] * value[0, head] + share[1] * value[1, head])
            rows.append(torch.cat(pieces))
        middle = x[0] + block.answer(torch.stack(rows))
        torch.testing.assert_close(found, middle + block.layers(block.before_layers(middle)))


def test_its_blocks_are_stages():
    network = Network(made(), linear(8, 2))
    assert stage_names(network) == ("backbone.blocks.block1", "backbone.blocks.block2")


@pytest.mark.parametrize(
    ("shape", "options", "says"),
    [
        ((1, 8, 8), {}, "features=tokens"),
        ((5,), {"width": 6, "heads": 4}, "share out"),
        ((5,), {"blocks": 0}, "at least 1"),
        ((5,), {"dropout": -0.1}, "dropout"),
    ],
)
def test_what_does_not_fit_is_refused(shape: tuple[int, ...], options: dict[str, Any], says: str):
    with pytest.raises(BadCall, match=says):
        text_transformer(shape, **options)
