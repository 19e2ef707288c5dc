"""From a machine to a socket that its display is at the other end of, for every way in which a host is reached."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import logging
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from consoles.bridge.closing import Closing, Code
from consoles.bridge.serial import Lines
from consoles.bridge.tls import Trust
from consoles.tunnels import Place, Tunnels
from hosts.connections import connection_to
from hosts.endpoints import uses_ssh
from hosts.models import Host
from hosts.models import Kind as HostKind
from machines.models import Machine
from virt import display as virt_display
from virt.connection import Connection
from virt.display import Display, Running
from virt.errors import NotFound, OperationFailed, Unsupported, VirtError, WrongState
from virt.xml.read.graphics import Graphics

logger = logging.getLogger(__name__)

_CONNECT_SECONDS = 6.0
_NOTICED_SECONDS = 1.5
_RENEWED_SECONDS = 60
_NO_WAY = (
    "The display listens on {where} of {host} alone. Let consoles go through SSH in the settings of the host, or let the display listen on an address of "
    "its network."
)
_TLS_ALONE = "The display speaks TLS alone, and no authority is known that could have signed its certificate: {host} is not reached over TLS."
_OF_THIS_MACHINE = (HostKind.LOCAL, HostKind.SESSION, HostKind.SOCKET)
# libvirt's client loses wake-ups when many threads ask over one connection (virt/connection.py): one at a time.
_one_at_a_time: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)


@dataclass(frozen=True)
class Reached:
    """`password`: what the display will ask for, "" for nothing. `trust`: how it must prove who it is once it encrypts, None where it can't."""

    socket: socket.socket
    run: int
    password: str = field(default="", repr=False)
    trust: Trust | None = None


def sit_down(machine: Machine, port: int, *, force: bool) -> Reached:
    """A place at the machine's serial line. Raises Closing."""
    with _in_words(machine.host):
        seat = _lines().join(machine, port, force=force)
        return Reached(seat.socket, seat.run)


def reach(machine: Machine, kind: str) -> Reached:
    """A socket connected to the machine's first display of that kind. Raises Closing.

    The host is asked before and after connecting: is the machine still in the same run, then address or path belonged
    to it all the time, and to no other machine.
    """
    with _in_words(machine.host):
        with asking(machine.host) as connection:
            running = virt_display.running(connection, machine.uuid)
        display = running.first(kind)
        if display is None:
            raise Closing(Code.NO_DISPLAY, "The machine runs without such a display.")
        if machine.host.kind in _OF_THIS_MACHINE and (handed := _handed_over(machine, running, display)):
            return handed
        trust = Trust.of(machine.host, tunnelled=_is_tunnelled(machine.host))
        way = _connect(machine.host, display.graphics, trust)
        try:
            with asking(machine.host) as connection:
                if virt_display.run_of(connection, machine.uuid) != running.run:
                    raise Closing(Code.STOPPED, "The machine stopped.")
                password = virt_display.renew_password(connection, machine.uuid, display, seconds=_RENEWED_SECONDS) if display.expired else display.password
        except BaseException:
            way.close()
            raise
        return Reached(way, running.run, password, trust)


def why_gone(machine: Machine, run: int) -> Closing:
    """A display hung up: what its host says of the machine now. libvirt notices a moment after us that QEMU ended."""
    until = time.monotonic() + _NOTICED_SECONDS
    while True:
        try:
            with _in_words(machine.host), asking(machine.host) as connection:
                now = virt_display.run_of(connection, machine.uuid)
        except Closing as closing:
            return closing
        if now != run:
            return Closing(Code.STOPPED, "The machine stopped." if now < 0 else "The machine was started anew.")
        if time.monotonic() > until:
            return Closing(Code.UNREACHABLE, "The display closed the connection.")
        time.sleep(0.1)


