"""The short way for much: pages go from the display's socket to the browser's as they are, by splice(2), without being copied through here."""

from __future__ import annotations

import contextlib
import fcntl
import os

MOST_BYTES = 1 << 20  # at once
# Slots for pages, not memory. A system whose other pipes are as large may refuse it: what it gives then will do.
_WANTED_BYTES = 1 << 20
_FLAGS = os.SPLICE_F_NONBLOCK | os.SPLICE_F_MOVE


class Pipe:
    """Holds references to pages on their way. `held`: bytes that are in it."""

    def __init__(self) -> None:
        self._out, self._in = os.pipe()
        self.held = 0
        with contextlib.suppress(PermissionError):
            fcntl.fcntl(self._in, fcntl.F_SETPIPE_SZ, _WANTED_BYTES)

    def fill(self, source: int) -> int:
        """Bytes taken from the socket, 0 when it has ended. Raises BlockingIOError when it has nothing now; OSError."""
        taken = os.splice(source, self._in, MOST_BYTES, flags=_FLAGS)
        self.held += taken
        return taken

    def pour(self, target: int) -> None:
        """Give the socket what it holds. Raises BlockingIOError when that takes no more now; OSError."""
        while self.held:
            self.held -= os.splice(self._out, target, self.held, flags=_FLAGS)

    def close(self) -> None:
        os.close(self._out)
        os.close(self._in)
