"""The local similarity classifier against its sums written out."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.cosine import cosine
from lifelong_kd.model.lsc import lsc


def cos(one: list[float], other: list[float]) -> float:
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    return dot / math.sqrt(sum(a * a for a in one)) / math.sqrt(sum(b * b for b in other))


def written_out(feature: list[float], proxies: list[list[float]], scale: float, sharpness: float) -> float:
    """Douillard et al. 2020, equations 8 and 9, for one class."""
    similar = [cos(feature, proxy) for proxy in proxies]
    powers = [math.exp(sharpness * s) for s in similar]
    return scale * sum(power / sum(powers) * s for power, s in zip(powers, similar, strict=True))


@pytest.mark.parametrize("sharpness", [0.0, 1.0, 18.0])
@pytest.mark.parametrize("proxies", [1, 3, 10])
def test_logits_are_the_sums_of_the_paper(proxies: int, sharpness: float) -> None:
    torch.manual_seed(0)
    head = lsc(5, 4, proxies=proxies, scale=2.5, sharpness=sharpness).double()
    features = torch.randn(6, 5, dtype=torch.float64)
    expected = [
        [written_out(f, rows, 2.5, sharpness) for rows in head.weight.tolist()] for f in features.tolist()
    ]
    torch.testing.assert_close(head(features), torch.tensor(expected, dtype=torch.float64))


def test_one_proxy_is_the_cosine_head() -> None:
    torch.manual_seed(0)
    one = lsc(5, 4, proxies=1, scale=3.0)
    torch.manual_seed(0)
    other = cosine(5, 4, sigma=3.0)
    features = torch.randn(6, 5)
    assert torch.equal(one.weight.flatten(0, 1), other.weight)
    torch.testing.assert_close(one(features), other(features))


def test_the_code_s_squared_distances_are_a_scale_and_a_sharpness_of_2() -> None:
    torch.manual_seed(1)
    head = lsc(5, 4, proxies=3, scale=2.0, sharpness=2.0)
    features = torch.randn(6, 5)
    f, w = nn.functional.normalize(features, dim=1), nn.functional.normalize(head.weight, dim=2)
    similar = -(f[:, None, None] - w).square().sum(dim=3)
    code = (torch.softmax(similar, dim=2) * similar).sum(dim=2)
    torch.testing.assert_close(code + 2.0, head(features), atol=1e-5, rtol=1e-5)


def test_growth_keeps_proxies_and_scale() -> None:
    head = lsc(3, 9, proxies=4, grow=True)
    assert head.width == 0 and head(torch.ones(2, 3)).shape == (2, 0)
    assert head.grow([0, 1], 0) and head.weight.shape == (2, 4, 3)
    head.scale.data.fill_(7.0)
    rows, scale = head.weight.detach().clone(), head.scale
    before = head(torch.ones(1, 3))
    assert head.grow([2], 1) and head.width == 3
    assert torch.equal(head.weight[:2], rows) and head.scale is scale
    assert torch.equal(head(torch.ones(1, 3))[:, :2], before)
    assert head.weight.abs().max() <= 1 / math.sqrt(3)


def test_gradients_reach_proxies_scale_and_features() -> None:
    head = lsc(3, 2, proxies=2)
    features = torch.randn(4, 3, requires_grad=True)
    head(features).square().sum().backward()
    assert head.weight.grad is not None and head.weight.grad.abs().sum() > 0
    assert head.scale.grad is not None and features.grad is not None


@pytest.mark.parametrize("name", ["lsc", "cosine"])
def test_a_fixed_scale_is_no_parameter_but_is_saved(name: str) -> None:
    def make(start: float) -> nn.Module:
        if name == "lsc":
            return lsc(3, 2, scale=start, learn_scale=False)
        return cosine(3, 2, sigma=start, learn_sigma=False)

    head, other = make(4.0), make(1.0)
    assert {key for key, _ in head.named_parameters()} == {"weight"}
    x = torch.randn(2, 3)
    assert not torch.equal(head(x), other(x))
    other.load_state_dict(head.state_dict())
    assert torch.equal(head(x), other(x))


def test_a_feature_of_length_0_is_like_nothing() -> None:
    assert lsc(3, 2)(torch.zeros(1, 3)).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize(
    ("options", "word"),
    [({"proxies": 0}, "proxies"), ({"scale": 0.0}, "scale"), ({"sharpness": -1.0}, "sharpness")],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, float], word: str) -> None:
    with pytest.raises(BadCall, match=word):
        lsc(3, 2, **options)  # type: ignore[arg-type]


def test_the_cosine_head_is_lucir_s_split_one() -> None:
    """One sigma over two matrices, of old and of new classes, written out with two matrices."""
    torch.manual_seed(0)
    head = cosine(4, 9, sigma=3.0, grow=True)
    head.grow([0, 1, 2], 0)
    head.grow([3, 4], 1)
    old, new = (rows.detach().clone().requires_grad_() for rows in head.weight.split([3, 2]))
    sigma = head.sigma.detach().clone().requires_grad_()
    features, y = torch.randn(7, 4), torch.tensor([0, 1, 2, 3, 4, 0, 3])
    f = nn.functional.normalize(features, dim=1)
    split = sigma * torch.cat([f @ nn.functional.normalize(rows, dim=1).T for rows in (old, new)], dim=1)
    ours = head(features)
    torch.testing.assert_close(ours, split)
    for logits in (ours, split):
        nn.functional.cross_entropy(logits, y).backward()
    torch.testing.assert_close(head.weight.grad, torch.cat([old.grad, new.grad]))
    torch.testing.assert_close(head.sigma.grad, sigma.grad)
