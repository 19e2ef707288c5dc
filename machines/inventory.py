"""What a host shows of its machines, compared with the rows; then one bulk write. The watcher alone comes here.

Comparing is pure: `Known` (what the row says) and what was seen go in, a `Change` (what to write) comes out. Writing
takes the changes of one host that have come together, inside a transaction of the caller's.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from hosts.models import Host
from machines import chronicle, handover
from machines.chronicle import Line, Moment
from machines.handover import Arrival, Origin
from machines.models import ACTIVE_STATES, HALF, Definition, Machine, State
from virt.errors import Invalid
from virt.events import Event
from virt.guest import Address, Guest
from virt.machine import Glance, MachineSeen
from virt.machine import State as SeenState
from virt.xml.read import Definition as Parsed

logger = logging.getLogger(__name__)

# What is read out of the XML; another number makes a new version of the portal read all machines again.
_READING = 2
_MOST_ADDRESSES = 32  # a guest may claim thousands
_LARGEST = 2**63 - 1
_NO_NUMBERS = {"cpu_percent": None, "memory_used_bytes": None, "disk_bps": None, "net_bps": None}


@dataclass(frozen=True, slots=True)
class Known:
    """What a row says, as far as a comparison needs it.

    reading     of which XML its columns were read (Machine.definition_hash)
    digest      of its newest Definition, "" without one
    asks_agent  somebody in the guest has opened the agent's line; None: not known before the XML was read
    """

    name: str = ""
    state: str = State.UNKNOWN
    reason: str = ""
    persistent: bool = True
    autostart: bool = False
    has_saved_image: bool = False
    reading: str = ""
    digest: str = ""
    macs: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()
    agent: str = ""
    asks_agent: bool | None = None
    os_name: str = ""
    guest_hostname: str = ""
    gone: bool = False

    @property
    def moment(self) -> Moment:
        return Moment(self.state, self.reason)

    @property
    def active(self) -> bool:
        return self.state in ACTIVE_STATES and not self.gone


@dataclass(frozen=True, slots=True)
class Version:
    """A definition as it was from `at` on."""

    at: datetime
    digest: str
    xml: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Change:
    """What to write about one machine. `appears`: there is no row of it yet. `arrival`: it is new on the host, and may have come from another."""

    uuid: str
    after: Known
    fields: Mapping[str, Any] = field(default_factory=dict)
    lines: tuple[Line, ...] = ()
    versions: tuple[Version, ...] = ()
    appears: bool = False
    arrival: Arrival | None = None

    @property
    def is_written(self) -> bool:
        """False when only what `Known` remembers is new."""
        return bool(self.appears or self.fields or self.lines or self.versions)

    @property
    def is_listed(self) -> bool:
        """Whether lists, counts and the tree change with it."""
        return self.appears or not _LISTED.isdisjoint(self.fields)

    @property
    def what(self) -> str:
        """One word for open pages."""
        if self.appears or ("host_id" not in self.fields and self.fields.get("gone_at", self) is None):
            return "appeared"
        return next((word for word, names in _WHAT if not names.isdisjoint(self.fields)), "history")

    def then(self, later: Change) -> Change:
        """Both as one."""
        return Change(
            uuid=self.uuid,
            after=later.after,
            fields={**self.fields, **later.fields},
            lines=self.lines + later.lines,
            versions=self.versions + later.versions,
            appears=self.appears,
            arrival=self.arrival or later.arrival,
        )


_LISTED = frozenset({"name", "state", "gone_at", "host_id"})
_WHAT = (
    ("moved", frozenset({"host_id"})),
    ("gone", frozenset({"gone_at"})),
    ("state", frozenset({"state", "has_saved_image"})),
    ("name", frozenset({"name"})),
    ("definition", frozenset({"definition_hash", "autostart", "persistent"})),
    ("guest", frozenset({"addresses", "agent", "os_name", "guest_hostname"})),
)


# ── comparing ──


def compare(known: Known | None, seen: MachineSeen, events: Sequence[Event], at: datetime, *, came: bool = False) -> Change | None:
    """What changed about a machine that is there; None when nothing did. `events`: those that made us look, oldest first.

    `came`: it was seen on its way here (`is_arriving`); until it is here it is not this host's machine.
    """
    is_new = known is None or known.gone
    if is_new and (is_arriving(seen) or is_left_behind(seen)):
        return None
    definition = _definition(known, seen)
    after = _after(known, seen, definition)
    version = _version(known, seen, at)
    after = replace(after, digest=version.digest) if version else after
    lines = _lines(known, after, events, at)
    fields = _columns(known or Known(), after, events, at)
    if definition and "definition_hash" in fields:
        fields |= _details(definition)
    arrival = _arrival(seen, after, events, came=came) if is_new else None
    if known is None:
        return Change(seen.uuid, after, fields | _first(after, at), lines, (version,) if version else (), appears=True, arrival=arrival)
    if after == known and not fields and not lines:
        return None
    return Change(seen.uuid, after, fields, lines, (version,) if version else (), arrival=arrival)


def is_arriving(seen: MachineSeen) -> bool:
    """libvirt has made room for a machine that comes from another host, and waits for its memory."""
    return seen.state == SeenState.PAUSED and (seen.reason == "migrating" or (seen.reason == "starting" and not seen.persistent))


def is_left_behind(seen: MachineSeen) -> bool:
    """The half of a machine that went over by post-copy: its row went along."""
    return seen.state == SeenState.PAUSED and seen.reason in HALF


def _arrival(seen: MachineSeen, after: Known, events: Sequence[Event], *, came: bool) -> Arrival:
    told = any(event.event in ("started", "resumed") and event.detail in handover.BY_MIGRATION for event in events)
    return Arrival(
        seen.uuid, before_our_eyes=after.active and (came or told), moved=seen.reason in (*handover.BY_MIGRATION, handover.STAYED), runs=after.active
    )


def is_read(known: Known | None, seen: MachineSeen) -> bool:
    """Whether the row was made from just these definitions."""
    return known is not None and not known.gone and known.reading == _reading(seen)


def vanished(uuid: str, known: Known, events: Sequence[Event], at: datetime) -> Change | None:
    """The host has no such machine any more; None when that was known."""
    if known.gone:
        return None
    after = replace(known, gone=True, state=State.OFF, reason="", agent="", asks_agent=False, addresses=())
    lines = (*chronicle.told(events, known.moment, after.moment), chronicle.vanished(_time_of("undefined", events, at), was_persistent=known.persistent))
    return Change(uuid, after, _columns(known, after, events, at), lines)


def asked(uuid: str, known: Known, told: tuple[Address, ...] | None, guest: Guest | None) -> Change | None:
    """What the guest's agent said; `told` is None when it did not answer, `guest` when it was not asked for that."""
    if not known.asks_agent:
        return None
    after = replace(known, agent="silent" if told is None else "answers")
    if told is not None:
        leases = [address for address in known.addresses if address.source == "lease"]
        after = replace(after, addresses=_merged(told, leases))
    if guest:
        after = replace(after, os_name=guest.os_name[:128], guest_hostname=guest.hostname[:255])
    fields = _plain_columns(known, after)
    return Change(uuid, after, fields) if fields else None


