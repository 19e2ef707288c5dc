"""The list of hosts: which, in which order, on which page; the address says it all.

There are hundreds of hosts, not tens of thousands: the visible ones are read once, in few columns, and searched, counted
and sorted here.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import gettext_lazy as _lazy

from accounts.models import User
from hosts import access, endpoints, guests, levels, shown
from hosts.guests import Tally
from hosts.levels import Level
from hosts.models import Host
from live.glances import glance
from live.metrics import Glance

PAGE_SIZE = 100
LONGEST_SEARCH = 200
_FRESH_SECONDS = 30.0
_NOTHING = Glance(None, [])
_FIELDS = (
    "pk", "name", "kind", "driver", "address", "port", "login", "path", "session", "enabled", "state", "state_since", "last_seen_at", "error",
    "host_uuid", "hostname", "hypervisor", "hypervisor_version", "libvirt_version", "cpus", "memory_bytes", "kvm", "pools",
    "cpu_percent", "memory_used_bytes", "latency_ms", "maintenance_since", "readiness__missing", "readiness__warnings", "readiness__states",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A host in one line. Percent of all its processors; bytes; None where nothing is known."""

    host: Host
    tally: Tally
    storage: Level
    points: Sequence[float]
    cpu: float | None
    memory_used: float | None

    @property
    def pk(self) -> int:
        return self.host.pk

    @property
    def health(self) -> str:
        return shown.health(self.host)

    @property
    def word(self) -> str:
        return shown.word(self.host)

    @property
    def stale(self) -> bool:
        return self.host.is_stale

    @property
    def place(self) -> str:
        return endpoints.place(self.host)

    @property
    def transport(self) -> str:
        return endpoints.transport(self.host)

    @property
    def memory_percent(self) -> float | None:
        if self.memory_used is None or not self.host.memory_bytes:
            return None
        return 100 * self.memory_used / self.host.memory_bytes

    @property
    def missing(self) -> int:
        """Checks of its readiness that machines can't do without, and that it does not pass (hosts/readiness)."""
        return self._readiness.missing if self._readiness else 0

    @property
    def to_mend(self) -> int | None:
        """These and the warnings; None before it was looked at."""
        return self._readiness.to_fix if self._readiness else None

    @property
    def _readiness(self) -> Any:
        found = getattr(self.host, "readiness", None)
        return found if found and found.states else None  # nothing of the test driver's concerns a check

    @property
    def seen_at(self) -> dt.datetime | None:
        return self.host.last_seen_at


SORTS: dict[str, Callable[[Row], Any]] = {
    "name": lambda row: row.host.name.lower(),
    "state": lambda row: (shown.HEALTHS.index(row.health), row.host.name.lower()),
    "version": lambda row: _version(row.host.libvirt_version),
    "cpu": lambda row: row.cpu,
    "mem": lambda row: row.memory_percent,
    "machines": lambda row: row.tally.total,
    "storage": lambda row: row.storage.percent,
    "ready": lambda row: None if row.to_mend is None else (row.missing, row.to_mend),
}
_BIGGEST_FIRST = ("cpu", "mem", "machines", "storage", "ready")

COLUMNS = {
    "state": _lazy("State"),
    "name": _lazy("Name"),
    "machines": _lazy("Machines"),
    "cpu": _lazy("CPU"),
    "mem": _lazy("Memory"),
    "storage": _lazy("Storage"),
    "ready": _lazy("Readiness"),
    "version": _lazy("libvirt"),
}


@dataclass(frozen=True)
class Query:
    """What the address asks for."""

    text: str = ""
    health: str = ""
    sort: str = "name"
    page: int = 1
    cards: bool = False

    @classmethod
    def of(cls, asked: QueryDict) -> Query:
        """Anything that makes no sense is left out."""
        sort, page = asked.get("sort", ""), asked.get("page", "")
        return cls(
            text=asked.get("q", "").strip()[:LONGEST_SEARCH],
            health=asked.get("state", "") if asked.get("state", "") in shown.HEALTHS else "",
            sort=sort if sort.removeprefix("-") in SORTS else "name",
            page=max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < 6 else 1,
            cards=asked.get("view") == "cards",
        )

    def url(self, **changes: Any) -> str:
        """The list with some of it changed; a change of anything but the page begins on page one."""
        wanted: dict[str, Any] = {"page": 1} | changes
        return reverse("hosts:list") + replace(self, **wanted).question

    @property
    def question(self) -> str:
        """ "?…" with what differs from the plain list."""
        parts: list[tuple[str, str | int]] = [("q", self.text)] if self.text else []
        parts += [("state", self.health)] if self.health else []
        parts += [("sort", self.sort)] if self.sort != "name" else []
        parts += [("view", "cards")] if self.cards else []
        parts += [("page", self.page)] if self.page > 1 else []
        return "?" + urlencode(parts) if parts else ""

    def sorted_by(self, name: str) -> str:
        first = f"-{name}" if name in _BIGGEST_FIRST else name
        return self.url(sort=first if self.sort != first else first.removeprefix("-") if first.startswith("-") else f"-{first}")

    def has(self, host: Host) -> bool:
        """Whether it names the host: every word in its name, address, host name or version."""
        text = " ".join((host.name, host.address, host.path, host.hostname, host.host_uuid, host.libvirt_version, host.hypervisor_version)).lower()
        return all(word in text for word in self.text.lower().split())


