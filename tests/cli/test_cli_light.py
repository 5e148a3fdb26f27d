"""What the command line does without building anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import lifelong_kd
from lifelong_kd.cli import main
from lifelong_kd.cli.run import _same_or_new
from lifelong_kd.config.load import load_config
from lifelong_kd.config.nouns import NOUNS, registry_of
from lifelong_kd.core.errors import LifelongError
from lifelong_kd.export import read_metadata

ROOT = Path(lifelong_kd.__file__).resolve().parents[1]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


HEAVY = ("torch", "avalanche", "wandb", "numpy", "pydantic", "matplotlib", "rich")
PROBE = """
import sys
sys.argv = ["lifelong-kd", *{arguments!r}]
from lifelong_kd.cli import main
main(standalone_mode=False)
import resource
used = resource.getrusage(resource.RUSAGE_SELF)
print("LOADED", [name for name in {heavy!r} if name in sys.modules], used.ru_utime + used.ru_stime)
"""


@pytest.mark.parametrize("arguments", [["--help"], ["list", "strategy"], ["list"], ["run", "--help"]])
def test_listing_and_help_import_nothing_heavy(arguments: list[str]) -> None:
    code = PROBE.format(arguments=arguments, heavy=HEAVY)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    loaded, used = done.stdout.rpartition("LOADED ")[2].rsplit(maxsplit=1)
    assert loaded == "[]", done.stdout + done.stderr
    assert float(used) < 0.5 + _cost_of_nothing()


def _cost_of_nothing() -> float:
    code = "import resource; u = resource.getrusage(resource.RUSAGE_SELF); print(u.ru_utime + u.ru_stime)"
    return float(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    )


def test_package_is_lazy_and_complete() -> None:
    code = (
        "import sys, lifelong_kd; assert not {'torch', 'pydantic', 'click'} & set(sys.modules);"
        "print(lifelong_kd.__version__, sorted(lifelong_kd.__all__) == lifelong_kd.__all__)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.split() == [lifelong_kd.__version__, "True"]
    assert lifelong_kd.LifelongError is LifelongError
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lifelong_kd.nothing


def test_commands_are_those_of_the_design() -> None:
    expected = ["run", "sweep", "resume", "compare", "validate", "list", "show", "export", "wandb"]
    assert list(main.commands) == expected
    shown = call("--help").output
    assert all(f"\n  {name} " in shown for name in main.commands)


@pytest.mark.parametrize("noun", NOUNS)
def test_list_names_every_component_with_a_sentence(noun: str) -> None:
    result = call("list", noun)
    assert result.exit_code == 0
    listed = {line.split(maxsplit=1)[0]: line.split(maxsplit=1)[1:] for line in result.output.splitlines()}
    assert list(listed) == registry_of(noun).names()
    assert all(sentence for sentence in listed.values())


def test_unknown_nouns_and_names() -> None:
    result = call("list", "strategi")
    assert result.exit_code == 2 and "Did you mean 'strategy'?" in result.stderr
    result = call("show", "schedule", "old_al")
    assert result.exit_code == 2 and "Did you mean 'old_all'?" in result.stderr


def test_show_has_signature_options_and_example() -> None:
    result = call("show", "schedule", "old_all")
    assert result.exit_code == 0
    assert "old_all(*, scale: float = 1.0)" in result.output
    assert "scale: a number; default 1.0\n      factor, at least 0." in result.output
    assert "    weight:\n      name: old_all\n      scale: 1.0" in result.output
    assert "Traceback" not in call("show", "strategy", "lwff").output
    assert "Did you mean 'lwf'?" in call("show", "strategy", "lwff").stderr


def test_errors_are_messages_with_exit_code_2(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("stream: split_digits\nmodel: mlp\nstrategy: lwf\nsed: 1\ntraining: {epochs: 0}\n")
    for command in ("run", "validate", "sweep"):
        result = call(command, path)
        assert result.exit_code == 2 and result.output.startswith("error: 2 problems in the configuration:")
        assert f"{path}:4: sed: unknown key" in result.stderr
        assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == [path]
    assert call("run", tmp_path / "none.yaml").exit_code == 2
    assert call("nothing").exit_code == 2
    assert call("export", tmp_path, "--task", "x").exit_code == 2


def test_traceback_on_demand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFELONG_KD_TRACEBACK", "1")
    assert isinstance(call("run", tmp_path / "none.yaml").exception, LifelongError)


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(noun: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("lifelong_kd.catalogue.listing", stop)
    assert call("list").exit_code == 130


def test_several_processes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    for command in ("run", "sweep"):
        result = call(command, tmp_path / "none.yaml")
        assert result.exit_code == 2 and "WORLD_SIZE is 4" in result.stderr


def test_a_folder_that_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("stream: split_digits\nmodel: mlp\nstrategy: lwf\n")
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "file").touch()
    result = call("run", path, "--out", taken)
    assert result.exit_code == 2 and "is not empty and holds no run" in result.stderr
    (taken / "config.yaml").touch()
    result = call("run", path, "--out", taken)
    assert result.exit_code == 2 and f"lifelong-kd resume {taken}" in result.stderr
    assert sorted(file.name for file in taken.iterdir()) == ["config.yaml", "file"]
    assert call("resume", tmp_path / "none").exit_code == 2
    result = call("sweep", path, "seed=0,1", "--out", taken)
    assert result.exit_code == 2 and "is itself a run folder" in result.stderr


def _safetensors(path: Path, metadata: object) -> None:
    header = json.dumps({"__metadata__": {"lifelong_kd": json.dumps(metadata)}}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(header).to_bytes(8, "little") + header)


def test_export_copies_and_says_how_to_load(tmp_path: Path) -> None:
    run = tmp_path / "mine"
    source = run / "checkpoints" / "task_1.safetensors"
    _safetensors(source, {"task": 1})
    target = tmp_path / "deep" / "model.safetensors"
    result = call("export", run, "--task", 1, "--out", target)
    assert result.exit_code == 0 and "load_file" in result.output  # no network in its header
    assert target.read_bytes() == source.read_bytes() and read_metadata(target) == {"task": 1}
    result = call("export", run, "--task", 1, "--out", target)
    assert result.exit_code == 2 and "is there already" in result.stderr
    result = call("export", run, "--task", 0, "--out", tmp_path / "x")
    assert result.exit_code == 2 and "it has them for tasks 1" in result.stderr
    source.write_bytes(b"\xff" * 20)
    result = call("export", run, "--task", 1, "--out", tmp_path / "x")
    assert result.exit_code == 2 and "is damaged" in result.stderr
    assert not (tmp_path / "x").exists()


def test_compare_needs_a_finished_run(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("seed: 0\n")
    result = call("compare", tmp_path)
    assert result.exit_code == 2
    assert "left out" in result.stderr and "none of these runs is finished" in result.stderr


def test_export_takes_the_last_task_and_a_folder_that_is_there(tmp_path: Path) -> None:
    result = call("export", tmp_path / "nope", "--task", 0)
    assert result.exit_code == 2 and "nope: there is no such run folder" in result.stderr
    run = tmp_path / "mine"
    run.mkdir()
    result = call("export", run)
    assert result.exit_code == 2 and "has no model of any task" in result.stderr
    for task in (2, 10):
        _safetensors(run / "checkpoints" / f"task_{task}.safetensors", {"task": task})
    assert call("export", run, "--out", tmp_path / "model").exit_code == 0
    assert read_metadata(tmp_path / "model") == {"task": 10}


def test_an_unfinished_run_of_other_settings_is_passed_by(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("stream: split_digits\nmodel: mlp\nstrategy: lwf\n")
    settings = load_config(path).settings
    folder = tmp_path / "runs" / "x"
    assert _same_or_new(folder, settings) == folder
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(load_config(path, ["training.epochs=1"]).dump())
    assert _same_or_new(folder, settings) == tmp_path / "runs" / "x-2"
    (folder / "config.yaml").write_text(load_config(path).dump())
    assert _same_or_new(folder, settings) == folder
    (folder / "run.json").write_text('{"status": "failed"}')
    result = call("run", path, "--out", folder)
    assert result.exit_code == 2 and "it will fail the same way" in result.stderr


def test_many_that_are_left_out_are_counted(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "config.yaml").write_text("seed: 0\n")
    result = call("compare", tmp_path)
    assert f"left out: 6 runs ({tmp_path / '0'} and others): has no results.json" in result.stderr


def test_show_with_one_word() -> None:
    for word, advice in (
        ("lwf", "lifelong-kd show strategy lwf"),
        ("strategy", "lifelong-kd list strategy"),
        ("old_al", "Did you mean 'old_all'?"),
    ):
        result = call("show", word)
        assert result.exit_code == 2 and advice in result.stderr
