"""The tables beside published numbers: their verdicts, what survives a kill, and that every run can be configured."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dark_experience
import fill_readme
import merge
import prepare
import pytest
import reproduce
import three_scenarios
import torch
from cells import Cell, Published, Recipe, Table, chosen
from one_run import load
from store import Store
from torch import nn
from verdict import as_markdown, reached

from lifelong_kd.comparison.statistics import t_interval
from lifelong_kd.config.build import build, build_parts
from lifelong_kd.core.types import Moment

TABLES = (three_scenarios.TABLE, dark_experience.TABLE)
RECIPES = [
    pytest.param(recipe, id=f"{table.name}:{recipe.name}") for table in TABLES for recipe in table.recipes
]
DIGITS = "split_digits/naive.yaml"


# Mean 90, standard deviation 1, four seeds: t = 3.182, half = 1.591.
FOUR = [89.0, 89.0 + 2 / 3, 90.0 + 1 / 3, 91.0]


@pytest.mark.parametrize(
    ("values", "published", "expected"),
    [
        ([90.0, 90.0, 90.0], Published(90.0), True),
        ([90.0, 90.0, 90.0], Published(90.1), False),
        ([90.0, 90.0, 90.0], Published(90.1, se=0.1), True),
        ([90.0, 90.0, 90.0], Published(90.3, se=0.1), False),
        ([90.0, 90.0, 90.0], Published(20.0, se=0.1), True),  # above it
        ([89.0, 91.0], Published(102.7), True),  # 1 * 12.706 of two seeds
        ([89.0, 91.0], Published(102.8), False),
        ([90.0], Published(90.0), None),
    ],
)
def test_verdict(values: list[float], published: Published, expected: bool | None) -> None:
    assert reached(t_interval(values), published) is expected


def made_table() -> Table:
    recipe = Recipe("naive", DIGITS)
    return Table(
        "made",
        "Published: nowhere.",
        (
            Cell("A", "x", recipe, Published(50.0, 0.5)),
            Cell("B", "x", recipe, Published(60.0), tried="Twice the epochs give 55."),
            Cell("C", "x", recipe, Published(70.0), tried="Twice the epochs give 55."),
            Cell("D", "x", recipe, Published(70.0), tried="Half the rate gives 40."),
            Cell("E", "x", recipe, Published(50.0)),
            Cell("F", "x", recipe, Published(50.0)),
        ),
    )


def test_table_says_what_is_reached_and_what_was_tried() -> None:
    scores = {"E": [50.0], "F": []}
    text = as_markdown(made_table(), lambda cell: scores.get(cell.method, [49.9, 50.0, 50.1]))
    lines = text.splitlines()
    assert lines[2] == "| A | x | 50.00 ± 0.25 | 50.00 ± 0.50 | reached |"
    assert lines[3] == "| B | x | 50.00 ± 0.25 | 60.00 | **NOT REACHED** [1] |"
    assert lines[4].endswith("[1] |") and lines[5].endswith("[2] |")
    assert lines[6] == "| E | x | 50.00 | 50.00 | one seed |"
    assert lines[7] == "| F | x |  | 50.00 | not run |"
    assert "1 of 6 cells reached" in text
    assert "1. Twice the epochs give 55." in lines and "2. Half the rate gives 40." in lines


def results(accuracy: float) -> dict[str, Any]:
    reading = {"average_accuracy": accuracy}
    return {
        "average_accuracy": accuracy,
        "forgetting": 0.1,
        "readings": {"class": reading, "task": reading},
        "cost": {"training_seconds": 1.0},
    }


def test_store_forgets_runs_of_other_settings_only(tmp_path: Path) -> None:
    file = tmp_path / "results" / "made.json"
    Store(file).add("naive", {"lr": 0.1, "hidden": (4, 4)}, 0, results(0.5))
    kept = Store(file)
    assert kept.current("naive", {"lr": 0.1, "hidden": (4, 4)})
    assert kept.current("naive", {"lr": 0.1, "hidden": (4, 4), "later": None}), (
        "an option that was added since"
    )
    assert not kept.current("naive", {"lr": 0.2, "hidden": (4, 4)})
    assert not kept.current("naive", {"hidden": (4, 4)})
    kept.add("naive", {"lr": 0.2, "hidden": (4, 4)}, 1, results(0.6))
    assert list(Store(file).seeds("naive")) == ["1"]
    assert [path.name for path in file.parent.iterdir()] == ["made.json"]


def test_killed_table_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[int] = []

    def fake(config: Any, prepared: Any) -> Mapping[str, Any]:
        ran.append(config.settings["seed"])
        if len(ran) == 3:
            raise KeyboardInterrupt
        return results(0.5 if len(ran) < 3 else 0.9)

    def main(*words: str) -> None:
        monkeypatch.setattr("sys.argv", ["made.py", "--out", str(tmp_path), "--seeds", "3", *words])
        reproduce.main(made_table(), None)

    monkeypatch.setattr(reproduce, "run", fake)
    with pytest.raises(KeyboardInterrupt):
        main()
    main()
    kept = json.loads((tmp_path / "made.json").read_text(encoding="utf-8"))["naive"]["seeds"]
    assert {seed: found["own"] for seed, found in kept.items()} == {"0": 0.5, "1": 0.5, "2": 0.9}
    assert "| A | x | 63.33 ±" in (tmp_path / "made.md").read_text(encoding="utf-8")
    main()
    assert ran == [0, 1, 2, 2], "nothing is run twice"
    main("training.epochs=1", "--only", "naive")
    assert ran[4:] == [0, 1, 2], "with another setting nothing of what is kept counts"
    with pytest.raises(SystemExit, match="naive"):
        main("--only", "nothing")


def test_recipe_that_cannot_be_configured_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unknown = Recipe("later", DIGITS, ("strategy=not_there_yet",))
    table = Table("made", "", (Cell("L", "x", unknown, Published(1.0)),))
    monkeypatch.setattr("sys.argv", ["made.py", "--out", str(tmp_path)])
    reproduce.main(table, None)
    said = capsys.readouterr().out
    assert "later: skipped" in said and "| L | x |  | 1.00 | not run |" in said


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_can_be_configured(recipe: Recipe) -> None:
    build_parts(recipe.configuration(3))
    assert "seed" not in recipe.settings() and recipe.settings() == recipe.settings(["stream.root=there"])


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_tables_are_whole(table: Table) -> None:
    names = {cell.recipe.name: cell.recipe for cell in table.cells}
    assert all(names[cell.recipe.name] == cell.recipe for cell in table.cells), "two recipes of one name"
    assert len({(cell.method, cell.setting) for cell in table.cells}) == len(table.cells)
    assert all(0 < cell.published.value <= 100 for cell in table.cells)
    assert chosen(table.recipes, []) == list(table.recipes)


def test_joint_trains_once_on_the_union(tmp_path: Path) -> None:
    experiment = build(
        load(Recipe("", "split_digits/joint.yaml").file, ["training.epochs=1", "training.batch_size=64"])
    )
    prepare.only_last_task(experiment)
    experiment.run(tmp_path / "run")
    samples = sum(len(part.rows) for part in experiment.stream.parts["train"])
    assert experiment.strategy.clock.train_iterations == -(-samples // 64)


def test_icarl_loss_as_a_mean_over_the_classes_seen() -> None:
    experiment = build(load(Recipe("", "split_digits/icarl.yaml").file, []))
    prepare.mean_over_seen(experiment)
    strategy = experiment.plugin.strategy
    moment = Moment(task=1, old=2, new=2, batch=8)
    assert strategy.task_weight(moment) == 1 / 4 and strategy.terms["distill"].weight(moment) == 1 / 4


@pytest.mark.parametrize("columns", [None, [0, 2]])
def test_fisher_is_the_mean_square_of_single_gradients(columns: list[int] | None) -> None:
    model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
    x = torch.randn(7, 5)
    expected = {name: torch.zeros_like(parameter) for name, parameter in model.named_parameters()}
    for sample in x:
        logits = model(sample)
        logs = (logits if columns is None else logits[columns]).log_softmax(0)
        for log in logs:
            model.zero_grad()
            log.backward(retain_graph=True)
            for name, parameter in model.named_parameters():
                assert parameter.grad is not None
                expected[name] += log.detach().exp() * parameter.grad**2 / len(x)
    found = prepare.fisher(model, [x[:3], x[3:]], columns)
    assert found.keys() == expected.keys()
    assert all(torch.allclose(found[name], expected[name], atol=1e-7) for name in expected)


def test_ewc_takes_the_fisher_of_single_samples(tmp_path: Path) -> None:
    overrides = [
        "training.epochs=1",
        "stream.scenario=task",
        "stream.experiences=[2, 8]",
        "model.head=linear",
    ]
    experiment = build(load(Recipe("", "split_digits/ewc.yaml").file, overrides))
    prepare.single_sample_fisher(experiment)
    experiment.run(tmp_path / "run")
    plugin = next(plugin for plugin in experiment.strategy.plugins if hasattr(plugin, "importances"))
    rows = plugin.importances[0]["head.weight"].data.sum(dim=1)
    assert bool((rows[:2] > 0).all()) and not bool(rows[2:].any()), (
        "only the first task's two classes compete"
    )


def test_runs_made_side_by_side_are_joined(tmp_path: Path) -> None:
    table = made_table()
    settings = table.recipes[0].settings()
    for folder, seeds in (("one", (2, 10)), ("two", (0,)), ("out", (1,))):
        for seed in seeds:
            Store(tmp_path / folder / "made.json").add("naive", settings, seed, results(0.5 + seed / 100))
    text = merge.merge(table, [tmp_path / "one", tmp_path / "two", tmp_path / "none"], tmp_path / "out")
    assert list(Store(tmp_path / "out" / "made.json").seeds("naive")) == ["0", "1", "2", "10"]
    assert "4 seeds" in text and (tmp_path / "out" / "made.md").read_text(encoding="utf-8") == text
    # The same run twice is one run; another number for it, or other settings, are not.
    assert merge.merge(table, [tmp_path / "one"], tmp_path / "out") == text
    Store(tmp_path / "again" / "made.json").add("naive", settings, 0, results(0.9))
    with pytest.raises(SystemExit, match="different things of seed 0"):
        merge.merge(table, [tmp_path / "again"], tmp_path / "out")
    Store(tmp_path / "other" / "made.json").add("naive", {**settings, "training.epochs": 99}, 5, results(0.5))
    with pytest.raises(SystemExit, match=r"differ in training\.epochs"):
        merge.merge(table, [tmp_path / "other"], tmp_path / "out")


def test_runs_of_other_settings_are_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = made_table()
    store = Store(tmp_path / "made.json")
    store.add("naive", {**table.recipes[0].settings(), "training.epochs": 99}, 0, results(0.5))
    assert "| A | x |  | 50.00 ± 0.50 | not run |" in reproduce.write_table(table, store)
    assert "naive: what is kept was made with other settings" in capsys.readouterr().out


def test_tables_go_between_their_marks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = "a\n<!-- results: x -->\nold\n<!-- end of results -->\nb\n<!-- results: y -->\n<!-- end of results -->\n"
    (tmp_path / "x.md").write_text("| new \\1 |\n", encoding="utf-8")
    text = fill_readme.filled(page, {"x": tmp_path / "x.md", "y": tmp_path / "y.md"})
    assert text == page.replace("old", "| new \\1 |")
    assert "y: " in capsys.readouterr().out
    with pytest.raises(SystemExit, match="0 places for the table 'z'"):
        fill_readme.filled(page, {"z": tmp_path / "x.md"})


def test_every_page_has_a_place_for_each_of_its_tables() -> None:
    for page, tables in fill_readme.PLACES.items():
        fill_readme.filled(page.read_text(encoding="utf-8"), tables)
