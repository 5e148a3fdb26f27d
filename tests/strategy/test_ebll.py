"""EBLL against its formula."""

from __future__ import annotations

import pytest
import torch

from lifelong_kd.model.build import build_network
from lifelong_kd.strategy.codes import Codes
from lifelong_kd.strategy.ebll import ebll
from tests.strategy.by_hand import FIRST, SECOND, ce, kl, third_task


def test_ebll_is_its_formula() -> None:
    torch.manual_seed(0)
    network = build_network((5,), 6, model=("mlp", {"hidden": [8]})).double()
    strategy = ebll(weight=0.5, code_weight=0.3, code_size=3, encoder_epochs=4)
    step = third_task(strategy, network)
    term = strategy.terms["codes"]
    assert isinstance(term, Codes) and len(term.autoencoders) == 2
    teacher = term.teacher.module  # type: ignore[attr-defined]
    distance = 0.0
    with torch.no_grad():
        f, g = network.features(step.batch.x), teacher.features(step.batch.x)
        for autoencoder in term.autoencoders:
            w, b = autoencoder.encoder.weight, autoencoder.encoder.bias
            assert w.shape == (3, 8)
            codes = [1 / (1 + torch.exp(-(each @ w.T + b))) for each in (f, g)]
            distance += float((codes[0] - codes[1]).square().sum()) / len(f)
    said, taught = step.student(), step.taught("kd")
    divergence = sum(kl(said, taught, group) for group in (FIRST, SECOND))
    expected = ce(said, step.batch.y, range(6)) + 0.5 * 4 * divergence + 0.3 * distance
    assert float(step.total.detach()) == pytest.approx(expected, rel=1e-6)


def test_an_autoencoder_learns_to_restore_what_the_head_needs() -> None:
    losses = []
    for epochs in (1, 60):
        torch.manual_seed(0)
        network = build_network((5,), 6, model=("mlp", {"hidden": [8]})).double()
        step = third_task(ebll(code_size=4, encoder_epochs=epochs, encoder_lr=0.3), network)
        before = [parameter.clone() for parameter in network.parameters()]
        step.driver.end()
        assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
        assert all(parameter.grad is None for parameter in network.head.parameters())
        losses.append(step.driver.strategy.stage.notes["codes/loss"])
    assert losses[1] < losses[0]
