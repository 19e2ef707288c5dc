"""The bridge as a server: its port and its door, a thread for each browser, and the guard that watches them all."""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from websockify.websocketproxy import LibProxyServer

from accounts import audit
from consoles.bridge.guard import Guard
from consoles.bridge.handed import HandedSocket, Receiver
from consoles.bridge.handler import Handler
from consoles.bridge.registry import Registry

logger = logging.getLogger(__name__)

_STACK_BYTES = 512 * 1024
_MOST_HANDSHAKES = 128
_HANDSHAKE_SECONDS = 15.0
_SECONDS_BETWEEN_NOTES = 5.0


class Handshakes:
    """Connections that have not said yet what they want: not too many, and none for ever."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: dict[socket.socket, float] = {}

    def add(self, request: socket.socket) -> bool:
        """False when there are too many already."""
        with self._lock:
            if len(self._since) >= _MOST_HANDSHAKES:
                return False
            self._since[request] = time.monotonic()
            return True

    def discard(self, request: socket.socket) -> None:
        with self._lock:
            self._since.pop(request, None)

    def end_the_slow(self) -> None:
        """Called now and then: a byte every nine seconds keeps no thread."""
        late = time.monotonic() - _HANDSHAKE_SECONDS
        with self._lock:
            slow = [request for request, since in self._since.items() if since < late]
        for request in slow:
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)


class Bridge(LibProxyServer):
    """websockify's threaded server. Its own ways to find a target are not used: they keep it on the server, for all handlers."""

    request_queue_size = 128
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, bind: str, port: int, name: str) -> None:
        self.registry = Registry(name)
        self.handshakes = Handshakes()
        self._noted_at = 0.0
        self.address_family = socket.AF_INET6 if ":" in bind else socket.AF_INET
        self.server_address: Any = (bind, port)
        super().__init__(Handler, listen_host=bind, listen_port=port)

    def server_bind(self) -> None:
        """Without http.server's question to the DNS for our own name."""
        socket.socket.setsockopt(self.socket, socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address[:2]

    def take(self, request: HandedSocket, address: Any) -> None:
        """A connection from the web process: served as one that came in by our port."""
        self.process_request(request, address)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self.handshakes.add(request):
            logger.warning("too many connections want in at once")
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread to be had
            logger.exception("a connection was not served")
            self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        self.handshakes.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up in the middle of a handshake is no news."""
        level = logging.DEBUG if isinstance(sys.exc_info()[1], OSError) else logging.ERROR
        logger.log(level, "a connection stumbled", exc_info=True)

    def note_refusal(self, address: str) -> None:
        """A ticket that nobody knows: into the audit log, but a flood of them only now and then."""
        now = time.monotonic()
        if now - self._noted_at >= _SECONDS_BETWEEN_NOTES:
            self._noted_at = now
            audit.record("consoles.refused", "", address=address, result="refused", detail={"why": "no such ticket"})


def serve(bind: str, port: int, door: Path | None, name: str, stop: threading.Event) -> None:
    """Until `stop`; then every console is told, and a moment is left for it."""
    threading.stack_size(_STACK_BYTES)
    bridge = Bridge(bind, port, name)
    guard = Guard(bridge.registry, bridge.handshakes)
    receiver = Receiver(door, bridge.take) if door else None
    works = [bridge.serve_forever, guard.run, *([receiver.run] if receiver else [])]
    for work in works:
        threading.Thread(target=work, name=f"bridge-{work.__qualname__}", daemon=True).start()
    logger.info("consoles: waiting on port %d%s", bridge.server_port, f" and at {door}" if door else "")
    stop.wait()
    if receiver:
        receiver.close()
    bridge.shutdown()
    bridge.registry.end_all()
    guard.finish()
