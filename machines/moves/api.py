"""Maintenance of hosts and moves of many machines by the API: the same plans, actions and rights as the pages."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from django.http import HttpRequest, HttpResponse
from ninja import Field, Router, Schema

from accounts.api import person
from accounts.roles import Role
from hosts import access as host_access
from jobs.api import Id, JobOut, accepted
from machines import access as machine_access
from machines.models import Machine
from machines.moves import actions
from machines.moves.planning import Deed, Plan, Wish

router = Router()  # below /hosts
moves = Router()


class WishIn(Schema):
    to: Id | None = Field(None, description="the host that they move to; null: where each fits best")
    stuck: Literal["leave", "cold", "shut-down"] = Field(
        "leave", description="those that can't be moved while they run: leave them, shut down and move and start there, or shut down alone"
    )
    off: Literal["leave", "move"] = Field("leave", description="those that are off")

    def of(self, machines: list[Machine]) -> dict[int, Wish]:
        moved = {machine.pk for machine in machines if machine.is_active or self.off == "move"}
        return {machine.pk: Wish(Deed.MOVE if machine.pk in moved else Deed.LEAVE, self.to, Deed(self.stuck)) for machine in machines}


_USUAL = WishIn(to=None, stuck="leave", off="leave")


class SelectionIn(WishIn):
    machine_ids: list[Id] = Field(..., max_length=actions.MOST_AT_ONCE)
    off: Literal["leave", "move"] = "move"


class LineOut(Schema):
    machine_id: int
    machine: str
    deed: str = Field(description='"move" as it is, "cold": shut down, moved, started there, "shut-down", "leave"')
    target_id: int | None
    why: str = Field(description="what keeps it from being moved, where that was wanted")
    warnings: list[str]


class MaintenanceOut(Schema):
    since: datetime | None
    plan: list[LineOut] = Field(description="what would be done with what is there now")


@router.get("/{host_id}/maintenance", response=MaintenanceOut, summary="Whether it is in maintenance, and what would go where")
def read_maintenance(request: HttpRequest, host_id: Id) -> MaintenanceOut:
    user = person(request)
    host = host_access.get(user, host_id, Role.MANAGER)
    return MaintenanceOut(since=host.maintenance_since, plan=_lines(actions.plan_of_maintenance(user, host, _USUAL.of(_machines(host.pk)))))


@router.post("/{host_id}/maintenance", response={202: JobOut, 204: None}, summary="Begin maintenance: nothing new comes, its machines go")
def begin_maintenance(request: HttpRequest, response: HttpResponse, host_id: Id, wish: WishIn) -> tuple[int, JobOut | None]:
    """204 when no machine has to be moved."""
    user = person(request)
    host = host_access.get(user, host_id, Role.MANAGER)
    job = actions.begin(user, host, wish.of(_machines(host.pk)))
    return accepted(response, job) if job else (204, None)


@router.delete("/{host_id}/maintenance", response={202: JobOut, 204: None}, summary="End maintenance, with `back` bring its machines back")
def end_maintenance(request: HttpRequest, response: HttpResponse, host_id: Id, back: bool = True) -> tuple[int, JobOut | None]:
    """204 when no machine comes back."""
    user = person(request)
    job = actions.end(user, host_access.get(user, host_id, Role.MANAGER), back=back)
    return accepted(response, job) if job else (204, None)


@moves.post("", response={202: JobOut}, summary="Move many machines")
def move_many(request: HttpRequest, response: HttpResponse, wish: SelectionIn) -> tuple[int, JobOut]:
    """Needs the role manager on each, and on the hosts they go to; others are as if they were not there."""
    user = person(request)
    machines = list(machine_access.visible(user, Role.MANAGER).filter(pk__in=wish.machine_ids).select_related("host"))
    found = actions.move_many(user, machines, wish.of(machines))
    assert found.job is not None
    return accepted(response, found.job)


def _machines(host_id: int) -> list[Machine]:
    return list(Machine.objects.filter(host_id=host_id, gone_at=None).select_related("host"))


def _lines(plan: Plan) -> list[LineOut]:
    return [
        LineOut(
            machine_id=line.guest.id, machine=line.guest.name, deed=line.deed, target_id=line.target.id if line.target else None, why=line.why,
            warnings=[finding.title for finding in line.warnings],
        )
        for line in plan.lines
    ]  # fmt: skip
