"""Serial lines: libvirt gives each to one client at a time, so the bridge opens it once and shares it among all who look."""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from consoles.bridge.closing import Closing, Code
from consoles.displays import LINES
from hosts.credentials import credentials_of
from hosts.endpoints import endpoint_of
from hosts.models import Host
from machines.models import Machine
from virt import connection as virt_connection
from virt import display as virt_display
from virt.connection import Connection
from virt.console import Line
from virt.errors import Busy

logger = logging.getLogger(__name__)

HISTORY_BYTES = 64 * 1024
_KEEPALIVE = (2, 3)
_BUFFER_BYTES = 1 << 20
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Seat:
    """A place at a line: a socket that carries it, and libvirt's number of the machine's run."""

    socket: socket.socket
    run: int


class Lines:
    """All open lines of this process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[tuple[int, int], _Shared] = {}
        self._links: dict[int, tuple[int, Connection]] = {}

    def join(self, machine: Machine, port: int, *, force: bool) -> Seat:
        """A seat at the line, and first what it said lately. Raises VirtError, Closing."""
        key = (machine.pk, port)
        with self._lock:
            shared = self._open.get(key)
            seat = shared.sit_down() if shared and not force else None
            if shared and seat:
                return Seat(seat, shared.run)
            if shared:
                shared.end()
            shared = self._open[key] = _Shared(*self._line_of(machine, port), force=force, gone=lambda: self._forget(key))
            seat = shared.sit_down()
            if seat is None:
                raise Closing(Code.UNREACHABLE, "The line closed at once.")
            return Seat(seat, shared.run)

    def _line_of(self, machine: Machine, port: int) -> tuple[Connection, str, str, int]:
        connection = self._link(machine.host)
        running = virt_display.running(connection, machine.uuid)
        lines = [line for line in running.serials if line.kind in LINES]
        if port >= len(lines):
            raise Closing(Code.NO_DISPLAY, "The machine runs without such a line.")
        return connection, machine.uuid, lines[port].alias, running.run

    def _link(self, host: Host) -> Connection:
        """A connection for lines alone: their events never stand behind a call that waits."""
        kept = self._links.get(host.pk)
        if kept and kept[0] == host.revision and kept[1].is_alive():
            return kept[1]
        if kept:
            kept[1].close()
        opened = virt_connection.open(endpoint_of(host), credentials_of(host), keepalive=_KEEPALIVE)
        self._links[host.pk] = (host.revision, opened)
        return opened

    def _forget(self, key: tuple[int, int]) -> None:
        with self._lock:
            shared = self._open.get(key)
            if shared and shared.is_over:
                del self._open[key]


class _Shared:
    """One line and all who sit at it. A thread reads what they type; what the line says comes from libvirt's loop."""

    def __init__(self, connection: Connection, uuid: str, alias: str, run: int, *, force: bool, gone: Callable[[], None]) -> None:
        self.run = run
        self.is_over = False
        self._gone = gone
        self._lock = threading.Lock()
        self._seats: dict[int, socket.socket] = {}
        self._history = bytearray()
        self._wake, self._waker = socket.socketpair()
        try:
            self._line = Line(connection, uuid, alias, force=force, on_data=self._said, on_end=self.end)
        except Busy as exc:
            self._close_wakers()
            raise Closing(Code.LIMIT, f"{exc} It can be taken over.") from exc
        except BaseException:
            self._close_wakers()
            raise
        threading.Thread(target=self._listen, name="serial-line", daemon=True).start()

    def sit_down(self) -> socket.socket | None:
        """The person's end of a new seat; None when the line is over."""
        theirs, ours = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        ours.setblocking(False)
        with self._lock:
            if self.is_over:
                theirs.close()
                ours.close()
                return None
            if self._history:
                ours.send(bytes(self._history))
            self._seats[ours.fileno()] = ours
            self._waker.send(b"!")
        return theirs

    def end(self) -> None:
        """Everybody is shown out; the listening thread does the rest."""
        with self._lock:
            if self.is_over:
                return
            self.is_over = True
            with contextlib.suppress(OSError):
                self._waker.send(b"!")

    def _said(self, data: bytes) -> None:
        """In libvirt's loop. Who does not read a megabyte of it in time loses the seat, not the others their line."""
        with self._lock:
            self._history += data
            del self._history[:-HISTORY_BYTES]
            for seat in list(self._seats.values()):
                try:
                    complete = seat.send(data) == len(data)
                except OSError:
                    complete = False
                if not complete:
                    with contextlib.suppress(OSError):
                        seat.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        while not self.is_over:
            poll = select.poll()
            poll.register(self._wake, select.POLLIN)
            with self._lock:
                seats = dict(self._seats)
            for number in seats:
                poll.register(number, select.POLLIN)
            for number, _events in poll.poll():
                if number == self._wake.fileno():
                    self._wake.recv(4096)
                else:
                    self._hear(seats[number])
        self._shut()

    def _hear(self, seat: socket.socket) -> None:
        try:
            typed = seat.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            typed = b""
        if not typed:
            self._stand_up(seat)
        elif not self._type(typed):
            self.end()

    def _type(self, data: bytes) -> bool:
        """False when the line takes nothing more; what it does not take for seconds is lost, as on a real one."""
        until = time.monotonic() + _PATIENCE_SECONDS
        while data and time.monotonic() < until:
            taken = self._line.write(data)
            if taken < 0:
                return False
            data = data[taken:]
            if not taken:
                time.sleep(0.01)
        return True

    def _stand_up(self, seat: socket.socket) -> None:
        with self._lock:
            del self._seats[seat.fileno()]
            self.is_over = not self._seats
        seat.close()

    def _shut(self) -> None:
        self._line.close()
        with self._lock:
            seats, self._seats = list(self._seats.values()), {}
        for seat in seats:
            seat.close()
        self._close_wakers()
        self._gone()

    def _close_wakers(self) -> None:
        self._wake.close()
        self._waker.close()
