"""What a bench measures, as values: they become the table and the JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Of a number of measurements, in milliseconds."""

    count: int
    p50: float
    p95: float
    worst: float

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Spread:
        """``ValueError`` when nothing was measured."""
        ordered = sorted(value * 1000 for value in seconds)
        if not ordered:
            raise ValueError("nothing was measured")
        return cls(len(ordered), _rank(ordered, 0.50), _rank(ordered, 0.95), ordered[-1])


@dataclass(frozen=True)
class Figure:
    """One line of the result. ``goal`` is the most that it may be, None where nothing is promised."""

    what: str
    where: str
    value: float
    unit: str
    goal: float | None = None

    @property
    def met(self) -> bool:
        return self.goal is None or self.value <= self.goal


def _rank(ordered: list[float], share: float) -> float:
    """The nearest-rank percentile: a value that was really measured."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