@dataclass(frozen=True)
class Page:
    """One page of the list, ready for its template."""

    query: Query
    rows: list[Row]
    tally: dict[str, int]
    found: int
    total: int  # without search and filter

    @classmethod
    def of(cls, query: Query, user: User) -> Page:
        hosts = list(access.visible(user).select_related("readiness").only(*_FIELDS))
        named = [host for host in hosts if query.has(host)]
        tally = {health: sum(shown.health(host) == health for host in named) for health in shown.HEALTHS}
        wanted = [host for host in named if query.health in ("", shown.health(host))]
        rows = _in_order(rows_of(wanted, user), query.sort)
        query = replace(query, page=min(query.page, max(1, -(-len(rows) // PAGE_SIZE))))
        start = (query.page - 1) * PAGE_SIZE
        return cls(query, rows[start : start + PAGE_SIZE], tally, len(rows), len(hosts))

    @property
    def first(self) -> int:
        return (self.query.page - 1) * PAGE_SIZE + 1

    @property
    def last(self) -> int:
        return self.first + len(self.rows) - 1

    @property
    def pages(self) -> int:
        return max(1, -(-self.found // PAGE_SIZE))

    @property
    def previous_url(self) -> str:
        return self.query.url(page=self.query.page - 1) if self.query.page > 1 else ""

    @property
    def next_url(self) -> str:
        return self.query.url(page=self.query.page + 1) if self.query.page < self.pages else ""

    @property
    def without_state(self) -> str:
        return self.query.url(health="")

    @property
    def table_url(self) -> str:
        return self.query.url(cards=False)

    @property
    def cards_url(self) -> str:
        return self.query.url(cards=True)

    @cached_property
    def heads(self) -> list[dict[str, Any]]:
        """Name, title, the address that sorts by it, and how it is sorted now (for aria-sort)."""
        by, down = self.query.sort.removeprefix("-"), self.query.sort.startswith("-")
        return [
            {"name": name, "title": title, "url": self.query.sorted_by(name), "sorted": ("descending" if down else "ascending") if name == by else ""}
            for name, title in COLUMNS.items()
        ]

    @property
    def healths(self) -> Iterable[dict[str, Any]]:
        """The tally: shape, how many, the address of just those; empty ones are left out unless chosen."""
        for health, number in self.tally.items():
            if number or health == self.query.health:
                chosen = health == self.query.health
                yield {"health": health, "number": number, "chosen": chosen, "url": self.query.url(health="" if chosen else health)}


def rows_of(hosts: Sequence[Host], user: User) -> list[Row]:
    """Two more round trips, however many hosts: their machines' tallies, their newest numbers."""
    ids = [host.pk for host in hosts]
    tallies, glances = guests.ask().tallies(user, ids), glance("host", ids)
    return [_row(host, tallies.get(host.pk, Tally()), glances.get(host.pk, _NOTHING)) for host in hosts]


def some(ids: Iterable[int], user: User) -> list[Row]:
    """The rows of some hosts, those that may be seen."""
    return rows_of(list(access.visible(user).filter(pk__in=list(ids)).select_related("readiness").only(*_FIELDS)), user)


def _row(host: Host, tally: Tally, glance: Glance) -> Row:
    newest = glance.newest
    if newest and time.time() - (newest[0] or 0) / 1000 < _FRESH_SECONDS:
        cpu, memory = newest[1], newest[2]
    else:
        cpu, memory = host.cpu_percent, host.memory_used_bytes
    return Row(host, tally, levels.of_pools(host.pools), glance.points, cpu, memory)


def _in_order(rows: list[Row], sort: str) -> list[Row]:
    """By name first, so that equals stand in the order of their names; what is unknown goes last either way."""
    key, down = SORTS[sort.removeprefix("-")], sort.startswith("-")
    by_name = sorted(rows, key=SORTS["name"])
    known = [row for row in by_name if key(row) is not None]
    return sorted(known, key=key, reverse=down) + [row for row in by_name if key(row) is None]


def _version(text: str) -> tuple[int, ...] | None:
    """ "9.10.0" after "9.9.0"."""
    return tuple(int(part) for part in text.split(".") if part.isdigit()) if text else None
