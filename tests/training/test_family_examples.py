"""The family that shows images: which it picks, and that they are those that the student was asked about."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.plots_examples import Example, plot_examples
from lifelong_kd.strategy.naive import naive
from lifelong_kd.testing.small import small_experiment
from lifelong_kd.training.families import examples as module
from lifelong_kd.training.families.base import Family, Found, Look
from lifelong_kd.training.families.examples import Examples
from tests.training.looks import run_with


def test_rows_point_at_what_was_answered_wrongly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    family = Examples(count=5, samples=12, corruption="contrast", severity=5)
    drawn: list[tuple[str, list[Example]]] = []

    def keep(examples: list[Example], path: Path, *, title: str) -> Path:
        drawn.append((path.name, examples))
        return path

    monkeypatch.setattr(module, "plot_examples", keep)
    seen: list[dict[str, Any]] = []

    def after(look: Any) -> None:
        drawn.clear()
        found = family.after_task(look, [])
        seen.append(found)
        shown = family.show(look, found, tmp_path)
        assert [key for key, _ in shown] == [
            f"examples/{name}" for name in ("wrong", "corrupted") if found[name]
        ]
        for name in ("wrong", "corrupted"):
            assert len(found[name]) <= 5
            for task, place, true, said in found[name]:
                assert task <= look.task and true != said
                answers = look.answers("test", task, limit=12)
                right = int(answers.logits[place].argmax()) == true
                assert int(answers.targets[place]) == true and right == (name == "corrupted")
        for name, examples in drawn:
            key = name.split("_")[-1].removesuffix(".png")
            for example, (task, place, true, _) in zip(examples, found[key], strict=True):
                data = look.data("test", task)
                index = look.pick("test", task, 12)[place : place + 1]
                held: list[torch.Tensor] = []
                data.pipeline.eval(data.raw(index), lambda x, held=held: held.append(x) or x)
                assert example.true == str(look.stream.class_names[true])
                assert torch.equal(example.image, held[0][0]) == (key == "wrong")

    run_with(naive(), tmp_path / "run", after=after, scenario="class")
    assert any(found["wrong"] for found in seen) and any(found["corrupted"] for found in seen)


def test_without_a_corruption_there_is_one_picture(tmp_path: Path) -> None:
    experiment = small_experiment(
        naive(), families={"examples": Examples(count=3, samples=10, corruption=None)}
    )
    results = experiment.run(tmp_path / "run")
    found = results["per_task"][-1]["examples"]
    assert found["corrupted"] == [] and found["corrupted_share"] is None and 0 < found["wrong_share"] <= 1
    assert (
        sorted(path.name for path in (tmp_path / "run" / "plots" / "examples").iterdir())[-1]
        == "task_2_wrong.png"
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"count": 0}, "count must be at least 1"),
        ({"samples": 0}, "samples must be at least 1"),
        ({"corruption": "nois"}, "Did you mean 'noise'"),
        ({"severity": 6}, "1 to 5"),
    ],
)
def test_options_are_checked(options: dict[str, Any], says: str) -> None:
    with pytest.raises(BadCall, match=says):
        Examples(**options)


class Slow(Family):
    def after_task(self, look: Look, earlier: Sequence[Found]) -> Found:
        return {"looked": 1}

    def show(self, look: Look, found: Found, folder: Path) -> list[tuple[str, Path]]:
        time.sleep(0.2)
        return []


def test_what_showing_takes_is_no_training(tmp_path: Path) -> None:
    cost = small_experiment(naive(), families={"slow": Slow()}).run(tmp_path / "run")["cost"]
    assert cost["evaluation_seconds"] >= 3 * 0.2


def test_a_sheet_of_one_and_of_many(tmp_path: Path) -> None:
    grey, colour = torch.rand(1, 6, 6), torch.rand(3, 6, 6)
    one = plot_examples([Example(grey, "a very long class name", "b")], tmp_path / "one.png", title="one")
    many = plot_examples([Example(colour, "a", "b")] * 11, tmp_path / "many.png", title="many")
    assert one.stat().st_size > 1000 and many.stat().st_size > one.stat().st_size
    with pytest.raises(BadCall, match="no example"):
        plot_examples([], tmp_path / "none.png", title="none")
