"""Every example of the README runs as it stands, in one folder, from top to bottom."""

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from lifelong_kd.cli import main
from lifelong_kd.config.load import load_config
from lifelong_kd.core.registry import registries

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)

# What is said, in so many words and with exit code 2, where a run is finished, and where there is no key.
REFUSED = {
    "lifelong-kd resume runs/mine": "finished",
    "lifelong-kd wandb sync runs/sweep-lwf": "there is no W&B API key",
}
SEEDS = re.compile(r"\bseed=0\.\.\d+")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "configs", folder / "configs")
    path = list(sys.path)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path[:] = path


@pytest.fixture(autouse=True)
def as_in_a_new_process(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each block starts where no other has registered anything."""
    monkeypatch.chdir(place)
    yield
    for registry in registries.values():
        for entry in [entry for entry in registry if entry.owner not in ("lifelong_kd", "avalanche-lib")]:
            registry.remove(entry.name)
    for name in ("my_method", "my_stream"):
        sys.modules.pop(name, None)


def commands(block: str) -> list[str]:
    """The commands, with one seed for several: each cell of a sweep is a process that loads everything anew."""
    lines = [SEEDS.sub("seed=0..0", line.split("  #")[0].strip()) for line in block.splitlines()]
    return [line for line in lines if line.startswith("lifelong-kd ")]


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_block(number: int, place: Path) -> None:
    language, block = BLOCKS[number]
    if language == "python":
        named = re.match(r"# (\w+\.py)\n", block)
        if named:
            (place / named[1]).write_text(block, encoding="utf-8")
        exec(compile(block, f"README block {number}", "exec"), {"__name__": f"readme_{number}"})  # noqa: S102 - our own README
    elif language == "yaml":
        shown = yaml.safe_load(block)
        built = load_config(shown).settings["strategy"]
        assert all(built[key] is not None for key in shown["strategy"])
    elif language == "bash":
        for command in commands(block):
            result = CliRunner().invoke(main, shlex.split(command)[1:])
            text = result.output
            if command in REFUSED:
                assert result.exit_code == 2 and REFUSED[command] in text, text
            else:
                assert result.exit_code == 0, f"{command}\n{text}\n{result.exception!r}"
    else:
        assert language == "", f"a block of {language!r} that no test runs"


def test_the_first_screen_has_the_two_commands() -> None:
    first = README.splitlines()[:25]
    assert sum(line.startswith("python3 -m venv") for line in first) == 2
    assert any("lifelong-kd run configs/split_digits/lwf.yaml" in line for line in first)


def test_the_short_table_has_rows_of_the_long_one() -> None:
    shown = re.search(
        r"<!-- results: split_digits, some -->\n(.*?)<!-- end of results -->", README, flags=re.DOTALL
    )
    file = ROOT / "benchmarks" / "reproductions" / "results" / "split_digits.md"
    assert shown is not None
    rows = shown[1].strip().splitlines()
    assert len(rows) > 8 and set(rows) <= set(file.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("name", ["split_mnist", "speed"])
def test_the_tables_are_the_files_that_the_benchmarks_wrote(name: str) -> None:
    shown = re.search(rf"<!-- results: {name} -->\n(.*?)<!-- end of results -->", README, flags=re.DOTALL)
    folder = "speed" if name == "speed" else "reproductions"
    file = ROOT / "benchmarks" / folder / "results" / ("split_mnist.md" if name == "speed" else f"{name}.md")
    assert shown is not None and shown[1].strip() == file.read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*/*.yaml")), ids=lambda path: path.stem)
def test_every_configuration_is_valid_short_and_says_how_to_run_it(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith(f"# lifelong-kd run configs/{path.parent.name}/{path.name}")
    assert len(lines) <= 40
    config = load_config(path)
    assert config.settings["stream"]["name"] == path.parent.name
