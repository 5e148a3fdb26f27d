"""Runs on texts: with a memory, killed and resumed, with every kind of features; pictures of texts that went wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from lifelong_kd import build, load_config
from lifelong_kd.core.errors import BadCall
from lifelong_kd.evaluation.plots_texts import plot_texts
from lifelong_kd.stream.text import as_texts
from lifelong_kd.training import interrupt
from lifelong_kd.training.families import examples
from tests.end_to_end.harness import stop_in_task

NOUNS = ("bill", "card", "song", "radio", "light", "door")


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    rows = [
        {"text": f"please {verb} the {noun} number {number}", "label": noun}
        for noun in NOUNS
        for number, verb in enumerate(
            ("change", "find", "stop", "show", "take", "bring", "give", "get") * 2, 100
        )
    ]
    (tmp_path / "texts.json").write_text(json.dumps(rows))
    return tmp_path


def settings(root: Path, **more: Any) -> dict[str, Any]:
    return {
        "stream": {"name": "split_text", "path": "texts.json", "root": str(root), "experiences": 3},
        "model": {"name": "mlp", "hidden": [8]},
        "strategy": {"name": "derpp", "memory": 12},
        "training": {"epochs": 1, "batch_size": 8, "threads": 1},
        "optimizer": {"name": "adam", "lr": 0.01},
        "tracking": {"console": "off", "wandb": {"mode": "disabled"}},
    } | more


def stream(root: Path, **more: Any) -> dict[str, Any]:
    return {**settings(root)["stream"], **more}


def test_a_memory_of_texts_keeps_texts_and_what_went_wrong_is_drawn(
    texts: Path, monkeypatch: pytest.MonkeyPatch
):
    drawn: list[tuple[str, str, str]] = []

    def drawing(shown: list[tuple[str, str, str]], path: Path, *, title: str) -> Path:
        drawn.extend(shown)
        return plot_texts(shown, path, title=title)

    monkeypatch.setattr(examples, "plot_texts", drawing)
    evaluation = {"examples": True, "outliers": True}
    experiment = build(
        load_config(settings(texts, stream=stream(texts, features="tfidf"), evaluation=evaluation))
    )
    results = experiment.run(texts / "run")
    assert len(results["accuracy_matrix"]) == 3
    kept = as_texts(experiment.plugin.strategy.memory.samples["raw"])
    assert len(kept) == 12 and all(text.startswith("please ") for text in kept)
    assert list((texts / "run" / "plots" / "examples").glob("task_*_wrong.png"))
    assert not list((texts / "run" / "plots" / "examples").glob("*corrupted*"))
    # Each text with its own class, and an answer that is another.
    assert drawn and all(f"the {true} number" in text and said != true for text, true, said in drawn)


@pytest.mark.parametrize(
    ("features", "model"),
    [
        ({"name": "tokens", "vocabulary": 64, "length": 8}, {"name": "embedding_bag", "vocabulary": 64}),
        (
            {"name": "tokens", "vocabulary": 64, "length": 8},
            {"name": "text_transformer", "vocabulary": 64, "width": 8, "heads": 2, "blocks": 1},
        ),
    ],
    ids=["embedding_bag", "text_transformer"],
)
def test_a_run_that_stopped_ends_as_one_that_did_not(texts: Path, features: Any, model: Any):
    def made(strategy: str) -> Any:
        return build(
            load_config(
                settings(
                    texts,
                    stream=stream(texts, features=features),
                    model=model,
                    strategy={"name": strategy, "memory": 12},
                )
            )
        )

    whole = made("icarl")
    results = whole.run(texts / "whole")
    first = made("icarl")
    stop_in_task(first, 2)
    with pytest.raises(interrupt.Interrupted):
        first.run(texts / "cut")
    again = made("icarl")
    resumed = again.run(texts / "cut", resume=True)
    assert resumed["accuracy_matrix"] == results["accuracy_matrix"]
    for one, two in zip(whole.engine.model.parameters(), again.engine.model.parameters(), strict=True):
        assert torch.equal(one, two)


TOKENS = {"name": "tokens", "vocabulary": 64, "length": 8}
BAG = {"name": "embedding_bag", "vocabulary": 64}


@pytest.mark.parametrize(
    ("features", "model", "strategy", "says"),
    [
        (TOKENS, {**BAG, "student": {1: {**BAG, "vocabulary": 63}}}, "lwf", "student: in task 1: .*=64"),
        (TOKENS, BAG, {"name": "compress", "assistants": ["mlp"]}, "expert's model 'mlp': .* word numbers"),
        ("hashing", "mlp", "dgr", "has texts"),
        ("hashing", "mlp", "deep_inversion", "has texts"),
    ],
)
def test_what_cannot_read_or_make_texts_is_refused(
    texts: Path, features: Any, model: Any, strategy: Any, says: str
):
    with pytest.raises(BadCall, match=says):
        build(
            load_config(
                settings(texts, stream=stream(texts, features=features), model=model, strategy=strategy)
            )
        )
