"""Hosts by the API: what the pages can, by the same form and actions."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema
from ninja.errors import HttpError
from pydantic import Field

from accounts.api import person
from accounts.roles import Role
from hosts import access, actions, keys
from hosts.actions import Actor
from hosts.forms import HostForm
from hosts.models import Host
from jobs.api import Id, JobOut, accepted
from live import series

router = Router()

Range = Literal["15m", "1h", "24h", "7d", "30d", "1y"]
_MOST_TEXT = 20_000


class HostOut(Schema):
    id: int
    name: str
    kind: str
    address: str
    port: int | None
    login: str
    path: str
    session: bool
    console_way: str
    console_address: str
    console_port: int | None
    console_login: str
    enabled: bool
    state: str
    state_since: datetime
    last_seen_at: datetime | None
    error: str
    latency_ms: float | None
    host_key: str = Field(description="fingerprint of the pinned key")
    host_key_offered: str = Field(description="fingerprint of a key that waits to be confirmed")
    host_uuid: str
    hostname: str
    hypervisor: str
    hypervisor_version: str
    libvirt_version: str
    arch: str
    cpu_model: str
    cpus: int
    memory_bytes: int
    kvm: bool | None
    cpu_percent: float | None
    memory_used_bytes: int | None
    pools: list[dict[str, Any]]
    networks: list[dict[str, Any]]
    notes: str
    revision: int

    @staticmethod
    def of(host: Host) -> HostOut:
        plain = {name: getattr(host, name) for name in _PLAIN}
        return HostOut(id=host.pk, host_key=keys.fingerprint(host.host_key), host_key_offered=keys.fingerprint(host.host_key_offered), **plain)


_PLAIN = (
    "name", "kind", "address", "port", "login", "path", "session", "console_way", "console_address", "console_port", "console_login",
    "enabled", "state", "state_since", "last_seen_at", "error", "latency_ms",
    "host_uuid", "hostname", "hypervisor", "hypervisor_version", "libvirt_version", "arch", "cpu_model", "cpus", "memory_bytes", "kvm",
    "cpu_percent", "memory_used_bytes", "pools", "networks", "notes", "revision",
)  # fmt: skip


class HostIn(Schema):
    """Fields as on the page; those of other kinds are not looked at. Secrets are stored encrypted and never answered."""

    kind: Literal["local", "session", "socket", "ssh", "tls", "tcp", "test"]
    name: str = Field(..., max_length=_MOST_TEXT)
    address: str = Field("", max_length=_MOST_TEXT)
    port: int | None = None
    login: str = Field("", max_length=_MOST_TEXT)
    path: str = Field("", max_length=_MOST_TEXT)
    session: bool = False
    key: Literal["portal", "own"] | None = Field(None, description="whose key opens SSH; left out: own where one is given or stored")
    private_key: str = Field("", max_length=_MOST_TEXT, description="instead of the portal's own key")
    sasl_user: str = Field("", max_length=_MOST_TEXT)
    sasl_password: str = Field("", max_length=_MOST_TEXT)
    ca_cert: str = Field("", max_length=_MOST_TEXT)
    client_cert: str = Field("", max_length=_MOST_TEXT)
    client_key: str = Field("", max_length=_MOST_TEXT)
    console_way: Literal["direct", "ssh"] = Field("direct", description="how displays of a TLS or TCP host are reached")
    console_address: str = Field("", max_length=_MOST_TEXT, description="of the SSH server to go through; left out: the host's own")
    console_port: int | None = None
    console_login: str = Field("", max_length=_MOST_TEXT)
    notes: str = Field("", max_length=_MOST_TEXT)


class HostEdit(HostIn):
    revision: int = Field(description="the one that was read: an edit of an older state is refused")


class KeyIn(Schema):
    fingerprint: str = Field(..., max_length=200, description="the offered key's, as compared by a person")


class RemoveIn(Schema):
    name: str = Field(..., max_length=200, description="the host's name, typed again")


@router.get("", response=list[HostOut], summary="Hosts that I may see")
def list_hosts(request: HttpRequest) -> list[HostOut]:
    return [HostOut.of(host) for host in access.visible(person(request)).defer("capabilities")]


@router.post("", response={201: HostOut}, summary="Add a host")
def add_host(request: HttpRequest, wish: HostIn) -> tuple[int, HostOut]:
    """For administrators. It is followed once its connection test has passed: POST …/test, confirm the key, enable."""
    _administrators_only(request)
    return 201, HostOut.of(actions.add(_form(wish).draft(), _actor(request)))


@router.get("/{host_id}", response=HostOut, summary="A host")
def read_host(request: HttpRequest, host_id: Id) -> HostOut:
    return HostOut.of(access.get(person(request), host_id))


@router.put("/{host_id}", response=HostOut, summary="Change how it is reached, its name or notes")
def edit_host(request: HttpRequest, host_id: Id, wish: HostEdit) -> HostOut:
    host = access.get(person(request), host_id)
    _administrators_only(request)
    if host.revision != wish.revision:
        raise actions.Stale(f"{host.name} was changed meanwhile: it is at revision {host.revision}.")
    return HostOut.of(actions.edit(host, _form(wish, host).draft(), _actor(request)))


@router.delete("/{host_id}", response={204: None}, summary="Forget a host")
def remove_host(request: HttpRequest, host_id: Id, wish: RemoveIn) -> tuple[int, None]:
    """On the host nothing changes; its machines' rows and their history go."""
    host = access.get(person(request), host_id)
    _administrators_only(request)
    actions.remove(host, wish.name, _actor(request))
    return 204, None


