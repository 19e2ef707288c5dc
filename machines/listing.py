"""The machine list: which machines, in which order, on which page; the URL says it all. Rows are in machines/rows.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.db import models
from django.db.models import F, QuerySet
from django.db.models.expressions import OrderBy
from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from hosts.models import Host
from hosts.models import State as HostState
from machines import access, filters
from machines.filters import Term
from machines.models import Machine, State
from machines.power import VERBS, Verb
from machines.rows import Row, rows_of

SIZES = (50, 100, 200)
_LAST_PAGE = 100_000
_MAY_BE_UNKNOWN = frozenset({"cpu_percent", "memory_used_bytes", "disk_bps", "net_bps", "started_at"})
_NUMBERS = frozenset({"cpu", "mem", "disk", "net", "up"})


@dataclass(frozen=True)
class Column:
    """`order`: what sorting by it compares, () where there is no order; `first`: the direction of the first click.

    `css`: its cells' class after "c-".
    """

    name: str
    title: Any
    order: tuple[str, ...] = ()
    css: str = ""
    number: bool = False
    usual: bool = True
    first: str = ""


COLUMNS = {
    column.name: column
    for column in (
        Column("host", _("Host"), ("host__name",), "host"),
        Column("cpu", _("CPU"), ("cpu_percent",), "cpu", first="-"),
        Column("mem", _("Memory"), ("memory_used_bytes",), "mem", first="-"),
        Column("disk", _("Disk"), ("disk_bps",), "io", number=True, first="-"),
        Column("net", _("Net"), ("net_bps",), "io", number=True, first="-"),
        Column("ip", _("IP"), (), "ip"),
        Column("os", _("OS"), ("os_name", "os_id"), "os"),
        Column("tags", _("Tags"), (), "tags"),
        Column("up", _("Uptime"), ("started_at",), "up", number=True),
        Column("vcpus", _("vCPU"), ("vcpus",), "vcpu", number=True, usual=False, first="-"),
        Column("autostart", _("Autostart"), ("autostart",), "auto", usual=False, first="-"),
        Column("screen", _("Screen"), (), "screen", usual=False),
        Column("uuid", _("UUID"), ("uuid",), "uuid", usual=False),
    )
}
_ALWAYS = {"state": Column("state", _("State"), ("state",), "state"), "name": Column("name", _("Name"), ("name",), "name")}
USUAL = tuple(column.name for column in COLUMNS.values() if column.usual)

# The shape and the search word of each state of the tally, in the order shown.
TALLY = (
    ("running", State.RUNNING),
    ("off", State.OFF),
    ("paused", State.PAUSED),
    ("suspended", State.SUSPENDED),
    ("shutting_down", State.SHUTTING_DOWN),
    ("crashed", State.CRASHED),
    ("unknown", State.UNKNOWN),
    ("stale", None),
)


@dataclass(frozen=True)
class Query:
    """What the URL asks for: chips (`f`, repeated), the text being typed (`q`), order, page, columns."""

    chips: tuple[Term, ...] = ()
    typed: str = ""
    sort: str = "name"
    page: int = 1
    size: int = SIZES[0]
    columns: tuple[str, ...] = USUAL

    @classmethod
    def of(cls, asked: QueryDict, *, kept_columns: str = "") -> Query:
        """Anything that makes no sense is left out. `kept_columns`: this browser's choice, parted by dots."""
        typed = filters.printable(asked.get("q", ""))[: filters.LONGEST].strip()
        chips = [term for text in asked.getlist("f") for term in filters.parse(text)]
        if "add" in asked:  # Enter in the box: what was typed becomes chips
            chips, typed = [*chips, *filters.parse(typed)], ""
        sort = asked.get("sort", "")
        chosen = asked.getlist("col") if "columns" in asked else kept_columns.split(".")
        known = tuple(name for name in COLUMNS if name in chosen)
        return cls(
            chips=tuple(dict.fromkeys(chips))[: filters.MOST_TERMS],
            typed=typed,
            sort=sort if _column_of(sort) else "name",
            page=_number(asked.get("page", ""), 1, _LAST_PAGE),
            size=_size(asked.get("rows", "")),
            columns=known if "columns" in asked or known else USUAL,
        )

    # ── addresses ──

    def url(self, **changes: Any) -> str:
        """The list with some of it changed; a change of anything but the page begins on page one."""
        changed = replace(self, **{"page": 1, **changes})
        return reverse("machines:list") + changed.question

    @cached_property
    def question(self) -> str:
        """ "?…" with what differs from the plain list, or "" for that; the columns are the browser's, not the address's."""
        parts: list[tuple[str, str | int]] = [("f", term.text) for term in self.chips]
        parts += [("q", self.typed)] if self.typed else []
        parts += [("sort", self.sort)] if self.sort != "name" else []
        parts += [("rows", self.size)] if self.size != SIZES[0] else []
        parts += [("page", self.page)] if self.page > 1 else []
        return "?" + urlencode(parts) if parts else ""

    def without(self, term: Term) -> str:
        return self.url(chips=tuple(other for other in self.chips if other != term))

    def with_state(self, word: str) -> str:
        """The same list, of one state; again takes it away."""
        term = Term("state", ":", (word,))
        others = tuple(chip for chip in self.chips if chip.field != "state")
        return self.url(chips=others if term in self.chips else (*others, term))

    def sorted_by(self, name: str) -> str:
        """A click on a head: the column's usual direction first, then the other."""
        first = _all_columns()[name].first + name
        return self.url(sort=_turned(first) if self.sort == first else first)

    # ── what it means ──

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        return (*self.chips, *filters.parse(self.typed))

    @property
    def is_filtered(self) -> bool:
        return bool(self.terms)

    @property
    def is_by_numbers(self) -> bool:
        """What it shows changes with the averages that are written once a minute, without a fact."""
        return self.sort.lstrip("-") in _NUMBERS or any(term.field in _NUMBERS for term in self.terms)

    @property
    def problems(self) -> list[str]:
        return [term.problem for term in self.terms if term.problem]

    def machines(self, user: User) -> QuerySet[Machine]:
        """The person's machines that it asks for, all pages, in order."""
        return access.visible(user).filter(filters.condition_of(self.terms)).order_by(*self._order())

    def tally(self, user: User) -> dict[str, int]:
        """How many machines of each state there would be if it asked for none; "stale" for those of silent hosts."""
        others = [term for term in self.terms if term.field != "state"]
        found = access.visible(user).filter(filters.condition_of(others)).order_by()
        silent = set(Host.objects.exclude(state=HostState.ONLINE).values_list("pk", flat=True))  # rather than a join over the whole fleet
        counts = {key: 0 for key, _state in TALLY}
        for host_id, state, number in found.values_list("host_id", "state").annotate(models.Count("pk")):
            counts["stale" if host_id in silent else state] += number
        return counts

    def count(self, user: User, tally: Mapping[str, int]) -> int:
        """How many there are; asks only when the tally can't tell."""
        states = [term for term in self.terms if term.field == "state" and not term.problem]
        if not states:
            return sum(tally.values())
        if len(states) == 1 and not states[0].negated and all(value in tally for value in states[0].values):
            return sum(tally[value] for value in set(states[0].values))
        return self.machines(user).order_by().count()

    def _order(self) -> Iterator[OrderBy | str]:
        column, descending = _column_of(self.sort), self.sort.startswith("-")
        assert column is not None
        for field in column.order:
            unknown_last = True if field in _MAY_BE_UNKNOWN else None  # said of others too it would keep the index from being used
            yield F(field).desc(nulls_last=unknown_last) if descending else F(field).asc(nulls_last=unknown_last)
        yield from ("pk",) if column.name == "name" else ("name", "pk")


