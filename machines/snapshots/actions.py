"""What a person may ask of snapshots. Each returns a Job or raises jobs.submit.Refused; none reaches a hypervisor."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, NoReturn

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import User
from accounts.roles import Role
from jobs import submit as jobs
from jobs.models import Job
from jobs.submit import Refused
from machines import access
from machines.actions import BUSY, Outcome
from machines.models import Machine, State
from machines.snapshots import choices
from machines.snapshots.models import Kind, Snapshot

CREATE, REVERT, DELETE, MERGE, DESCRIBE = (f"machines.snapshots.{verb}" for verb in ("create", "revert", "delete", "merge", "describe"))
_MOST_NAMES = 200
_BULK_FIELDS = ("name", "state", "has_saved_image", "persistent", "gone_at", "disks", "firmware", "host__name", "host__state")


@dataclass(frozen=True)
class Wish:
    """A snapshot to take. `kind`: "auto", "internal" or "external"; `targets`: the disks to hold, all when empty."""

    name: str
    description: str = ""
    kind: choices.Wish = "auto"
    memory: bool = True
    quiesce: bool = False
    targets: tuple[str, ...] = ()

    @property
    def params(self) -> dict[str, Any]:
        return {
            "name": self.name, "description": self.description, "kind": self.kind, "memory": self.memory, "quiesce": self.quiesce,
            "targets": list(self.targets),
        }  # fmt: skip


def refusal(machine: Machine) -> str:
    """Why nothing can be done with its snapshots now, or "" when it can; the pages show the same words."""
    if machine.gone_at:
        return _("It is not on its host any more.")
    if machine.is_stale:
        return _("%(host)s does not answer.") % {"host": machine.host.name}
    if _is_saved(machine):
        return _("Its memory is saved, and belongs to its disks as they are. Start it, or shut it down, first.")
    return "" if machine.persistent else _("It is transient: it has no definition to come back to.")


def subject_of(machine: Machine) -> choices.Subject:
    """What decides which kinds it can have, as far as its row tells; the host is asked again by the job."""
    kept = frozenset(Kind(kind) for kind in machine.snapshots.values_list("kind", flat=True).distinct())
    return choices.Subject(choices.drives_of(machine.disks), machine.is_active, machine.firmware == "efi", kept)


def create(user: User, machine: Machine, wish: Wish) -> Job:
    """Needs the role operator, as all below."""
    reason = refusal(machine)
    if not reason and machine.snapshots.filter(name=wish.name).exists():
        reason = _("It has a snapshot %(name)s already.") % {"name": wish.name}
    if reason:
        _refuse(user, CREATE, machine, reason)
    return jobs.submit(CREATE, machine.subject, asked_by=user, params=wish.params)


def create_for_many(user: User, machines: QuerySet[Machine], wish: Wish) -> list[Outcome]:
    """The same for many, each with its own result. `machines`: a selection of access.visible(user)."""
    asked = list(machines.select_related("host").only(*_BULK_FIELDS).order_by("name", "pk"))
    taken = set(Snapshot.objects.filter(machine__in=asked, name=wish.name).values_list("machine_id", flat=True))
    refusals = {machine.pk: _refusal_for(user, machine, wish, taken) for machine in asked}
    subjects = [machine.subject for machine in asked if not refusals[machine.pk]]
    made = jobs.submit_many(CREATE, subjects, asked_by=user, batch=uuid.uuid4().hex, params=wish.params) if subjects else {}
    outcomes = [Outcome(machine.pk, machine.name, made.get(machine.pk), refusals[machine.pk] or ("" if machine.pk in made else BUSY)) for machine in asked]
    refused = {outcome.name: outcome.refused for outcome in outcomes if outcome.refused}
    if refused:
        audit.record(CREATE, f"{len(refused)} at once", actor=user, result="refused", detail={"why": dict(list(refused.items())[:_MOST_NAMES])})
    return outcomes


def revert(user: User, snapshot: Snapshot, *, run: bool, first: str = "") -> Job:
    """`first`: the name of a snapshot of now to take before, "" when what is now may be lost."""
    machine = snapshot.machine
    # What is saved in memory is lost by reverting, which the person was told.
    reason = "" if _is_saved(machine) and not first else refusal(machine)
    if reason:
        _refuse(user, REVERT, machine, reason)
    return jobs.submit(REVERT, machine.subject, asked_by=user, params={"name": snapshot.name, "run": run, "first": first})


def delete(user: User, snapshot: Snapshot, *, children: bool = False) -> Job:
    if reason := refusal(snapshot.machine):
        _refuse(user, DELETE, snapshot.machine, reason)
    return jobs.submit(DELETE, snapshot.machine.subject, asked_by=user, params={"name": snapshot.name, "children": children})


def merge(user: User, machine: Machine) -> Job:
    """What snapshots deleted earlier left, because that was cancelled or something died."""
    reason = refusal(machine) or ("" if machine.unmerged.exists() else _("There is nothing to merge."))
    if reason:
        _refuse(user, MERGE, machine, reason)
    return jobs.submit(MERGE, machine.subject, asked_by=user)


def describe(user: User, snapshot: Snapshot, description: str) -> Job:
    machine = snapshot.machine
    if machine.gone_at or machine.is_stale:
        _refuse(user, DESCRIBE, machine, refusal(machine))
    return jobs.submit(DESCRIBE, machine.subject, asked_by=user, params={"name": snapshot.name, "description": description})


def _is_saved(machine: Machine) -> bool:
    return machine.has_saved_image and machine.state == State.OFF and not machine.gone_at and not machine.is_stale


def _refuse(user: User, kind: str, machine: Machine, reason: str) -> NoReturn:
    audit.record(kind, machine.name, actor=user, result="refused", detail={"machine": machine.pk, "why": reason})
    raise Refused(f"{machine.name}: {reason}")


def _refusal_for(user: User, machine: Machine, wish: Wish, taken: set[int]) -> str:
    if not access.may(user, machine, Role.OPERATOR):
        return _("This needs the role operator.")
    if machine.pk in taken:
        return _("It has a snapshot %(name)s already.") % {"name": wish.name}
    return refusal(machine)
