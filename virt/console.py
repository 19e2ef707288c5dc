"""A machine's serial line, as libvirt carries it: bytes in, bytes out. https://libvirt.org/html/libvirt-libvirt-domain.html#virDomainOpenConsole"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

import libvirt

from virt.connection import Connection
from virt.errors import Busy, VirtError
from virt.translation import translate

logger = logging.getLogger(__name__)

_AT_ONCE = 64 * 1024
_WOULD_BLOCK = -2


class Line:
    """One open line. Its callbacks come from libvirt's event loop and must not wait.

    on_data  what the machine says · on_end: the line is gone (once; not after `close`)
    """

    def __init__(self, connection: Connection, uuid: str, alias: str, *, force: bool, on_data: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        """`alias`: of the live definition. `force`: take it from whoever holds it. Raises Busy, WrongState, NotFound …"""
        self._on_data = on_data
        self._on_end = on_end
        self._lock = threading.Lock()
        self._over = False
        flags = libvirt.VIR_DOMAIN_CONSOLE_FORCE if force else 0
        try:
            with translate():
                domain = connection.raw.lookupByUUIDString(uuid)
                self._stream = connection.raw.newStream(libvirt.VIR_STREAM_NONBLOCK)
                domain.openConsole(alias or None, self._stream, flags)
        except VirtError as exc:
            if "console session exists" in exc.detail:
                raise Busy("Somebody else holds this line, outside the portal.", exc.detail, exc.code) from exc
            raise
        events = libvirt.VIR_STREAM_EVENT_READABLE | libvirt.VIR_STREAM_EVENT_ERROR | libvirt.VIR_STREAM_EVENT_HANGUP
        with translate():
            self._stream.eventAddCallback(events, self._happened, None)

    def write(self, data: bytes) -> int:
        """How many bytes were taken; 0: the line takes none now, -1: it is over."""
        with self._lock:
            if self._over:
                return -1
            try:
                sent = self._stream.send(data)
            except libvirt.libvirtError as exc:
                logger.debug("a serial line takes nothing more: %s", exc)
                return -1
        return 0 if sent == _WOULD_BLOCK else sent

    def close(self) -> None:
        """Let go of it. Never raises; twice is fine."""
        self._finish()

    def _happened(self, _stream: object, events: int, _opaque: object) -> None:
        """An exception that left a stream's callback would call it again for ever."""
        try:
            over = not self._read() if events & libvirt.VIR_STREAM_EVENT_READABLE else bool(events)
        except Exception as exc:
            logger.debug("a serial line ended: %s", exc)
            over = True
        if over and self._finish():
            self._on_end()

    def _read(self) -> bool:
        """False at the end."""
        data: Any = self._stream.recv(_AT_ONCE)
        if data == _WOULD_BLOCK:
            return True
        if data:
            self._on_data(data)
        return bool(data)

    def _finish(self) -> bool:
        """Whether it had not been over."""
        with self._lock:
            if self._over:
                return False
            self._over = True
            with contextlib.suppress(libvirt.libvirtError):
                self._stream.eventRemoveCallback()
            with contextlib.suppress(libvirt.libvirtError):
                self._stream.abort()
        return True