@contextlib.contextmanager
def asking(host: Host) -> Iterator[Connection]:
    """The bridge's connection to the host, for a few quick calls, for nobody else meanwhile."""
    with _one_at_a_time[host.pk]:
        yield connection_to(host)


@contextlib.contextmanager
def _in_words(host: Host) -> Iterator[None]:
    """What goes wrong on the way becomes a Closing."""
    try:
        yield
    except WrongState as exc:
        raise Closing(Code.STOPPED, "The machine stopped.") from exc
    except NotFound as exc:
        raise Closing(Code.STOPPED, f"The machine is not on {host.name} any more.") from exc
    except VirtError as exc:
        raise Closing(Code.UNREACHABLE, str(exc)) from exc
    except OSError as exc:
        raise Closing(Code.UNREACHABLE, f"The display can't be reached: {exc.strerror or exc}.") from exc


def _handed_over(machine: Machine, running: Running, display: Display) -> Reached | None:
    """libvirt on this machine connects us itself: no path, no port, no password. None where it can't."""
    try:
        with asking(machine.host) as connection:
            descriptor = virt_display.open_display(connection, machine.uuid, display.index)
    except (Unsupported, OperationFailed) as exc:
        logger.info("%s hands out no connection to its display, its address must do: %s", machine.name, exc)
        return None
    return Reached(socket.socket(fileno=descriptor), running.run)


def _connect(host: Host, screen: Graphics, trust: Trust | None) -> socket.socket:
    """SPICE has a port of its own for TLS; VNC begins it later, on the port that it has (consoles/bridge/rfb.py)."""
    if screen.kind != "spice" or not trust:
        return _to_port(host, screen, screen.port)
    if screen.tls_port and not screen.socket:
        return trust.wrap(_to_port(host, screen, screen.tls_port))
    trust.refuse_plain()
    return _to_port(host, screen, screen.port)


def _to_port(host: Host, screen: Graphics, port: int) -> socket.socket:
    if not screen.socket and not port:
        raise Closing(Code.UNREACHABLE, _TLS_ALONE.format(host=host.name) if screen.tls_port else "The display listens nowhere.")
    if _is_tunnelled(host):
        return _tunnels().to(host, _place(screen, port))
    if screen.socket:
        if host.kind in _OF_THIS_MACHINE:
            return _to_path(screen.socket)
        raise Closing(Code.UNREACHABLE, _NO_WAY.format(host=host.name, where="a socket"))
    return _to_address(host, screen.address, port)


def _is_tunnelled(host: Host) -> bool:
    return uses_ssh(host.kind, host.console_way)


@functools.cache
def _tunnels() -> Tunnels:
    """Of this process; made at first use."""
    return Tunnels()


@functools.cache
def _lines() -> Lines:
    """Of this process."""
    return Lines()


def _place(screen: Graphics, port: int) -> Place:
    if screen.socket:
        return Place(path=screen.socket)
    address = screen.address
    if not address or _is_everything(address):
        address = "::1" if ":" in address else "127.0.0.1"
    return Place(address=address, port=port)


def _to_path(path: str) -> socket.socket:
    way = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        way.settimeout(_CONNECT_SECONDS)
        way.connect(path)
    except OSError:
        way.close()
        raise
    return way


def _to_address(host: Host, address: str, port: int) -> socket.socket:
    if host.kind not in _OF_THIS_MACHINE:
        address = _from_outside(host, address)
    elif not address or _is_everything(address):
        address = "127.0.0.1"
    way = socket.create_connection((address, port), timeout=_CONNECT_SECONDS)
    way.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return way


def _from_outside(host: Host, address: str) -> str:
    """The address at which a display of a TLS or TCP host is reached directly. Raises Closing for one that is on loopback."""
    if not address or _is_everything(address):
        return host.address
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(address).is_loopback:
            raise Closing(Code.UNREACHABLE, _NO_WAY.format(host=host.name, where="a loopback address"))
    return address


def _is_everything(address: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(address).is_unspecified
    return False
