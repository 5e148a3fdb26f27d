"""Runs that a person's rules teach, on labelled and on unlabelled texts: a rule that raises loses nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from lifelong_kd import build, load_config
from lifelong_kd.core.errors import RunFailed
from lifelong_kd.stream.text import as_texts
from lifelong_kd.teacher import rule as rule_module
from lifelong_kd.teacher.rule import rule

NOUNS = ("bill", "card", "song", "radio")
VERBS = ("change", "find", "stop", "show", "take", "bring", "give", "get")


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    rows = [{"text": f"please {verb} my {noun}", "label": noun} for noun in NOUNS for verb in VERBS * 2]
    (tmp_path / "texts.json").write_text(json.dumps(rows))
    return tmp_path


def made(root: Path) -> Any:
    teaching = {"teacher": "clerk", "knowledge": {"name": "kd", "temperature": 1.0}, "over": "seen"}
    return build(
        load_config(
            {
                "stream": {
                    "name": "split_text",
                    "path": "texts.json",
                    "root": str(root),
                    "experiences": 2,
                    "class_order": [0, 1, 2, 3],
                    "per_class": 4,
                    "features": {"name": "hashing", "size": 64},
                },
                "model": {"name": "mlp", "hidden": [8]},
                "strategy": {
                    "name": "compose",
                    "teachers": {"clerk": {"name": "rules", "functions": ["last_word"]}},
                    "terms": {"labelled": teaching, "unlabelled": {**teaching, "source": "external"}},
                    "pool": "left_out",
                },
                "training": {"epochs": 2, "batch_size": 4, "threads": 1},
                "optimizer": {"name": "adam", "lr": 0.01},
                # Else the rules are asked about validation data as well.
                "evaluation": {"teacher": False},
                "tracking": {"console": "off", "wandb": {"mode": "disabled"}},
            }
        )
    )


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the rule was asked, and a word at which it raises."""
    monkeypatch.setattr(rule_module, "_functions", {})
    told: dict[str, Any] = {"texts": [], "breaks at": "radio"}

    @rule("last_word")
    def last_word(text: str) -> str:
        told["texts"].append(text)
        word = text.split()[-1]
        if word == told["breaks at"]:
            raise KeyError(word)
        return word

    return told


def test_a_run_whose_rule_raised_is_resumed_and_ends_as_one_whose_rule_did_not(
    texts: Path, asked: dict[str, Any]
) -> None:
    broken = made(texts)
    with pytest.raises(
        RunFailed, match=r"the rule 'last_word' raised KeyError: 'radio'; at 'please .* my radio'"
    ):
        broken.run(texts / "run")
    status = json.loads((texts / "run" / "run.json").read_text())
    assert status["status"] == "failed" and "'last_word' raised" in status["error"]
    asked["breaks at"] = None
    asked["texts"].clear()
    mended = made(texts)
    mended.run(texts / "run", resume=True)
    # The first task was learned before the rule raised.
    assert {text.split()[-1] for text in asked["texts"]} == {"radio", "song"}
    asked["texts"].clear()
    whole = made(texts)
    whole.run(texts / "whole")
    # Four texts of a class are labelled, and of the others the rule was asked on the pool.
    for part in whole.stream.parts["train"]:
        raws = (part.gather(torch.arange(8)), part.store.gather(part.left_out))
        labelled, left = (set(as_texts(raw)) for raw in raws)
        assert len(part) == 8 and (left - labelled) & set(asked["texts"])
