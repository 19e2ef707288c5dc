"""uvicorn's HTTP protocol with one door more: websockets of consoles go to the bridge, connection and all (consoles/handover.py)."""

from __future__ import annotations

import os
import time
from typing import Any

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from consoles.actions import SOCKET
from consoles.handover import NobodyThere, door, hand_over

_AGAIN_SECONDS = 0.1
_PATIENCE_SECONDS = 5.0  # a restart of the bridge is a short wait


class Doorway(HttpToolsProtocol):
    def handle_websocket_upgrade(self) -> None:
        """The request is read whole by now; a browser says nothing more before it is answered (RFC 6455, 4.1)."""
        if self.url.partition(b"?")[0] != SOCKET.encode():
            super().handle_websocket_upgrade()
            return
        self.transport.pause_reading()
        # A copy, so that the connection outlives this process's end of it.
        descriptor = os.dup(self.transport.get_extra_info("socket").fileno())
        self._pass_on(descriptor, self._head(), time.monotonic() + _PATIENCE_SECONDS)

    def _pass_on(self, descriptor: int, head: bytes, until: float) -> None:
        try:
            hand_over(door(settings.DATA_DIR), descriptor, head)
        except NobodyThere:
            if time.monotonic() < until and not self.transport.is_closing():
                self.loop.call_later(_AGAIN_SECONDS, self._pass_on, descriptor, head, until)
                return
            self.transport.write(b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\nRetry-After: 2\r\n\r\n")
        except ValueError:
            self.transport.write(b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        os.close(descriptor)
        self.connections.discard(self)
        self.transport.close()

    def _head(self) -> bytes:
        scope: Any = self.scope
        lines = [scope["method"].encode() + b" " + self.url + b" HTTP/1.1"]
        lines += [name + b": " + value for name, value in scope["headers"]]
        return b"\r\n".join([*lines, b"", b""])
