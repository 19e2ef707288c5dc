"""What belongs to one connection to a host, from the first event to the last."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import partial
from typing import Any

from virt import connection as virt_connection
from virt import events
from virt.connection import Connection
from virt.errors import HostUnreachable
from watcher import studies
from watcher.errands import Errands
from watcher.guests import Questions
from watcher.link import Link
from watcher.mailbox import Mailbox
from watcher.rounds import Rounds
from watcher.target import Target

Seconds = float

OPEN_DEADLINE: Seconds = 5.0
KEEPALIVE = (2, 2)  # a frozen daemon is noticed after 6 s
_PERIODS = {
    "sample": 5.0,
    # What libvirt sends no event for: autostart, the end of a migration. Five calls a host.
    "glance": 20.0,
    "stores": 60.0,
    # Everything read again, in case an event was lost.
    "repair": 300.0,
}


class Life:
    """What belongs to one connection. Inside, everything that happens on the host lands in `mailbox`."""

    def __init__(self, link: Link, helpers: Executor, target: Target) -> None:
        self.connection = link.connection
        self.mailbox = Mailbox()
        self.errands = Errands(link, helpers, target.name)
        self.questions = Questions()
        self.studies = {study.name: study for study in studies.STUDIES}
        self.studied: dict[str, Any] = {}  # as last handed to the writer
        self.rounds = Rounds({**_PERIODS, **{study.name: study.period for study in studies.STUDIES}}, target.pk, time.monotonic())
        self._close: Callable[[], None] = lambda: None
        self._open = partial(virt_connection.open, target.endpoint, target.credentials, deadline=OPEN_DEADLINE, keepalive=KEEPALIVE)
        self._private = target.endpoint.kind == "test"  # what another connection shows may be another host
        self._turn = threading.Lock()
        self._reader: Link | None = None
        self._over = False

    @contextmanager
    def reading(self, connection: Connection) -> Iterator[Connection]:
        """A link of the studies' own, for one of them at a time.

        When a host freezes under calls of several threads on one link, libvirt's client (seen with 9.0) can bring the process down.
        """
        if self._private:
            yield connection
            return
        with self._turn, self._lasting_reader().use() as reader:
            yield reader

    def _lasting_reader(self) -> Link:
        if self._over:
            raise HostUnreachable("The connection was given up.")
        if self._reader is None or not self._reader.connection.is_alive():
            if self._reader:
                self._reader.retire()
            self._reader = Link(self._open())
            self._close_if_over()
        return self._reader

    def _close_if_over(self) -> None:
        """It may have ended while we were opening; nobody else would close it then."""
        if self._over and self._reader:
            self._reader.retire()

    def __enter__(self) -> Life:
        self._close = events.subscribe(self.connection, self.mailbox.put).close
        return self

    def __exit__(self, *exc: object) -> None:
        """A study that is still being read ends with its link's own keepalive; the link is closed by it, or now."""
        self._over = True
        self._close()
        self._close_if_over()
