"""New machines by the API: one or a thousand in a request, each with its own result; copies, names, deletion."""

from __future__ import annotations

import uuid
from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema
from ninja.errors import HttpError
from pydantic import Field

from accounts.api import person
from accounts.roles import Role
from jobs.api import Id, JobOut, accepted
from machines import access
from machines.api import router as machines  # one address, one router: its GET is theirs
from machines.creation import access as creation_access
from machines.creation import actions
from machines.creation.order import MOST_AT_ONCE, names_of
from machines.creation.wishes import Wish, Wrong, order_of
from virt.errors import Invalid

router = Router()

Text = Field("", max_length=255)


class DiskIn(Schema):
    """`size_bytes` 0: as large as the image it is made from."""

    pool: str = Field(..., max_length=255)
    size_bytes: int = Field(0, ge=0, le=2**46)
    format: Literal["qcow2", "raw"] = "qcow2"
    bus: str = Field("", max_length=16)


class NicIn(Schema):
    source: str = Field(..., max_length=255)
    kind: Literal["network", "bridge"] = "network"
    model: str = Field("", max_length=16)
    mac: str = Field("", max_length=17)


class CloudInitIn(Schema):
    """`password` is kept as its hash alone; `host_name` may hold {name}."""

    host_name: str = Text
    user: str = Text
    password: str = Field("", max_length=256)
    ssh_keys: list[str] = Field(default_factory=list, max_length=50)
    packages: list[str] = Field(default_factory=list, max_length=200)
    network: dict[str, Any] = Field(default_factory=dict)
    user_data: str = Field("", max_length=512 * 1024)


class MachineIn(Schema):
    """`name` may be a series, web-{01..20}. `host_id` missing: where it fits. `pool` and `volume`: what it starts from."""

    name: str = Field(..., min_length=1, max_length=255)
    host_id: Id | None = None
    source: Literal["empty", "iso", "network", "volume", "image", "ova", "cloud", "xml"] = "empty"
    pool: str = Text
    volume: str = Text
    os: str = Text
    vcpus: int = Field(0, ge=0, le=1024)
    memory_bytes: int = Field(0, ge=0, le=2**46)
    disks: list[DiskIn] = Field(default_factory=list, max_length=20)
    nics: list[NicIn] = Field(default_factory=list, max_length=20)
    title: str = Field("", max_length=100)
    virt_type: Literal["", "kvm", "qemu"] = ""
    cpu: str = Text
    board: str = Text
    firmware: Literal["", "bios", "efi", "secure"] = ""
    tpm: bool = False
    start: bool = True
    cloud_init: CloudInitIn | None = None
    xml: str = Field("", max_length=1_000_000)


class MachinesIn(Schema):
    machines: list[MachineIn] = Field(..., min_length=1, max_length=MOST_AT_ONCE)


class CreatedOut(Schema):
    """`uuid`: the machine's, once it is there; its row comes when its host shows it."""

    name: str
    uuid: uuid.UUID | None
    host_id: int | None
    host_name: str
    job: JobOut | None
    refused: str

    @staticmethod
    def of(one: actions.Outcome) -> CreatedOut:
        row = one.creation
        return CreatedOut(
            name=one.name, uuid=uuid.UUID(row.uuid) if row else None, host_id=row.host_id if row else None, host_name=row.host.name if row else "",
            job=JobOut.of(one.job) if one.job else None, refused=one.refused,
        )  # fmt: skip


class CreationOut(Schema):
    id: int
    name: str
    uuid: uuid.UUID
    host_id: int
    done: bool


class CloneIn(Schema):
    name: str = Field(..., min_length=1, max_length=255)
    pool: str = Text
    start: bool = False
    linked: bool = Field(False, description="only the differences are stored; the original and the clone both stand on what its disks are now")


class NameIn(Schema):
    name: str = Field(..., min_length=1, max_length=255)


class DeleteIn(Schema):
    """`name` must be the machine's. `disks`: paths to delete with it, as `GET /machines/{id}` shows them."""

    name: str = Field(..., max_length=255)
    disks: list[str] = Field(default_factory=list, max_length=100)
    force_off: bool = False


@machines.post("", response={202: list[CreatedOut]}, summary="Make machines: one, a series, or a thousand, with a result each")
def create_machines(request: HttpRequest, wish: MachinesIn) -> tuple[int, list[CreatedOut]]:
    """Needs the role manager on the hosts. What makes no sense is refused as a whole (422) and names the machine; what a host can't do, one by one."""
    wanted = [one for number, machine in enumerate(wish.machines) for one in _wanted(number, machine)]
    if len(wanted) > MOST_AT_ONCE:
        raise HttpError(422, f"At most {MOST_AT_ONCE} machines at once.")
    return 202, [CreatedOut.of(one) for one in actions.create(person(request), wanted)]


@router.get("/creations/{creation_id}", response=CreationOut, summary="A machine on its way")
def read_creation(request: HttpRequest, creation_id: Id) -> CreationOut:
    row = creation_access.get(person(request), creation_id)
    return CreationOut(id=row.pk, name=row.name, uuid=uuid.UUID(row.uuid), host_id=row.host_id, done=row.done_at is not None)


@router.post("/{machine_id}/clones", response={202: JobOut}, summary="A copy of a machine that is off, full or linked")
def clone_machine(request: HttpRequest, response: HttpResponse, machine_id: Id, wish: CloneIn) -> tuple[int, JobOut]:
    user = person(request)
    machine = access.get(user, machine_id, Role.MANAGER)
    return accepted(response, actions.clone(user, machine, wish.name, pool=wish.pool, start=wish.start, linked=wish.linked)[1])


@router.put("/{machine_id}/name", response={202: JobOut}, summary="Another name for a machine that is off")
def rename_machine(request: HttpRequest, response: HttpResponse, machine_id: Id, wish: NameIn) -> tuple[int, JobOut]:
    user = person(request)
    return accepted(response, actions.rename(user, access.get(user, machine_id, Role.MANAGER), wish.name))


@router.post("/{machine_id}/deletion", response={202: JobOut}, summary="Delete a machine, with the disks that are named")
def delete_machine(request: HttpRequest, response: HttpResponse, machine_id: Id, wish: DeleteIn) -> tuple[int, JobOut]:
    user = person(request)
    machine = access.get(user, machine_id, Role.MANAGER)
    if wish.name != machine.name:
        raise HttpError(422, "The name is not that of the machine.")
    return accepted(response, actions.delete(user, machine, wish.disks, force_off=wish.force_off))


def _wanted(number: int, machine: MachineIn) -> list[actions.Wanted]:
    plain = machine.dict(exclude={"name", "host_id", "cloud_init"})
    try:
        names = names_of(machine.name)
        order, secrets = order_of(Wish(**plain, **(machine.cloud_init.dict() if machine.cloud_init else {})))
    except Invalid as exc:
        raise HttpError(422, f"machines.{number}.name: {exc}") from exc
    except Wrong as exc:
        raise HttpError(422, f"machines.{number}: " + "; ".join(f"{name}: {words}" for name, words in exc.errors.items())) from exc
    return [actions.Wanted(name, order, secrets, machine.host_id) for name in names]
