"""Storage pools by the API: what the pages can, by the same actions."""

from __future__ import annotations

from typing import Literal

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema
from pydantic import Field

from accounts.api import person
from accounts.roles import Role
from hosts import access as host_access
from hosts.storage import access, actions
from hosts.storage.models import Pool
from hosts.storage.pools import actions as defining
from hosts.storage.pools.actions import NewPool
from jobs.api import Id, JobOut, accepted
from virt.xml.pools import KINDS

router = Router()

_LONGEST = 4_000


class PoolOut(Schema):
    """Sizes in bytes, as last seen. `promised_bytes`: what its volumes may grow to together."""

    id: int
    uuid: str
    name: str
    host_id: int
    host_name: str
    kind: str
    state: str
    autostart: bool
    persistent: bool
    capacity_bytes: int
    allocation_bytes: int
    available_bytes: int
    promised_bytes: int
    volume_count: int
    path: str
    source: str
    pending: bool = Field(description="it runs as something else than what is defined")

    @staticmethod
    def of(pool: Pool) -> PoolOut:
        return PoolOut(id=pool.pk, host_name=pool.host.name, **{name: getattr(pool, name) for name in _PLAIN})


_PLAIN = (
    "uuid", "name", "host_id", "kind", "state", "autostart", "persistent", "capacity_bytes", "allocation_bytes", "available_bytes", "promised_bytes",
    "volume_count", "path", "source", "pending",
)  # fmt: skip


class PoolPage(Schema):
    total: int
    items: list[PoolOut]


class PoolFilter(Schema):
    host_id: Id | None = Field(None, description="only of this host")
    kind: str = Field("", max_length=16, description='only of this kind, as "netfs"')
    page: int = Field(1, ge=1, le=100_000)
    size: int = Field(100, ge=1, le=500)


class FieldOut(Schema):
    name: str
    title: str
    type: str
    required: bool
    choices: list[str]


class KindOut(Schema):
    name: str
    title: str
    fields: list[FieldOut]
    build: list[str] = Field(description='what "build" of a new one may be')
    volume_formats: list[str]


class PoolIn(Schema):
    """`values` by the fields of its kind (GET pool-kinds). `password` goes to the host and is kept nowhere here."""

    name: str = Field(max_length=200)
    kind: str = Field(max_length=16)
    values: dict[str, str] = Field(default_factory=dict)
    build: Literal["", "new", "overwrite"] = Field("", description="make what it stands on; overwrite: all that is there is lost")
    start: bool = True
    autostart: bool = True
    password: str = Field("", max_length=300)


class Power(Schema):
    action: Literal["start", "stop", "refresh"]


@router.get("/pool-kinds", response=list[KindOut], summary="Kinds of pools that can be made, with their fields")
def list_kinds(request: HttpRequest) -> list[KindOut]:
    return [
        KindOut(
            name=kind.name,
            title=kind.title,
            fields=[
                FieldOut(name=each.name, title=each.title, type=each.type, required=each.required, choices=[value for value, _ in each.choices])
                for each in kind.fields
            ],
            build=list(defining.builds(kind)),
            volume_formats=list(kind.formats),
        )
        for kind in KINDS.values()
    ]


@router.get("/pools", response=PoolPage, summary="Pools that I may see")
def list_pools(request: HttpRequest, filters: Query[PoolFilter]) -> PoolPage:
    asked = {name: value for name in ("host_id", "kind") if (value := getattr(filters, name))}
    found = access.visible(person(request)).filter(**asked).select_related("host").defer("xml")
    start = (filters.page - 1) * filters.size
    return PoolPage(total=found.count(), items=[PoolOut.of(pool) for pool in found.order_by("host__name", "name", "pk")[start : start + filters.size]])


@router.get("/pools/{pool_id}", response=PoolOut, summary="A pool")
def read_pool(request: HttpRequest, pool_id: Id) -> PoolOut:
    return PoolOut.of(access.get(person(request), pool_id))


@router.post("/hosts/{host_id}/pools", response={202: JobOut}, summary="Make a pool")
def make_pool(request: HttpRequest, response: HttpResponse, host_id: Id, body: PoolIn) -> tuple[int, JobOut]:
    """Needs the role manager on the host. Defined, built and started as a whole, or nothing of it is left. 409 says which field won't do."""
    user = person(request)
    host = host_access.get(user, host_id, Role.MANAGER)
    values = {name: value[:_LONGEST] for name, value in body.values.items()}
    wish = NewPool(body.name, body.kind, values, body.build, body.start, body.autostart, body.password)
    return accepted(response, defining.define(user, host, wish))


@router.put("/pools/{pool_id}/power", response={202: JobOut}, summary="Start, stop or refresh a pool")
def power_pool(request: HttpRequest, response: HttpResponse, pool_id: Id, body: Power) -> tuple[int, JobOut]:
    user = person(request)
    pool = access.get(user, pool_id, Role.MANAGER)
    deed = {"start": actions.start, "stop": actions.stop, "refresh": actions.refresh}[body.action]
    return accepted(response, deed(user, pool))


@router.delete("/pools/{pool_id}", response={202: JobOut}, summary="Remove a pool")
def remove_pool(request: HttpRequest, response: HttpResponse, pool_id: Id, contents: bool = False) -> tuple[int, JobOut]:
    """What is in it stays, unless `contents`: then what it stands on is deleted too, with every volume where that is a volume group, a ZFS pool or a disk."""
    user = person(request)
    return accepted(response, defining.remove(user, access.get(user, pool_id, Role.MANAGER), contents))
