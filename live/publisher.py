"""One background event loop a process, by which threads send to the channel layer without waiting.

`async_to_sync(group_send)` would build a loop and a Redis connection for each call; a thread that keeps both costs
0.1 ms a message. Messages are hints: when Redis is away for longer than a moment they are dropped with a warning. Each
carries its sender and a number, so that who listens notices the hole and lets every page look again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
import uuid
from typing import Any

from channels.layers import get_channel_layer
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

_MOST_WAITING = 5_000
_SECONDS_BETWEEN_WARNINGS = 10.0
_TRY_AGAIN_SECONDS = (0.2, 1.0)
_lock = threading.Lock()
_sender: _Sender | None = None


def send(group: str, message: dict[str, Any]) -> None:
    """Queue `message` for `group`; returns at once."""
    _this_process().put(group, message)


class _Sender:
    def __init__(self) -> None:
        self.pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._id = uuid.uuid4().hex
        self._number = 0
        self._skipped = 0
        self._waiting = 0
        self._lost = 0
        self._warned_at = 0.0
        threading.Thread(target=self._loop.run_forever, name="live-publisher", daemon=True).start()

    def put(self, group: str, message: dict[str, Any]) -> None:
        if self._waiting >= _MOST_WAITING:
            self._skipped += 1
            self._one_lost(f"{self._waiting} wait already")
            return
        self._waiting += 1
        asyncio.run_coroutine_threadsafe(self._send(group, message), self._loop)

    async def _send(self, group: str, message: dict[str, Any]) -> None:
        # Numbered here, on the loop: threads may come in any order, what is sent has one.
        self._number += 1 + self._skipped
        self._skipped = 0
        try:
            await self._try(group, {**message, "from": [self._id, self._number]})
        except Exception as exc:
            self._one_lost(str(exc))
        finally:
            self._waiting -= 1

    async def _try(self, group: str, message: dict[str, Any]) -> None:
        """A restart of Redis breaks the link; the next try makes a new one."""
        layer = get_channel_layer()
        assert layer is not None
        for pause in _TRY_AGAIN_SECONDS:
            try:
                await layer.group_send(group, message)
                return
            except RedisError:
                await asyncio.sleep(pause)
        await layer.group_send(group, message)

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
