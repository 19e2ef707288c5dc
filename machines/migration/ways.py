"""How one host reaches another: what the source's daemon is told of the target. No libvirt in here."""

from __future__ import annotations

import re

from hosts.models import Host, Kind
from machines.migration.models import Way
from virt import uri
from virt.errors import Invalid
from virt.uri import DEFAULT_PORTS, Endpoint

_DATA = re.compile(r"tcp://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(:[0-9]{1,5})?")


def libvirt_uri(target: Host) -> str:
    """The target's libvirt as its neighbours reach it, "" when nobody knows.

    As set; else its own address by the same transport as the portal's, which for SSH means that root of the source may log
    in there; a host that the portal reaches by a socket is called by the name that it gives itself.
    """
    return of(target).libvirt_uri or usual(target)


def usual(target: Host) -> str:
    """What is taken where nothing is set."""
    session = target.session or target.kind == Kind.SESSION
    name = target.address if target.kind in DEFAULT_PORTS else target.hostname
    if not name or session or target.driver != "qemu" or target.kind == Kind.TEST:
        return ""
    kind = target.kind if target.kind in DEFAULT_PORTS else Kind.SSH
    login = (target.login or "root") if kind == Kind.SSH else ""
    return uri.compose(Endpoint(kind=kind, host=name, user=login, port=target.port if target.kind in DEFAULT_PORTS else None))  # type: ignore[arg-type]


def data_uri(target: Host) -> str:
    """Where memory and disks are sent, "" when the target says so itself (libvirt's migration_host, or its host name)."""
    return of(target).data_uri


def of(target: Host) -> Way:
    """As set; empty where nobody set anything."""
    return Way.objects.filter(host=target).first() or Way(host=target)


def set_way(target: Host, *, libvirt: str, data: str) -> Way:
    """Raises virt.errors.Invalid with words for a field."""
    way, _ = Way.objects.update_or_create(host=target, defaults={"libvirt_uri": checked_libvirt(libvirt), "data_uri": checked_data(data)})
    return way


def checked_libvirt(text: str) -> str:
    """A URI with which one host can call another."""
    if not text:
        return ""
    endpoint = uri.parse(text)
    if endpoint.kind not in DEFAULT_PORTS or endpoint.driver != "qemu":
        raise Invalid("Another host reaches it by qemu+ssh, qemu+tls or qemu+tcp.")
    return uri.compose(endpoint)


def checked_data(text: str) -> str:
    """ "tcp://host" or "tcp://host:port"."""
    if not text:
        return ""
    match = _DATA.fullmatch(text)
    if not match or (match[2] and not 1 <= int(match[2][1:]) <= 65535):
        raise Invalid("Write tcp://host or tcp://host:port.")
    Endpoint(kind="tcp", host=match[1].strip("[]"))
    return text
