"""Snapshots by the API: the same actions and rights as the pages."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Field, Router, Schema
from ninja.errors import HttpError

from accounts.api import person
from accounts.roles import Role
from jobs.api import Id, JobOut, accepted
from machines import access as machine_access
from machines.api import OutcomeOut
from machines.snapshots import access, actions
from machines.snapshots.models import Snapshot
from virt.xml.build.snapshot import LONGEST_NAME, name_problem

router = Router()

_MOST_AT_ONCE = 10_000


class SnapshotOut(Schema):
    """`kind`: internal or external. `state`: of the machine then. `current`: the machine's present state came from it. Sizes in bytes, null when unknown."""

    id: int
    name: str
    parent_name: str
    description: str
    created_at: datetime
    state: str
    kind: str
    has_memory: bool
    current: bool
    disks: list[dict[str, Any]]
    memory_file: str
    size_bytes: int | None
    vcpus: int
    memory_bytes: int

    @staticmethod
    def of(snapshot: Snapshot) -> SnapshotOut:
        return SnapshotOut(id=snapshot.pk, **{name: getattr(snapshot, name) for name in _PLAIN})


_PLAIN = (
    "name", "parent_name", "description", "created_at", "state", "kind", "has_memory", "current", "disks", "memory_file", "size_bytes", "vcpus",
    "memory_bytes",
)  # fmt: skip


class NameIn(Schema):
    name: str = Field(..., min_length=1, max_length=LONGEST_NAME)
    description: str = Field("", max_length=4_000)


class SnapshotIn(NameIn):
    kind: Literal["auto", "internal", "external"] = "auto"
    memory: bool = Field(True, description="of a running machine; without it disks alone are kept")
    quiesce: bool = Field(False, description="the guest's agent freezes its file systems for a moment; only without memory")
    targets: list[str] = Field(default_factory=list, max_length=64, description='the disks to keep, as "vda"; all when empty')


class BulkSnapshotIn(NameIn):
    ids: list[Id] = Field(..., min_length=1, max_length=_MOST_AT_ONCE)
    memory: bool = True


class RevertIn(Schema):
    run: bool = Field(True, description="whether it runs afterwards, where the snapshot keeps no memory")
    first: str = Field("", max_length=LONGEST_NAME, description="the name of a snapshot of now to take before; without one what is now is lost")


class DescriptionIn(Schema):
    description: str = Field(..., max_length=4_000)


@router.post("/snapshots", response={202: list[OutcomeOut]}, summary="Take a snapshot of many machines, with a result each")
def create_for_many(request: HttpRequest, wish: BulkSnapshotIn) -> tuple[int, list[OutcomeOut]]:
    """Machines that I may not see are left out of the answer. Each gets the kind that suits it best."""
    user = person(request)
    _check_name(wish.name)
    asked = actions.Wish(wish.name, wish.description, memory=wish.memory)
    outcomes = actions.create_for_many(user, machine_access.visible(user).filter(pk__in=wish.ids), asked)
    return 202, [OutcomeOut(machine_id=one.machine_id, name=one.name, refused=one.refused, job=JobOut.of(one.job) if one.job else None) for one in outcomes]


@router.get("/{machine_id}/snapshots", response=list[SnapshotOut], summary="Snapshots of a machine, oldest first")
def list_snapshots(request: HttpRequest, machine_id: Id) -> list[SnapshotOut]:
    machine = machine_access.get(person(request), machine_id)
    return [SnapshotOut.of(snapshot) for snapshot in machine.snapshots.defer("xml")]


@router.post("/{machine_id}/snapshots", response={202: JobOut}, summary="Take a snapshot")
def create_snapshot(request: HttpRequest, response: HttpResponse, machine_id: Id, wish: SnapshotIn) -> tuple[int, JobOut]:
    """Needs the role operator."""
    user = person(request)
    machine = machine_access.get(user, machine_id, Role.OPERATOR)
    _check_name(wish.name)
    asked = actions.Wish(wish.name, wish.description, wish.kind, wish.memory, wish.quiesce, tuple(wish.targets))
    return accepted(response, actions.create(user, machine, asked))


@router.post("/{machine_id}/snapshots/merge", response={202: JobOut}, summary="Merge what deleted snapshots left")
def merge_snapshots(request: HttpRequest, response: HttpResponse, machine_id: Id) -> tuple[int, JobOut]:
    user = person(request)
    return accepted(response, actions.merge(user, machine_access.get(user, machine_id, Role.OPERATOR)))


@router.post("/{machine_id}/snapshots/{snapshot_id}/revert", response={202: JobOut}, summary="Go back to a snapshot")
def revert_to_snapshot(request: HttpRequest, response: HttpResponse, machine_id: Id, snapshot_id: Id, wish: RevertIn) -> tuple[int, JobOut]:
    user = person(request)
    snapshot = access.get(user, machine_id, snapshot_id, Role.OPERATOR)
    if wish.first:
        _check_name(wish.first)
    return accepted(response, actions.revert(user, snapshot, run=wish.run, first=wish.first))


@router.put("/{machine_id}/snapshots/{snapshot_id}/description", response={202: JobOut}, summary="Describe a snapshot")
def describe_snapshot(request: HttpRequest, response: HttpResponse, machine_id: Id, snapshot_id: Id, wish: DescriptionIn) -> tuple[int, JobOut]:
    user = person(request)
    snapshot = access.get(user, machine_id, snapshot_id, Role.OPERATOR)
    return accepted(response, actions.describe(user, snapshot, wish.description))


@router.delete("/{machine_id}/snapshots/{snapshot_id}", response={202: JobOut}, summary="Delete a snapshot")
def delete_snapshot(request: HttpRequest, response: HttpResponse, machine_id: Id, snapshot_id: Id, children: bool = False) -> tuple[int, JobOut]:
    """With `children` all that came after it goes as well. What the machine is now is never changed."""
    user = person(request)
    snapshot = access.get(user, machine_id, snapshot_id, Role.OPERATOR)
    return accepted(response, actions.delete(user, snapshot, children=children))


def _check_name(name: str) -> None:
    if problem := name_problem(name):
        raise HttpError(422, problem)
