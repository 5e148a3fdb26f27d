"""EEIL against its formula: every earlier task has its own softmax, the last one too."""

from __future__ import annotations

import pytest
import torch

from lifelong_kd.strategy.eeil import NOISE, eeil
from tests.strategy.by_hand import FIRST, SECOND, SEEN, ce, kl, third_task


def test_eeil_is_its_formula() -> None:
    step = third_task(eeil(memory=12, balanced_epochs=0, noise=0.0), exemplars=True)
    said, taught = step.student(), step.taught("kd")
    assert len(step.batch) > 9
    distilled = kl(said, taught, FIRST) + kl(said, taught, SECOND)
    assert kl(said, taught, SECOND) > 0
    # Its cross-entropies carry no T^2: weight 0.25 of ours is 1 of theirs.
    expected = ce(said, step.batch.y, SEEN) + distilled
    assert float(step.total.detach()) == pytest.approx(expected, rel=1e-10)


def test_the_balanced_fine_tuning_moves_the_student_towards_all_classes() -> None:
    plain, tuned = (third_task(eeil(memory=12, balanced_epochs=e, noise=0.0)) for e in (0, 2))
    assert not torch.equal(plain.student(), tuned.student())
    (phase,) = tuned.driver.strategy.phases
    assert phase.temperature == 2.0 and phase.weight == 0.25  # type: ignore[attr-defined]


def test_noise_of_the_authors_size() -> None:
    assert pytest.approx(0.3) == NOISE**0.5 * 128
    assert eeil().noise is not None and eeil(noise=0.0).noise is None
