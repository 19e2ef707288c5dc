"""Where a hypervisor is, as checked fields; and the libvirt URI made of them.

No field is ever pasted unchecked: a host, user or path that could be read as an option of ssh, as a
shell word or as another URI parameter is refused. The parameters by which a URI could run a program
or switch checks off (`command`, `netcat`, `no_verify`, …) can't be given from outside at all.
URI grammar: https://libvirt.org/uri.html
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from virt.errors import Invalid

Kind = Literal["local", "session", "ssh", "tls", "tcp", "test", "socket"]
Driver = Literal["qemu", "test"]

DEFAULT_PORTS = {"ssh": 22, "tls": 16514, "tcp": 16509}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One hypervisor's address. Making one checks it (raises Invalid).

    kind     local: this machine's system daemon · session: the user's own daemon · ssh, tls, tcp: remote ·
             socket: a unix socket on this machine · test: libvirt's test driver inside this process
    host     name or IP address, for ssh, tls and tcp
    port     None: the transport's own
    user     login name, for ssh
    path     socket: the socket's path · ssh: the remote socket, if not the usual one ·
             test: "/default" or the path of a file that describes the test host
    driver   "test": the daemon behind the socket (or ssh, tcp, tls) serves the test driver
    session  the remote user's own daemon rather than the system's
    """

    kind: Kind
    host: str = ""
    port: int | None = None
    user: str = ""
    path: str = ""
    driver: Driver = "qemu"
    session: bool = False

    def __post_init__(self) -> None:
        if self.kind not in _NEEDS:
            raise Invalid(f"There is no way to connect called “{_shown(self.kind)}”.")
        if self.driver not in ("qemu", "test"):
            raise Invalid(f"There is no driver called “{_shown(self.driver)}”.")
        for name in ("host", "port", "user", "path", "session"):
            if getattr(self, name) and name not in _NEEDS[self.kind] | _MAY[self.kind]:
                raise Invalid(f"A connection of the kind {self.kind} takes no {name}.")
        for name in _NEEDS[self.kind]:
            if not getattr(self, name):
                raise Invalid(f"A connection of the kind {self.kind} needs a {name}.")
        if self.driver == "test" and self.kind in ("local", "session"):
            raise Invalid("The test driver of this process has the kind test.")
        if self.driver == "test" and self.session:
            raise Invalid("The test driver has no session daemon.")
        _check_host(self.host)
        _check_port(self.port)
        _check_user(self.user)
        _check_path(self.path, remote=self.kind == "ssh")

    @property
    def label(self) -> str:
        """Short text for logs and pages, without secrets: the URI a person would type."""
        return compose(self)


def compose(endpoint: Endpoint, *, command: str = "", key_file: str = "", pki_dir: str = "") -> str:
    """The libvirt URI of an endpoint.

    The keyword arguments are paths of our own making (`virt.ssh`, `virt.tls`); they never come from a person.
    """
    if endpoint.kind == "local":
        return "qemu:///system"
    if endpoint.kind == "session":
        return "qemu:///session"
    if endpoint.kind == "test":
        return f"test://{quote(endpoint.path or '/default')}"
    transport = "unix" if endpoint.kind == "socket" else endpoint.kind
    parameters = {
        "socket": endpoint.path,
        "command": command,
        "keyfile": key_file,
        "no_tty": "1" if command else "",
        "pkipath": pki_dir,
    }
    given = {name: value for name, value in parameters.items() if value}
    query = "?" + urlencode(given, quote_via=quote) if given else ""
    return f"{endpoint.driver}+{transport}://{_authority(endpoint)}{_daemon(endpoint)}{query}"


def parse(uri: str) -> Endpoint:
    """The endpoint that a person's URI means; raises Invalid.

    `socket` is the only parameter taken from a URI. Keys and certificates are given beside it, never as paths in it.
    """
    if not uri.isascii() or not uri.isprintable() or " " in uri or len(uri) > 2000:
        raise Invalid("The address holds characters that do not belong into a URI.")
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError as exc:
        raise Invalid("This is not a URI such as qemu+ssh://root@host/system.", str(exc)) from exc
    driver, _, transport = parts.scheme.partition("+")
    if driver not in ("qemu", "test"):
        raise Invalid("Only QEMU/KVM hosts (qemu…://) and libvirt's test driver (test…://) can be managed.")
    if parts.password is not None or parts.fragment:
        raise Invalid("An address holds neither a password nor a “#”.")
    kind = _kind(driver, transport, parts.hostname or "", _socket(parts.query))
    session = _is_session(driver, parts.path) if kind != "test" else False
    if kind == "test" and parts.query:
        raise Invalid("The test driver takes no parameter.")
    return Endpoint(
        kind="session" if kind == "local" and session else kind,
        host=(parts.hostname or "") if kind in DEFAULT_PORTS else _no_authority(parts.netloc),
        port=port,
        user=unquote(parts.username or ""),
        path=unquote(parts.path) if kind == "test" else _socket(parts.query),
        driver="test" if driver == "test" and kind != "test" else "qemu",
        session=session and kind not in ("local", "session"),
    )


