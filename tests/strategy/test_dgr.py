"""Generative replay, with hard and with soft labels, against its formula."""

from collections.abc import Callable

import pytest
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import LOGITS, Batch, Said, Scenario, Wants
from lifelong_kd.generator.vae import Vae
from lifelong_kd.knowledge.kd import Kd
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.strategy.dgr import dgr
from lifelong_kd.strategy.dgr_distill import dgr_distill
from lifelong_kd.strategy.task_loss import Competing, TaskLoss
from lifelong_kd.strategy.term import Distill, Rehearse
from lifelong_kd.teacher.ema import Ema
from lifelong_kd.teacher.snapshot import Snapshot
from tests.strategy.by_hand import ce, kl
from tests.strategy.generated import third_step

OLD, SEEN = (0, 1, 3, 5), (0, 1, 2, 3, 4, 5)
HEADS = ((5, 0), (3, 1))
NEW = (4, 2)


def small() -> Vae:
    return Vae(hidden=[8], latent=3)


def hard(taught: torch.Tensor, columns: tuple[int, ...]) -> torch.Tensor:
    return torch.tensor(columns)[taught[:, list(columns)].argmax(dim=1)]


def padded_kl(said: torch.Tensor, taught: torch.Tensor, temperature: float) -> float:
    """Sum over old classes of p (log p - log q), q over the classes seen."""
    log_q = torch.log_softmax(said[:, list(SEEN)] / temperature, dim=1)[:, list(OLD)]
    log_p = torch.log_softmax(taught[:, list(OLD)] / temperature, dim=1)
    return float((log_p.exp() * (log_p - log_q)).sum(dim=1).mean())


def test_dgr_is_its_formula() -> None:
    third = third_step(dgr(generator=small(), generator_batch=7))
    generated, new = third.batch("generated"), third.batch("new")
    assert len(generated) == 7
    expected = ce(third.student("new"), new.y, SEEN) / 3
    expected += ce(third.student("generated"), hard(third.taught(), OLD), SEEN) * 2 / 3
    assert float(third.total) == pytest.approx(expected, rel=1e-5)


def test_distillation_of_generated_samples_carries_no_square_of_the_temperature() -> None:
    third = third_step(dgr_distill(generator=small(), temperature=3.0))
    assert len(third.batch("generated")) == len(third.batch("new"))
    expected = ce(third.student("new"), third.batch("new").y, SEEN) / 3
    expected += padded_kl(third.student("generated"), third.taught(), 3.0) * 2 / 3
    assert float(third.total) == pytest.approx(expected, rel=1e-5)


def test_in_a_task_stream_every_earlier_head_learns_its_own_label_of_every_sample() -> None:
    third = third_step(dgr(generator=small()), "task")
    said, taught = third.student("generated"), third.taught()
    expected = ce(third.student("new"), third.batch("new").y, NEW) / 3
    expected += sum(ce(said, hard(taught, head), head) for head in HEADS) / 2 * 2 / 3
    assert float(third.total) == pytest.approx(expected, rel=1e-5)
    third = third_step(dgr_distill(generator=small()), "task")
    said, taught = third.student("generated"), third.taught()
    expected = ce(third.student("new"), third.batch("new").y, NEW) / 3
    expected += sum(kl(said, taught, head) for head in HEADS) / 2 * 2 / 3
    assert float(third.total) == pytest.approx(expected, rel=1e-5)


def test_in_a_domain_stream_both_outputs_are_learned() -> None:
    third = third_step(dgr(generator=small()), "domain")
    expected = ce(third.student("new"), third.batch("new").y, (0, 1)) / 3
    expected += ce(third.student("generated"), hard(third.taught(), (0, 1)), (0, 1)) * 2 / 3
    assert float(third.total) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("scenario", ["class", "task"])
def test_the_generator_learns_from_the_same_batches_with_the_same_share(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    generator = small()
    monkeypatch.setattr(generator, "learn", lambda *batches: told.append(batches))
    third = third_step(dgr(generator=generator), scenario)
    third.driver.strategy.after_step(third.lesson)
    new, replayed, share = told[-1]
    assert new is third.batch("new") and replayed is third.batch("generated")
    assert share == pytest.approx(2 / 3) and told[0][1:] == (None, 0.0)


@pytest.mark.parametrize("made", [dgr, dgr_distill])
def test_the_solver_is_asked_once_for_the_label_and_the_loss(
    made: Callable[..., Strategy], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Batch] = []
    ask = Snapshot.ask

    def asking(solver: Snapshot, batch: Batch, wants: Wants = LOGITS) -> Said:
        asked.append(batch)
        return ask(solver, batch, wants)

    monkeypatch.setattr(Snapshot, "ask", asking)
    third = third_step(made(generator=small()))
    assert third.batch("generated").y.min() >= 0
    # Two steps in each of the later tasks, and this one.
    assert len(asked) == 5 and asked[-1] is third.batch("generated")


@pytest.mark.parametrize("scenario", ["class", "task", "domain"])
@pytest.mark.parametrize("over", ["seen", "all"])
def test_generated_samples_are_rehearsed_as_those_of_their_own_task(
    scenario: Scenario, over: Competing
) -> None:
    loss = TaskLoss(over)
    third = third_step(
        Strategy(task_loss=loss, terms={"again": Rehearse(loss, source="generated")}, generator=small()),
        scenario,
    )
    made = third.batch("generated")
    if scenario == "task":
        assert [HEADS[label] for label in made.label.tolist()] == [
            next(head for head in HEADS if column in head) for column in made.y.tolist()
        ]
        expected = sum(
            ce(third.student("generated")[row : row + 1], made.y[row : row + 1], HEADS[int(made.label[row])])
            for row in range(len(made))
        ) / len(made)
    else:
        columns = (0, 1) if scenario == "domain" else SEEN
        expected = ce(third.student("generated"), made.y, columns)
    assert float(third.driver.strategy.parts["again"].raw) == pytest.approx(expected, rel=1e-5)


def test_a_generator_is_an_object() -> None:
    with pytest.raises(BadCall, match=r"an object such as Vae\(latent=20\), not dict"):
        dgr(generator={"name": "vae"})  # type: ignore[arg-type]


def test_the_solver_stands_beside_a_teacher_of_a_term_of_that_name() -> None:
    own = Distill(Ema(), Kd(), source="generated")
    strategy = Strategy(terms={"solver": own}, generator=small())
    assert strategy.teachers == {"solver": own.teacher, "generator/solver": strategy.solver}
    assert list(Strategy(terms={"kd": own}, generator=small()).teachers) == ["kd", "solver"]


def test_the_defaults_and_what_is_refused() -> None:
    strategy = dgr()
    assert isinstance(strategy.draws.generator, Vae) and strategy.draws.generator.hidden == (400, 400)
    assert type(strategy.terms["replay"].teacher) is Snapshot and list(strategy.terms) == ["replay"]
    with pytest.raises(BadCall, match="generator_batch must be at least 1"):
        dgr(generator_batch=0)
    with pytest.raises(BadCall, match="temperature must be greater than 0"):
        dgr_distill(temperature=0.0)