def leased(uuid: str, known: Known, leases: Sequence[Address]) -> Change | None:
    """The addresses that the host's networks gave to a running machine."""
    told = [address for address in known.addresses if address.source == "agent"]
    after = replace(known, addresses=_merged(told, leases))
    fields = _plain_columns(known, after)
    return Change(uuid, after, fields) if fields else None


def differs(known: Known | None, glance: Glance) -> bool:
    """Whether a glance shows something that the row does not say."""
    if known is None or known.gone:
        return True
    seen = (glance.name, glance.state.value, glance.persistent, glance.autostart, glance.has_saved_image)
    return seen != (known.name, known.state, known.persistent, known.autostart, known.has_saved_image)


def _after(known: Known | None, seen: MachineSeen, definition: Parsed | None) -> Known:
    before = known or Known()
    state, reason = _settled(known, seen)
    after = replace(
        before,
        name=seen.name[:255],
        state=state,
        reason=reason,
        persistent=seen.persistent,
        autostart=seen.autostart,
        has_saved_image=seen.has_saved_image,
        reading=_reading(seen),
        gone=False,
    )
    if not after.active:
        after = replace(after, addresses=(), agent="", asks_agent=False)
    elif definition:
        agent = _agent(before, definition)
        after = replace(after, agent=agent, asks_agent=definition.agent_connected)
    if definition:
        after = replace(after, macs=tuple(nic.mac for nic in definition.nics if nic.mac))
    return after


