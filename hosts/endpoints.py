"""Between a host's row and virt's address of it. No libvirt in here: forms and pages ask too."""

from __future__ import annotations

from typing import Any

from hosts.models import Host, Kind
from virt.uri import DEFAULT_PORTS, Endpoint

_TRANSPORTS = {
    Kind.LOCAL: "on this machine",
    Kind.SESSION: "on this machine, session",
    Kind.SOCKET: "by a socket",
    Kind.SSH: "over SSH",
    Kind.TLS: "over TLS",
    Kind.TCP: "over TCP",
    Kind.TEST: "libvirt's test driver",
}


def endpoint_of(host: Host) -> Endpoint:
    """Raises virt.errors.Invalid when the row holds what no endpoint may hold."""
    return Endpoint(
        kind=host.kind,  # type: ignore[arg-type]
        driver=host.driver,  # type: ignore[arg-type]
        host=host.address,
        port=host.port,
        user=host.login,
        path=host.path,
        session=host.session,
    )


def columns(endpoint: Endpoint) -> dict[str, Any]:
    """The endpoint as fields of Host; the transport's own port is left out, so that the same address has one form."""
    port = None if endpoint.port == DEFAULT_PORTS.get(endpoint.kind) else endpoint.port
    return {
        "kind": endpoint.kind,
        "driver": endpoint.driver,
        "address": endpoint.host,
        "port": port,
        "login": endpoint.user,
        "path": endpoint.path,
        "session": endpoint.session,
    }


def transport(host: Host) -> str:
    """How it is reached, in words: "over SSH"."""
    return _TRANSPORTS[Kind(host.kind)]


def place(host: Host) -> str:
    """Where it is: "root@kvm-07.example.org:2222", a path, or "" for this machine itself."""
    if not host.address:
        return host.path
    name = f"[{host.address}]" if ":" in host.address else host.address
    user = f"{host.login}@" if host.login else ""
    port = f":{host.port}" if host.port and host.port != DEFAULT_PORTS.get(host.kind) else ""
    return user + name + port


def has_host_key(kind: str) -> bool:
    """Whether a host of this kind is recognised by a pinned SSH key."""
    return kind == Kind.SSH
