"""What a person may ask: machines to be moved. Each returns a Job or raises jobs.submit.Refused; none reaches a hypervisor."""

from __future__ import annotations

from typing import NoReturn

from django.urls import reverse
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import User
from accounts.roles import Role
from hosts import access as host_access
from hosts.models import Host
from jobs import submit as jobs
from jobs.models import Job, State
from jobs.submit import Refused, Subject
from live.tabs import Notice
from machines import access
from machines.migration import ways
from machines.migration.models import Move
from machines.migration.options import Options
from machines.models import Machine

MOVE = "machines.migration.move"
RESUME = "machines.migration.resume"


def move(asker: User | None, machine: Machine, target: Host, options: Options, parent: Job | None = None) -> Job:
    """Needs the role manager on the machine and on the target (checked by access.get and target_of)."""
    reason = refusal(machine) or target_refusal(machine, target) or options.problem
    if reason:
        _refuse(asker, machine, target, reason)
    return jobs.submit(
        MOVE,
        machine.subject,
        asked_by=asker,
        params={"uuid": machine.uuid, "target": target.pk, "target_name": target.name, "options": options.as_json()},
        parent=parent,
        through=lanes_of(machine.host_id, target.pk),
    )


def move_again(user: User, job: Job) -> Job:
    """The move of a job that did not end well, once more (jobs.kinds.Kind.again)."""
    machine = access.get(user, job.subject_id, Role.MANAGER)
    if broken_of(machine):
        return resume(user, machine)
    return move(user, machine, target_of(user, int(job.params["target"])), Options.from_json(job.params["options"]))


def resume_again(user: User, job: Job) -> Job:
    """The same for one that was to be resumed."""
    return resume(user, access.get(user, job.subject_id, Role.MANAGER))


def broken_of(machine: Machine) -> Move | None:
    """The move of ours that broke after the guest had gone over, and was not mended yet."""
    return Move.objects.filter(uuid=machine.uuid, broken_at__isnull=False, done_at=None).select_related("job", "source", "target").first()


def notice(machine: Machine) -> Notice | None:
    """For the page of one whose post-copy broke."""
    if not machine.is_half:
        return None
    if broken_of(machine) is None:
        if machine.reason == "postcopy":
            return None  # it goes on
        return Notice(_("Its move broke after the guest had gone over, and its memory is not whole any more: it can’t go on. Force it off, and start it anew."))
    words = _("Its move broke after the guest had gone over: half of its memory is on each host, and it can’t go on. Nothing is lost while both halves stay.")
    return Notice(words, reverse("moves:one", args=[machine.pk]), _("Resume the move"))


def resume(asker: User, machine: Machine) -> Job:
    """Send the rest of a post-copy whose link broke. Needs the role manager on the machine: where it goes was allowed when it was begun."""
    broken = broken_of(machine)
    if broken is None:
        raise Refused(_("%(name)s: No move of it is broken.") % {"name": machine.name})
    for host in (broken.source, broken.target):
        if host.is_stale:
            _refuse(asker, machine, broken.target, _("%(host)s does not answer.") % {"host": host.name}, kind=RESUME)
    subject = Subject("machine", machine.pk, machine.name, broken.source_id, broken.source.name)
    lanes = lanes_of(broken.source_id, broken.target_id)
    return jobs.submit(RESUME, subject, asked_by=asker, params={**broken.job.params, "move": broken.pk}, through=lanes)


def limit(asker: User, machine: Machine, *, bandwidth_mib: int, max_downtime_ms: int) -> Job:
    """Other limits for the move that runs now, 0: none of ours. Needs the role manager."""
    job = Job.objects.filter(kind=MOVE, subject_type="machine", subject_id=machine.pk, state=State.RUNNING).first()
    problem = Options(bandwidth_mib=bandwidth_mib, max_downtime_ms=max_downtime_ms).problem
    changed = {"bandwidth_mib": bandwidth_mib, "max_downtime_ms": max_downtime_ms}
    if problem or job is None or not Move.objects.filter(job=job).update(limits=changed):
        raise Refused(problem or _("It is not being moved now."))
    audit.record(MOVE, machine.name, actor=asker, result="limited", detail={"job": job.pk, **changed})
    return job


def target_of(user: User, host_id: int) -> Host:
    """A host on which the person may make machines; others are as if they were not there."""
    host = host_access.visible(user, Role.MANAGER).filter(pk=host_id).first()
    if host is None:
        raise Refused(_("There is no such host, or you may not make machines on it."))
    return host


def refusal(machine: Machine) -> str:
    """Why it can't be moved anywhere now, or "" when it can; the pages show the same words."""
    if machine.gone_at:
        return _("It is not on its host any more.")
    if machine.is_stale:
        return _("%(host)s does not answer.") % {"host": machine.host.name}
    if machine.is_half:
        return _("A move of it broke half-way, or goes on still: half of its memory is on another host.")
    if machine.host.driver != "qemu" or machine.host.kind == "test":
        return _("libvirt's test driver can't move machines.")
    if machine.has_saved_image and not machine.is_active:
        return _("Its memory is saved on its host. Start it, or throw the saved state away, first.")
    return ""


def target_refusal(machine: Machine, target: Host) -> str:
    """Why it can't be moved to just this host, as far as rows tell, or "" when it can."""
    if target.pk == machine.host_id:
        return _("It is on %(host)s already.") % {"host": target.name}
    if target.is_stale:
        return _("%(host)s does not answer.") % {"host": target.name}
    if target.driver != "qemu" or target.kind == "test":
        return _("libvirt's test driver takes no machines.")
    if not ways.libvirt_uri(target):
        return _("Nobody knows how other hosts reach %(host)s. Set its migration address.") % {"host": target.name}
    return ""


def lanes_of(source_id: int, target_id: int) -> list[str]:
    """What moves share: so many out of a host at once, so many into one, so many between two."""
    low, high = sorted((source_id, target_id))
    return [f"moves-out:{source_id}", f"moves-in:{target_id}", f"moves-link:{low}-{high}"]


def _refuse(asker: User | None, machine: Machine, target: Host, reason: str, *, kind: str = MOVE) -> NoReturn:
    audit.record(kind, machine.name, actor=asker, result="refused", detail={"machine": machine.pk, "to": target.name, "why": reason})
    raise Refused(f"{machine.name}: {reason}")