_NEEDS: dict[str, frozenset[str]] = {
    "local": frozenset(),
    "session": frozenset(),
    "ssh": frozenset({"host"}),
    "tls": frozenset({"host"}),
    "tcp": frozenset({"host"}),
    "test": frozenset(),
    "socket": frozenset({"path"}),
}
_MAY: dict[str, frozenset[str]] = {
    "local": frozenset(),
    "session": frozenset(),
    "ssh": frozenset({"port", "user", "path", "session"}),
    "tls": frozenset({"port", "session"}),
    "tcp": frozenset({"port", "session"}),
    "test": frozenset({"path"}),
    "socket": frozenset({"session"}),
}

_HOST_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,63}")
# libvirt hands a remote socket's path to the remote shell (quoted); we allow no character that would need quotes
_REMOTE_PATH = re.compile(r"/[A-Za-z0-9_./@+:-]*")


def _check_host(host: str) -> None:
    if not host:
        return
    try:
        ipaddress.ip_address(host)
        if "%" not in host:
            return
    except ValueError:
        labels = host.removesuffix(".").split(".")
        if len(host) <= 253 and all(_HOST_LABEL.fullmatch(label) for label in labels):
            return
    raise Invalid(f"“{_shown(host)}” is neither a host name nor an IP address.")


def _check_port(port: int | None) -> None:
    if port is not None and not 1 <= port <= 65535:
        raise Invalid("A port is a number from 1 to 65535.")


def _check_user(user: str) -> None:
    if user and not _USER.fullmatch(user):
        raise Invalid(f"“{_shown(user)}” is not a user name.")


def _check_path(path: str, *, remote: bool) -> None:
    if not path:
        return
    if not path.startswith("/") or path.startswith("//") or ".." in path.split("/") or len(path) > 1000:
        raise Invalid("A path begins with one “/” and has no “..” in it.")
    if not path.isprintable() or (remote and not _REMOTE_PATH.fullmatch(path)):
        raise Invalid("The path holds characters that are not allowed here.")


def _shown(text: object) -> str:
    """A person's input for a message: cut, and with nothing that could act on a terminal."""
    cut = str(text)[:80]
    return "".join(c if c.isprintable() else "·" for c in cut)


def _authority(endpoint: Endpoint) -> str:
    if not endpoint.host:
        return ""
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    user = f"{quote(endpoint.user, safe='')}@" if endpoint.user else ""
    port = f":{endpoint.port}" if endpoint.port else ""
    return user + host + port


def _daemon(endpoint: Endpoint) -> str:
    if endpoint.driver == "test":
        return "/default"
    return "/session" if endpoint.session else "/system"


def _kind(driver: str, transport: str, host: str, socket: str) -> Kind:
    if transport in ("libssh", "libssh2", "ext"):
        raise Invalid(f"The transport {transport} is not used here; write {driver}+ssh.")
    if transport == "unix" or (not transport and not host):
        if socket:
            return "socket"
        return "test" if driver == "test" and not transport else "local"
    if not transport:
        return "tls"  # libvirt's default for a URI with a host
    if transport not in ("ssh", "tls", "tcp"):
        raise Invalid(f"There is no transport called “{_shown(transport)}”.")
    return transport  # type: ignore[return-value]


def _socket(query: str) -> str:
    """The value of `socket=`, the one parameter we take."""
    try:
        given = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
    except ValueError as exc:
        raise Invalid("The part behind “?” can't be read.", str(exc)) from exc
    for name, _ in given:
        if name != "socket":
            raise Invalid(f"The parameter “{_shown(name)}” is not taken from an address.")
    if len(given) > 1:
        raise Invalid("The parameter “socket” stands twice.")
    return given[0][1] if given else ""


def _is_session(driver: str, path: str) -> bool:
    if driver == "test":
        if path != "/default":
            raise Invalid("A test daemon's address ends with /default.")
        return False
    if path not in ("/system", "/session"):
        raise Invalid("A QEMU host's address ends with /system or /session.")
    return path == "/session"


def _no_authority(netloc: str) -> str:
    if netloc:
        raise Invalid("This kind of address has no host in it: write three slashes.")
    return ""
