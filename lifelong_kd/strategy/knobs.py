"""What can be turned of a strategy from one round of a task to the next, and turned back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from lifelong_kd.core.errors import BadCall, nearest
from lifelong_kd.core.types import Moment
from lifelong_kd.strategy.term import Distill, Rehearse, Term

__all__ = ["Knobs"]

Kind = Literal["distill", "rehearse", "other"]


class Knobs:
    """Factors of the terms' weights and temperatures of their knowledge.

    Args:
        terms: the strategy's terms by name; one that is added later can be turned, too.
    """

    def __init__(self, terms: Mapping[str, Term]) -> None:
        self._terms = terms
        self._factors: dict[str, float] = {}
        self._configured: dict[str, float] = {}

    def weight(self, name: str, moment: Moment) -> float:
        """The weight of a term at a moment, as it is turned."""
        # A schedule is not asked where the answer does not matter, and no product is formed where there is none.
        if not self._factors:
            return self._terms[name].weight(moment)
        factor = self._factors.get(name, 1.0)
        return factor * self._terms[name].weight(moment) if factor else 0.0

    def kind(self, name: str) -> Kind:
        """Whether a term has a teacher, rehearses, or neither."""
        term = self._terms[name]
        if term.teacher is not None:
            return "distill"
        return "rehearse" if isinstance(term, Rehearse) else "other"

    def temperature(self, name: str) -> float | None:
        """The temperature of a term's knowledge; ``None`` if it has none, as with hard targets."""
        term = self._terms[name]
        if not isinstance(term, Distill) or term.target == "hard":
            return None
        found = getattr(term.knowledge, "temperature", None)
        return float(found) if isinstance(found, int | float) else None

    def turn(
        self,
        factors: Mapping[str, float],
        temperatures: Mapping[str, float] | None = None,
        *,
        others: float = 1.0,
    ) -> None:
        """Set the factors and temperatures of some terms; all that are not named are as configured.

        Args:
            factors: what weights are multiplied by, at least 0, by term.
            temperatures: greater than 0, by term.
            others: the factor of the terms that are not named.

        Raises:
            BadCall: for a term that is not there, a value out of range, or a temperature where there is none.
        """
        temperatures = temperatures or {}
        for name in (*factors, *temperatures):
            if name not in self._terms:
                hint = nearest(name, self._terms)
                raise BadCall(
                    f"the strategy has no term {name!r}."
                    + (f" Did you mean {hint!r}?" if hint else "")
                    + f" Its terms: {', '.join(self._terms) or 'none'}."
                )
        for name, factor in factors.items():
            if not 0.0 <= factor < float("inf"):
                raise BadCall(f"the factor of {name!r} is at least 0 and finite, found {factor}")
        self._turn_temperatures(temperatures)
        self._factors = {name: float(factors.get(name, others)) for name in self._terms}
        if all(factor == 1.0 for factor in self._factors.values()):
            self._factors = {}

    def _turn_temperatures(self, temperatures: Mapping[str, float]) -> None:
        for name, value in temperatures.items():
            if self.temperature(name) is None:
                raise BadCall(f"the term {name!r} has no temperature")
            if not 0.0 < value < float("inf"):
                raise BadCall(f"the temperature of {name!r} is greater than 0 and finite, found {value}")
        for name, configured in self._configured.items():
            self._set(name, configured)
        # Noted before any is set: two terms may share one knowledge.
        for name, value in temperatures.items():
            self._configured.setdefault(name, self.temperature(name) or value)
        for name, value in temperatures.items():
            self._set(name, float(value))

    def _set(self, name: str, temperature: float) -> None:
        term = self._terms[name]
        if isinstance(term, Distill):
            vars(term.knowledge)["temperature"] = temperature
