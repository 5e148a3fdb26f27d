"""The family that shows what a generator makes: its numbers by hand, its sheets, and that it leaves no trace."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from lifelong_kd.core.errors import BadCall
from lifelong_kd.core.types import Batch
from lifelong_kd.evaluation.sheet import GAP, NAMES, TITLE
from lifelong_kd.generator.base import Made
from lifelong_kd.model.freeze import digest
from lifelong_kd.strategy.naive import naive
from lifelong_kd.testing.small import small_experiment
from lifelong_kd.tracking.jsonl import JsonlTracker, read
from lifelong_kd.training.families.base import Look
from lifelong_kd.training.families.samples import SampleSheets
from tests.training.gaussians import replaying
from tests.training.looks import run_with


def test_the_numbers_are_those_of_the_samples_and_their_solver(tmp_path: Path) -> None:
    family = SampleSheets(samples=40, columns=3)
    seen: list[dict[str, Any]] = []

    def after(look: Look) -> None:
        assert look.plugin is not None
        taken = look.plugin.adapter.teaching.read()
        found = family.after_task(look, seen)
        seen.append(found)
        # To look is no part of the training, whose teachers' time is counted.
        assert look.plugin.adapter.teaching.read() == taken
        strategy = look.plugin.strategy
        assert strategy.generator is not None
        draw = torch.Generator().manual_seed(look.seeds.derive(f"look/samples/{look.task}"))
        made = strategy.generator.draw(40, draw)
        classes = sorted(look.plugin.tasks[-1].seen)
        # The solver of the next task is the student as it is now.
        look.engine.model.eval()
        with torch.no_grad():
            said = look.engine.model(strategy.data.plain(made.raw))[:, classes].softmax(1)
        counts = [int((said.argmax(1) == column).sum()) for column in range(len(classes))]
        entropy = -sum(n / 40 * math.log(n / 40) for n in counts if n) / math.log(len(classes))
        assert found["share"] == {str(c): n / 40 for c, n in zip(classes, counts, strict=True)}
        assert found["class_entropy"] == pytest.approx(entropy)
        assert found["confidence"] == pytest.approx(float(said.max(1).values.mean()), rel=1e-5)
        assert made.y is not None
        right = torch.tensor(classes)[said.argmax(1)] == made.y
        assert found["agreement"] == pytest.approx(float(right.double().mean()))
        scores = []
        for task in range(look.task + 1):
            data = look.data("valid", task)
            scores.append(strategy.generator.score(data.raw(torch.arange(len(data.targets)))))
        assert found["score"] == pytest.approx(scores[-1])
        old = sum(scores[:-1]) / look.task if look.task else None
        assert found["score_old"] == (None if old is None else pytest.approx(old))

    run_with(replaying(), tmp_path / "run", after=after)
    assert len(seen) == 3
    summary = family.summary(seen)
    assert summary["confidence"] == pytest.approx(sum(found["confidence"] for found in seen) / 3)
    assert summary["score_old"] == pytest.approx((seen[1]["score_old"] + seen[2]["score_old"]) / 2)


def test_a_sheet_has_a_row_for_each_class_with_its_first_samples(tmp_path: Path) -> None:
    family = SampleSheets(samples=60, columns=4)
    checked = []

    def after(look: Look) -> None:
        assert look.plugin is not None
        found = family.after_task(look, [])
        ((key, path),) = family.show(look, found, tmp_path)
        assert (key, path) == ("samples/sheet", tmp_path / f"samples_task_{look.task}.png")
        strategy = look.plugin.strategy
        assert strategy.generator is not None
        draw = torch.Generator().manual_seed(look.seeds.derive(f"look/samples/{look.task}"))
        made = strategy.generator.draw(60, draw)
        batch = Batch(strategy.data.plain(made.raw), torch.zeros(60).long(), torch.zeros(60).long(), made.raw)
        said = strategy.solver.ask(batch).logits[:, : 2 * look.task + 2].argmax(1)
        with Image.open(path) as sheet:
            side = 28  # seven times 4
            assert sheet.height == TITLE + (2 * look.task + 2) * (side + GAP)
            for column in range(2 * look.task + 2):
                for place, image in enumerate(made.raw[said == column][:4]):
                    x, y = NAMES + place * (side + GAP), TITLE + column * (side + GAP)
                    assert sheet.getpixel((x, y)) == (int((image[0, 0, 0] * 255).round()),) * 3
                    checked.append(column)

    run_with(replaying(asks=False), tmp_path / "run", after=after)
    assert len(checked) > 12


def test_it_is_told_and_logged_and_leaves_the_run_alone(tmp_path: Path) -> None:
    families = {"samples": SampleSheets(samples=20)}
    measured = small_experiment(replaying(asks=False), families=families, trackers=[JsonlTracker()])
    results = measured.run(tmp_path / "with")
    bare = small_experiment(replaying(asks=False))
    without = bare.run(tmp_path / "without")
    assert digest(measured.engine.model) == digest(bare.engine.model)
    known = ("accuracy_matrix", "readings", "confusion_matrix", "forgetting")
    assert [results[key] for key in known] == [without[key] for key in known]
    sheets = sorted(path.name for path in (tmp_path / "with" / "plots").iterdir())
    assert sheets == ["samples_task_0.png", "samples_task_1.png", "samples_task_2.png"]
    assert set(results["samples"]) == {"class_entropy", "confidence", "agreement", "score", "score_old"}
    assert results["samples"]["agreement"] is None  # it is never asked for a class
    told = [line["values"] for line in read(tmp_path / "with") if line["axis"] == "task"][-1]
    assert told["task/samples/share/5"] == results["per_task"][2]["samples"]["share"]["5"]
    assert told["score/samples/confidence"] == results["samples"]["confidence"]


def test_nothing_is_said_without_a_generator(tmp_path: Path) -> None:
    families = {"samples": SampleSheets()}
    experiment = small_experiment(naive(), families=families, trackers=[JsonlTracker()])
    results = experiment.run(tmp_path / "run")
    assert "samples" not in results and all("samples" not in entry for entry in results["per_task"])
    assert not any("samples" in name for line in read(tmp_path / "run") for name in line["values"])
    assert not (tmp_path / "run" / "plots").exists() or not list((tmp_path / "run" / "plots").iterdir())


def test_without_validation_data_there_is_no_score(tmp_path: Path) -> None:
    experiment = small_experiment(replaying(), families={"samples": SampleSheets(samples=9)}, validation=0.0)
    found = experiment.run(tmp_path / "run")["per_task"][2]["samples"]
    assert found["score"] is None and found["score_old"] is None and 0 < found["confidence"] <= 1


@pytest.mark.parametrize(
    "change", [lambda raw: raw * 3 - 1, lambda raw: raw.flatten(1)[:, None]], ids=["range", "shape"]
)
def test_what_is_no_image_has_numbers_and_no_sheet(change: Any, tmp_path: Path) -> None:
    family = SampleSheets(samples=9)
    shown: list[Any] = []

    def after(look: Look) -> None:
        assert look.plugin is not None
        generator = look.plugin.strategy.generator
        assert generator is not None
        draw, plain = generator.draw, look.plugin.strategy.data.plain
        generator.draw = lambda count, by: Made(change(draw(count, by).raw))  # type: ignore[method-assign]
        data = look.plugin.strategy.data
        data.plain = lambda raw: plain(raw.reshape(-1, 1, 4, 4))  # type: ignore[method-assign]
        found = family.after_task(look, [])
        assert found["confidence"] > 0
        shown.append(family.show(look, found, tmp_path / "plots"))
        generator.draw, data.plain = draw, plain  # type: ignore[method-assign]

    run_with(replaying(), tmp_path / "run", after=after)
    assert shown == [[], [], []] and not (tmp_path / "plots").exists()


@pytest.mark.parametrize("option", ["samples", "columns"])
def test_options(option: str) -> None:
    with pytest.raises(BadCall, match=f"{option} must be at least 1, found 0"):
        SampleSheets(**{option: 0})
