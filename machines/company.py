"""Who is on a machine's console, and who was. The app of consoles, which lies above, registers how it is asked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from machines.models import Machine


@dataclass(frozen=True)
class Visit:
    """`by`: the kind of screen in words. `until`: None for one who is still there; `why` it ended then."""

    who: str
    by: Any
    view_only: bool
    since: dt.datetime
    until: dt.datetime | None = None
    why: str = ""


@dataclass(frozen=True)
class Source:
    """`now(machine)`: who is there, the first comer first. `past(machine, before, most)`: the newest that began before a moment, if one is given."""

    now: Callable[[Machine], Sequence[Visit]]
    past: Callable[[Machine, dt.datetime | None, int], Sequence[Visit]]


_sources: dict[str, Source] = {}


def register(name: str, source: Source) -> None:
    _sources[name] = source


def now(machine: Machine) -> list[Visit]:
    return [visit for source in _sources.values() for visit in source.now(machine)]


def past(machine: Machine, before: dt.datetime | None, most: int) -> list[Visit]:
    return [visit for source in _sources.values() for visit in source.past(machine, before, most)]
