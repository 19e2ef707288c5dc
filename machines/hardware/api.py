"""Hardware by the API: what a machine is made of, what waits for its next boot, and changing it by the same edits as the page."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema
from ninja.errors import HttpError
from pydantic import Field

from accounts.api import person
from accounts.roles import Role
from jobs.api import Id, JobOut, accepted
from machines import access as machine_access
from machines.hardware import access, actions
from machines.hardware.actions import Editor
from machines.hardware.definitions import Definitions
from machines.hardware.forms import LONGEST_XML
from virt.errors import VirtError
from virt.xml.devices import KINDS
from virt.xml.edit.edits import Edit

router = Router()


class DeviceOut(Schema):
    kind: str
    key: str
    name: str
    values: dict[str, str]


class PendingOut(Schema):
    """`verb`: "change" of a field, or a device that comes ("add") or goes ("remove") at next boot."""

    kind: str
    key: str
    device: str
    verb: str
    field: str
    title: str
    live: str
    stored: str


class HardwareOut(Schema):
    """`digest`: what an edit says it is based on."""

    digest: str
    devices: list[DeviceOut]
    pending: list[PendingOut]


class EditIn(Schema):
    verb: Literal["add", "change", "remove"]
    kind: str = Field(..., max_length=32, description="disk, nic, cpu, memory … as in the answer of GET")
    key: str = Field("", max_length=64, description='the device, "" for a new one')
    values: dict[str, str] = Field(default_factory=dict, max_length=64)


class HardwareIn(Schema):
    based_on: str = Field(..., max_length=64)
    edits: list[EditIn] = Field(..., min_length=1, max_length=50)


class DefinitionOut(Schema):
    id: int
    at: datetime
    digest: str
    actor: str
    xml: str


class DefinitionIn(Schema):
    based_on: str = Field(..., max_length=64)
    xml: str = Field(..., max_length=LONGEST_XML)


class SizeIn(Schema):
    target: str = Field(..., min_length=1, max_length=32, description="the disk, as vda")
    size_bytes: int = Field(..., ge=512, le=2**60)


class TagsIn(Schema):
    tags: list[str] = Field(..., max_length=actions.MOST_TAGS)


@router.get("/{machine_id}/hardware", response=HardwareOut, summary="What it is made of")
def read_hardware(request: HttpRequest, machine_id: Id) -> HardwareOut:
    """Of a machine whose definition is not known yet, nothing."""
    found = Definitions(machine_access.get(person(request), machine_id))
    stored = found.stored
    nodes = [(kind, key, node) for kind in KINDS.values() for key, node in kind.keyed(stored)] if stored is not None else []
    devices = [DeviceOut(kind=kind.name, key=key, name=kind.title_of(node), values=kind.read(node)) for kind, key, node in nodes]
    return HardwareOut(digest=found.digest, devices=devices, pending=[PendingOut(**vars(each)) for each in found.pending])


@router.patch("/{machine_id}/hardware", response={202: JobOut}, summary="Change it")
def change_hardware(request: HttpRequest, response: HttpResponse, machine_id: Id, wish: HardwareIn) -> tuple[int, JobOut]:
    """Needs the role manager; what reaches into the host needs it on the host. 409 when `based_on` is not the newest definition.

    A running machine takes at once what it can; the rest takes effect at next boot, and the job says which.
    """
    user = person(request)
    editor = Editor(user, access.to_change(user, machine_id))
    return _accepted(response, lambda: editor.apply([Edit.of(each.dict()) for each in wish.edits], wish.based_on))


@router.get("/{machine_id}/definition", response=DefinitionOut, summary="Its definition as XML")
def read_definition(request: HttpRequest, machine_id: Id) -> DefinitionOut:
    newest = Definitions(machine_access.get(person(request), machine_id, Role.OPERATOR)).newest
    if newest is None:
        raise HttpError(409, "Its host has not told it yet.")
    return DefinitionOut(id=newest.pk, at=newest.at, digest=newest.digest, actor=newest.actor, xml=newest.xml)


@router.put("/{machine_id}/definition", response={202: JobOut}, summary="Replace its definition")
def replace_definition(request: HttpRequest, response: HttpResponse, machine_id: Id, wish: DefinitionIn) -> tuple[int, JobOut]:
    """A running machine goes on as it is until its next boot."""
    user = person(request)
    editor = Editor(user, access.to_change(user, machine_id))
    return _accepted(response, lambda: editor.define(wish.xml, wish.based_on))


@router.put("/{machine_id}/disk-size", response={202: JobOut}, summary="Grow a disk")
def grow_disk(request: HttpRequest, response: HttpResponse, machine_id: Id, wish: SizeIn) -> tuple[int, JobOut]:
    user = person(request)
    editor = Editor(user, access.to_change(user, machine_id))
    return accepted(response, editor.grow(wish.target, wish.size_bytes))


@router.put("/{machine_id}/tags", response=list[str], summary="Set its tags")
def set_tags(request: HttpRequest, machine_id: Id, wish: TagsIn) -> list[str]:
    user = person(request)
    machine = machine_access.get(user, machine_id, Role.OPERATOR)
    if problem := actions.tags_problem(wish.tags):
        raise HttpError(422, problem)
    actions.set_tags(user, machine, wish.tags)
    return list(machine.tags.values_list("text", flat=True))


def _accepted(response: HttpResponse, ask: Any) -> tuple[int, JobOut]:
    """What makes no sense is the sender's mistake, in words."""
    try:
        return accepted(response, ask())
    except VirtError as exc:
        raise HttpError(422, f"{exc} {exc.detail}".strip()) from exc
