"""What a person may ask: maintenance of a host and its end, moves of a selection. Each returns a Job or raises jobs.submit.Refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import User
from hosts import log
from hosts.models import Host
from jobs import submit as jobs
from jobs.models import Job
from jobs.models import State as JobState
from jobs.submit import Refused
from live import facts
from machines.migration.checks.facts import Reach as FoundReach
from machines.migration.checks.gather import Ground
from machines.models import Machine
from machines.moves import access, planning
from machines.moves.models import OPEN, Kind, Part, Reach, Round, State
from machines.moves.planning import Deed, Plan, Wish
from machines.moves.running import START

MOST_AT_ONCE = 1_000
DRAIN, BRING_BACK, MOVE, TRY = (f"machines.moves.{verb}" for verb in ("drain", "bring_back", "move", "try_reach"))


@dataclass(frozen=True)
class Homecoming:
    """What would come back when a maintenance ends: `plan` of those that were moved, `starts`: those that were shut down.

    elsewhere   who is not where it was put any more
    """

    plan: Plan
    starts: tuple[Machine, ...]
    elsewhere: tuple[str, ...]

    @property
    def count(self) -> int:
        return len(self.plan.moving) + len(self.starts)


# ── plans, as the page shows them and the actions take them ──


def plan_for(user: User, machines: Sequence[Machine], wishes: Mapping[int, Wish] | None = None, *, besides: Iterable[int] = ()) -> Plan:
    """What goes where among the hosts that the person may use, `besides` those. Judged anew each time: the fleet goes on living."""
    targets = [host for host in access.targets(user) if host.pk not in set(besides)]
    ground = ground_of(machines, targets)
    places = [ground.places[host.pk] for host in targets if not host.in_maintenance]
    return planning.plan(ground.guests.values(), places, lambda guest, place: ground.case(guest, place.id, target=place), wishes)


def ground_of(machines: Sequence[Machine], targets: Iterable[Host]) -> Ground:
    """All that rows tell of these machines, of the hosts they are on, and of those they may go to."""
    hosts = {host.pk: host for host in Host.objects.filter(pk__in={machine.host_id for machine in machines})}
    hosts |= {host.pk: host for host in targets}
    tried = Reach.objects.filter(source__in={machine.host_id for machine in machines}, target__in=hosts)
    reached = {(row.source_id, row.target_id): FoundReach(row.works, row.words, row.tried_at) for row in tried}
    return Ground(hosts.values(), machines, reached)


def try_reach(user: User, source: Host, targets: Sequence[Host]) -> Job:
    """Needs the role manager on all of them."""
    if not source.is_online:
        raise Refused(f"{source.name} does not answer.")
    return jobs.submit(TRY, source.subject, asked_by=user, params={"targets": [host.pk for host in targets]})


def plan_of_maintenance(user: User, host: Host, wishes: Mapping[int, Wish] | None = None) -> Plan:
    """Machines that the person does not see are moved as well: their manager on the host answers for all of it."""
    machines = list(Machine.objects.filter(host=host, gone_at=None).select_related("host").order_by("name"))
    return plan_for(user, machines, wishes, besides=[host.pk])


def homecoming(user: User, host: Host) -> Homecoming:
    """Only what this maintenance put away, and is still where it was put."""
    parts = _done_since(host)
    moved = [part for part in parts if part.deed in (Deed.MOVE, Deed.COLD)]
    still = [part for part in moved if part.machine.host_id == part.target_id and not part.machine.gone_at]
    starts = [part.machine for part in parts if part.deed == Deed.SHUT_DOWN and _is_off_at(part.machine, host)]
    wishes = {part.machine_id: Wish(Deed(part.deed), host.pk) for part in still}
    return Homecoming(
        _plan_home(host, [part.machine for part in still], wishes),
        tuple(starts),
        tuple(f"{part.name} ({part.machine.host.name})" for part in moved if part not in still and part.machine.host_id != host.pk),
    )


def _done_since(host: Host) -> list[Part]:
    """What was done to each machine since its maintenance began, by name; the last thing counts."""
    if host.maintenance_since is None:
        return []
    done = Part.objects.filter(round__host=host, round__kind=Kind.MAINTENANCE, round__created_at__gte=host.maintenance_since, state=State.DONE)
    last = {part.machine_id: part for part in done.select_related("machine__host").order_by("pk")}
    return sorted(last.values(), key=lambda part: (part.name, part.pk))


def _plan_home(host: Host, machines: Sequence[Machine], wishes: Mapping[int, Wish]) -> Plan:
    """As if its maintenance were over."""
    here = Host.objects.get(pk=host.pk)
    here.maintenance_since = None
    ground = ground_of(machines, [here])
    return planning.plan(ground.guests.values(), [ground.places[here.pk]], lambda guest, place: ground.case(guest, place.id, target=place), wishes)


def _is_off_at(machine: Machine, host: Host) -> bool:
    return machine.host_id == host.pk and not machine.is_active and not machine.gone_at


# ── maintenance ──


def begin(user: User, host: Host, wishes: Mapping[int, Wish]) -> Job | None:
    """Needs the role manager on the host. From now on it takes nothing new; its machines go as planned now. None when nothing has to be done.

    In the middle of a maintenance it is a further round for what is still there.
    """
    if not host.enabled:
        _refuse(user, DRAIN, host.name, f"{host.name} is disabled.")
    with transaction.atomic():
        Host.objects.filter(pk=host.pk, maintenance_since=None).update(maintenance_since=timezone.now())
        made = plan_of_maintenance(user, host, wishes)
        found = _round(user, Kind.MAINTENANCE, host, [_part(line) for line in made.lines])
        job = _submit(user, DRAIN, found, host.subject) if found.parts.filter(state=State.WAITS).exists() else None
        _tell(user, host, "maintenance", f"Maintenance began: {len(made.moving)} of {len(made.lines)} machines are moved.")
    return job


def end(user: User, host: Host, *, back: bool) -> Job | None:
    """It takes machines again; with `back` those that it had come back. None when nothing has to."""
    if not host.in_maintenance:
        raise Refused(f"{host.name} is not in maintenance.")
    if busy := Job.objects.filter(kind=DRAIN, subject_type="host", subject_id=host.pk, state__in=(JobState.QUEUED, JobState.RUNNING)).first():
        _refuse(user, BRING_BACK, host.name, f"{busy.title} {host.name} is not finished. Wait for it, or cancel it.")
    with transaction.atomic():
        coming = homecoming(user, host) if back else None
        if not Host.objects.filter(pk=host.pk, maintenance_since__isnull=False).update(maintenance_since=None):
            raise Refused(f"{host.name} is not in maintenance.")
        job = None
        if coming and coming.count:
            starts = [Part(machine=machine, name=machine.name, deed=START, origin=host, target=host) for machine in coming.starts]
            found = _round(user, Kind.BACK, host, [*(_part(line) for line in coming.plan.lines), *starts])
            job = _submit(user, BRING_BACK, found, host.subject)
        _tell(user, host, "maintenance over", "Maintenance ended." + (f" {coming.count} machines come back." if coming and coming.count else ""))
    return job


# ── a selection ──


def move_many(user: User, machines: Sequence[Machine], wishes: Mapping[int, Wish]) -> Round:
    """Needs the role manager on each (machines.access.visible) and on the hosts they go to. Refused when not one of them can go."""
    if len(machines) > MOST_AT_ONCE:
        raise Refused(f"At most {MOST_AT_ONCE} machines at once.")
    made = plan_for(user, machines, wishes)
    if not any(line.deed != Deed.LEAVE for line in made.lines):
        why = made.stuck[0].why if made.stuck else "Nothing is to be done."
        _refuse(user, MOVE, f"{len(machines)} machines", f"None of them can be moved. {why}")
    with transaction.atomic():
        found = _round(user, Kind.SELECTION, None, [_part(line) for line in made.lines])
        _submit(user, MOVE, found, found.subject)
    return found


def stop(user: User, found: Round) -> int:
    """Begin no more of it; what runs goes on to its end. How many steps were taken out of the queue."""
    if not found.is_active or found.job is None:
        raise Refused("It has ended.")
    if not Round.objects.filter(pk=found.pk, stopped_by="").update(stopped_by=user.username):
        raise Refused("It was stopped already.")
    queued = list(Job.objects.filter(parent=found.job, state=JobState.QUEUED).order_by("-id"))
    count = sum(jobs.cancel(job, user.username) for job in queued if Job.objects.filter(pk=job.pk, state=JobState.QUEUED).exists())
    audit.record("machines.moves.stop", found.job.subject_name, actor=user, detail={"job": found.job.pk, "not begun": count})
    jobs.announce(found.job, "progress")
    return count


# ── the steps ──


def _part(line: planning.Planned) -> Part:
    leaves = line.deed == Deed.LEAVE
    return Part(
        machine_id=line.guest.id, name=line.guest.name, deed=line.deed, origin_id=line.guest.host_id, target_id=line.target.id if line.target else None,
        copies=dict(line.way.copies), ran=line.guest.running, state=State.LEFT if leaves else State.WAITS, words=line.why,
    )  # fmt: skip


def _round(user: User, kind: Kind, host: Host | None, parts: Sequence[Part]) -> Round:
    found = Round.objects.create(kind=kind, host=host, asked_by_name=user.username)
    for part in parts:
        part.round = found
    Part.objects.bulk_create(parts, batch_size=500)
    return found


def _submit(user: User, kind: str, found: Round, subject: jobs.Subject) -> Job:
    found.job = jobs.submit(kind, subject, asked_by=user)
    found.save(update_fields=["job"])
    return found.job


def _tell(user: User, host: Host, what: str, words: str) -> None:
    log.write(host, what, words, actor=user.username)
    audit.record(f"hosts.{what.replace(' ', '_')}", host.name, actor=user)
    facts.publish([*host.topics, "machines"], what, host_id=host.pk)


def _refuse(user: User, kind: str, name: str, reason: str) -> NoReturn:
    audit.record(kind, name, actor=user, result="refused", detail={"why": reason})
    raise Refused(reason)


def open_parts(found: Round) -> int:
    """How many machines of it are not done yet."""
    return found.parts.filter(state__in=OPEN).count()
