"""New pools of a host that are on their way, or that failed a moment ago: a pool has no row before its host shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from hosts.models import Host
from hosts.storage.pools import places
from hosts.storage.pools.actions import KIND
from jobs.models import ACTIVE, Job, State

_TOLD_FOR = timedelta(hours=1)
_MOST = 20
_BADLY = (State.FAILED, State.INTERRUPTED)


@dataclass(frozen=True)
class Coming:
    """`form`: the address of the form with what was typed, for one that failed; else ""."""

    name: str
    job: Job
    form: str


def of(host: Host) -> list[Coming]:
    """The newest try of each name, newest first."""
    wanted = Q(state__in=ACTIVE) | Q(state__in=_BADLY, finished_at__gt=timezone.now() - _TOLD_FOR)
    jobs = Job.objects.filter(wanted, kind=f"{KIND}define", host_id=host.pk).order_by("-pk")[:_MOST]
    there = set(places.standing(host).values_list("name", flat=True))
    return list(_newest(host, list(jobs), there))


def _newest(host: Host, jobs: list[Job], there: set[str]) -> Iterator[Coming]:
    told = set(there)
    for job in jobs:
        name = str(job.params.get("name", ""))
        if name not in told:
            told.add(name)
            yield Coming(name, job, "" if job.is_active else _form(host, job))


def _form(host: Host, job: Job) -> str:
    filled = {"kind": job.params["kind"], "name": job.params["name"], **job.params["values"]}
    return f"{reverse('storage:new-pool', args=[host.pk])}?{urlencode({name: value for name, value in filled.items() if value})}"
