from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from lifelong_kd.config.nouns import registry_of
from lifelong_kd.core.registry import Component


def toy_stream(root: object, seeds: object, *, size: int = 3) -> None:
    """A stream that is never read."""


def toy_model(input_shape: object, *, width: int = 4) -> None:
    """A model that is never built."""


class ToyStrategy:
    """Keeps what it is given.

    Args:
        temperature: softens.
        weight: how much, or
            a schedule.
    """

    def __init__(
        self,
        *,
        temperature: float = 2.0,
        weight: Annotated[object, Component("schedule")] = 1.0,
        extra: list[Annotated[object, Component("schedule")]] | None = None,
        betas: tuple[float, float] = (0.9, 0.99),
        mode: Literal["old", "all"] = "old",
        steps: int | list[int] | None = None,
    ) -> None:
        self.given = {
            "temperature": temperature,
            "weight": weight,
            "extra": extra,
            "betas": betas,
            "mode": mode,
            "steps": steps,
        }


def other_strategy(*, rate: float) -> dict[str, Any]:
    """Needs its option."""
    return {"rate": rate}


@pytest.fixture(autouse=True)
def toys() -> Iterator[None]:
    """Toy components, registered for one test."""
    added = {
        "stream": {"toy": toy_stream},
        "model": {"toy": toy_model},
        "strategy": {"toy": ToyStrategy, "other": other_strategy},
    }
    for noun, factories in added.items():
        for name, factory in factories.items():
            registry_of(noun).add(name, factory, owner="tests")
    yield
    for noun, factories in added.items():
        for name in factories:
            registry_of(noun).remove(name)


BASE = "stream: toy\nmodel: toy\nstrategy: toy\n"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a configuration file."""

    def write(text: str = BASE, name: str = "config.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write
