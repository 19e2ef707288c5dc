"""What a person may ask of a machine. Each returns a Job or raises jobs.submit.Refused; none reaches a hypervisor."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from accounts.models import User
from accounts.roles import Role
from jobs import submit as jobs
from jobs.models import Job, State
from jobs.submit import Refused
from machines import access, power
from machines.models import Machine

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of one machine of a bulk action: a job, or the reason why not."""

    machine_id: int
    name: str
    job: Job | None
    refused: str = ""


def refusal(verb: power.Verb, machine: Machine) -> str:
    """Why the verb can't be asked for now, or "" when it can; the pages show the same words."""
    if machine.gone_at:
        return "It is not on its host any more."
    if machine.is_stale:
        return f"{machine.host.name} does not answer."
    return power.refusal(
        verb, state=machine.state, has_saved_image=machine.has_saved_image, persistent=machine.persistent
    )


def set_power(user: User, machine: Machine, verb_name: str, *, batch: str = "") -> Job:
    """Ask for a power action; needs the operator role (already checked by access.get)."""
    verb = power.VERBS[verb_name]
    reason = refusal(verb, machine)
    if reason:
        raise Refused(f"{machine.name}: {reason}")
    if verb.name in ("force-off", "reset"):
        _give_up_the_gentle_way(machine, user)
    return jobs.submit(verb.kind, machine.subject, asked_by=user, batch=batch)


def set_power_of_many(user: User, ids: Iterable[int], verb_name: str) -> list[Outcome]:
    """The same for many, each with its own result. Machines that the person may not see are left out."""
    batch = uuid.uuid4().hex
    machines = access.visible(user).select_related("host").filter(pk__in=list(ids)).order_by("name", "pk")
    return [_one_of_many(user, machine, verb_name, batch) for machine in machines]


def set_autostart(user: User, machine: Machine, on: bool) -> Job:
    if machine.gone_at or machine.is_stale:
        raise Refused(f"{machine.name}: {machine.host.name} does not answer.")
    if not machine.persistent:
        raise Refused(f"{machine.name} is transient: it has no definition that could start by itself.")
    return jobs.submit("machines.set_autostart", machine.subject, asked_by=user, params={"on": on})


def _one_of_many(user: User, machine: Machine, verb_name: str, batch: str) -> Outcome:
    if not access.may(user, machine, Role.OPERATOR):
        return Outcome(machine.pk, machine.name, None, "This needs the role operator.")
    try:
        job = set_power(user, machine, verb_name, batch=batch)
    except Refused as exc:
        return Outcome(machine.pk, machine.name, None, str(exc).removeprefix(f"{machine.name}: "))
    return Outcome(machine.pk, machine.name, job)


def _give_up_the_gentle_way(machine: Machine, user: User) -> None:
    """A shut-down or reboot that still waits for the guest makes way for force."""
    waiting = jobs.active_for("machine", machine.pk)
    if waiting and waiting.kind in ("machines.shutdown", "machines.reboot") and waiting.state == State.RUNNING:
        jobs.cancel(waiting, by=user.username)
