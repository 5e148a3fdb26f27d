"""Read a configuration: file, overrides, user's files, every check, every default."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lifelong_kd.config.describe import component_words
from lifelong_kd.config.dialect import dump_yaml, read_yaml
from lifelong_kd.config.evaluation import resolve_evaluation
from lifelong_kd.config.imports import import_files
from lifelong_kd.config.overrides import WHERE, apply_overrides, parse_overrides
from lifelong_kd.config.sections import SECTIONS, ModelSection, StreamSection, TopSection
from lifelong_kd.config.validate import Checker, fields_of
from lifelong_kd.core.errors import ConfigError, Problem, nearest

__all__ = ["Config", "load_config"]

_COMPONENTS = {
    "stream": fields_of(StreamSection),
    "model": fields_of(ModelSection),
    "strategy": {},
    "optimizer": {},
    "rounds": {},
}
_DEFAULTS = {"optimizer": "sgd", "rounds": "single"}
_ORDER = ("seed", "name", "device", "precision", *_COMPONENTS, *SECTIONS, "imports")


@dataclass(frozen=True)
class Config:
    """A configuration that has been checked: ``settings`` is plain data with every default filled in.

    ``source`` is the file it came from, or ``"python"``.
    """

    settings: dict[str, Any]
    source: str

    @property
    def name(self) -> str:
        """The run's name: ``name`` if given, else ``<stream>-<scenario>-<strategy>-s<seed>``."""
        given = self.settings["name"]
        if given is not None:
            return str(given)
        stream = self.settings["stream"]
        parts = (
            stream["name"],
            stream["scenario"],
            self.settings["strategy"]["name"],
            f"s{self.settings['seed']}",
        )
        return "-".join(parts).replace("/", "-")

    def dump(self) -> str:
        """The settings as YAML, which :func:`load_config` reads back equal."""
        return dump_yaml(self.settings)


def load_config(
    source: str | Path | Mapping[str, Any],
    overrides: str | Sequence[str] | Mapping[str, object] = (),
    *,
    imports: str | Path | Iterable[str | Path] = (),
) -> Config:
    """Read, override and check a configuration; nothing is built.

    Args:
        source: a YAML file, or the same as a mapping.
        overrides: ``["training.epochs=3", "strategy=lwf"]``, values read as YAML; a single such
            text; or a mapping from dotted keys to values.
        imports: further Python files to execute first, relative to the working directory.

    Returns:
        The configuration with every default filled in.

    Raises:
        ConfigError: with everything that is wrong: file and line, key, what was found, what is allowed.
        BadCall: if the file cannot be read, or if a user's own file raises.

    Example:
        >>> load_config("configs/split_digits/lwf.yaml", ["seed=3"]).settings["seed"]  # doctest: +SKIP
        3
    """
    lines: dict[str, int] = {}
    if isinstance(source, Mapping):
        data, shown, folder = _copied(source), "", Path.cwd()
    else:
        path = Path(source)
        data, lines = read_yaml(path)
        shown, folder = str(path), path.resolve().parent
    for noun, name in _DEFAULTS.items():
        given = data.get(noun)
        if given is None:
            data[noun] = name
        elif isinstance(given, Mapping) and "name" not in given:
            data[noun] = {"name": name, **given}
    _name_tasks(data.get("model"))
    before = _copied(data)
    changes, problems = parse_overrides([overrides] if isinstance(overrides, str) else overrides)
    problems += apply_overrides(data, changes)
    checker = Checker()
    further = [imports] if isinstance(imports, str | Path) else list(imports)
    settings = _resolve(data, checker, [*_files(data.get("imports"), folder), *_files(further, Path.cwd())])
    changes = _without_repeated_names(changes, before)
    problems += [_placed(problem, shown, lines, changes) for problem in checker.problems]
    if problems:
        raise ConfigError(problems)
    return Config(settings, shown or "python")


def _name_tasks(model: Any) -> None:
    """Let tasks be named by text, as on the command line: YAML reads the key of ``1: cnn`` as a number."""
    students = model.get("student") if isinstance(model, dict) else None
    if isinstance(students, dict):
        model["student"] = {str(task): one for task, one in students.items()}


