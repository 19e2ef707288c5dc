"""Connections that the web process hands over (consoles/handover.py)."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from consoles.handover import LARGEST_HEAD

logger = logging.getLogger(__name__)

_BACKLOG = 256
_SECONDS = 2.0


class HandedSocket(socket.socket):
    """A browser's connection whose request has been read by somebody else already: `head`."""

    head: bytes = b""


class Receiver:
    """Takes connections at the door until `close`."""

    def __init__(self, path: Path, take: Callable[[HandedSocket, Any], None]) -> None:
        self._take = take
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(path))
        path.chmod(0o600)
        self._listener.listen(_BACKLOG)

    def run(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            try:
                with link:
                    self._receive(link)
            except Exception:
                logger.exception("a connection was lost on its way here")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _receive(self, link: socket.socket) -> None:
        link.settimeout(_SECONDS)
        head, descriptors, _flags, _ = socket.recv_fds(link, LARGEST_HEAD, 1)
        if not descriptors:
            return
        handed = HandedSocket(fileno=descriptors[0])
        handed.head = head
        try:
            peer = handed.getpeername()
        except OSError:  # it hung up on the way
            handed.close()
            return
        self._take(handed, peer)


def is_loopback(address: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(address).is_loopback
    return False
