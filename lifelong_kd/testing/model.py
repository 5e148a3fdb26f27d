"""What every model promises."""

from __future__ import annotations

from collections.abc import Callable

import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.freeze import digest
from lifelong_kd.model.fresh import fresh_copy
from lifelong_kd.model.network import Network
from lifelong_kd.testing.expect import expect

__all__ = ["check_model"]


def check_model(make: Callable[[], Network], input_shape: tuple[int, ...], classes: int) -> None:
    """Check shapes, growth, that features and head give the logits, and that a state is taken back.

    A network that can begin anew must have the same columns then and share nothing with the one it was copied from.

    Args:
        make: makes a fresh network for ``classes`` classes.
        input_shape: one sample's.
        classes: at least 2.

    Raises:
        AssertionError: saying which promise is broken.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network, other = make(), make()
        x = torch.rand(3, *input_shape)
        vocabulary = getattr(network.backbone, "vocabulary", None)
        if vocabulary is not None:  # numbers of words, in the first text some, in the last none
            x = torch.randint(1, vocabulary, x.shape) * (
                torch.rand(x.shape) < torch.tensor([[0.6], [1.0], [0.0]])
            )
        for one in (network, other):
            one.grow(tuple(range(classes // 2)), 0)
        network.eval()
        with torch.no_grad():
            before = network(x)
        for one in (network, other):
            one.grow(tuple(range(classes // 2, classes)), 1)
    network.eval()
    with torch.no_grad():
        logits, features = network(x), network.features(x)
        expect(logits.shape == (3, classes), f"logits have shape {tuple(logits.shape)}, not (3, {classes})")
        expect(
            torch.equal(network.head(features), logits), "the head on the features does not give the logits"
        )
        kept = logits[:, : before.shape[1]]
        expect(torch.allclose(kept, before), "growing the head changed what it said about earlier classes")
        other.load_state_dict(network.state_dict())
        expect(torch.equal(other.eval()(x), logits), "a loaded state gives other logits")
    _check_fresh(network, x)
    network.train()
    network(x).sum().backward()
    expect(any(p.grad is not None for p in network.parameters()), "no parameter gets a gradient")


def _check_fresh(network: Network, x: torch.Tensor) -> None:
    before = digest(network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        try:
            fresh = fresh_copy(network)
        except BadCall:
            return
        with torch.no_grad():
            expect(fresh(x).shape == network(x).shape, "a network that begins anew has other columns")
    expect(digest(fresh) != before, "a network that begins anew is what it was")
    expect(digest(network) == before, "a copy that began anew has changed the network that it was made from")
