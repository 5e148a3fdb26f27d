"""Brain-inspired replay against its formula, sample by sample."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Scenario
from lifelong_kd.generator.feedback import Feedback
from lifelong_kd.strategy.bir import bir
from lifelong_kd.strategy.feedback import Reconstruct
from lifelong_kd.teacher.snapshot import Snapshot
from tests.strategy.by_hand import ce, kl
from tests.strategy.generated import Third, third_step
from tests.strategy.test_dgr import OLD, SEEN, padded_kl

SMALL: dict[str, Any] = {"hidden": [7], "latent": 3, "gates": 0.4}


def generator_of(third: Third) -> Feedback:
    found = third.driver.strategy.draws.generator
    assert isinstance(found, Feedback)
    return found


def step(scenario: Scenario, monkeypatch: pytest.MonkeyPatch, **options: Any) -> tuple[Third, list[Tensor]]:
    """The third step, and the random numbers of its two codes."""
    states: list[Tensor] = []
    plain = Feedback.losses

    def losses(self: Feedback, *args: Any, **kwargs: Any) -> Tensor:
        states.append(self.noise.get_state())
        return plain(self, *args, **kwargs)

    monkeypatch.setattr(Feedback, "losses", losses)
    third = third_step(bir(**{**SMALL, **options}), scenario)
    drawn = []
    for state in states[-2:]:
        generator = torch.Generator()
        generator.set_state(state)
        drawn.append(torch.randn(6, 3, generator=generator))
    return third, drawn


@torch.no_grad()
def slow(third: Third, source: str, noise: Tensor, chances: Tensor, shares: Tensor) -> float:
    """Reconstruction and divergence, one sample after another; ``chances`` and ``shares`` by rows."""
    generator = generator_of(third)
    back = generator.back
    features = third.lesson.student(source).features  # type: ignore[arg-type]
    assert features is not None
    means, logvars = back.prior.table
    total = 0.0
    for i, raw in enumerate(third.batch(source).raw):
        mean, logvar = back.latent.mean(features[i]), back.latent.logvar(features[i])
        z = mean + (logvar / 2).exp() * noise[i]
        gate = shares[i] @ back.gates.get_buffer("open0")
        hidden = torch.relu(back.decoder.hidden[0](z) * gate)
        x = torch.sigmoid(back.decoder.output(hidden))
        pixels = raw.flatten()
        lost = -(pixels * x.log() + (1 - pixels) * (1 - x).log()).mean()
        densities = [
            torch.distributions.Normal(m, (v / 2).exp()).log_prob(z).sum().exp()
            for m, v in zip(means, logvars, strict=True)
        ]
        prior = sum(float(p) * density for p, density in zip(chances[i], densities, strict=True))
        code = torch.distributions.Normal(mean, (logvar / 2).exp()).log_prob(z).sum()
        total += float(lost + (code - torch.as_tensor(prior).log()) / 16)
    return total / len(features)


def one_hot(third: Third, y: Tensor) -> Tensor:
    columns = generator_of(third).back.prior.columns
    return torch.stack([(y == column).float() for column in columns], dim=1)


def softened(third: Third, allowed: Tensor) -> Tensor:
    """The previous model's probabilities at T = 2 among the ``allowed`` columns, in the prior's order."""
    columns = generator_of(third).back.prior.columns
    taught = third.taught()
    rows = []
    for i in range(len(taught)):
        weights = [
            float((taught[i, column] / 2).exp()) if column < taught.shape[1] and allowed[i, column] else 0.0
            for column in columns
        ]
        rows.append([weight / sum(weights) for weight in weights])
    return torch.tensor(rows)


def test_bir_is_its_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    third, noise = step("class", monkeypatch)
    new = third.batch("new")
    own = one_hot(third, new.y)
    soft = softened(third, torch.tensor([[column in OLD for column in range(6)]] * 6))
    assert soft[:, [generator_of(third).back.prior.columns.index(c) for c in (2, 4)]].sum() == 0
    expected = (ce(third.student("new"), new.y, SEEN) + slow(third, "new", noise[0], own, own)) / 3
    expected += padded_kl(third.student("generated"), third.taught(), 2.0) * 2 / 3
    expected += slow(third, "generated", noise[1], soft, soft) * 2 / 3
    assert float(third.total) == pytest.approx(expected, rel=1e-4)


def test_in_a_domain_stream_gates_belong_to_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    third, noise = step("domain", monkeypatch)
    generator, new = generator_of(third), third.batch("new")
    assert generator.back.gates.rows == 3 and generator.back.prior.columns == [0, 1]
    assert generator._drawn is not None
    tasks = generator._drawn[1]
    assert set(tasks.tolist()) <= {0, 1}
    current = torch.tensor([[0.0, 0.0, 1.0]] * 6)
    asked = torch.nn.functional.one_hot(tasks, 3).float()
    soft = softened(third, torch.ones(6, 2, dtype=torch.bool))
    expected = ce(third.student("new"), new.y, (0, 1)) + slow(
        third, "new", noise[0], one_hot(third, new.y), current
    )
    expected += 2 * kl(third.student("generated"), third.taught(), (0, 1))
    expected += 2 * slow(third, "generated", noise[1], soft, asked)
    assert float(third.total) == pytest.approx(expected / 3, rel=1e-4)


def test_in_a_task_stream_a_sample_is_replayed_to_its_own_head(monkeypatch: pytest.MonkeyPatch) -> None:
    third, noise = step("task", monkeypatch)
    new, made = third.batch("new"), third.batch("generated")
    heads = [{5, 0} if int(y) in (5, 0) else {3, 1} for y in made.y]
    assert len({frozenset(head) for head in heads}) == 2
    allowed = torch.tensor([[column in head for column in range(6)] for head in heads])
    soft, own = softened(third, allowed), one_hot(third, new.y)
    said, taught = third.student("generated"), third.taught()
    each = [kl(said[i : i + 1], taught[i : i + 1], sorted(head)) for i, head in enumerate(heads)]
    expected = ce(third.student("new"), new.y, (2, 4)) + slow(third, "new", noise[0], own, own)
    expected += 2 * sum(each) / 6 + 2 * slow(third, "generated", noise[1], soft, soft)
    assert float(third.total) == pytest.approx(expected / 3, rel=1e-4)


def test_reconstruction_trains_the_students_body_and_what_lies_behind_it() -> None:
    third = third_step(bir(**SMALL))
    model, generator = third.driver.model, generator_of(third)
    before = [parameter.detach().clone() for parameter in generator.learning.parameters()]
    model.zero_grad()
    terms = third.driver.strategy.terms
    assert isinstance(terms["feedback"], Reconstruct)
    value = terms["feedback"].value(third.lesson)
    assert value is not None
    value.backward()
    body = [parameter.grad for parameter in model.backbone.parameters()]  # type: ignore[union-attr]
    assert all(grad is not None and bool(grad.abs().sum() > 0) for grad in body)
    assert all(parameter.grad is None for parameter in model.head.parameters())  # type: ignore[union-attr]
    third.driver.strategy.after_step(third.lesson)
    moved = [not torch.equal(a, b) for a, b in zip(before, generator.learning.parameters(), strict=True)]
    assert sum(moved) >= 6
    assert all(parameter.grad is None for parameter in generator.learning.parameters())


def test_no_gates_is_every_unit_open(monkeypatch: pytest.MonkeyPatch) -> None:
    third, noise = step("class", monkeypatch, gates=0.0)
    assert bool((generator_of(third).back.gates.get_buffer("open0") == 1).all())
    own = one_hot(third, third.batch("new").y)
    value = third.driver.strategy.parts["feedback"].raw
    assert float(value) == pytest.approx(slow(third, "new", noise[0], own, own), rel=1e-4)


def test_what_it_says_of_a_task() -> None:
    third = third_step(bir(**SMALL))
    third.driver.strategy.after_step(third.lesson)
    third.driver.end()
    notes = third.driver.strategy.stage.notes
    assert {
        f"generator/{name}" for name in ("reconstruction", "divergence", "reconstruction_replayed")
    } <= set(notes)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(BadCall, match=r"probability in \[0, 1\)"):
        bir(gates=1.0)
    generator = Feedback(**SMALL)
    with pytest.raises(BadCall, match="'new' and on 'generated'"):
        Reconstruct(generator, source="memory")
    with pytest.raises(BadCall, match="only of those"):
        Reconstruct(generator, Snapshot())
    with pytest.raises(BadCall, match="Linear has not"):
        generator.check(None, None, nn.Linear(2, 2))  # type: ignore[arg-type]
