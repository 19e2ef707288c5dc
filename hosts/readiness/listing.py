"""Which hosts lack what: hosts by checks, those that lack most first."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse

from accounts.models import User
from hosts import access, shown
from hosts.models import Host
from hosts.readiness import checks
from hosts.readiness.checks import MISSING, WARNING
from hosts.readiness.models import HostReadiness
from hosts.readiness.report import SHAPES

_LONGEST_SEARCH = 200
_FIELDS = ("pk", "name", "state", "last_seen_at", "maintenance_since", "readiness__states")
_WEIGHT = {MISSING: 100, WARNING: 1}


@dataclass(frozen=True)
class Cell:
    name: str
    title: Any
    state: str  # "" where the check does not concern the host, or it was not looked at yet

    @property
    def shape(self) -> str:
        return SHAPES.get(self.state, "")


@dataclass(frozen=True)
class Row:
    host: Host
    cells: list[Cell]
    row: HostReadiness | None

    @property
    def health(self) -> str:
        return shown.health(self.host)

    @property
    def weight(self) -> int:
        return sum(_WEIGHT.get(cell.state, 0) for cell in self.cells)


@dataclass(frozen=True)
class Query:
    """`lacks`: the name of a check; only hosts with a warning there, or without it."""

    text: str = ""
    lacks: str = ""

    @classmethod
    def of(cls, asked: QueryDict) -> Query:
        lacks = asked.get("lacks", "")
        return cls(asked.get("q", "").strip()[:_LONGEST_SEARCH], lacks if lacks in checks.BY_NAME else "")

    def url(self, **changes: Any) -> str:
        changed = replace(self, **changes)
        return reverse("readiness:fleet") + "?" + urlencode([(name, value) for name, value in (("q", changed.text), ("lacks", changed.lacks)) if value])


@dataclass(frozen=True)
class Column:
    """A check over all hosts: how many lack it, how many are warned about."""

    name: str
    title: Any
    lacking: int
    url: str
    chosen: bool


class Matrix:
    """All hosts that the person may see; there are hundreds at most."""

    def __init__(self, query: Query, user: User) -> None:
        self.query, self._user = query, user

    @cached_property
    def _all(self) -> list[Row]:
        hosts = access.visible(self._user).select_related("readiness").only(*_FIELDS)
        return [_row(host) for host in hosts]

    @cached_property
    def rows(self) -> list[Row]:
        words = self.query.text.lower().split()
        found = [row for row in self._all if all(word in row.host.name.lower() for word in words)]
        if self.query.lacks:
            found = [row for row in found if row.row and row.row.states.get(self.query.lacks) in (MISSING, WARNING)]
        return sorted(found, key=lambda row: (-row.weight, row.host.name.lower()))

    @property
    def total(self) -> int:
        return len(self._all)

    @cached_property
    def columns(self) -> list[Column]:
        lacking = Counter(cell.name for row in self._all for cell in row.cells if cell.state in (MISSING, WARNING))
        return [self._column(check, lacking[check.name]) for check in checks.CHECKS]

    def _column(self, check: checks.Check, lacking: int) -> Column:
        chosen = check.name == self.query.lacks
        return Column(check.name, check.title, lacking, self.query.url(lacks="" if chosen else check.name), chosen)

    @property
    def lacking(self) -> list[Column]:
        """The checks that some host does not pass, most hosts first; the chosen one too."""
        return sorted((column for column in self.columns if column.lacking or column.chosen), key=lambda column: -column.lacking)

    @property
    def ready(self) -> int:
        """How many hosts were looked at and lack nothing."""
        return sum(1 for row in self._all if row.row and row.row.states and not row.weight)


def _row(host: Host) -> Row:
    row: HostReadiness | None = getattr(host, "readiness", None)
    states = row.states if row else {}
    return Row(host, [Cell(check.name, check.title, states.get(check.name, "")) for check in checks.CHECKS], row)
