"""What a person may ask of a machine. Each returns a Job or raises jobs.submit.Refused; none reaches a hypervisor."""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from typing import NoReturn

from django.db.models import QuerySet

from accounts import audit
from accounts.models import User
from accounts.roles import Role
from jobs import submit as jobs
from jobs.models import Job, State
from jobs.submit import Refused
from machines import access, power
from machines.models import Machine

logger = logging.getLogger(__name__)

BUSY = "Another operation on it is running."
_MOST_NAMES = 200  # in one entry of the audit log
_GENTLE = ("machines.shutdown", "machines.reboot")
_BULK_FIELDS = ("name", "state", "reason", "has_saved_image", "persistent", "gone_at", "host__name", "host__state")


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
    if machine.is_half and verb.name != "force-off":
        return "Half of its memory is on another host: its move has to end first."
    return power.refusal(verb, state=machine.state, has_saved_image=machine.has_saved_image, persistent=machine.persistent)


def set_power(user: User, machine: Machine, verb_name: str, *, batch: str = "") -> Job:
    """Ask for a power action; needs the operator role (already checked by access.get)."""
    verb = power.VERBS[verb_name]
    reason = refusal(verb, machine)
    if reason:
        _refuse(user, verb.kind, machine, reason)
    if verb.name in ("force-off", "reset"):
        _give_up_gentle_ways([machine.pk], user)
    return jobs.submit(verb.kind, machine.subject, asked_by=user, batch=batch)


def power_again(user: User, job: Job) -> Job:
    """The power action of a job that did not end well, once more (jobs.kinds.Kind.again)."""
    verb = next(verb for verb in power.VERBS.values() if verb.kind == job.kind)
    return set_power(user, access.get(user, job.subject_id, Role.OPERATOR), verb.name)


def set_power_of_many(user: User, machines: QuerySet[Machine], verb_name: str) -> list[Outcome]:
    """The same for many, each with its own result. `machines`: a selection of access.visible(user)."""
    verb, batch = power.VERBS[verb_name], uuid.uuid4().hex
    asked = list(machines.select_related("host").only(*_BULK_FIELDS).order_by("name", "pk"))
    refusals = {machine.pk: _refusal_for(user, verb, machine) for machine in asked}
    wanted = [machine for machine in asked if not refusals[machine.pk]]
    if verb.name in ("force-off", "reset"):
        _give_up_gentle_ways([machine.pk for machine in wanted], user)
    made = jobs.submit_many(verb.kind, [machine.subject for machine in wanted], asked_by=user, batch=batch) if wanted else {}
    outcomes = [Outcome(machine.pk, machine.name, made.get(machine.pk), refusals[machine.pk] or ("" if machine.pk in made else BUSY)) for machine in asked]
    _record_refusals(user, verb, outcomes)
    return outcomes


def autostart_refusal(machine: Machine) -> str:
    """Why autostart can't be set now, or "" when it can."""
    if machine.gone_at:
        return "It is not on its host any more."
    if machine.is_stale:
        return f"{machine.host.name} does not answer."
    if not machine.persistent:
        return "It is transient: it has no definition that could start by itself."
    return ""


def set_autostart(user: User, machine: Machine, on: bool) -> Job:
    reason = autostart_refusal(machine)
    if reason:
        _refuse(user, "machines.set_autostart", machine, reason)
    return jobs.submit("machines.set_autostart", machine.subject, asked_by=user, params={"on": on})


def _refuse(user: User, kind: str, machine: Machine, reason: str) -> NoReturn:
    """The state does not allow it. (A job that another one keeps from starting is recorded by jobs.submit.)"""
    audit.record(kind, machine.name, actor=user, result="refused", detail={"machine": machine.pk, "why": reason})
    raise Refused(f"{machine.name}: {reason}")


def _record_refusals(user: User, verb: power.Verb, outcomes: list[Outcome]) -> None:
    """One entry for all of them, as jobs.submit_many has one for those that were accepted."""
    refused = {outcome.name: outcome.refused for outcome in outcomes if outcome.refused}
    if refused:
        some = dict(list(refused.items())[:_MOST_NAMES])
        audit.record(verb.kind, f"{len(refused)} at once", actor=user, result="refused", detail={"why": some})


def _refusal_for(user: User, verb: power.Verb, machine: Machine) -> str:
    if not access.may(user, machine, Role.OPERATOR):
        return "This needs the role operator."
    return refusal(verb, machine)


def _give_up_gentle_ways(machine_ids: list[int], user: User) -> None:
    """Shut-downs and reboots that still wait for their guest make way for force."""
    waiting = Job.objects.filter(subject_type="machine", subject_id__in=machine_ids, state=State.RUNNING, kind__in=_GENTLE)
    for job in waiting:
        jobs.cancel(job, by=user.username)