def _settled(known: Known | None, seen: MachineSeen) -> tuple[str, str]:
    """State and reason. libvirt calls a machine paused while it starts: it stays what it was until the start succeeded."""
    if seen.state == SeenState.PAUSED and seen.reason == "starting":
        return (known.state, known.reason) if known and not known.gone else (State.OFF, "")
    return seen.state.value, seen.reason[:64]


def _reading(seen: MachineSeen) -> str:
    return f"{_READING}:{seen.xml_hash}"


def _definition(known: Known | None, seen: MachineSeen) -> Parsed | None:
    """The XML, read, if it is not the one that the row was made from already."""
    if known and known.reading == _reading(seen) and (known.asks_agent is not None or not known.active):
        return None
    try:
        return seen.definition
    except Invalid as exc:
        logger.warning("machine=%s has an XML that cannot be read: %s", seen.uuid, exc.detail or exc)
        return None


def _agent(before: Known, definition: Parsed) -> str:
    """ "" without a line for an agent, or before it was asked for the first time."""
    if not definition.has_agent_channel:
        return ""
    if not definition.agent_connected:
        return "missing"
    return before.agent if before.agent != "missing" else ""


def _version(known: Known | None, seen: MachineSeen, at: datetime) -> Version | None:
    """The stored definition if it is a new one. A transient machine has none: its first XML is kept."""
    if known and known.digest and not seen.persistent:
        return None
    xml = (seen.inactive_xml or seen.live_xml) if seen.persistent else seen.live_xml
    digest = hashlib.blake2b(xml.encode(), digest_size=16).hexdigest()
    return None if known and known.digest == digest else Version(at, digest, xml)


def _lines(known: Known | None, after: Known, events: Sequence[Event], at: datetime) -> tuple[Line, ...]:
    if known is None:
        return (chronicle.first_sight(at, events, persistent=after.persistent), *chronicle.told(events, Moment(State.OFF), after.moment))
    if known.gone:
        return (chronicle.came_back(at), *chronicle.told(events, Moment(State.OFF), after.moment))
    lines = chronicle.told(events, known.moment, after.moment)
    if after.state != known.state and not chronicle.tells_state(events):
        lines.append(chronicle.found_in(at, after.state, after.reason))
    lines += _lines_of_definition(known, after, at)
    return tuple(lines)


def _lines_of_definition(known: Known, after: Known, at: datetime) -> list[Line]:
    lines: list[Line] = []
    if after.name != known.name:
        lines.append(chronicle.renamed(at, known.name, after.name))
    elif after.digest != known.digest and known.digest and after.persistent == known.persistent:
        lines.append(chronicle.redefined(at))
    if after.persistent != known.persistent:
        lines.append(chronicle.persistence(at, after.persistent))
    if after.autostart != known.autostart and after.persistent == known.persistent:
        lines.append(chronicle.autostart(at, after.autostart))
    if known.has_saved_image and not after.has_saved_image and not after.active:
        lines.append(chronicle.saved_discarded(at))
    return lines


def _columns(before: Known, after: Known, events: Sequence[Event], at: datetime) -> dict[str, Any]:
    """Columns that differ, with those that follow from a change of state."""
    fields = _plain_columns(before, after)
    if after.gone != before.gone:
        fields["gone_at"] = _time_of("undefined", events, at) if after.gone else None
    started = _last("started", events)
    if "state" in fields or (started and after.active):
        fields["state_since"] = events[-1].at if events else at
    if not after.active:
        fields |= {"started_at": None, **_NO_NUMBERS} if before.active or before.gone != after.gone else {}
    elif started or not before.active:
        fields["started_at"] = started.at if started else None  # it runs since nobody knows when
    return fields


def _plain_columns(before: Known, after: Known) -> dict[str, Any]:
    fields: dict[str, Any] = {column: getattr(after, name) for name, column in _COLUMNS.items() if getattr(after, name) != getattr(before, name)}
    if after.addresses != before.addresses:
        fields["addresses"] = [_as_dict(address) for address in after.addresses]
    if after.addresses != before.addresses or after.macs != before.macs:
        fields["search"] = " ".join([*after.macs, *(address.ip for address in after.addresses)])
    return fields


# Attribute of Known → column, where the value is the same.
_COLUMNS = {name: name for name in ("name", "state", "reason", "persistent", "autostart", "has_saved_image", "agent", "os_name", "guest_hostname")} | {
    "reading": "definition_hash"
}


