"""The web process's one ear on the channel layer: decodes each message once and hands it to the sockets it is for.

A group for each machine would cost a Redis subscription a row and socket; a group for all with a queue a socket
would decode everything 200 times. So one channel listens for the process, and an index of topics finds the sockets.

Redis may lose messages when a link to it breaks. Each sender numbers its own; a missing number makes every page look
again. The facts of the last minute are kept, so that a page that was just made need not be fetched twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections import defaultdict, deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from channels.layers import get_channel_layer

from live.facts import GROUP

if TYPE_CHECKING:
    from live.consumers import LiveConsumer

logger = logging.getLogger(__name__)

_PULSE_LATE_SECONDS = 8.0
_KEPT_SECONDS = 60.0
_MOST_KEPT = 5_000
_MOST_SENDERS = 1_000
# A page's rows are read a little before it is stamped with the time.
_READ_BEFORE_SECONDS = 5.0
# Between two pages of one browser there is no socket for a moment; the ear stays open.
_LINGER_SECONDS = 120.0
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
        self._end: asyncio.TimerHandle | None = None
        self._last_pulse = time.monotonic()
        self._late = False
        self._recent: deque[tuple[float, dict[str, Any]]] = deque(maxlen=_MOST_KEPT)
        self._complete_since: float | None = None  # wall clock; no message was lost from then on
        self._numbers_of: dict[str, int] = {}  # the last number of each sender
        self._ready = asyncio.Event()

    def add(self, socket: LiveConsumer) -> None:
        self._sockets.add(socket)
        if self._end:
            self._end.cancel()
            self._end = None
        if not self._tasks:
            self._last_pulse = time.monotonic()
            self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._watch_pulse())]
        if self._late:
            socket.push({"t": "stale"})

    def remove(self, socket: LiveConsumer) -> None:
        self._sockets.discard(socket)
        self.subscribe(socket, set())
        if not self._sockets and not self._end:
            self._end = asyncio.get_running_loop().call_later(_LINGER_SECONDS, self._stop)

    async def ready(self) -> None:
        """Until messages are heard, or for a moment if Redis does not answer."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ready.wait(), timeout=1)

    def subscribe(self, socket: LiveConsumer, topics: set[str]) -> None:
        """Replace the socket's topics."""
        for gone in socket.topics - topics:
            self._by_topic[gone].discard(socket)
            if not self._by_topic[gone]:
                del self._by_topic[gone]
        for fresh in topics - socket.topics:
            self._by_topic[fresh].add(socket)
        socket.topics = topics

    def tell_since(self, socket: LiveConsumer, at: float) -> bool:
        """Tell the socket what of its topics changed after `at` (seconds since 1970); False when that is not known."""
        begin = at - _READ_BEFORE_SECONDS
        if self._complete_since is None or begin < self._complete_since or begin < time.time() - _KEPT_SECONDS:
            return False
        missed: set[str] = set()
        for when, message in reversed(self._recent):
            if when < begin:
                break
            missed.update(self._heard(socket, message, socket.topics.intersection(message["topics"])))
        if missed:
            socket.push({"t": "fact", "topics": sorted(missed), "what": "since"})
        return True

    def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._tasks = []
        _hubs.pop(asyncio.get_running_loop(), None)

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

    async def _receive_for_ever(self) -> None:
        layer = get_channel_layer()
        assert layer is not None
        channel = await layer.new_channel("hub")
        await layer.group_add(GROUP, channel)
        self._listens_from_now()
        try:
            while True:
                message = await layer.receive(channel)
                self._count(message)
                self._dispatch(message)
        finally:
            await layer.group_discard(GROUP, channel)

    def _count(self, message: dict[str, Any]) -> None:
        """Numbers of a sender follow one another; one that is missing was lost, and with it nobody knows what."""
        sender, number = message.get("from", ("", 0))
        last = self._numbers_of.get(sender)
        if last is not None and number > last + 1:
            logger.info("live: %d messages were lost, every page looks again", number - last - 1)
            self._look_again_all()
        if last is None and len(self._numbers_of) >= _MOST_SENDERS:
            self._numbers_of.clear()
        self._numbers_of[sender] = max(number, last or 0)

    def _dispatch(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "fact":
            self._fact(message)
        elif kind == "numbers":
            self._numbers(message)
        elif kind == "pulse":
            self._pulse()
        elif kind == "rights":
            for socket in self._those(user_id=message["user"]):
                socket.look_again()
        elif kind == "signout":
            for socket in self._those(session_key=message["session"]):
                socket.dismiss("Signed out")
        elif kind == "renewed":
            for socket in self._those(session_key=message["session"]):
                socket.send_back()

    def _those(self, *, user_id: int = 0, session_key: str = "") -> list[LiveConsumer]:
        return [s for s in self._sockets if (user_id and s.user_id == user_id) or (session_key and s.session_key == session_key)]

    def _fact(self, message: dict[str, Any]) -> None:
        self._keep(message)
        reached: defaultdict[LiveConsumer, list[str]] = defaultdict(list)
        for topic in message["topics"]:
            for socket in self._by_topic.get(topic, ()):
                reached[socket].append(topic)
        frames: dict[tuple[str, ...], str] = {}
        for socket, wanted in reached.items():
            key = tuple(self._heard(socket, message, wanted))
            if not key:
                continue
            if key not in frames:
                frames[key] = json.dumps({"t": "fact", "topics": key, "what": message["what"]})
            socket.push_text(frames[key])

    def _heard(self, socket: LiveConsumer, message: dict[str, Any], topics: Iterable[str]) -> Iterable[str]:
        """Topics of an object were checked when the socket subscribed; lists are for those who may see what it is about."""
        if socket.may_hear(message["host"], message["machines"]):
            return topics
        return [topic for topic in topics if ":" in topic]

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

    def _listens_from_now(self) -> None:
        if self._complete_since is None:
            self._complete_since = time.time()
        else:  # again: who knows what was said meanwhile
            self._look_again_all()
        self._ready.set()

    def _look_again_all(self) -> None:
        self._complete_since = time.time()
        self._recent.clear()
        self._tell_all({"t": "resync"})

    def _keep(self, message: dict[str, Any]) -> None:
        if len(self._recent) == _MOST_KEPT:
            self._complete_since = self._recent[0][0]
        self._recent.append((time.time(), message))

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
