"""A machine that moved from host to host keeps its row, and with it its rights, tags, notes, history and numbers.

Whose row is it, when a host shows a machine that it did not have before?

1. that of the machine which a job of ours moves to just this host, or was to move when its old host does not have it any more;
2. that of the only other host, when the machine came over before our eyes (`arrived`);
3. the same when it was found here, said to have been moved or moved away from here by a job of ours, and nobody sees it run where its row says;
4. else it is another machine with the same uuid: a conflict that is shown, not guessed.

Used by machines/inventory.py alone, in the transaction of its writing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from accounts.models import Grant
from accounts.roles import Scope
from hosts.models import State as HostState
from jobs.models import ACTIVE, Job
from jobs.models import State as JobState
from machines.models import ACTIVE_STATES, Definition, Event, Machine

BY_MIGRATION = ("migrated", "postcopy", "postcopy-failed")  # libvirt's reasons for the state of a machine that came so
STAYED = "migration-cancelled"  # it was to go over, and runs on: its row may have gone already
MOVE = "machines.migration.move"
# A host may be seen again only some time after its move.
_LATEST = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A machine new on a host. `before_our_eyes`: libvirt's events told of its coming; `moved`: libvirt says that it came by migration, or was to go by one."""

    uuid: str
    before_our_eyes: bool
    moved: bool
    runs: bool = True


@dataclass(frozen=True, slots=True)
class Origin:
    """The row that a machine goes on with, and the host that it came from."""

    pk: int
    host_id: int
    host_name: str
    active: bool
    digest: str


def origins(host_id: int, arrivals: Collection[Arrival]) -> dict[str, Origin]:
    """By uuid, where there is one."""
    if not arrivals:
        return {}
    by_uuid = {arrival.uuid: arrival for arrival in arrivals}
    others: dict[str, list[Machine]] = {}
    rows = Machine.objects.filter(uuid__in=by_uuid).exclude(host_id=host_id).select_related("host").order_by("-gone_at", "-pk")
    for row in rows.only("uuid", "state", "gone_at", "host__name", "host__state"):
        others.setdefault(row.uuid, []).append(row)
    if not others:
        return {}
    rows_found = [row.pk for found in others.values() for row in found]
    (ours, tried), left = _moved_here(host_id, rows_found), _moved_away(host_id, rows_found)
    chosen = {uuid: _chosen(by_uuid[uuid], found, ours, tried, left) for uuid, found in others.items()}
    return {uuid: _origin(row) for uuid, row in chosen.items() if row}


def take_over(origin: Origin, host_id: int, fields: Mapping[str, Any]) -> None:
    """The row is this host's from now on. What the host's own row of the machine held, if there was one, goes into its history."""
    uuid = Machine.objects.values_list("uuid", flat=True).get(pk=origin.pk)
    for old in Machine.objects.filter(host_id=host_id, uuid=uuid).values_list("pk", flat=True):
        absorb(old, origin.pk)
    Machine.objects.filter(pk=origin.pk).update(host_id=host_id, **fields)


def rejoin(pk: int, host_id: int) -> Origin | None:
    """The machine of a row is gone from its host: when another host was found to have it shortly before, it went there unseen: both rows become this one.

    Returns where it came from; None when it did not go anywhere.
    """
    row = Machine.objects.filter(pk=pk, host_id=host_id, gone_at=None).select_related("host").first()
    if row is None:
        return None
    recent = Machine.objects.filter(uuid=row.uuid, gone_at=None, first_seen_at__gt=max(row.first_seen_at, timezone.now() - _LATEST)).exclude(pk=pk)
    twins = list(recent[:2])
    if len(twins) != 1:
        return None
    origin, twin = _origin(row), twins[0]
    absorb(twin.pk, pk)
    seen = {field.attname: getattr(twin, field.attname) for field in Machine._meta.concrete_fields if field.attname not in _OURS}
    Machine.objects.filter(pk=pk).update(**seen)
    return origin


_OURS = ("id", "uuid", "notes", "first_seen_at")


def absorb(old: int, into: int) -> None:
    """Two rows were one machine: the history of the one goes into that of the other."""
    Event.objects.filter(machine_id=old).update(machine_id=into)
    Definition.objects.filter(machine_id=old).update(machine_id=into)
    Machine.objects.filter(pk=old).delete()
    Grant.objects.filter(scope=Scope.MACHINE, object_id=old).delete()


def _chosen(arrival: Arrival, rows: list[Machine], ours: set[int], tried: set[int], left: set[int]) -> Machine | None:
    moved = [row for row in rows if row.pk in ours or (row.pk in tried and row.gone_at is not None)]
    if moved:
        return moved[0]
    present = [row for row in rows if row.gone_at is None]
    if len(present) > 1:
        return None
    row = (present or rows)[0]
    if arrival.before_our_eyes:
        return row
    # What is off here is only what was left behind, as long as the machine is there.
    stayed = row.pk in left and (arrival.runs or row.gone_at is not None)
    return row if (arrival.moved or stayed) and not _is_seen_running(row) else None


def _is_seen_running(row: Machine) -> bool:
    return row.gone_at is None and row.host.state == HostState.ONLINE and row.state in ACTIVE_STATES


def _moved_here(host_id: int, machine_ids: list[int]) -> tuple[set[int], set[int]]:
    """Those that jobs of ours move to this host, or have just moved and nobody has shown here yet; and those of which such a job did not end well."""
    recent = Q(state__in=ACTIVE) | Q(finished_at__gt=timezone.now() - _LATEST)
    arrived = Event.objects.filter(machine_id=OuterRef("subject_id"), kind="moved", at__gte=OuterRef("started_at"))
    theirs = Job.objects.filter(recent, ~Exists(arrived), kind=MOVE, subject_type="machine", subject_id__in=machine_ids, params__target=host_id)
    found = list(theirs.filter(started_at__isnull=False).values_list("subject_id", "state"))
    well = {pk for pk, state in found if state in (*ACTIVE, JobState.DONE)}
    return well, {pk for pk, _ in found} - well


def _moved_away(host_id: int, machine_ids: list[int]) -> set[int]:
    """Those that jobs of ours were to move away from this host just now: the target may have given up what had come already, with the row."""
    recent = Q(state__in=ACTIVE) | Q(finished_at__gt=timezone.now() - _LATEST)
    theirs = Job.objects.filter(recent, kind=MOVE, host_id=host_id, subject_type="machine", subject_id__in=machine_ids)
    return set(theirs.values_list("subject_id", flat=True))


def _origin(row: Machine) -> Origin:
    newest = Definition.objects.filter(machine=row).order_by("-id").values_list("digest", flat=True).first()
    return Origin(row.pk, row.host_id, row.host.name, row.gone_at is None and row.state in ACTIVE_STATES, newest or "")
