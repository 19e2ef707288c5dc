"""Does libvirt answer there at all? Asked over a socket of our own, before libvirt is asked to connect.

`virConnectOpen` waits for ever for a daemon that accepts and stays mute (stopped, out of workers, not libvirt at
all), and a thread inside it can't be called back. So the first question of libvirt's own protocol, *which ways to
sign in do you offer?* (REMOTE_PROC_AUTH_LIST), is put from here, where a deadline holds. It is answered before any
sign-in. Protocol: libvirt's docs/kbase/internals/rpc.rst, src/remote/remote_protocol.x.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from virt.errors import HostSilent, from_os_error
from virt.uri import DEFAULT_PORTS, Endpoint

Seconds = float


def greet(endpoint: Endpoint, *, deadline: Seconds, pki_dir: str = "") -> None:
    """Return when a daemon answers, or says something that libvirt itself should judge.

    Raises HostUnreachable when nothing listens, HostSilent when something accepts and does not answer within `deadline`.
    Local daemons that do not run yet are left to libvirt, which may start them. SSH is not asked here: its own
    program is ended when time is up (`virt.ssh`).
    """
    until = time.monotonic() + deadline
    try:
        link = _connect(endpoint, until)
    except OSError as exc:
        raise from_os_error(exc) from exc
    if link is None:
        return
    try:
        with _wrapped(link, pki_dir) if endpoint.kind == "tls" else link as link:
            _ask(link, until, tls=endpoint.kind == "tls")
    except TimeoutError as exc:
        raise HostSilent("The host accepted the connection, but libvirt does not answer there.", str(exc)) from exc
    except OSError:
        return  # refused or cut: libvirt meets the same and says why


def _ask(link: socket.socket, until: Seconds, *, tls: bool) -> None:
    if tls:
        _receive(link, 1, until)  # the host's word that it accepts our certificate
    link.settimeout(_left(until))
    link.sendall(_AUTH_LIST)
    _receive(link, _HEADER.size, until)


_HEADER = struct.Struct(">7I")
_PROGRAM, _VERSION, _PROC_AUTH_LIST, _CALL, _SERIAL, _OK = 0x20008086, 1, 66, 0, 1, 0
_AUTH_LIST = _HEADER.pack(_HEADER.size, _PROGRAM, _VERSION, _PROC_AUTH_LIST, _CALL, _SERIAL, _OK)


def _connect(endpoint: Endpoint, until: Seconds) -> socket.socket | None:
    if endpoint.kind in ("tcp", "tls"):
        port = endpoint.port or DEFAULT_PORTS[endpoint.kind]
        return socket.create_connection((endpoint.host, port), timeout=_left(until))
    if endpoint.kind == "socket":
        return _connect_unix(endpoint.path, until)
    if endpoint.kind in ("local", "session"):
        for path in local_sockets(endpoint.kind == "session"):
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError, PermissionError):
                return _connect_unix(path, until)
    return None


def local_sockets(session: bool) -> list[str]:
    """Where this machine's daemon listens: the modular one first, as libvirt looks for them."""
    own = Path(os.environ.get("XDG_RUNTIME_DIR") or Path.home() / ".cache")
    base = (own if session and os.geteuid() != 0 else Path("/var/run")) / "libvirt"
    return [str(base / name) for name in ("virtqemud-sock", "libvirt-sock")]


def _connect_unix(path: str, until: Seconds) -> socket.socket:
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        link.settimeout(_left(until))
        link.connect(path)
    except BlockingIOError as exc:  # the daemon's backlog is full: it does not accept any more
        link.close()
        raise TimeoutError("nobody accepts the connection") from exc
    except BaseException:
        link.close()
        raise
    return link


@contextlib.contextmanager
def _wrapped(link: socket.socket, pki_dir: str) -> Iterator[socket.socket]:
    """TLS for the question alone. Who the host is, libvirt verifies when it opens; here no secret is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    certificate, key = Path(pki_dir, "clientcert.pem"), Path(pki_dir, "clientkey.pem")
    with link:
        if pki_dir and certificate.exists():
            context.load_cert_chain(certificate, key)
        with context.wrap_socket(link) as wrapped:
            yield wrapped


def _receive(link: socket.socket, size: int, until: Seconds) -> bytes:
    got = b""
    while len(got) < size:
        link.settimeout(_left(until))
        part = link.recv(size - len(got))
        if not part:
            raise ConnectionResetError("the host closed the connection")
        got += part
    return got


def _left(until: Seconds) -> Seconds:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("time is up")
    return left
