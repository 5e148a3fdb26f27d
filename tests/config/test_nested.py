"""Components inside components: alone, in lists, in mappings, and referred to by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import pytest

from lifelong_kd.config.describe import describe
from lifelong_kd.config.load import load_config
from lifelong_kd.config.make import make
from lifelong_kd.config.nouns import NOUNS, registry_of
from lifelong_kd.config.validate import Checker
from lifelong_kd.core.errors import BadCall, ConfigError
from lifelong_kd.core.registry import Component, Entry
from lifelong_kd.schedule.ratio import OldAll

Write = Callable[..., Path]


class Keeps:
    """Keeps its options."""

    def __init__(self, **options: Any) -> None:
        self.__dict__.update(options)


def leaf(*, size: int = 1) -> Keeps:
    """A leaf."""
    if size < 0:
        raise BadCall(f"size must be at least 0, got {size}")
    return Keeps(size=size)


def pair(
    first: Annotated[Keeps, Component("teacher")],
    *,
    others: list[Annotated[Keeps, Component("teacher")]] | None = None,
) -> Keeps:
    """A teacher of teachers, the first by position."""
    return Keeps(first=first, others=others)


def nest(
    *,
    weights: Mapping[str, Annotated[object, Component("schedule")]] | None = None,
    parts: dict[str, Annotated[object, Component("phase", default="leaf")]] | None = None,
    steps: Sequence[Annotated[object, Component("correction")]] = (),
    tree: Annotated[object, Component("teacher")]
    | dict[str, Annotated[object, Component("teacher")]]
    | None = None,
    shared: dict[str, Annotated[object, Component("teacher", shared=True)]] | None = None,
) -> Keeps:
    """Holds everything."""
    return Keeps(weights=weights, parts=parts, steps=steps, tree=tree, shared=shared)


@pytest.fixture(autouse=True)
def nested() -> Iterator[None]:
    added = [("phase", "leaf", leaf), ("correction", "leaf", leaf), ("teacher", "leaf", leaf)]
    added += [("teacher", "pair", pair), ("strategy", "nest", nest)]
    for noun, name, factory in added:
        registry_of(noun).add(name, factory, owner="tests")
    yield
    for noun, name, _ in added:
        registry_of(noun).remove(name)


def settings(**options: Any) -> Any:
    return load_config({"stream": "toy", "model": "toy", "strategy": {"name": "nest", **options}}).settings[
        "strategy"
    ]


def test_mappings_and_lists_are_resolved_and_built() -> None:
    resolved = settings(
        weights={"a": 2, "b": "old_all"},
        parts={"x": {"size": 3}, "y": "leaf"},
        steps=["leaf", {"name": "leaf", "size": 2}],
    )
    assert resolved["weights"] == {"a": 2, "b": {"name": "old_all", "scale": 1.0}}
    assert resolved["parts"] == {"x": {"name": "leaf", "size": 3}, "y": {"name": "leaf", "size": 1}}
    made = make("strategy", resolved)
    assert made.weights["a"] == 2 and isinstance(made.weights["b"], OldAll)
    assert (made.parts["x"].size, made.parts["y"].size) == (3, 1)
    assert [step.size for step in made.steps] == [1, 2]
    empty = make("strategy", settings())
    assert (empty.weights, empty.parts, list(empty.steps), empty.tree) == (None, None, [], None)


def test_a_component_by_position_is_an_option() -> None:
    made = make(
        "strategy", settings(tree={"name": "pair", "first": {"name": "leaf", "size": 5}, "others": ["leaf"]})
    )
    assert made.tree.first.size == 5 and made.tree.others[0].size == 1


def test_a_component_or_a_mapping_of_them() -> None:
    alone, several = settings(tree={"name": "leaf"}), settings(tree={"a": "leaf"})
    assert make("strategy", alone).tree.size == 1
    assert make("strategy", several).tree["a"].size == 1


def test_shared_components_are_one_object() -> None:
    resolved = settings(
        tree={"name": "pair", "first": "a", "others": [{"name": "a"}, "leaf", "leaf2"]},
        shared={"a": {"name": "leaf", "size": 7}, "leaf2": {"name": "pair", "first": "a"}},
    )
    # A reference stays the name it is, and what was read is read again to the same.
    assert resolved["tree"]["first"] == "a" and resolved["tree"]["others"][0] == "a"
    again = {key: value for key, value in resolved.items() if key != "name"}
    assert settings(**again) == resolved
    made = make("strategy", resolved)
    assert made.tree.first is made.shared["a"] is made.tree.others[0] is made.shared["leaf2"].first
    assert made.tree.others[1] is not made.shared["a"] and made.tree.others[2] is made.shared["leaf2"]


def test_a_given_name_goes_before_a_registered_one_but_not_in_its_own_definition() -> None:
    made = make("strategy", settings(tree="leaf", shared={"leaf": {"name": "leaf", "size": 4}}))
    assert made.tree is made.shared["leaf"] and made.tree.size == 4
    own = make("strategy", settings(tree={"name": "leaf", "size": 1}, shared={"leaf": "leaf"}))
    assert own.tree is not own.shared["leaf"]


def test_names_do_not_leave_their_owner() -> None:
    checker = Checker()
    checker.component("strategy", {"name": "nest", "shared": {"a": "leaf"}, "tree": "a"}, "one")
    assert not checker.problems
    checker.component("strategy", {"name": "nest", "tree": "a"}, "two")
    (problem,) = checker.problems
    assert problem.key == "two.tree.name" and "there is no teacher called 'a'" in problem.message


def test_everything_wrong_is_found_in_its_line(write: Write) -> None:
    path = write(
        "stream: toy\nmodel: toy\nstrategy:\n  name: nest\n"
        "  weights:\n    a: old_al\n    b: [x]\n    c: {scale: 1}\n"
        "  parts:\n    x: {siz: 3}\n    y:\n    'a.b': leaf\n"
        "  steps:\n  - lef\n  - {name: leaf, size: big}\n"
        "  shared: {tutor: leaf}\n"
        "  tree: {name: pair, first: tutr, others: [tutor, tuto, 3]}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    found = {(p.where.rpartition(":")[2], p.key, p.hint) for p in caught.value.problems}
    assert found == {
        ("6", "strategy.weights.a.name", "old_all"),
        ("8", "strategy.weights.c.name", None),
        ("10", "strategy.parts.x.siz", "size"),
        ("11", "strategy.parts.y", None),
        ("12", "strategy.parts.a.b", None),
        ("14", "strategy.steps[0].name", "leaf"),
        ("15", "strategy.steps[1].size", None),
        ("17", "strategy.tree.first.name", "tutor"),
        ("17", "strategy.tree.others[1].name", "tutor"),
        ("17", "strategy.tree.others[2]", None),
    }


def test_a_refusal_names_the_key_inside() -> None:
    for options, key in (
        ({"parts": {"x": {"size": -1}}}, r"strategy\.parts\.x"),
        ({"steps": ["leaf", {"name": "leaf", "size": -1}]}, r"strategy\.steps\[1\]"),
        ({"weights": {"a": -1}}, r"strategy\.weights\.a"),
        ({"shared": {"a": {"name": "leaf", "size": -1}}}, r"strategy\.shared\.a"),
    ):
        with pytest.raises(BadCall, match=rf"^{key}: .*at least 0"):
            make("strategy", settings(**options), key="strategy")


def test_overrides_reach_inside(write: Write) -> None:
    path = write(
        "stream: toy\nmodel: toy\nstrategy:\n  name: nest\n  parts: {x: {size: 3}}\n"
        "  steps: [leaf, {name: leaf, size: 2}]\n  shared: {a: leaf, b: leaf}\n  tree: {name: pair, first: a}\n"
    )
    strategy = load_config(
        path,
        [
            "strategy.parts.x.size=5",
            "strategy.parts.z.size=6",
            "strategy.tree.first=b",
            "strategy.steps[0].size=8",
            "strategy.steps[1]=leaf",
        ],
    ).settings["strategy"]
    assert strategy["parts"] == {"x": {"name": "leaf", "size": 5}, "z": {"name": "leaf", "size": 6}}
    assert strategy["tree"]["first"] == "b"
    assert strategy["steps"] == [{"name": "leaf", "size": 8}, {"name": "leaf", "size": 2}]
    with pytest.raises(
        ConfigError, match=r"command line: strategy\.steps\[2\]\.size: strategy\.steps has 2 items"
    ):
        load_config(path, ["strategy.steps[2].size=1"])
    with pytest.raises(ConfigError, match=r"strategy\.parts\[0\]: strategy\.parts is no list"):
        load_config(path, ["strategy.parts[0]=1"])
    with pytest.raises(ConfigError, match=r"command line: strategy\.steps\[0\]\.siz: unknown key"):
        load_config(path, ["strategy.steps[0].siz=1"])


def test_types_in_words() -> None:
    phase = Annotated[object, Component("phase")]
    assert describe(Sequence[phase]) == "a list of phases, each by name or {name: ..., options}"
    assert describe(dict[str, phase] | None) == (
        "a mapping from names to phases, each by name or {name: ..., options} or null"
    )
    knowledge = list[Annotated[object, Component("knowledge")]]
    assert describe(knowledge).startswith("a list of kinds of knowledge, each by name")


@pytest.mark.parametrize("noun", ["phase", "correction", "pool", "term", "teacher", "knowledge"])
def test_every_noun_takes_entry_points_and_imported_files(
    noun: str, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Distribution:
        name = "someones-package"

    class Point:
        name, module, attr, dist = "theirs", "tests.config.test_nested", "leaf", Distribution()

    def points(group: str) -> list[Any]:
        return [Point()] if group == f"lifelong_kd.{noun}" else []

    registry = registry_of(noun)
    monkeypatch.setattr("importlib.metadata.entry_points", points)
    monkeypatch.setattr(registry, "_scanned", False)
    monkeypatch.setattr(registry, "_entries", {**registry._entries})
    assert registry.entry("theirs") == Entry(
        "theirs", "tests.config.test_nested:leaf", "package someones-package"
    )
    (tmp_path / "mine.py").write_text(
        f"from lifelong_kd.config.nouns import registry_of\n"
        f"@registry_of({noun!r}).register('mine')\n"
        f"def mine(*, size: int = 1) -> int:\n    'Mine.'\n    return size\n"
    )
    load_config(write(), imports=[tmp_path / "mine.py"])
    assert registry.get("mine")(size=3) == 3 and noun in NOUNS
