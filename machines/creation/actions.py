"""What a person may ask: machines to be made, copied, renamed, deleted. Each returns jobs or raises jobs.submit.Refused; none reaches a hypervisor."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.db import transaction

from accounts import audit
from accounts import secrets as sealing
from accounts.models import User
from accounts.roles import Role
from hosts.models import Host
from jobs import submit as jobs
from jobs.models import Job
from jobs.submit import Refused
from machines import access
from machines.creation import placement
from machines.creation.candidates import candidates, hosts_for
from machines.creation.disks import disks_of
from machines.creation.models import Creation
from machines.creation.order import MOST_AT_ONCE, NO_SECRETS, Order, Secrets
from machines.creation.placement import Field, Verdict
from machines.models import Machine
from virt.errors import Invalid
from virt.xml.build.parts import machine_name


@dataclass(frozen=True)
class Wanted:
    """One machine of a request. `host_id` None: where it fits."""

    name: str
    order: Order
    secrets: Secrets = NO_SECRETS
    host_id: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of one machine of a request: a creation with its job, or the reason why not."""

    name: str
    creation: Creation | None = None
    job: Job | None = None
    refused: str = ""


def create(user: User, wanted: Sequence[Wanted], *, batch: str = "") -> list[Outcome]:
    """Make machines, each with its own result. Needs the role manager on their hosts: others are as if they were not there."""
    if len(wanted) > MOST_AT_ONCE:
        raise Refused(f"At most {MOST_AT_ONCE} machines at once.")
    batch = batch or uuid.uuid4().hex
    chosen = _placed(user, wanted)
    rows = [_creation(user, one, place) for one, place in zip(wanted, chosen, strict=True) if isinstance(place, Host)]
    with transaction.atomic():
        Creation.objects.bulk_create(rows, batch_size=500)
        made = jobs.submit_many("machines.creation.create", [row.subject for row in rows], asked_by=user, batch=batch) if rows else {}
    by_uuid = iter(rows)
    outcomes = []
    for one, place in zip(wanted, chosen, strict=True):
        if isinstance(place, str):
            outcomes.append(Outcome(one.name, refused=place))
            continue
        row = next(by_uuid)
        outcomes.append(Outcome(one.name, row, made.get(row.pk)))
    refused = {one.name: one.refused for one in outcomes if one.refused}
    if refused:
        audit.record("machines.creation.create", f"{len(refused)} at once", actor=user, result="refused", detail={"why": dict(list(refused.items())[:200])})
    return outcomes


def verdicts(user: User, order: Order, host_id: int | None = None) -> list[Verdict]:
    """Every host in question with why and why not, the best first."""
    hosts = hosts_for(user, host_id)
    return placement.rank(candidates(hosts, order.source, order.pool, order.volume), order)


def _placed(user: User, wanted: Sequence[Wanted]) -> list[Host | str]:
    """A host for each, or why there is none. Each that is placed counts when the next one is."""
    hosts = {host.pk: host for host in hosts_for(user)}
    names: dict[str, set[int]] = {}
    there = Machine.objects.filter(host_id__in=hosts, gone_at=None, name__in={one.name for one in wanted})
    for name, host_id in there.values_list("name", "host_id"):
        names.setdefault(name, set()).add(host_id)
    fields: dict[tuple[str, str, str], Field] = {}
    found: list[Host | str] = []
    for one in wanted:
        key = (one.order.source, one.order.pool, one.order.volume)
        if key not in fields:
            fields[key] = _field(list(hosts.values()), key, zip(found, wanted, strict=False))
        place = _place(one, fields[key], names)
        if isinstance(place, str):
            found.append(place)
            continue
        names.setdefault(one.name, set()).add(place)
        for field in fields.values():
            field.place(place, one.order)
        found.append(hosts[place])
    return found


def _field(hosts: Sequence[Host], key: tuple[str, str, str], placed: Iterable[tuple[Host | str, Wanted]]) -> Field:
    """The hosts for one source, with what was `placed` by this request already."""
    field = Field(candidates(hosts, *key))
    for host, one in placed:
        if isinstance(host, Host):
            field.place(host.pk, one.order)
    return field


def _place(one: Wanted, field: Field, names: Mapping[str, Collection[int]]) -> int | str:
    """A host's number, or why there is none. `names`: where a machine of that name is."""
    taken = names.get(one.name, ())
    if one.host_id is not None:
        verdict = field.verdict(one.host_id, one.order)
        if verdict is None:
            return "There is no such host on which you may make machines."
        if verdict.missing:
            return f"{verdict.candidate.name} {'; '.join(verdict.missing)}."
    else:
        verdict = field.best(one.order, without=taken)
        if verdict is None:
            return "Each host has a machine of that name already." if len(field) else "There is no host on which you may make machines."
        if not verdict.fits:
            return f"It fits on no host. Nearest: {verdict.candidate.name}, {'; '.join(verdict.against)}."
    if verdict.candidate.id in taken:
        return f"A machine {one.name} is on {verdict.candidate.name} already."
    return verdict.candidate.id


