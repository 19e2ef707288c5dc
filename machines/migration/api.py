"""Moving machines by the API: the same actions and rights as the pages."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Field, Router, Schema

from accounts.api import person
from accounts.roles import Role
from jobs.api import Id, JobOut, accepted
from machines import access
from machines.migration import actions
from machines.migration.options import LONGEST_DOWNTIME_MS, MOST_BANDWIDTH_MIB, MOST_PARALLEL, Options

router = Router()


class MoveIn(Schema):
    target: Id = Field(..., description="the host that it moves to")
    live: bool = Field(True, description="the guest runs on while its memory is copied; a machine that is off moves as it is")
    storage: dict[str, str] = Field(default_factory=dict, description='disk → pool of the target to copy it into, as {"vda": "default"}; others are shared')
    post_copy: bool = Field(False, description="the guest goes over after the first round, its memory follows; no way back from then on")
    auto_converge: bool = Field(False, description="slow the guest down until its memory can be followed")
    parallel: int = Field(0, ge=0, le=MOST_PARALLEL, description="connections for the memory, 0: one")
    tls: bool = Field(False, description="encrypted by the hosts' QEMUs")
    tunnelled: bool = Field(False, description="through the hosts' libvirt connection")
    bandwidth_mib: int = Field(0, ge=0, le=MOST_BANDWIDTH_MIB, description="MiB a second, 0: no limit")
    max_downtime_ms: int = Field(0, ge=0, le=LONGEST_DOWNTIME_MS, description="how long the guest may stand still at the end, 0: as the host has it")
    persist: bool = Field(True, description="the target keeps the definition when the machine stops")
    undefine: bool = Field(True, description="the source forgets the definition")

    @property
    def options(self) -> Options:
        given: dict[str, Any] = self.model_dump(exclude={"target"})
        return Options(**given)


class LimitsIn(Schema):
    bandwidth_mib: int = Field(0, ge=0, le=MOST_BANDWIDTH_MIB)
    max_downtime_ms: int = Field(0, ge=0, le=LONGEST_DOWNTIME_MS)


@router.post("/{machine_id}/move", response={202: JobOut}, summary="Move a machine to another host")
def move(request: HttpRequest, response: HttpResponse, machine_id: Id, wish: MoveIn) -> tuple[int, JobOut]:
    """Needs the role manager on the machine and on the target."""
    user = person(request)
    machine = access.get(user, machine_id, Role.MANAGER)
    return accepted(response, actions.move(user, machine, actions.target_of(user, wish.target), wish.options))


@router.post("/{machine_id}/move/resume", response={202: JobOut}, summary="Resume a move that broke half-way")
def resume(request: HttpRequest, response: HttpResponse, machine_id: Id) -> tuple[int, JobOut]:
    """Of a post-copy whose link broke after the guest had gone over: the rest of its memory is sent. Needs the role manager."""
    user = person(request)
    return accepted(response, actions.resume(user, access.get(user, machine_id, Role.MANAGER)))


@router.put("/{machine_id}/move/limits", response={202: JobOut}, summary="Change the limits of a move that runs")
def limit(request: HttpRequest, response: HttpResponse, machine_id: Id, wish: LimitsIn) -> tuple[int, JobOut]:
    """Needs the role manager. 0: no limit of ours."""
    user = person(request)
    machine = access.get(user, machine_id, Role.MANAGER)
    return accepted(response, actions.limit(user, machine, bandwidth_mib=wish.bandwidth_mib, max_downtime_ms=wish.max_downtime_ms))