def _copied(value: Any) -> Any:
    """Mappings and lists copied, anything else as it is."""
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _files(found: Any, folder: Path) -> list[Path]:
    """Paths made absolute; anything that is no list of texts is reported by the check of ``imports``."""
    if not isinstance(found, list):
        return []
    return [(folder / Path(name).expanduser()).resolve() for name in found if isinstance(name, str | Path)]


def _resolve(data: dict[str, Any], checker: Checker, files: list[Path]) -> dict[str, Any]:
    top = fields_of(TopSection)
    import_files(files)
    for name in data:
        if name not in _ORDER:
            hint = nearest(str(name), _ORDER)
            checker.report(str(name), f"unknown key; allowed keys: {', '.join(_ORDER)}.", hint)
    settings = checker.options(top, {name: data[name] for name in top if name in data}, "", "a configuration")
    for noun, common in _COMPONENTS.items():
        value = data.get(noun)
        if value is None:
            checker.report(noun, f"is missing; allowed: {component_words(noun)}.")
            continue
        settings[noun] = checker.component(noun, value, noun, common)
    for name, section in SECTIONS.items():
        value = data.get(name)
        if name == "evaluation":
            settings[name] = resolve_evaluation(value, checker)
            continue
        settings[name] = checker.value(section, {} if value is None else value, name)
    _cross_check(settings, checker)
    settings["imports"] = list(dict.fromkeys(str(path) for path in files))
    return {name: settings.get(name) for name in _ORDER}


def _cross_check(settings: Mapping[str, Any], checker: Checker) -> None:
    """What no single type can say."""
    training = settings.get("training") or {}
    if training.get("lr_schedule") == "steps" and not training.get("lr_milestones"):
        message = "found 'steps', which needs training.lr_milestones, the epochs of its steps."
        checker.report("training.lr_schedule", message)
    stream = settings.get("stream") or {}
    watching = training.get("lr_schedule") == "plateau" or training.get("early_stopping") is not None
    if watching and stream.get("validation") == 0:
        key = "training.early_stopping" if training.get("early_stopping") else "training.lr_schedule"
        checker.report(
            key, "looks at validation data, and stream.validation is 0; give it a share such as 0.1."
        )
    optimizer = settings.get("optimizer") or {}
    rate = optimizer.get("lr")
    if isinstance(rate, float) and not rate >= 0:
        checker.report("optimizer.lr", f"found {rate}, allowed: a number (at least 0).")


def _placed(problem: Problem, shown: str, lines: Mapping[str, int], changes: Mapping[str, Any]) -> Problem:
    """``problem`` with where its key was written: on the command line, or in which line of the file."""
    if _overridden(problem.key, lines, changes):
        return Problem(problem.key, problem.message, WHERE, problem.hint)
    key = problem.key
    while key and key not in lines:
        key = key[: max(key.rfind("."), key.rfind("["), 0)]
    where = f"{shown}:{lines[key]}" if key else shown
    return Problem(problem.key, problem.message, where, problem.hint)


def _without_repeated_names(changes: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """``changes`` but for a name that a component had before, which leaves the file's options."""
    return {key: value for key, value in changes.items() if not _same_name(key, value, before)}


def _same_name(key: str, value: Any, before: Mapping[str, Any]) -> bool:
    here: Any = before
    for part in key.removesuffix(".name").split("."):
        here = here.get(part) if isinstance(here, Mapping) else None
    return isinstance(value, str) and isinstance(here, Mapping) and here.get("name") == value


def _overridden(key: str, lines: Mapping[str, int], changes: Mapping[str, Any]) -> bool:
    """Whether the command line changed ``key``, something above it, or made it by a key below it."""
    for changed, value in changes.items():
        part = changed.removesuffix(".name") if isinstance(value, str) else changed
        if key in (changed, part) or key.startswith((f"{part}.", f"{part}[")):
            return True
        if changed.startswith(f"{key}.") and key not in lines:
            return True
        above = changed.rpartition(".")[0]
        if above and above not in lines and key.startswith(f"{above}."):
            return True  # something is missed beside an option that was given
    return False
