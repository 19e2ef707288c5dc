"""SSH tunnels to displays: one connection a host, kept while it is used, a channel for each console.

asyncssh runs in a loop of its own thread; a console's thread gets one end of a socket pair, whose other end is tied to the
channel. The host is recognised by its pinned key alone (virt/sshlink.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import asyncssh
import uvloop

from hosts.credentials import credentials_of
from hosts.endpoints import ssh_endpoint_of
from hosts.models import Host
from virt import sshlink
from virt.connection import Credentials
from virt.errors import HostSilent, HostUnreachable, Invalid
from virt.uri import Endpoint

logger = logging.getLogger(__name__)

T = TypeVar("T")

_OPEN_SECONDS = 6.0
_IDLE_SECONDS = 60.0
_NO_FORWARDING = "The host's SSH server opens no way to the display. It may forbid forwarding (AllowTcpForwarding, AllowStreamLocalForwarding)."


@dataclass(frozen=True)
class Place:
    """Where a display is, as its host sees it: a path, or an address and a port."""

    path: str = ""
    address: str = ""
    port: int = 0


class Tunnels:
    """All tunnels of this process. Thread-safe."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._kept: dict[int, _Link] = {}
        self._opening: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        threading.Thread(target=self._loop.run_forever, name="tunnels", daemon=True).start()

    def to(self, host: Host, place: Place) -> socket.socket:
        """A socket that is connected to `place` on the host. Raises VirtError."""
        # Read here: the loop must not wait for the database.
        return self._result(self._open(_Way.of(host), place))

    def _result(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(2 * _OPEN_SECONDS + 1)
        except TimeoutError as exc:
            future.cancel()
            raise HostSilent("The host did not answer in time.") from exc

    async def _open(self, way: _Way, place: Place) -> socket.socket:
        try:
            return await self._through(await self._link(way), place)
        except _Stale:
            return await self._through(await self._link(way), place)

    async def _link(self, way: _Way) -> _Link:
        """The host's connection, made anew where there is none, or only a broken one, or one by old credentials."""
        async with self._opening[way.host_id]:
            kept = self._kept.get(way.host_id)
            if kept and kept.revision == way.revision and not kept.connection.is_closed():
                return kept
            if kept:
                kept.connection.close()
            link = self._kept[way.host_id] = _Link(way.revision, await sshlink.connect(way.endpoint, way.credentials, deadline=_OPEN_SECONDS), self._forget)
            return link

    async def _through(self, link: _Link, place: Place) -> socket.socket:
        near, far = _Near(), _Far()
        near.far, far.near = far, near
        far.gone = link.end
        link.begin()
        try:
            async with asyncio.timeout(_OPEN_SECONDS):
                if place.path:
                    await link.connection.create_unix_connection(lambda: far, place.path, encoding=None)
                else:
                    await link.connection.create_connection(lambda: far, place.address, place.port, encoding=None)
        except BaseException as exc:
            far.leave()
            raise _in_words(exc, link) from exc
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        await self._loop.create_unix_connection(lambda: near, sock=theirs)
        return ours

    def _forget(self, link: _Link) -> None:
        for host_id, kept in list(self._kept.items()):
            if kept is link:
                del self._kept[host_id]


@dataclass(frozen=True)
class _Way:
    """The host's SSH server, read from its row."""

    host_id: int
    revision: int
    endpoint: Endpoint
    credentials: Credentials

    @classmethod
    def of(cls, host: Host) -> _Way:
        endpoint = ssh_endpoint_of(host)
        if endpoint is None:
            raise Invalid(f"{host.name} is not reached through SSH.")
        return cls(host.pk, host.revision, endpoint, credentials_of(host))


class _Link:
    """A connection and how many consoles use it; closed a while after the last one."""

    def __init__(self, revision: int, connection: asyncssh.SSHClientConnection, forget: Callable[[_Link], None]) -> None:
        self.revision = revision
        self.connection = connection
        self._forget = forget
        self._users = 0
        self._idle: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        self._users += 1
        if self._idle:
            self._idle.cancel()
            self._idle = None

    def end(self) -> None:
        self._users -= 1
        if not self._users:
            self._idle = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self.close)

    def close(self) -> None:
        self._forget(self)
        self.connection.close()


class _Near(asyncio.Protocol):
    """The end of the socket pair that faces the console's thread. What one side can't take stops the other."""

    far: _Far
    transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own class
        self.far.begin()

    def data_received(self, data: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # the channel closes; connection_lost follows
            self.far.channel.write(data)

    def pause_writing(self) -> None:
        self.far.channel.pause_reading()

    def resume_writing(self) -> None:
        self.far.channel.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.far.channel.close()


class _Far(asyncssh.SSHTCPSession[bytes], asyncssh.SSHUNIXSession[bytes]):
    """The SSH channel to the display. It may speak before the near end is there."""

    near: _Near
    channel: Any = None

    def __init__(self) -> None:
        self._early: list[bytes] = []
        self._is_over = False
        self.gone: Callable[[], None] = lambda: None

    def begin(self) -> None:
        for data in self._early:
            self._near_transport.write(data)
        self._early.clear()
        if self._is_over:
            self._near_transport.close()

    def connection_made(self, channel: Any) -> None:
        self.channel = channel

    def data_received(self, data: bytes, datatype: object) -> None:
        if self.near.transport is None:
            self._early.append(data)
        else:
            self.near.transport.write(data)

    def pause_writing(self) -> None:
        if self.near.transport:
            self.near.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.near.transport:
            self.near.transport.resume_reading()

    def eof_received(self) -> bool:
        return False  # close

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_over = True
        if self.near.transport:
            self.near.transport.close()
        self.leave()

    def leave(self) -> None:
        """Tell the connection, once, that it is not used by us any more."""
        gone, self.gone = self.gone, lambda: None
        gone()

    @property
    def _near_transport(self) -> asyncio.Transport:
        assert self.near.transport is not None
        return self.near.transport


class _Stale(Exception):
    """The kept connection was broken without our knowing; a new one is worth a try."""


def _in_words(exc: BaseException, link: _Link) -> BaseException:
    if isinstance(exc, asyncssh.ChannelOpenError):
        return _Stale() if link.connection.is_closed() else HostUnreachable(_NO_FORWARDING, str(exc))
    return sshlink.in_words(exc)
