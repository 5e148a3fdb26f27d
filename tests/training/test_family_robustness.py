"""The robustness family: what it finds, whether it repeats, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.seeds import Seeds
from lifelong_kd.evaluation.corruption import CORRUPTIONS
from lifelong_kd.model.freeze import digest
from lifelong_kd.strategy.lwf import lwf
from lifelong_kd.stream.build import build_stream
from lifelong_kd.stream.source import Samples, Source
from lifelong_kd.stream.store import TensorStore
from lifelong_kd.stream.stream import Stream
from lifelong_kd.testing.small import small_experiment, small_stream
from lifelong_kd.training.ask import Asker
from lifelong_kd.training.families.base import Look
from lifelong_kd.training.families.robustness import Robustness


def look_at(experiment: Any, task: int) -> Look:
    """The student as it is, taken for one after ``task``; nothing was heard."""
    return Look(
        task=task,
        stream=experiment.stream,
        engine=experiment.engine,
        plugin=experiment.plugin,
        asker=Asker(experiment.engine, experiment.plugin, experiment.stream.benchmark),
        seeds=experiment.seeds,
    )


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Any:
    # Domains: what was learned first is still known, so that there is something to lose.
    experiment = small_experiment(lwf(), scenario="domain", epochs=8)
    experiment.run(tmp_path_factory.mktemp("run"))
    return experiment


def test_accuracy_by_family_and_severity_against_a_loop(learned: Any) -> None:
    family = Robustness(families=["noise", "contrast"], severities=[1, 5], samples=1000)
    found = family.after_task(look_at(learned, 1), [])
    assert found["families"] == ["noise", "contrast"] and found["severities"] == [1, 5]
    learned.engine.model.eval()
    by_task = []
    for task in (0, 1):
        part = learned.stream.parts["test"][task]
        raw, wanted = part.gather(torch.arange(len(part))), part.targets
        table = []
        for name in ("noise", "contrast"):
            for severity in (1, 5):
                # One batch a task, its number 0.
                generator = torch.Generator().manual_seed(Seeds(0).derive(f"corruption/{name}/{task}/0"))
                x = CORRUPTIONS[name](raw / 255, severity, generator)
                with torch.no_grad():
                    said = learned.engine.model(learned.stream.transforms._normalise(x))
                table.append(float((said.argmax(1) == wanted).double().mean()))
        by_task.append(torch.tensor(table, dtype=torch.float64).view(2, 2))
    expected = torch.stack(by_task)
    assert torch.tensor(found["accuracy"], dtype=torch.float64).sub(expected.mean(0)).abs().max() < 1e-9
    assert found["per_task"] == pytest.approx(expected.mean((1, 2)).tolist())
    assert expected.unique().numel() > 2


def test_it_repeats_and_disturbs_nothing(learned: Any) -> None:
    before, state = digest(learned.engine.model), torch.get_rng_state()
    seeds = {name: value.clone() for name, value in learned.seeds.state_dict().items()}
    family = Robustness(samples=7)
    first, second = (family.after_task(look_at(learned, 2), []) for _ in range(2))
    assert first == second and json.loads(json.dumps(first)) == first
    assert digest(learned.engine.model) == before and torch.equal(torch.get_rng_state(), state)
    assert {name: value.tolist() for name, value in learned.seeds.state_dict().items()} == {
        name: value.tolist() for name, value in seeds.items()
    }
    # Accuracies are shares of the 7 samples asked for.
    for value in first["clean"]:
        assert value * 7 == pytest.approx(round(value * 7))


def test_a_task_has_the_same_corrupted_images_after_every_task(learned: Any) -> None:
    family = Robustness(families=["noise", "shift"])
    early, late = (family.after_task(look_at(learned, task), []) for task in (0, 2))
    assert early["per_task"] == late["per_task"][:1] and len(late["clean"]) == 3


def test_what_was_heard_is_not_asked_again(learned: Any) -> None:
    look = look_at(learned, 0)
    heard = {("test", 0): look.answers("test", 0)}
    asked: list[Any] = []
    original = look.asker.ask
    look.asker.ask = lambda *args: asked.append(args) or original(*args)  # type: ignore[method-assign,func-returns-value]
    family = Robustness(families=["blur"], severities=[1], samples=5)
    found = family.after_task(replace(look, heard=heard), [])
    assert len(asked) == 1 and found == family.after_task(look, [])


def test_with_a_task_label_only_its_columns_compete(tmp_path: Path) -> None:
    experiment = small_experiment(lwf(), scenario="task")
    experiment.run(tmp_path)
    found = Robustness(families=["blur"], severities=[1]).after_task(look_at(experiment, 2), [])
    answers = look_at(experiment, 2).answers("test", 0)
    own = (answers.logits[:, :2].argmax(1) == answers.targets).double().mean()
    assert found["clean"][0] == pytest.approx(float(own))


def test_summary_by_hand() -> None:
    def entry(per_task: list[float], clean: list[float]) -> dict[str, Any]:
        return {
            "families": ["noise", "jpeg"],
            "severities": [1, 2],
            "accuracy": [[0.5, 0.25], [1.0, 0.5]],
            "per_task": per_task,
            "clean": clean,
        }

    scores = Robustness().summary([entry([0.9], [1.0]), entry([0.5, 0.7], [0.75, 0.85])])
    assert scores == {
        "corruption_accuracy": pytest.approx(0.6),
        "clean_accuracy": pytest.approx(0.8),
        "relative_robustness": pytest.approx(0.75),
        "corruption_forgetting": pytest.approx(0.4),
        "corruption_backward_transfer": pytest.approx(-0.4),
        "corruption_accuracy_noise": 0.375,
        "corruption_accuracy_jpeg": 0.75,
    }
    assert Robustness().summary([]) == {} and Robustness().draw(Path("nowhere"), []) == []


def test_in_a_run(tmp_path: Path) -> None:
    families = {"robustness": Robustness(families=["noise", "shift"], severities=[2, 4], samples=10)}
    small_experiment(lwf(), families=families).run(tmp_path)
    results = json.loads((tmp_path / "results.json").read_text())
    assert [len(entry["robustness"]["per_task"]) for entry in results["per_task"]] == [1, 2, 3]
    assert 0 <= results["robustness"]["corruption_accuracy"] <= 1
    assert (tmp_path / "plots" / "corruptions.png").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"families": ["noize"]},
            r"no family 'noize' of corruptions, but noise, blur.* Did you mean 'noise'",
        ),
        ({"families": []}, "families must name at least one"),
        ({"families": ["blur", "blur"]}, "each once, found"),
        ({"severities": [0, 1]}, "severities are 1 to 5, found 0"),
        ({"severities": [True]}, "severities are 1 to 5, found True"),
        ({"severities": []}, "severities must name at least one"),
        ({"samples": 0}, "samples must be at least 1, found 0"),
    ],
)
def test_options_are_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadCall, match=message):
        Robustness(**options)


def stream_of(x: torch.Tensor) -> Stream:
    samples = Samples(TensorStore(x), torch.arange(len(x)) % 4)
    source = Source(train=samples, test=samples, class_names=list("abcd"))
    return build_stream("own", source, scenario="class", experiences=2, seeds=Seeds(0))


def test_streams_that_cannot_be_corrupted_are_refused() -> None:
    family = Robustness()
    family.check(small_stream())
    family.check(stream_of(torch.rand(20, 3, 5, 5)))
    with pytest.raises(BadCall, match=r"but the samples of stream 'own' have shape \(7,\)"):
        family.check(stream_of(torch.rand(20, 7)))
    with pytest.raises(BadCall, match=r"but those of stream 'own' reach from -1 to 1"):
        family.check(stream_of(torch.linspace(-1, 1, 180).view(20, 1, 3, 3)))
    with pytest.raises(BadCall, match="transforms of its own"):
        family.check(replace(small_stream(), parts=None))
