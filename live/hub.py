"""The web process's one ear on the channel layer: decodes each message once and hands it to the sockets it is for.

A group for each machine would cost a Redis subscription a row and socket; a group for all with a queue a socket
would decode everything 200 times. So one channel listens for the process, and an index of topics finds the sockets.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from channels.layers import get_channel_layer

from live.facts import GROUP

if TYPE_CHECKING:
    from live.consumers import LiveConsumer

logger = logging.getLogger(__name__)

_PULSE_LATE_SECONDS = 8.0
_hubs: dict[asyncio.AbstractEventLoop, Hub] = {}


def of_this_loop() -> Hub:
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]


class Hub:
    def __init__(self) -> None:
        self._sockets: set[LiveConsumer] = set()
        self._by_topic: defaultdict[str, set[LiveConsumer]] = defaultdict(set)
        self._tasks: list[asyncio.Task[None]] = []
        self._last_pulse = time.monotonic()
        self._late = False

    def add(self, socket: LiveConsumer) -> None:
        self._sockets.add(socket)
        if not self._tasks:
            self._last_pulse = time.monotonic()
            self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._watch_pulse())]
        if self._late:
            socket.push({"t": "stale"})

    def remove(self, socket: LiveConsumer) -> None:
        self._sockets.discard(socket)
        self.subscribe(socket, set())
        if not self._sockets:
            for task in self._tasks:
                task.cancel()
            self._tasks = []
            _hubs.pop(asyncio.get_running_loop(), None)

    def subscribe(self, socket: LiveConsumer, topics: set[str]) -> None:
        """Replace the socket's topics."""
        for gone in socket.topics - topics:
            self._by_topic[gone].discard(socket)
            if not self._by_topic[gone]:
                del self._by_topic[gone]
        for fresh in topics - socket.topics:
            self._by_topic[fresh].add(socket)
        socket.topics = topics

    # ── from the layer ──

    async def _listen(self) -> None:
        while True:
            try:
                await self._receive_for_ever()
            except asyncio.CancelledError:
                raise
            except Exception as exc:
                logger.warning("live: the channel layer failed: %s", exc)
                await asyncio.sleep(1)
                self._tell_all({"t": "resync"})

    async def _receive_for_ever(self) -> None:
        layer = get_channel_layer()
        assert layer is not None
        channel = await layer.new_channel("hub")
        await layer.group_add(GROUP, channel)
        try:
            while True:
                self._dispatch(await layer.receive(channel))
        finally:
            await layer.group_discard(GROUP, channel)

    def _dispatch(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "fact":
            self._fact(message)
        elif kind == "numbers":
            self._numbers(message)
        elif kind == "pulse":
            self._pulse()
        elif kind == "rights":
            for socket in [s for s in self._sockets if s.user_id == message["user"]]:
                socket.look_again()
        elif kind == "signout":
            for socket in [s for s in self._sockets if s.session_key == message["session"]]:
                socket.dismiss("Signed out")

    def _fact(self, message: dict[str, Any]) -> None:
        reached: defaultdict[LiveConsumer, list[str]] = defaultdict(list)
        for topic in message["topics"]:
            for socket in self._by_topic.get(topic, ()):
                reached[socket].append(topic)
        frames: dict[tuple[str, ...], str] = {}
        for socket, topics in reached.items():
            if not socket.may_hear(message["host"], message["machines"]):
                topics = [topic for topic in topics if ":" in topic]  # noqa: PLW2901 - may be heard: checked when subscribed
                if not topics:
                    continue
            key = tuple(topics)
            if key not in frames:
                frames[key] = json.dumps({"t": "fact", "topics": topics, "what": message["what"]})
            socket.push_text(frames[key])

    def _numbers(self, message: dict[str, Any]) -> None:
        """Each socket gets the rows it asked for, in one frame."""
        rows: defaultdict[LiveConsumer, dict[str, Any]] = defaultdict(dict)
        for key, row in message["m"].items():
            for socket in self._by_topic.get(f"numbers:machine:{key}", ()):
                rows[socket][key] = row
        host = message["host"]
        listeners = self._by_topic.get(f"numbers:host:{host}", set()) if message["h"] else set()
        for socket in rows.keys() | listeners:
            frame: dict[str, Any] = {"t": "numbers", "m": rows.get(socket, {})}
            if socket in listeners:
                frame["h"] = {str(host): message["h"]}
            socket.push(frame)

    # ── the watcher's pulse ──

    def _pulse(self) -> None:
        self._last_pulse = time.monotonic()
        if self._late:
            self._late = False
            self._tell_all({"t": "resync"})

    async def _watch_pulse(self) -> None:
        while True:
            await asyncio.sleep(1)
            if not self._late and time.monotonic() - self._last_pulse > _PULSE_LATE_SECONDS:
                self._late = True
                self._tell_all({"t": "stale"})

    def _tell_all(self, frame: dict[str, Any]) -> None:
        text = json.dumps(frame)
        for socket in self._sockets:
            socket.push_text(text)
