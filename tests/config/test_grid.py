from __future__ import annotations

import pytest

from lifelong_kd.config.grid import parse_grid, split_values
from lifelong_kd.core.errors import BadCall


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a", ["a"]),
        ("", [""]),
        ("0..3", ["0", "1", "2", "3"]),
        ("-1..1", ["-1", "0", "1"]),
        ("1e-3,1e-2", ["1e-3", "1e-2"]),
        ("[1,2],{a: 1, b: 2},'x,y'", ["[1,2]", "{a: 1, b: 2}", "'x,y'"]),
        ("../data,..", ["../data", ".."]),
    ],
)
def test_values(text: str, values: list[str]) -> None:
    assert split_values(text) == values


def test_cells_in_order_with_short_names() -> None:
    cells = parse_grid(["strategy.weight=1,[1,2]", "model.weight=3,4", "seed=5"])
    assert [cell.overrides for cell in cells] == [
        ("strategy.weight=1", "model.weight=3", "seed=5"),
        ("strategy.weight=1", "model.weight=4", "seed=5"),
        ("strategy.weight=[1,2]", "model.weight=3", "seed=5"),
        ("strategy.weight=[1,2]", "model.weight=4", "seed=5"),
    ]
    assert cells[2].name == "strategy.weight-1-2_model.weight-3"
    assert cells[0].varied == (("strategy.weight", "1"), ("model.weight", "3"))
    assert [cell.name for cell in parse_grid(["seed=5"])] == ["run"]


def test_names_stay_apart() -> None:
    names = [cell.name for cell in parse_grid(["x=[1,2],[1-2]"])]
    assert len(set(names)) == 2 and all(name.startswith("x-1-2_") for name in names)


@pytest.mark.parametrize(
    "texts", [["seed"], ["=1"], ["a..b=1"], ["seed=3..1"], ["seed=1,"], ["seed=1,1"], ["a=1", "a=2"]]
)
def test_grids_that_are_none(texts: list[str]) -> None:
    with pytest.raises(BadCall):
        parse_grid(texts)


@pytest.mark.parametrize("text", ["a..b", "0..", "..9", "0.1..0.5", "0..9..2"])
def test_a_range_that_is_none_is_named_with_its_form(text: str) -> None:
    with pytest.raises(BadCall, match=r"^seed: found .*whole numbers, as in 0\.\.9"):
        parse_grid([f"seed={text}"])