@router.post("/{host_id}/test", response={202: JobOut}, summary="Test the connection")
def test_host(request: HttpRequest, response: HttpResponse, host_id: Id) -> tuple[int, JobOut]:
    host = access.get(person(request), host_id, Role.MANAGER)
    return accepted(response, actions.test(host, _actor(request)))


@router.put("/{host_id}/key", response=HostOut, summary="Confirm the host key that it offered")
def confirm_key(request: HttpRequest, host_id: Id, wish: KeyIn) -> HostOut:
    host = access.get(person(request), host_id)
    _administrators_only(request)
    return HostOut.of(actions.confirm_key(host, wish.fingerprint, _actor(request)))


@router.put("/{host_id}/enable", response=HostOut, summary="Follow the host")
def enable_host(request: HttpRequest, host_id: Id) -> HostOut:
    return HostOut.of(actions.enable(access.get(person(request), host_id, Role.MANAGER), _actor(request)))


@router.put("/{host_id}/disable", response=HostOut, summary="Leave the host alone")
def disable_host(request: HttpRequest, host_id: Id) -> HostOut:
    return HostOut.of(actions.disable(access.get(person(request), host_id, Role.MANAGER), _actor(request)))


@router.get("/{host_id}/metrics", response=dict[str, Any], summary="Its numbers over time")
def read_metrics(request: HttpRequest, host_id: Id, range: Range = "1h") -> dict[str, Any]:
    host = access.get(person(request), host_id)
    return series.chart("host", host.pk, host.samples.all(), series.RANGES[range], memory_bytes=host.memory_bytes)


def _form(wish: HostIn, host: Host | None = None) -> HostForm:
    """The page's own form checks what came; raises 422 with its words."""
    fields = {name: value for name, value in wish.dict().items() if value not in (None, False)}
    stored = host is not None and host.secrets.filter(name="private_key").exists()
    form = HostForm({"key": "own" if wish.private_key or stored else "portal"} | fields, host=host)
    if not form.is_valid():
        field, errors = next(iter(form.errors.items()))
        raise HttpError(422, f"{field}: {errors[0]}")
    return form


def _administrators_only(request: HttpRequest) -> None:
    if not access.may_administer(person(request)):
        raise PermissionDenied("Only administrators may do this.")


def _actor(request: HttpRequest) -> Actor:
    return Actor(user=person(request), request=request)
