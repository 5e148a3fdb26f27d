"""The tables that are kept were made with the settings that the scripts and the configurations have today."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import choices
import compression
import data_free
import expert_teachers
import few_samples
import paired
import parameter_distillation as parameters
import pytest
import scholar_pays
import text_and_speech
from one_run import ROOT, load

from lifelong_kd.comparison.groups import flatten

RESULTS = Path(paired.__file__).parent / "results"


def of(config: Path, overrides: list[str]) -> Mapping[str, Any]:
    return flatten(load(config, overrides).settings)


def today() -> Iterator[tuple[str, str, Any]]:
    """Table, row, and what gives the settings that the row would be run with."""
    for row in data_free.ROWS:
        yield "data_free", row, lambda row=row: of(*data_free.configuration(row, ()))
    for samples in few_samples.SAMPLES:
        for strategy in few_samples.TITLES:
            yield (
                "few_samples",
                few_samples.name_of("split_digits", strategy, samples),
                lambda strategy=strategy, samples=samples: of(
                    ROOT / "configs" / "split_digits" / "naive.yaml",
                    few_samples.overrides("split_digits", strategy, samples),
                ),
            )
    for setting in parameters.SETTINGS:
        for learning, begin in parameters.rows():
            yield (
                "parameter_distillation",
                f"{setting}/{learning}/{begin}",
                lambda setting=setting, learning=learning, begin=begin: of(
                    parameters.config(setting), parameters.overrides(setting, learning, begin, ())
                ),
            )
    for name in text_and_speech.names():
        yield "text_and_speech", name, lambda name=name: of(ROOT / "configs" / f"{name}.yaml", [])
    for labelled in expert_teachers.LABELLED:
        for teacher in expert_teachers.TEACHERS:
            yield (
                "expert_teachers",
                f"{teacher}/{labelled}",
                lambda teacher=teacher, labelled=labelled: of(
                    *expert_teachers.configuration(teacher, labelled, ())
                ),
            )
    for name in compression.ROWS:
        yield "compression", name, lambda name=name: compression.settings(name, ())
    for generator in scholar_pays.GENERATORS:
        for column in scholar_pays.COLUMNS:
            yield (
                "scholar_pays",
                f"{generator}/{column}",
                lambda generator=generator, column=column: {
                    key: value
                    for key, value in of(
                        scholar_pays.CONFIG, scholar_pays.overrides(generator, column, ())
                    ).items()
                    if key != "training.epochs"
                },
            )
    for name, tried in choices.GRID.items():
        for options in tried:
            yield (
                "choices",
                choices.key(name, options),
                lambda name=name, options=options: choices.settings(name, options, ()),
            )


ROWS = list(today())
KEPT = {
    table: json.loads((RESULTS / f"{table}.json").read_text(encoding="utf-8"))
    for table in dict.fromkeys(table for table, _, _ in ROWS)
}


@pytest.mark.parametrize("table", list(KEPT))
def test_its_runs_had_these_settings(table: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    file = tmp_path / f"{table}.json"
    file.write_text(json.dumps(KEPT[table]), encoding="utf-8")
    runs = paired.Runs(file)
    rows = {row: settings for name, row, settings in ROWS if name == table}
    # Nothing is kept of rows that are gone.
    assert set(KEPT[table]) == set(rows)
    for row, settings in rows.items():
        seeds = dict(runs.seeds(row))
        assert seeds
        runs.missing(row, settings(), 0)
        assert runs.seeds(row) == seeds, row
