"""Watches over all open consoles: rights, sign-ins, invitations and machines, every second and at once when something is told."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import Protocol

from channels.layers import get_channel_layer
from django.db import close_old_connections

from consoles import beats, lending, sessions
from consoles.bridge import claims, memory
from consoles.bridge.closing import Closing, Code
from consoles.bridge.registry import Registry
from live.facts import GROUP

logger = logging.getLogger(__name__)

_EVERY_SECONDS = 1.0
# The database does not answer: nobody knows any more who may what.
_BLIND_SECONDS = 20.0
_LAST_WORDS_SECONDS = 3.0
_TIDY_SECONDS = 3600.0
_ABOUT_PEOPLE = ("rights", "signout", "renewed")


class _Handshakes(Protocol):
    def end_the_slow(self) -> None: ...


class Guard:
    def __init__(self, registry: Registry, handshakes: _Handshakes) -> None:
        self._registry = registry
        self._handshakes = handshakes
        self._wake = threading.Event()
        self._saw_at = time.monotonic()
        self._beat_at = 0.0
        self._turnover = 0  # as it was when memory was given back
        self._tidy_at = time.monotonic() + _TIDY_SECONDS
        self._over = False
        self._ear: asyncio.AbstractEventLoop | None = None

    def run(self) -> None:
        """Until `finish`."""
        threading.Thread(target=lambda: asyncio.run(self._listen()), name="bridge-ear", daemon=True).start()
        self._tidy_up()
        while not self._over:
            self._wake.wait(_EVERY_SECONDS)
            self._wake.clear()
            self._look()

    def finish(self) -> None:
        """Until the last console has closed its row, or a moment."""
        until = time.monotonic() + _LAST_WORDS_SECONDS
        while self._registry.traffic() and time.monotonic() < until:
            time.sleep(0.05)
        self._over = True
        if self._ear:
            self._ear.call_soon_threadsafe(self._stop_hearing)

    def _stop_hearing(self) -> None:
        for task in asyncio.all_tasks():
            task.cancel()

    def _look(self) -> None:
        try:
            close_old_connections()
            self._handshakes.end_the_slow()
            self._end_the_refused()
            lending.recall()
            self._give_sign_of_life()
            self._saw_at = time.monotonic()
        except Exception as exc:
            logger.warning("the guard can't see: %s", exc)
            self._end_all_if_blind()

    def _end_the_refused(self) -> None:
        consoles = self._registry.consoles()
        refused = claims.refused(console.claim for console in consoles)
        for console in consoles:
            if closing := refused.get(console.claim):
                console.pump.end(closing)

    def _end_all_if_blind(self) -> None:
        if time.monotonic() - self._saw_at > _BLIND_SECONDS:
            for console in self._registry.consoles():
                console.pump.end(Closing(Code.UNREACHABLE, "The portal's memory does not answer."))

    def _give_sign_of_life(self) -> None:
        now = time.monotonic()
        if now - self._beat_at < beats.SECONDS:
            return
        self._beat_at = now
        beats.beat()
        if traffic := self._registry.traffic():
            sessions.still_open(traffic)
        sessions.end_of_the_dead()
        if self._registry.turnover != self._turnover:
            self._turnover = self._registry.turnover
            memory.give_back()
        if now >= self._tidy_at:
            self._tidy_at = now + _TIDY_SECONDS
            sessions.forget_old()

    def _tidy_up(self) -> None:
        """What a former life of this bridge has left."""
        try:
            sessions.end_of_the_dead(self._registry.bridge)
        except Exception as exc:
            logger.warning("old consoles were not closed: %s", exc)

    # ── what is told on the channel layer ──

    async def _listen(self) -> None:
        self._ear = asyncio.get_running_loop()
        while not self._over:
            try:
                await self._hear_for_ever()
            except asyncio.CancelledError:
                return
            except Exception as exc:
                logger.warning("the channel layer failed: %s", exc)
                await asyncio.sleep(1)

    async def _hear_for_ever(self) -> None:
        layer = get_channel_layer()
        assert layer is not None
        channel = await layer.new_channel("bridge")
        await layer.group_add(GROUP, channel)
        try:
            while True:
                message = await layer.receive(channel)
                kind = message.get("type")
                if kind in _ABOUT_PEOPLE or (kind == "fact" and self._registry.is_about(message["machines"])):
                    self._wake.set()
        finally:
            await layer.group_discard(GROUP, channel)