def _creation(user: User, one: Wanted, host: Host) -> Creation:
    sealed = sealing.seal(json.dumps(asdict(one.secrets))) if one.secrets != NO_SECRETS else ""
    return Creation(host=host, uuid=str(uuid.uuid4()), name=one.name, order=one.order.plain(), sealed=sealed, asked_by=user)


# ── machines that are there ──


def refusal(machine: Machine, *, off: bool) -> str:
    """Why a machine can't be copied, renamed or deleted now, or ""."""
    if machine.gone_at:
        return "It is not on its host any more."
    if machine.is_stale:
        return f"{machine.host.name} does not answer."
    if off and machine.is_active:
        return "Shut it down first."
    return ""


def why_not_clone(machine: Machine) -> str:
    why = refusal(machine, off=False)
    if not why and machine.is_active:
        why = "Shut it down first: copied while it runs, its disks would be of different moments."
    if machine.host.in_maintenance:
        why = why or f"{machine.host.name} is in maintenance: nothing new is made there."
    return why or ("It has a saved state: start it or throw that away first." if machine.has_saved_image else "")


def why_not_rename(machine: Machine) -> str:
    return refusal(machine, off=True)


def why_not_delete(machine: Machine) -> str:
    return refusal(machine, off=False)


def clone(user: User, machine: Machine, name: str, *, pool: str = "", start: bool = False, linked: bool = False) -> tuple[Creation, Job]:
    """A copy beside the original, or in `pool`; `linked`: of the differences alone.

    Needs the role manager on the machine (checked by access.get) and on its host.
    """
    if user.rights.on_host(machine.host_id) < Role.MANAGER:
        raise Refused(f"This needs the role manager on {machine.host.name}.")
    _refuse_if(why_not_clone(machine), user, "machines.creation.clone", machine)
    _check_name(machine, name)
    order = Order(source="empty", vcpus=machine.vcpus or 1, memory_bytes=machine.memory_bytes or 2**20, start=start)
    with transaction.atomic():
        row = Creation.objects.create(host=machine.host, uuid=str(uuid.uuid4()), name=name, order=order.plain(), asked_by=user)
        params = {"creation": row.pk, "uuid": machine.uuid, "name": name, "pool": pool, "linked": linked}
        return row, jobs.submit("machines.creation.clone", machine.subject, asked_by=user, params=params)


def rename(user: User, machine: Machine, name: str) -> Job:
    _refuse_if(why_not_rename(machine), user, "machines.creation.rename", machine)
    _check_name(machine, name)
    return jobs.submit("machines.creation.rename", machine.subject, asked_by=user, params={"name": name, "was": machine.name})


def delete(user: User, machine: Machine, disks: Sequence[str], *, force_off: bool = False, batch: str = "") -> Job:
    """With these disks, by path or as the machine's row names them. A machine that runs needs `force_off`, which is part of what was confirmed."""
    _refuse_if(why_not_delete(machine), user, "machines.creation.delete", machine)
    if machine.is_active and not force_off:
        _refuse_if("It is running. Shut it down first, or confirm that it is forced off.", user, "machines.creation.delete", machine)
    params: dict[str, Any] = {"disks": list(disks), "force_off": force_off}
    return jobs.submit("machines.creation.delete", machine.subject, asked_by=user, params=params, batch=batch)


@dataclass(frozen=True)
class Deletion:
    """What became of one machine of a bulk deletion."""

    machine: Machine
    job: Job | None
    refused: str = ""


def delete_many(user: User, machines: Sequence[Machine], *, with_disks: bool, force_off: bool) -> list[Deletion]:
    """Each with its own result. `machines`: a selection of access.visible(user)."""
    batch, found = uuid.uuid4().hex, []
    for machine in machines:
        if not access.may(user, machine, Role.MANAGER):
            found.append(Deletion(machine, None, "This needs the role manager."))
            continue
        try:
            paths = [disk.path for disk in disks_of(machine) if disk.deletable and disk.chosen] if with_disks else []
            found.append(Deletion(machine, delete(user, machine, paths, force_off=force_off, batch=batch)))
        except Refused as exc:
            found.append(Deletion(machine, None, str(exc)))
    return found


def _check_name(machine: Machine, name: str) -> None:
    try:
        machine_name(name)
    except Invalid as exc:
        raise Refused(str(exc)) from exc
    if Machine.objects.filter(host=machine.host, gone_at=None, name=name).exists():
        raise Refused(f"A machine {name} is on {machine.host.name} already.")


def _refuse_if(reason: str, user: User, kind: str, machine: Machine) -> None:
    if reason:
        audit.record(kind, machine.name, actor=user, result="refused", detail={"machine": machine.pk, "why": reason})
        raise Refused(f"{machine.name}: {reason}")
