"""One background event loop a process, by which threads send to the channel layer without waiting.

`async_to_sync(group_send)` would build a loop and a Redis connection for each call; a thread that keeps both costs
0.1 ms a message. Messages are hints: when Redis is away they are dropped with a warning, and pages catch up
when their link returns.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from typing import Any

from channels.layers import get_channel_layer

logger = logging.getLogger(__name__)

_MOST_WAITING = 5_000
_SECONDS_BETWEEN_WARNINGS = 10.0
_lock = threading.Lock()
_sender: _Sender | None = None


def send(group: str, message: dict[str, Any]) -> None:
    """Queue `message` for `group`; returns at once."""
    _this_process().put(group, message)


class _Sender:
    def __init__(self) -> None:
        self.pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._waiting = 0
        self._lost = 0
        self._warned_at = 0.0
        threading.Thread(target=self._loop.run_forever, name="live-publisher", daemon=True).start()

    def put(self, group: str, message: dict[str, Any]) -> None:
        if self._waiting >= _MOST_WAITING:
            self._one_lost(f"{self._waiting} wait already")
            return
        self._waiting += 1
        asyncio.run_coroutine_threadsafe(self._send(group, message), self._loop)

    async def _send(self, group: str, message: dict[str, Any]) -> None:
        try:
            layer = get_channel_layer()
            assert layer is not None
            await layer.group_send(group, message)
        except Exception as exc:
            self._one_lost(str(exc))
        finally:
            self._waiting -= 1

    def _one_lost(self, why: str) -> None:
        """Say it now and then: while Redis is away, a large fleet would fill the log."""
        self._lost += 1
        if time.monotonic() - self._warned_at >= _SECONDS_BETWEEN_WARNINGS:
            logger.warning("live: %d messages were not sent: %s", self._lost, why)
            self._lost, self._warned_at = 0, time.monotonic()


def _this_process() -> _Sender:
    """The sender of this process: one inherited over a fork has no thread and is replaced."""
    global _sender
    if _sender is None or _sender.pid != os.getpid():
        with _lock:
            if _sender is None or _sender.pid != os.getpid():
                _sender = _Sender()
    return _sender
