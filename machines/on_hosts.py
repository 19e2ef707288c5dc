"""What the hosts' pages ask about machines (hosts/guests.py): hosts stand below and may not look up here."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from django.db.models import Count, F, QuerySet, Sum

from accounts.models import User
from hosts.guests import Brief, Tally
from hosts.models import Host, Kind
from jobs import submit as jobs
from jobs.models import Job
from jobs.submit import Refused
from live.glances import glance
from machines import access
from machines.filters import Term
from machines.listing import Query
from machines.models import ACTIVE_STATES, Machine


class MachinesOnHosts:
    """Answers for hosts.guests.Machines."""

    def counts(self, user: User, host_ids: Iterable[int] | None = None) -> dict[int, int]:
        machines = access.visible(user)
        if host_ids is not None:
            machines = machines.filter(host_id__in=list(host_ids))
        return dict(machines.order_by().values_list("host_id").annotate(Count("pk")))

    def tallies(self, user: User, host_ids: Iterable[int]) -> dict[int, Tally]:
        rows = access.visible(user).filter(host_id__in=list(host_ids)).order_by().values_list("host_id", "state")
        by_host: defaultdict[int, dict[str, tuple[int, int, int]]] = defaultdict(dict)
        for host_id, state, count, vcpus, memory in rows.annotate(Count("pk"), Sum("vcpus"), Sum("memory_bytes")):
            by_host[host_id][state] = (count, vcpus or 0, memory or 0)
        return {host_id: _tally(states) for host_id, states in by_host.items()}

    def some(self, user: User, host_id: int, most: int) -> list[Brief]:
        return _briefs(access.visible(user).filter(host_id=host_id).order_by("name", "pk")[:most])

    def busiest(self, user: User, host_id: int, most: int) -> list[Brief]:
        """By the last minute's average, each with its newest numbers."""
        on = access.visible(user).filter(host_id=host_id, state__in=ACTIVE_STATES)
        briefs = _briefs(on.order_by(F("cpu_percent").desc(nulls_last=True), "name")[:most])
        newest = {pk: seen.newest for pk, seen in glance("machine", [brief.pk for brief in briefs]).items()}
        return [_with(brief, newest.get(brief.pk)) for brief in briefs]

    def list_url(self, host: Host) -> str:
        return Query(chips=(Term("host", "=", (host.name,)),)).url()

    def try_it(self, user: User, host: Host) -> Job:
        """Needs the role manager on the host (checked by hosts/access.py)."""
        if not host.is_online:
            raise Refused(f"{host.name} does not answer now.")
        if host.in_maintenance:
            raise Refused(f"{host.name} is in maintenance.")
        if host.kind == Kind.TEST:
            raise Refused("libvirt's test driver is another one in each process: what a worker makes there, nobody else sees.")
        if Machine.objects.filter(host=host, gone_at=None).exists():
            raise Refused(f"{host.name} has machines already.")
        # The uuid is chosen here: whoever asks later what became of the job asks for this very machine.
        return jobs.submit("machines.try_it", host.subject, asked_by=user, params={"uuid": str(uuid.uuid4())})


def _tally(states: dict[str, tuple[int, int, int]]) -> Tally:
    on = [figures for state, figures in states.items() if state in ACTIVE_STATES]
    return Tally(
        by_state={state: count for state, (count, _, _) in states.items()},
        vcpus=sum(vcpus for _, vcpus, _ in on),
        memory_bytes=sum(memory for _, _, memory in on),
    )


def _briefs(machines: QuerySet[Machine]) -> list[Brief]:
    columns = ("pk", "name", "state", "cpu_percent", "memory_used_bytes", "memory_bytes", "addresses")
    return [
        Brief(pk, name, state, cpu, used, memory, _first_address(addresses)) for pk, name, state, cpu, used, memory, addresses in machines.values_list(*columns)
    ]


def _with(brief: Brief, newest: Sequence[float | None] | None) -> Brief:
    if not newest:
        return brief
    used = brief.memory_used_bytes if newest[2] is None else int(newest[2])
    return replace(brief, cpu_percent=newest[1], memory_used_bytes=used)


def _first_address(addresses: list[dict[str, str]]) -> str:
    return addresses[0]["ip"] if addresses else ""
