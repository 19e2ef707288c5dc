"""Networks by the API: the same checks, actions and rights as the pages."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema
from ninja.errors import HttpError
from pydantic import Field

from accounts.api import person
from accounts.roles import Role
from hosts import access as host_access
from hosts.networks import access, actions
from hosts.networks.models import Lease, Network
from jobs.api import Id, JobOut, accepted
from virt.errors import VirtError
from virt.xml.edit.network import Edit

router = Router()
of_host = Router()

_LONGEST = 4_000


class AddressOut(Schema):
    """The host's own address in the network."""

    family: int
    address: str
    prefix: int
    network: str
    dhcp: bool


class NetworkOut(Schema):
    """`mode`: nat, route, open, isolated, bridge, macvtap, openvswitch, hostdev. `differs`: what is saved takes effect at the next start.

    `digest`: what an edit says it is based on.
    """

    id: int
    host_id: int
    uuid: str
    name: str
    mode: str
    active: bool
    autostart: bool
    persistent: bool
    differs: bool
    bridge: str
    devices: list[str]
    addresses: list[AddressOut]
    domain: str
    vlan: str
    portgroups: list[str]
    digest: str

    @staticmethod
    def of(network: Network) -> NetworkOut:
        plain = {name: getattr(network, name) for name in _PLAIN}
        return NetworkOut(id=network.pk, addresses=[AddressOut(**each) for each in network.addresses], **plain)


_PLAIN = (
    "host_id", "uuid", "name", "mode", "active", "autostart", "persistent", "differs", "bridge", "devices", "domain", "vlan", "portgroups", "digest",
)  # fmt: skip


class LeaseOut(Schema):
    ip: str
    prefix: int
    mac: str
    name: str
    client: str
    expires_at: datetime | None


class NetworkIn(Schema):
    name: str = Field(..., min_length=1, max_length=200)
    mode: Literal["nat", "route", "open", "isolated", "bridge", "macvtap", "openvswitch"]
    values: dict[str, str] = Field(default_factory=dict, max_length=64, description="the fields of the mode, as on the page: address4, ranges4, device …")
    start: bool = True
    autostart: bool = True


class EditIn(Schema):
    verb: Literal["set", "add", "change", "remove"]
    what: str = Field(..., max_length=32, description="the mode whose fields are set, or a part: fixed, name, srv, txt, portgroup")
    place: int = Field(-1, ge=-1, le=100_000, description="which of the parts, from 0, in the definition that the edit is based on")
    values: dict[str, str] = Field(default_factory=dict, max_length=64)


class ChangeIn(Schema):
    based_on: str = Field(..., max_length=64)
    edits: list[EditIn] = Field(..., min_length=1, max_length=50)


class PowerIn(Schema):
    action: Literal["start", "stop", "restart"]


class AutostartIn(Schema):
    on: bool


@router.get("", response=list[NetworkOut], summary="Networks that I may see")
def list_networks(request: HttpRequest, host: Id | None = None) -> list[NetworkOut]:
    networks = access.visible(person(request)).defer("xml")
    return [NetworkOut.of(network) for network in (networks.filter(host_id=host) if host else networks)]


@of_host.post("/{host_id}/networks", response={202: JobOut}, summary="Make a network")
def create_network(request: HttpRequest, response: HttpResponse, host_id: Id, wish: NetworkIn) -> tuple[int, JobOut]:
    """Needs the role manager on the host. 409 with what clashes with the host's other networks."""
    user = person(request)
    host = host_access.get(user, host_id, Role.MANAGER)
    _short(wish.values)
    return _accepted(response, lambda: actions.create(user, host, wish.name, wish.mode, wish.values, start=wish.start, autostart=wish.autostart))


@router.get("/{network_id}", response=NetworkOut, summary="A network")
def read_network(request: HttpRequest, network_id: Id) -> NetworkOut:
    return NetworkOut.of(access.get(person(request), network_id))


@router.patch("/{network_id}", response={202: JobOut}, summary="Change it")
def change_network(request: HttpRequest, response: HttpResponse, network_id: Id, wish: ChangeIn) -> tuple[int, JobOut]:
    """409 when `based_on` is not the newest definition. A running network takes at once what libvirt lets it; the job's result says what waits."""
    user = person(request)
    network = access.get(user, network_id, Role.MANAGER)
    for each in wish.edits:
        _short(each.values)
    return _accepted(response, lambda: actions.change(user, network, [Edit.of(each.dict()) for each in wish.edits], wish.based_on))


@router.delete("/{network_id}", response={202: JobOut}, summary="Delete it")
def delete_network(request: HttpRequest, response: HttpResponse, network_id: Id) -> tuple[int, JobOut]:
    """Refused while running machines are on it."""
    user = person(request)
    return accepted(response, actions.delete(user, access.get(user, network_id, Role.MANAGER)))


@router.put("/{network_id}/power", response={202: JobOut}, summary="Start, stop or restart it")
def set_power(request: HttpRequest, response: HttpResponse, network_id: Id, wish: PowerIn) -> tuple[int, JobOut]:
    """Stopping takes the link of machines that run on it; restarting gives it back."""
    user = person(request)
    network = access.get(user, network_id, Role.MANAGER)
    deed = {"start": actions.start, "stop": actions.stop, "restart": actions.restart}[wish.action]
    return accepted(response, deed(user, network))


@router.put("/{network_id}/autostart", response={202: JobOut}, summary="Start it with the host, or not")
def set_autostart(request: HttpRequest, response: HttpResponse, network_id: Id, wish: AutostartIn) -> tuple[int, JobOut]:
    user = person(request)
    return accepted(response, actions.set_autostart(user, access.get(user, network_id, Role.MANAGER), wish.on))


@router.get("/{network_id}/leases", response=list[LeaseOut], summary="Addresses that it gave out")
def list_leases(request: HttpRequest, network_id: Id) -> list[LeaseOut]:
    network = access.get(person(request), network_id)
    leases = Lease.objects.filter(host_id=network.host_id, network_uuid=network.uuid)
    return [LeaseOut(**{name: getattr(lease, name) for name in LeaseOut.model_fields}) for lease in leases]


def _short(values: dict[str, str]) -> None:
    if any(len(value) > _LONGEST for value in values.values()):
        raise HttpError(422, f"A value has at most {_LONGEST} characters.")


def _accepted(response: HttpResponse, ask: Any) -> tuple[int, JobOut]:
    """What makes no sense is the sender's mistake, in words."""
    try:
        return accepted(response, ask())
    except VirtError as exc:
        raise HttpError(422, f"{exc} {exc.detail}".strip()) from exc
