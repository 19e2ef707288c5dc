"""Machines by the API: the list with the same filters as the page, power, autostart, numbers."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest, HttpResponse, QueryDict
from ninja import Query as Asked
from ninja import Router, Schema
from ninja.errors import HttpError
from pydantic import Field

from accounts.api import person
from accounts.roles import Role
from jobs.api import Id, JobOut, accepted
from live import series
from machines import access, actions
from machines.filters import LONGEST
from machines.listing import Query
from machines.models import Machine

router = Router()

Action = Literal["start", "shutdown", "reboot", "pause", "resume", "save", "restore", "reset", "force-off", "nmi"]
Range = Literal["15m", "1h", "24h", "7d", "30d", "1y"]
_MOST_AT_ONCE = 10_000


class MachineOut(Schema):
    """`stale`: its host does not answer, and this is its last sight. Sizes in bytes, rates in bytes a second."""

    id: int
    uuid: uuid.UUID
    name: str
    title: str
    host_id: int
    host_name: str
    state: str
    reason: str
    state_since: datetime
    stale: bool
    last_seen_at: datetime | None
    gone_at: datetime | None
    persistent: bool
    autostart: bool
    has_saved_image: bool
    vcpus: int
    memory_bytes: int
    cpu_percent: float | None
    memory_used_bytes: int | None
    disk_bps: float | None
    net_bps: float | None
    os_name: str
    guest_hostname: str
    agent: str
    addresses: list[dict[str, Any]]
    disks: list[dict[str, Any]]
    nics: list[dict[str, Any]]
    graphics: list[dict[str, Any]]
    notes: str

    @staticmethod
    def of(machine: Machine) -> MachineOut:
        host = machine.host
        plain = {name: getattr(machine, name) for name in _PLAIN}
        return MachineOut(id=machine.pk, host_name=host.name, stale=machine.is_stale, last_seen_at=host.last_seen_at, **plain)


_PLAIN = (
    "uuid", "name", "title", "host_id", "state", "reason", "state_since", "gone_at", "persistent", "autostart", "has_saved_image", "vcpus",
    "memory_bytes", "cpu_percent", "memory_used_bytes", "disk_bps", "net_bps", "os_name", "guest_hostname", "agent", "addresses", "disks",
    "nics", "graphics", "notes",
)  # fmt: skip


class MachinePage(Schema):
    total: int
    items: list[MachineOut]


class MachineFilter(Schema):
    q: str = Field("", max_length=LONGEST, description="the search language of the page: web host:kvm-0* state:off cpu>80 ip:10.20.")
    sort: str = Field("name", max_length=32, description='a column of the list, "-" before it for descending')
    page: int = Field(1, ge=1, le=100_000)
    size: int = Field(50, ge=1, le=500)


class PowerIn(Schema):
    action: Action


class BulkIn(Schema):
    action: Action
    ids: list[Id] = Field(..., min_length=1, max_length=_MOST_AT_ONCE)


class OutcomeOut(Schema):
    machine_id: int
    name: str
    job: JobOut | None
    refused: str


class AutostartIn(Schema):
    on: bool


@router.get("", response=MachinePage, summary="Machines that I may see")
def list_machines(request: HttpRequest, filters: Asked[MachineFilter]) -> MachinePage:
    asked = QueryDict(mutable=True)
    asked.update({"q": filters.q, "sort": filters.sort})
    query = Query.of(asked)
    if query.problems:
        raise HttpError(422, " ".join(query.problems))
    found = query.machines(person(request))
    start = (filters.page - 1) * filters.size
    page = found.select_related("host")[start : start + filters.size]
    return MachinePage(total=found.order_by().count(), items=[MachineOut.of(machine) for machine in page])


@router.post("/power", response={202: list[OutcomeOut]}, summary="A power action for many machines, with a result each")
def set_power_of_many(request: HttpRequest, wish: BulkIn) -> tuple[int, list[OutcomeOut]]:
    """Machines that I may not see are left out of the answer."""
    user = person(request)
    outcomes = actions.set_power_of_many(user, access.visible(user).filter(pk__in=wish.ids), wish.action)
    return 202, [OutcomeOut(machine_id=one.machine_id, name=one.name, refused=one.refused, job=JobOut.of(one.job) if one.job else None) for one in outcomes]


@router.get("/{machine_id}", response=MachineOut, summary="A machine")
def read_machine(request: HttpRequest, machine_id: Id) -> MachineOut:
    return MachineOut.of(access.get(person(request), machine_id))


@router.put("/{machine_id}/power", response={202: JobOut}, summary="Start, shut down, …")
def set_power(request: HttpRequest, response: HttpResponse, machine_id: Id, wish: PowerIn) -> tuple[int, JobOut]:
    """Needs the role operator. 409 when the machine's state does not allow it, or somebody is at it."""
    user = person(request)
    machine = access.get(user, machine_id, Role.OPERATOR)
    return accepted(response, actions.set_power(user, machine, wish.action))


@router.put("/{machine_id}/autostart", response={202: JobOut}, summary="Whether it starts with its host")
def set_autostart(request: HttpRequest, response: HttpResponse, machine_id: Id, wish: AutostartIn) -> tuple[int, JobOut]:
    user = person(request)
    machine = access.get(user, machine_id, Role.OPERATOR)
    return accepted(response, actions.set_autostart(user, machine, wish.on))


@router.get("/{machine_id}/metrics", response=dict[str, Any], summary="Its numbers over time")
def read_metrics(request: HttpRequest, machine_id: Id, range: Range = "1h") -> dict[str, Any]:
    """Columns of equal length, oldest first: at (seconds since 1970), cpu (percent), mem (bytes), rd, wr, rx, tx (bytes a second)."""
    machine = access.get(person(request), machine_id)
    return series.chart("machine", machine.pk, machine.samples.all(), series.RANGES[range], memory_bytes=machine.memory_bytes)
