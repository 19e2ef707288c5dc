"""Who may see and cancel which jobs: the rights on the machine or host they are about."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404

from accounts.models import User
from accounts.roles import Role
from jobs.models import Job


def visible(user: User, role: Role = Role.VIEWER) -> QuerySet[Job]:
    rights = user.rights
    if rights.fleet >= role:
        return Job.objects.all()
    return Job.objects.filter(Q(host_id__in=rights.host_ids(role)) | Q(subject_type="machine", subject_id__in=rights.machine_ids(role)))


def get(user: User, pk: int, role: Role = Role.VIEWER) -> Job:
    """The job; Http404 when it may not be seen, PermissionDenied when seen but not to be touched."""
    job = visible(user).filter(pk=pk).first()
    if job is None:
        raise Http404
    if role > Role.VIEWER and not visible(user, role).filter(pk=pk).exists():
        raise PermissionDenied(f"This needs the role {role.label.lower()} on {job.subject_name}.")
    return job


def may_cancel(user: User, job: Job) -> bool:
    rights = user.rights
    own = rights.machines.get(job.subject_id, 0) if job.subject_type == "machine" else 0
    return max(rights.on_host(job.host_id), own) >= Role.OPERATOR


def visible_ids(user: User, ids: set[int]) -> set[int]:
    return set(visible(user).filter(pk__in=ids).values_list("pk", flat=True))