def _first(after: Known, at: datetime) -> dict[str, Any]:
    """Columns that a new row has in any case."""
    return {"name": after.name, "state": after.state, "first_seen_at": at}


def _details(definition: Parsed) -> dict[str, Any]:
    return {
        "title": definition.title[:255],
        "description": definition.description,
        "vcpus": min(max(definition.vcpus_current, 0), 2**31 - 1),
        "memory_bytes": min(definition.memory_current_bytes, _LARGEST),
        "arch": definition.arch[:16],
        "virt_type": definition.virt_type[:16],
        "machine_type": definition.machine[:64],
        "firmware": definition.firmware[:16],
        "os_id": definition.os_id[:255],
        "graphics": [_as_dict(screen) for screen in definition.graphics],
        "disks": [_as_dict(disk) for disk in definition.disks],
        "nics": [_as_dict(nic) for nic in definition.nics],
    }


def _as_dict(value: Any) -> dict[str, Any]:
    """A small flat dataclass with slots as a dict (dataclasses.asdict copies deeply, twenty times slower)."""
    return {name: getattr(value, name) for name in value.__slots__}


def _merged(told: Iterable[Address], leases: Iterable[Address]) -> tuple[Address, ...]:
    """What the agent says goes before what the host leased; each address once."""
    found: dict[str, Address] = {}
    for address in (*told, *leases):
        found.setdefault(address.ip, address)
    return tuple(found.values())[:_MOST_ADDRESSES]


def _last(word: str, events: Sequence[Event]) -> Event | None:
    return next((event for event in reversed(events) if event.event == word), None)


def _time_of(word: str, events: Sequence[Event], otherwise: datetime) -> datetime:
    event = _last(word, events) or (events[-1] if events else None)
    return event.at if event else otherwise


