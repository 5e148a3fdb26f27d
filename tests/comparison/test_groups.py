"""Seeds in rows, labels, and what is odd."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lifelong_kd.comparison.groups import flatten, group_runs, varying
from lifelong_kd.comparison.labels import labels
from lifelong_kd.comparison.read import read_runs
from lifelong_kd.comparison.scores import SHOWN, score_of
from lifelong_kd.comparison.types import Row, RunRecord, Score
from tests.comparison.folders import put

ORDER = (1, 0, 3, 2)


def run(
    seed: int = 0, strategy: str = "lwf", *, settings: Mapping[str, Any] | None = None, **about: Any
) -> RunRecord:
    options = {"temperature": 2.0} if strategy == "lwf" else {}
    resolved = {
        "seed": seed,
        "device": "cpu" if seed else "cuda",
        "stream": {"name": "digits", "scenario": "class", "root": f"/data/{seed}"},
        "strategy": {"name": strategy, **options},
        "training": {"epochs": 1, "threads": seed},
        "tracking": {"log_every": seed},
        **(settings or {}),
    }
    known = {
        "name": f"digits-{strategy}-s{seed}",
        "source": f"runs/{strategy}-{seed}",
        "stream": "digits",
        "scenario": "class",
        "class_order": ORDER,
        "data": f"digest-{seed}",
        "versions": {"torch": "2.15.0", "code": "abcdef0123+"},
        **about,
    }
    return RunRecord(
        strategy=strategy, seed=seed, scores={"average_accuracy": 0.5}, settings=resolved, **known
    )


def lwf(**options: Any) -> dict[str, Any]:
    return {"strategy": {"name": "lwf", "temperature": 2.0, **options}}


def rounds(**options: Any) -> dict[str, Any]:
    return {"rounds": options}


def told(rows: list[Row]) -> list[tuple[str, tuple[int, ...], dict[str, Any]]]:
    return [(row.label, row.seeds, dict(row.options)) for row in rows]


def test_seeds_are_one_row_and_settings_keep_apart() -> None:
    records = [run(1), run(0), run(0, settings=lwf(temperature=4.0)), run(0, "naive")]
    rows, _ = group_runs(records)
    assert told(rows) == [
        ("lwf, temperature=2", (0, 1), {"strategy.temperature": 2.0}),
        ("lwf, temperature=4", (0,), {"strategy.temperature": 4.0}),
        ("naive", (0,), {}),
    ]
    assert (
        rows[0].runs == (records[1], records[0]) and rows[0].place == "digits class" and rows[0].scores == {}
    )


def test_places_are_apart_and_labels_are_of_a_place() -> None:
    elsewhere = {"stream": {"name": "digits", "scenario": "task"}}
    rows, remarks = group_runs([run(0), run(0, settings=elsewhere, scenario="task", name="other-s0")])
    assert [(row.label, row.place) for row in rows] == [("lwf", "digits class"), ("lwf", "digits task")]
    assert {remark.kind for remark in remarks} == {"seeds"}


def test_rounds_are_named_by_themselves() -> None:
    records = [
        run(0, "derpp", settings=rounds(name="single")),
        run(1, "derpp"),  # an older configuration, which says nothing of rounds
        run(0, "derpp", settings=rounds(name="balance", budget=3)),
        run(0, "derpp", settings=rounds(name="search", noise=1.0)),
    ]
    rows, _ = group_runs(records)
    assert told(rows) == [
        ("derpp, balance", (0,), {"rounds.name": "balance"}),
        ("derpp, search", (0,), {"rounds.name": "search"}),
        ("derpp, single", (0, 1), {"rounds.name": "single"}),
    ]
    rows, _ = group_runs([*records, run(0, "derpp", settings=rounds(name="balance", budget=10))])
    assert [row.label for row in rows] == [
        "derpp, balance, budget=3",
        "derpp, balance, budget=10",
        "derpp, search",
        "derpp, single",
    ]


def test_what_moves_no_weight_is_no_setting() -> None:
    outside = [
        {"evaluation": {"robustness": True}},
        {"imports": ["a.py"]},
        {"name": "x"},
        {"training": {"epochs": 1, "workers": 4, "checkpoint_every": 10}},
    ]
    rows, _ = group_runs([run(seed, settings=settings) for seed, settings in enumerate(outside)])
    assert told(rows) == [("lwf", (0, 1, 2, 3), {})]


def test_numbers_and_lists_of_components_are_the_same_however_they_were_written() -> None:
    listed = {"strategy": {"name": "lwf", "terms": [{"name": "kd", "weight": 1}]}}
    mapped = {"strategy": {"name": "lwf", "terms": {"kd": {"name": "kd", "weight": 1.0}}}}
    rows, _ = group_runs([run(0, settings=listed), run(1, settings=mapped)])
    assert len(rows) == 1
    other = {"strategy": {"name": "lwf", "terms": [{"name": "kd", "weight": 2}]}}
    rows, _ = group_runs([run(0, settings=listed), run(1, settings=other)])
    assert [row.label for row in rows] == ["lwf, weight=1", "lwf, weight=2"]
    truth = {"strategy": {"name": "lwf", "terms": True}}
    one = {"strategy": {"name": "lwf", "terms": 1}}
    assert len(group_runs([run(0, settings=truth), run(1, settings=one)])[0]) == 2


def test_labels_are_short_and_never_the_same() -> None:
    many = [{f"strategy.option_{letter}": n for letter in "abcdefgh"} for n in range(2)]
    assert labels("lwf", many) == ["lwf, option_a=0, …", "lwf, option_a=1, …"]
    long = [{"strategy.text": "x" * 50 + end} for end in "ab"]
    assert labels("lwf", long) == ["lwf, text=xxxxxxxxxxxxxxx… #1", "lwf, text=xxxxxxxxxxxxxxx… #2"]
    last = [{"strategy.alpha.weight": 1, "strategy.beta.weight": n} for n in (1, 2)]
    assert labels("derpp", last) == [
        "derpp, alpha.weight=1, beta.weight=1",
        "derpp, alpha.weight=1, beta.weight=2",
    ]
    grid = [{"a.lr": lr, "a.long_name_of_it": n, "model.name": "mlp"} for lr in (1, 2) for n in (1000, 2000)]
    assert labels("a_strategy", grid) == [
        "a_strategy, lr=1, long_name_of_it=1000, …",
        "a_strategy, lr=1, long_name_of_it=2000, …",
        "a_strategy, lr=2, long_name_of_it=1000, …",
        "a_strategy, lr=2, long_name_of_it=2000, …",
    ]
    values = [{"a.x": None}, {"a.x": True}, {"a.x": [1, 2]}, {}]
    assert labels("s", values) == ["s, x=null", "s, x=true", "s, x=[1,2]", "s"]
    assert labels("s", [{"rounds.name": None}, {"rounds.name": "search"}]) == ["s, rounds=null", "s, search"]


def test_varying_settings_by_row() -> None:
    rows, _ = group_runs(
        [
            run(0, "naive", settings={"training": {"epochs": 2}}),
            run(0, settings=lwf(over="old")),
            run(0, settings=lwf(over="all", temperature=4)),
        ]
    )
    assert [row.strategy for row in rows] == ["lwf", "lwf", "naive"]
    first, second = (row.options["strategy.over"] for row in rows[:2])
    assert varying(rows) == {
        "strategy.temperature": (*(4 if over == "all" else 2.0 for over in (first, second)), None),
        "strategy.over": (first, second, None),
        "training.epochs": (1, 1, 2),
    }
    assert varying(rows[2:]) == {} and varying([]) == {}


def kinds(records: list[RunRecord]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for remark in group_runs(records)[1]:
        found.setdefault(remark.kind, []).append(remark.text)
    return found


def five(strategy: str = "lwf", **about: Any) -> list[RunRecord]:
    return [run(seed, strategy, **about) for seed in range(5)]


def test_nothing_odd() -> None:
    assert kinds([*five(), *five("naive")]) == {}


def test_a_repeated_seed() -> None:
    again = run(3, source="runs/again")
    records = [*five(), again]
    (row,), _ = group_runs(records)
    assert again not in row.runs and len(row.runs) == 5
    assert kinds(records) == {
        "repeated": ["runs/again is left out: runs/lwf-3 has the same configuration and seed 3"]
    }
    assert (
        kinds(five() + five() + five())["repeated"][-1] == "6 more runs of a seed that is there are left out"
    )


def test_too_few_and_different_seeds() -> None:
    assert kinds([*five(), run(1, "naive"), run(4, "naive")]) == {
        "seeds": [
            "digits class: fewer than 3 seeds in naive (2): a test needs 5 or more to mean anything",
            "digits class: not all rows have seeds 0-4: naive has seeds 1, 4",
        ]
    }


def test_one_strategy_with_several_configurations() -> None:
    assert kinds([*five(), *five(settings=lwf(temperature=4))]) == {
        "configuration": [
            "digits class: several configurations of lwf (2), which differ in strategy.temperature"
        ]
    }


def test_configurations_of_several_strategies_are_one_remark() -> None:
    slow = {"training": {"epochs": 9}}
    records = [*five(), *five(settings=slow), *five("naive"), *five("naive", settings=slow)]
    assert kinds(records)["configuration"] == [
        "digits class: several configurations of lwf (2), naive (2), which differ in training.epochs"
    ]
    close = [{"optimizer": {"lr": 0.1 + 0.2}}, {"optimizer": {"lr": 0.3}}]
    rows, _ = group_runs([run(0, settings=settings) for settings in close])
    assert [row.label for row in rows] == ["lwf, lr=0.3 #1", "lwf, lr=0.3 #2"]


def test_one_name_for_different_strategies() -> None:
    records = [*five(name="mine"), *five("naive", name="mine")]
    assert kinds(records) == {
        "configuration": [
            "runs of different configurations are all called 'mine': lwf on digits class, naive on digits class"
        ]
    }


def test_other_data_and_another_order_of_classes() -> None:
    other = [run(seed, "naive", data="other" if seed == 2 else f"digest-{seed}") for seed in range(5)]
    (text,) = kinds([*five(), *other]).pop("data")
    assert text.startswith(
        "digits class: the data, or how they were split, are not the same in naive (seed 2)"
    )
    # With another order of the classes the digest is another one, too: that is said once.
    other = [run(seed, "naive", class_order=(0, 1, 2, 3), data="other") for seed in range(5)]
    found = kinds([*five(), *other])
    assert list(found) == ["pairs"] and "another order in naive (seeds 0-4)" in found["pairs"][0]
    unknown = [run(seed, "naive", class_order=None, data=None) for seed in range(5)]
    assert kinds([*five(), *unknown]) == {}


def test_other_versions() -> None:
    other = five("naive", versions={"torch": "2.14.0", "code": "1234567890"})
    assert kinds([*five(), *other]) == {
        "versions": [
            "digits class: made with different versions: code abcdef0+, 1234567; torch 2.15.0, 2.14.0"
        ]
    }
    assert kinds([*five(), *five("naive", versions={})]) == {}


def test_flatten() -> None:
    assert flatten({"a": {"b": 1, "c": [2]}, "d": {}}) == {"a.b": 1, "a.c": [2]}


@pytest.mark.parametrize(
    ("name", "label", "better", "scale", "unit"),
    [
        ("average_accuracy", "average accuracy", "more", 100.0, "%"),
        ("forgetting", "forgetting", "less", 100.0, "%"),
        ("backward_transfer", "backward transfer", "more", 100.0, "%"),
        ("intransigence", "intransigence", "less", 100.0, "%"),
        ("transfer_from_past", "transfer from past", "more", 100.0, "%"),
        ("cost/training_seconds", "training time", "less", 1.0, "s"),
        ("cost/peak_memory_bytes", "peak memory", "less", 1.0, "B"),
        ("cost/samples_per_second", "samples per second", "more", 1.0, ""),
        ("cost/accuracy_per_second", "accuracy per second", "more", 1.0, ""),
        ("cost/teacher_share", "teacher share", None, 100.0, "%"),
        ("calibration/nll", "NLL", "less", 1.0, ""),
        ("calibration/calibration_error_old", "calibration error old", "less", 100.0, "%"),
        ("calibration/calibration_forgetting", "calibration forgetting", "less", 100.0, "%"),
        ("generalisation/unseen_accuracy", "unseen accuracy", "more", 100.0, "%"),
        ("generalisation/validation_gap", "validation gap", "less", 100.0, "%"),
        ("robustness/corruption_accuracy_noise", "corruption accuracy noise", "more", 100.0, "%"),
        ("robustness/corruption_backward_transfer", "corruption backward transfer", "more", 100.0, "%"),
        ("outliers/ood_auroc_energy", "OOD AUROC energy", "more", 100.0, "%"),
        ("representation/deep_forgetting", "deep forgetting", "less", 100.0, "%"),
        ("representation/feature_similarity", "feature similarity", None, 1.0, ""),
        ("stability/worst_case_accuracy", "worst case accuracy", "more", 100.0, "%"),
        ("stability/stability_gap_depth", "stability gap depth", "less", 100.0, "%"),
        ("teacher/kl_new", "kl new", None, 1.0, ""),
        ("mine/anything", "anything", None, 1.0, ""),
    ],
)
def test_scores(name: str, label: str, better: str | None, scale: float, unit: str) -> None:
    score = score_of(name)
    assert (score.name, score.label, score.better, score.scale, score.unit) == (
        name,
        label,
        better,
        scale,
        unit,
    )


def test_shown_scores_are_ranked() -> None:
    assert [score_of(name).better for name in SHOWN] == [
        "more",
        "more",
        "more",
        "less",
        "more",
        "more",
        "less",
    ]
    assert isinstance(score_of(SHOWN[0]), Score) and len(SHOWN) == 7


def test_five_hundred_runs_take_seconds(tmp_path: Path) -> None:
    # As large as those of a real run: 30 kB of results, 1.5 kB of configuration.
    confusion = [[number % 7 for number in range(100)] for _ in range(100)]
    training = {f"option_{number}": number / 7 for number in range(60)}
    first = put(
        tmp_path / "000",
        settings={"training": {"epochs": 100, **training}},
        results={"confusion_matrix": confusion},
    )
    config, results = (first / "config.yaml").read_text(), (first / "results.json").read_text()
    for number in range(1, 500):
        folder = tmp_path / f"{number:03}"
        folder.mkdir()
        mine = config.replace("seed: 0", f"seed: {number % 5}").replace(
            "epochs: 100", f"epochs: {100 + number // 50}"
        )
        mine = mine.replace("temperature: 2.0", f"temperature: {2 + number // 5 % 10}.0")
        (folder / "config.yaml").write_text(mine)
        (folder / "results.json").write_text(results.replace('"seed": 0', f'"seed": {number % 5}'))
    assert (tmp_path / "000" / "results.json").stat().st_size > 30_000
    assert (tmp_path / "000" / "config.yaml").stat().st_size > 1_500
    begun = time.process_time()
    records, left = read_runs([tmp_path])
    rows, _ = group_runs(records)
    assert varying(rows).keys() == {"strategy.temperature", "training.epochs"}
    spent = time.process_time() - begun
    assert len(records) == 500 and left == [] and len(rows) == 100
    assert spent < 5.0, f"{spent:.1f} s of CPU"


def test_rows_are_plain_enough_for_json(tmp_path: Path) -> None:
    put(tmp_path / "a")
    put(tmp_path / "b", temperature=4.0)
    rows, _ = group_runs(read_runs([tmp_path])[0])
    assert json.loads(json.dumps([dict(row.options) for row in rows])) == [
        {"strategy.temperature": 2.0},
        {"strategy.temperature": 4.0},
    ]
