"""Connections of a worker process: one a host, opened after the fork, kept while it is good, shared by its threads.

Pages never come here.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hosts import credentials
from hosts.endpoints import endpoint_of
from hosts.models import Host, State
from virt import connection as virt_connection
from virt import events
from virt.connection import Connection
from virt.errors import HostKeyChanged, HostUnreachable

logger = logging.getLogger(__name__)

_KEEPALIVE = (2, 3)  # seconds between questions, unanswered ones: a frozen host is noticed in 8 s
_lock = threading.Lock()
_kept: dict[int, _Kept] = {}
_openings: dict[int, threading.Lock] = {}
_pid = 0


@dataclass(frozen=True)
class _Kept:
    revision: int
    connection: Connection


def connection_to(host: Host) -> Connection:
    """A living connection; raises what virt.connection.open() raises, at once when the host is known to be away."""
    _forget_what_the_parent_had()
    with _opening_of(host.pk):  # of two threads that want it the second finds what the first has opened
        kept = _kept.get(host.pk)
        if kept and kept.revision == host.revision and kept.connection.is_alive():
            return kept.connection
        drop(host.pk)
        _refuse_the_hopeless(host)
        opened = virt_connection.open(endpoint_of(host), credentials.credentials_of(host), keepalive=_KEEPALIVE)
        with _lock:
            _kept[host.pk] = _Kept(host.revision, opened)
        return opened


@contextmanager
def another_to(host: Host) -> Iterator[Connection]:
    """One more, for a thread that looks on while a call holds the kept one; closed at the end. Raises as `connection_to`."""
    opened = virt_connection.open(endpoint_of(host), credentials.credentials_of(host), keepalive=_KEEPALIVE)
    try:
        yield opened
    finally:
        opened.close()


def drop(host_id: int) -> None:
    """Close the kept connection, if any."""
    with _lock:
        kept = _kept.pop(host_id, None)
    if kept:
        try:
            kept.connection.close()
        except Exception as exc:
            logger.debug("closing the connection to host %s: %s", host_id, exc)


def _opening_of(host_id: int) -> threading.Lock:
    with _lock:
        return _openings.setdefault(host_id, threading.Lock())


def _refuse_the_hopeless(host: Host) -> None:
    """The watcher knows it to be away: workers do not queue up behind its deadline."""
    if host.state == State.ALARM:
        raise HostKeyChanged(f"The host key of {host.name} changed. Nothing is sent to it until the new key is confirmed.")
    if host.state == State.DISABLED or not host.enabled:
        raise HostUnreachable(f"{host.name} is disabled.")
    if host.state == State.OFFLINE:
        raise HostUnreachable(f"{host.name} does not answer: {host.error}")


def _forget_what_the_parent_had() -> None:
    """A connection never survives a fork: closing the child's would end the parent's. The loop is started here too."""
    global _pid
    with _lock:
        if _pid == os.getpid():
            return
        _kept.clear()
        _openings.clear()
        events.Loop.start()
        _pid = os.getpid()
