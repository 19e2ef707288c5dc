"""Between a host's row and virt's address of it. No libvirt in here: forms and pages ask too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hosts.models import ConsoleWay, Host, Kind
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
# Where the displays' own way is a setting: SSH hosts have their tunnel, those of this machine need none.
CHOOSE_CONSOLES = (Kind.TLS, Kind.TCP)


@dataclass(frozen=True)
class Consoles:
    """How the displays of a TLS or TCP host are reached: directly, or through an SSH server (`address` "": the host's own)."""

    by_ssh: bool = False
    address: str = ""
    port: int | None = None
    login: str = ""

    def columns(self) -> dict[str, Any]:
        """As fields of Host; what only SSH needs is not kept for a direct way."""
        if not self.by_ssh:
            return {"console_way": ConsoleWay.DIRECT, "console_address": "", "console_port": None, "console_login": ""}
        port = None if self.port == DEFAULT_PORTS["ssh"] else self.port
        return {"console_way": ConsoleWay.SSH, "console_address": self.address, "console_port": port, "console_login": self.login}


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
    return _place(host.kind, host.address, host.port, host.login) if host.address else host.path


def console_place(host: Host) -> str:
    """The SSH server that its displays alone are reached through, likewise; "" for none."""
    if has_host_key(host.kind) or not uses_ssh(host.kind, host.console_way):
        return ""
    return _place(Kind.SSH, host.console_address or host.address, host.console_port, host.console_login)


def _place(kind: str, address: str, port: int | None, login: str) -> str:
    name = f"[{address}]" if ":" in address else address
    return (f"{login}@" if login else "") + name + (f":{port}" if port and port != DEFAULT_PORTS.get(kind) else "")


def has_host_key(kind: str) -> bool:
    """Whether a host of this kind is recognised by a pinned SSH key."""
    return kind == Kind.SSH


def uses_ssh(kind: str, console_way: str) -> bool:
    """Whether an SSH server, with a key to be pinned, leads to such a host or to its displays alone."""
    return has_host_key(kind) or (kind in CHOOSE_CONSOLES and console_way == ConsoleWay.SSH)


def ssh_endpoint_of(host: Host) -> Endpoint | None:
    """The SSH server through which the host's displays are reached; None without one. Raises virt.errors.Invalid."""
    if host.kind == Kind.SSH:
        return endpoint_of(host)
    if not uses_ssh(host.kind, host.console_way):
        return None
    return Endpoint("ssh", host=host.console_address or host.address, port=host.console_port, user=host.console_login)
