"""A connection that several threads use, closed when the last of them has let go.

libvirt frees a connection that is closed under a running call of another thread, and the process with it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from virt.connection import Connection
from virt.errors import HostUnreachable


class Link:
    """`connection` is for the thread that opened it; the others say `with link.use() as connection`."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._lock = threading.Lock()
        self._users = 0
        self._retired = False

    @contextmanager
    def use(self) -> Iterator[Connection]:
        """Raises HostUnreachable when the link was retired."""
        with self._lock:
            if self._retired:
                raise HostUnreachable("The connection was given up.")
            self._users += 1
        try:
            yield self.connection
        finally:
            self._let_go()

    def retire(self) -> None:
        """No new use; closed now, or by the last user: a guest that hangs may hold a call for as long as it likes."""
        with self._lock:
            if self._retired:
                return
            self._retired = True
            idle = self._users == 0
        if idle:
            self.connection.close()

    def _let_go(self) -> None:
        with self._lock:
            self._users -= 1
            last = self._retired and self._users == 0
        if last:
            self.connection.close()
