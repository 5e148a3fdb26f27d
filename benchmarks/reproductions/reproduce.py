"""Run what a published table needs, seed by seed, and write our numbers beside it."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path

from cells import Cell, Recipe, Table, chosen
from one_run import run
from store import Store
from verdict import as_markdown

from lifelong_kd.config.build import build_parts
from lifelong_kd.core.errors import BadCall, RunFailed

__all__ = ["OUT", "main", "write_table"]

OUT = Path(__file__).parent / "results"


def main(table: Table, description: str | None) -> None:
    """The command line of a table."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="such as stream.root=DATA")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="runs by name, such as 'lwf-*'")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the results")
    words, more = parser.parse_known_args()
    given = [*words.overrides, *words.only, *more]
    overrides = [text for text in given if "=" in text]
    patterns = [text for text in words.only if "=" not in text]
    warnings.simplefilter("ignore")
    store = Store(words.out / f"{table.name}.json")
    recipes = [recipe for recipe in chosen(table.recipes, patterns) if _is_known(recipe, overrides)]
    # Seed by seed, so that a table that is not finished says something about every cell.
    for seed in range(words.seeds):
        for recipe in recipes:
            _measure(recipe, seed, overrides, store)
    print(write_table(table, store, overrides))


def write_table(table: Table, store: Store, overrides: Sequence[str] = ()) -> str:
    """Write the Markdown beside the store's file; what was made with other settings than now is not shown."""
    valid: set[str] = set()
    for recipe in table.recipes:
        if store.seeds(recipe.name) and _is_known(recipe, overrides):
            if store.current(recipe.name, recipe.settings(overrides)):
                valid.add(recipe.name)
            else:
                print(f"{recipe.name}: what is kept was made with other settings", flush=True)

    def scores(cell: Cell) -> list[float]:
        kept = store.seeds(cell.recipe.name) if cell.recipe.name in valid else {}
        return [100 * found[cell.reading] for found in kept.values()]

    text = as_markdown(table, scores)
    store.file.parent.mkdir(parents=True, exist_ok=True)
    store.file.with_suffix(".md").write_text(text, encoding="utf-8")
    return text


def _is_known(recipe: Recipe, overrides: Sequence[str]) -> bool:
    try:
        build_parts(recipe.configuration(0, overrides))
    except BadCall as error:
        print(f"{recipe.name}: skipped, it cannot be configured: {str(error)[:300]}", flush=True)
        return False
    return True


def _measure(recipe: Recipe, seed: int, overrides: Sequence[str], store: Store) -> None:
    settings = recipe.settings(overrides)
    if store.current(recipe.name, settings) and str(seed) in store.seeds(recipe.name):
        return
    try:
        results = run(recipe.configuration(seed, overrides), recipe.prepare)
    except RunFailed as error:
        print(f"{recipe.name} seed {seed}: failed: {error}", flush=True)
        return
    store.add(recipe.name, settings, seed, results)
    found = store.seeds(recipe.name)[str(seed)]
    read = ", ".join(f"{name} {100 * found[name]:.2f}" for name in ("own", "class", "task"))
    print(f"{recipe.name} seed {seed}: {read} in {found['seconds']:.0f} s", flush=True)