class Head(NamedTuple):
    """A column's head: its address to sort by, "" where there is no order, and how it is sorted now (for aria-sort)."""

    column: Column
    url: str
    sorting: str


class Choice(NamedTuple):
    column: Column
    shown: bool


class Chip(NamedTuple):
    """A filter, and the address of the list without it."""

    term: Term
    without: str


class InState(NamedTuple):
    """How many machines are in a state, and the address of just those."""

    state: str
    word: Any
    number: int
    url: str
    current: bool


class Link(NamedTuple):
    """A way to look at the list."""

    title: Any
    url: str
    current: bool


class BulkVerb(NamedTuple):
    """`states`: where it makes sense, as data-states has it; `why`: what is said when no selected machine is in one of them."""

    verb: Verb
    states: str
    why: Any


VIEWS = (
    (_("All"), ()),
    (_("Needs attention"), (Term("state", ":", ("crashed", "stale")),)),
    (_("Busy"), (Term("cpu", ">", ("80",)),)),
    (_("No agent"), (Term("agent", ":", ("missing", "silent")), Term("state", ":", ("running",)))),
)
_MAIN_VERBS = {"start": _("None of them is off."), "shutdown": _("None of them is running."), "reboot": ""}


@dataclass(frozen=True)
class Page:
    """One page of the list, ready for its template."""

    query: Query
    rows: list[Row]
    tally: dict[str, int]
    total: int
    acts: bool

    @classmethod
    def of(cls, query: Query, user: User) -> Page:
        tally = query.tally(user)
        total = query.count(user, tally)
        query = replace(query, page=min(query.page, max(1, -(-total // query.size))))
        start = (query.page - 1) * query.size
        return cls(query, rows_of(query.machines(user)[start : start + query.size], user), tally, total, access.acts_anywhere(user))

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // self.query.size))

    @property
    def first(self) -> int:
        return (self.query.page - 1) * self.query.size + 1

    @property
    def last(self) -> int:
        return self.first + len(self.rows) - 1

    @property
    def previous_url(self) -> str:
        return self.query.url(page=self.query.page - 1) if self.query.page > 1 else ""

    @property
    def next_url(self) -> str:
        return self.query.url(page=self.query.page + 1) if self.query.page < self.pages else ""

    @property
    def sizes(self) -> list[Link]:
        return [Link(size, self.query.url(size=size), size == self.query.size) for size in SIZES]

    @property
    def views(self) -> list[Link]:
        shown = None if self.query.typed else set(self.query.chips)
        return [Link(title, replace(Query(), chips=chips, size=self.query.size).url(), shown == set(chips)) for title, chips in VIEWS]

    @property
    def chips(self) -> list[Chip]:
        return [Chip(term, self.query.without(term)) for term in self.query.chips]

    @property
    def heads(self) -> list[Head]:
        shown = [*_ALWAYS.values(), *(COLUMNS[name] for name in self.query.columns)]
        return [Head(column, self.query.sorted_by(column.name) if column.order else "", self._sorting(column)) for column in shown]

    @property
    def choices(self) -> list[Choice]:
        return [Choice(column, column.name in self.query.columns) for column in COLUMNS.values()]

    @property
    def states(self) -> Iterator[InState]:
        """The tally; states that no machine is in are left out."""
        chosen = {value for term in self.query.terms if term.field == "state" for value in term.values}
        for key, state in TALLY:
            if self.tally[key] or key in chosen or key in ("running", "off"):
                yield InState(key, state.label if state else _("Not seen"), self.tally[key], self.query.with_state(key), key in chosen)

    @property
    def main_verbs(self) -> list[BulkVerb]:
        return [_bulk(VERBS[name], why) for name, why in _MAIN_VERBS.items()]

    @property
    def more_verbs(self) -> list[BulkVerb]:
        return [_bulk(verb, "") for verb in VERBS.values() if verb.name not in _MAIN_VERBS]

    def _sorting(self, column: Column) -> str:
        if self.query.sort.lstrip("-") != column.name:
            return ""
        return "descending" if self.query.sort.startswith("-") else "ascending"


def _bulk(verb: Verb, why: Any) -> BulkVerb:
    return BulkVerb(verb, " ".join(sorted(verb.allowed)), why)


def _all_columns() -> dict[str, Column]:
    return _ALWAYS | COLUMNS


def _column_of(sort: str) -> Column | None:
    column = _all_columns().get(sort.removeprefix("-"))
    return column if column and column.order else None


def _turned(sort: str) -> str:
    return sort[1:] if sort.startswith("-") else f"-{sort}"


def _size(text: str) -> int:
    return int(text) if text in map(str, SIZES) else SIZES[0]


def _number(text: str, least: int, most: int) -> int:
    return min(most, max(least, int(text))) if text.isascii() and text.isdigit() and len(text) < 10 else least
