"""The page about a part of the configuration that is no component: its keys, what they mean, their defaults."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lifelong_kd.catalogue.docstring import plain
from lifelong_kd.catalogue.layout import paragraph, section
from lifelong_kd.catalogue.option import option_lines
from lifelong_kd.config.dialect import dump_yaml
from lifelong_kd.config.evaluation import is_on_by_default
from lifelong_kd.config.nouns import registry_of
from lifelong_kd.config.sections import SECTIONS, TopSection
from lifelong_kd.config.signature import Option, documented
from lifelong_kd.config.validate import fields_of
from lifelong_kd.core.registry import Entry
from lifelong_kd.training.options import EvaluationOptions, TrainingOptions

__all__ = ["written_keys"]

# Where the meaning of the keys is written down, if not at the section itself.
_MEANT: dict[str, Callable[..., Any]] = {"training": TrainingOptions, "evaluation": EvaluationOptions}

_COMPONENTS = "stream, model, strategy, optimizer and rounds"


def written_keys(name: str, *, width: int, bold: bool) -> str:
    """The page about the keys of ``training``, ``evaluation`` or ``tracking``, or of the top (``configuration``)."""
    fields: type[Any] = TopSection if name == "configuration" else SECTIONS[name]
    factory = _MEANT.get(name, fields)
    summary = plain(documented(factory)[0].partition("\n\n")[0])
    options = list(_options(fields, factory, prefix=""))
    lines = "\n".join(option_lines(option, meaning, width) for option, meaning in options)
    families = list(registry_of("family")) if name == "evaluation" else []
    switched = next((f" {name}.{one.name}=true" for one in families if not is_on_by_default(one.name)), "")
    first = next(option for option, _ in options if option.default is not None)
    value = (
        f"{'' if name == 'configuration' else f'{name}.'}{first.name}={dump_yaml(first.default).split()[0]}"
    )
    others = ", ".join(other for other in ("configuration", *SECTIONS) if other != name)
    return "\n\n".join(
        [
            section(f"{name}, a part of every configuration", [paragraph(summary, width)], bold),
            section("Keys", [lines], bold),
            *([_families(families, width=width, bold=bold)] if families else []),
            section("On the command line", [f"  lifelong-kd run CONFIG {value}{switched}"], bold),
            section(
                "Beside it",
                [paragraph(f"{others}; {_COMPONENTS} are components.", width)],
                bold,
            ),
        ]
    )


def _families(families: Sequence[Entry], *, width: int, bold: bool) -> str:
    """Each family of scores, which is a key, too: on or off by default, and what it is about."""
    lines = []
    for family in families:
        default = "true" if is_on_by_default(family.name) else "false"
        lines.append(f"  {family.name}: true, false or {{option: ...}}; default {default}")
        lines.append(paragraph(plain(family.summary()), width, " " * 6))
    about = "Each is a key as well. Its options are shown by `lifelong-kd show family NAME`."
    return section("Families of scores", [paragraph(about, width), *lines], bold)


def _options(
    fields: type[Any], factory: Callable[..., Any], prefix: str
) -> Iterator[tuple[Option, dict[str, str]]]:
    """Each key with its meaning; those of a mapping inside stand in its place, with its name before theirs."""
    meant = documented(factory)[1]
    for name, option in fields_of(fields).items():
        inner = fields.model_fields[name].annotation
        if isinstance(inner, type) and hasattr(inner, "model_fields"):
            yield from _options(inner, inner, f"{prefix}{name}.")
        else:
            called = f"{prefix}{name}"
            meaning = {called: plain(meant[name])} if name in meant else {}
            yield Option(called, option.annotation, option.default), meaning