# ── rows ──


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one host, gone ones too."""

    known: dict[str, Known]
    ids: dict[str, int]


@dataclass(frozen=True, slots=True)
class Written:
    """ids       of rows that are new
    listed, other  row ids whose change alters lists, or the machine's own page alone, with what changed
    moved     row ids whose state changed: jobs may wait for that
    missing   machines whose row is not there, or not this host's, any more
    taken     row ids that came with their machine from another host: they hold more than the comparison knew
    """

    ids: dict[str, int]
    listed: dict[int, str]
    other: dict[int, str]
    moved: list[int]
    missing: list[str]
    taken: list[int]


def load(host_id: int) -> Rows:
    """What the rows of a host say; two hundred rows take about 4 ms."""
    newest = Definition.objects.filter(machine=OuterRef("pk")).order_by("-id").values("digest")[:1]
    columns = (*_COLUMNS.values(), "addresses", "nics", "gone_at", "uuid", "pk", "digest")
    known, ids = {}, {}
    for row in Machine.objects.filter(host_id=host_id).annotate(digest=Subquery(newest)).order_by().values_list(*columns):
        values = dict(zip(columns, row, strict=True))
        known[values["uuid"]] = _known(values)
        ids[values["uuid"]] = values["pk"]
    return Rows(known, ids)


def count(host_id: int) -> int:
    """How many rows a host has, of machines that are gone too."""
    return Machine.objects.filter(host_id=host_id).count()


def write(host_id: int, changes: Iterable[Change], ids: Mapping[str, int]) -> Written:
    """Write the changes of one host, at most one for each machine. `ids`: row ids by uuid."""
    changes = list(changes)
    origins = handover.origins(host_id, [change.arrival for change in changes if change.arrival])
    changes = [_moved(host_id, change, origins[change.uuid]) if change.uuid in origins else change for change in changes]
    fresh = {uuid: origin.pk for uuid, origin in origins.items()}
    fresh |= _create(host_id, [change for change in changes if change.appears and change.uuid not in ids])
    written = Written(ids=fresh, listed={}, other={}, moved=[], missing=[], taken=[origin.pk for origin in origins.values()])
    lines: list[tuple[int, Line]] = []
    versions: list[tuple[int, Version, bool]] = []
    for change in changes:
        pk = ids.get(change.uuid)
        if pk and change.after.gone and (origin := handover.rejoin(pk, host_id)):
            lines.append((pk, chronicle.moved(timezone.now(), origin.host_name, Host.objects.get(machines=pk).name)))
            written.missing.append(change.uuid)
            continue
        pk = fresh.get(change.uuid) or _update(host_id, pk, change)
        if pk is None:
            written.missing.append(change.uuid)
            continue
        (written.listed if change.is_listed else written.other)[pk] = change.what
        if "state" in change.fields or "gone_at" in change.fields:
            written.moved.append(pk)
        lines += [(pk, line) for line in change.lines]
        versions += [(pk, version, change.appears) for version in change.versions]
    chronicle.write(lines)
    if versions:
        _keep(versions)
    return written


def _keep(versions: list[tuple[int, Version, bool]]) -> None:
    """New definitions, with who made them; that of a machine seen for the first time was there before we looked."""
    causes = chronicle.causes([(pk, replace(chronicle.redefined(version.at), caused=not appears)) for pk, version, appears in versions])
    Definition.objects.bulk_create(
        Definition(machine_id=pk, at=version.at, digest=version.digest, xml=version.xml, actor=actor, job=job)
        for (pk, version, _), (actor, job) in zip(versions, causes, strict=True)
    )


def write_averages(rows: Mapping[int, Mapping[str, float | None]]) -> None:
    """Averages of the last minute into the rows of machines that are still on; by row id, as fields of live.metrics.Sample.

    One statement for all: ten thousand updates by the ORM would take the writer a second.
    """
    names = ("cpu_percent", "memory_used_bytes", "disk_bps", "net_bps")
    quote, table = connection.ops.quote_name, Machine._meta.db_table
    assignments = ", ".join(f"{quote(name)} = %s" for name in names)
    states = ", ".join(["%s"] * len(ACTIVE_STATES))
    active = [state.value for state in ACTIVE_STATES]
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {quote(table)} SET {assignments} WHERE id = %s AND state IN ({states})",
            [
                [row["cpu_percent"], row["memory_used"], _sum(row["disk_read"], row["disk_write"]), _sum(row["net_rx"], row["net_tx"]), pk, *active]
                for pk, row in rows.items()
            ],
        )


def _known(values: dict[str, Any]) -> Known:
    state, gone = values["state"], values["gone_at"] is not None
    on = state in ACTIVE_STATES and not gone
    return Known(
        **{name: values[column] for name, column in _COLUMNS.items()},
        digest=values["digest"] or "",
        macs=tuple(nic["mac"] for nic in values["nics"] if nic.get("mac")),
        addresses=tuple(Address(**address) for address in values["addresses"]),
        asks_agent=(values["agent"] in ("answers", "silent") or (None if not values["agent"] else False)) if on else False,
        gone=gone,
    )


def _create(host_id: int, changes: list[Change]) -> dict[str, int]:
    machines = [Machine(host_id=host_id, uuid=change.uuid, **change.fields) for change in changes]
    return {machine.uuid: machine.pk for machine in Machine.objects.bulk_create(machines)}


def _moved(host_id: int, change: Change, origin: Origin) -> Change:
    """Its row is this host's from now on; the change as far as it is one for that row, which knew the machine before."""
    fields = {**{column: getattr(change.after, name) for name, column in _COLUMNS.items()}, **change.fields, "gone_at": None}
    kept = {"first_seen_at", *(_OF_A_RUN if origin.active and change.after.active else ())}
    fields = {column: value for column, value in fields.items() if column not in kept}
    handover.take_over(origin, host_id, fields)
    host = Host.objects.values_list("name", flat=True).get(pk=host_id)
    line = chronicle.moved(change.lines[0].at if change.lines else timezone.now(), origin.host_name, host)
    versions = tuple(version for version in change.versions if version.digest != origin.digest)
    return replace(change, fields={**fields, "host_id": host_id}, lines=(line,), versions=versions, appears=False)


# What stays true while a machine runs on in another place.
_OF_A_RUN = ("state_since", "started_at", "agent", "os_name", "guest_hostname", "addresses", "search", *_NO_NUMBERS)


def _update(host_id: int, pk: int | None, change: Change) -> int | None:
    """The row id; None when the host has no such row (any more)."""
    if pk is None:
        return None
    row = Machine.objects.filter(pk=pk, host_id=host_id)
    if not change.fields:
        return pk if row.exists() else None
    return pk if row.update(**change.fields) else None


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None and other is None else (one or 0) + (other or 0)
