"""What a host's thread has to look at: filled by libvirt's event thread and by helpers, emptied by the host's own thread.

Events of one machine that came together are one look. A machine whose events don't end (a guest that resets for ever) is
looked at five times a second, so that it does not keep its host from the others.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from virt.events import Event

Seconds = float
News = Callable[[], None]

_MOST_EVENTS = 64  # of one machine; the first and the newest are kept
_BURST = 60  # looks at one machine before it has to wait
_SECONDS_A_LOOK: Seconds = 0.2


@dataclass
class Batch:
    """`looks`: uuid → the events that ask for it, oldest first; () where something else does. `closed`: why, "" while the link stands.

    `stirred`: kinds of other objects to which something happened ("pool", "network", "node-device"), and "domain" for that of machines.
    `wishes`: studies that somebody wants read again.
    """

    looks: dict[str, tuple[Event, ...]] = field(default_factory=dict)
    news: list[News] = field(default_factory=list)
    stirred: set[str] = field(default_factory=set)
    wishes: set[str] = field(default_factory=set)
    closed: str = ""


class Mailbox:
    """One connection's: what an old one still says must not be taken for the new one's."""

    def __init__(self, clock: Callable[[], Seconds] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._events: dict[str, list[Event]] = {}
        self._due: dict[str, Seconds] = {}
        self._budgets: dict[str, _Budget] = {}
        self._news: list[News] = []
        self._stirred: set[str] = set()
        self._wishes: set[str] = set()
        self._closed = ""
        self._woken = False

    # ── from any thread, never waits ──

    def put(self, event: Event) -> None:
        """An event of libvirt's."""
        with self._changed:
            if event.kind == "connection-closed":
                self._closed = event.detail or "closed"
            else:
                self._stirred.add(event.kind)
            if event.kind == "domain":
                self._keep(event)
            self._changed.notify()

    def look(self, uuid: str, *, after: Seconds = 0.0) -> None:
        """Have a machine looked at, now or later, without an event."""
        with self._changed:
            self._events.setdefault(uuid, [])
            self._due[uuid] = min(self._clock() + after, self._due.get(uuid, float("inf")))
            self._changed.notify()

    def wish(self, studies: Iterable[str]) -> None:
        """Have these studies read again soon."""
        with self._changed:
            self._wishes.update(studies)
            self._changed.notify()

    def tell(self, news: News) -> None:
        """Have the host's thread call `news`."""
        with self._changed:
            self._news.append(news)
            self._changed.notify()

    def wake(self) -> None:
        with self._changed:
            self._woken = True
            self._changed.notify()

    # ── from the host's thread ──

    def take(self, timeout: Seconds) -> Batch:
        """What there is, at the latest after `timeout` (then perhaps nothing)."""
        until = self._clock() + timeout
        with self._changed:
            while not self._is_something_due() and self._clock() < until:
                self._changed.wait(max(0.0, min([until, *self._due.values()]) - self._clock()))
            self._woken = False
            batch = Batch(self._take_looks(), self._news, self._stirred, self._wishes, self._closed)
            self._news, self._stirred, self._wishes = [], set(), set()
            return batch

    def _keep(self, event: Event) -> None:
        events = self._events.setdefault(event.uuid, [])
        if len(events) >= _MOST_EVENTS:
            del events[_MOST_EVENTS // 2]
        events.append(event)
        budget = self._budgets.setdefault(event.uuid, _Budget())
        now = self._clock()
        self._due[event.uuid] = min(now + budget.wait(now), self._due.get(event.uuid, float("inf")))

    def _is_something_due(self) -> bool:
        if self._woken or self._news or self._wishes or self._closed or self._stirred - {"domain"}:
            return True
        now = self._clock()
        return any(due <= now for due in self._due.values())

    def _take_looks(self) -> dict[str, tuple[Event, ...]]:
        now = self._clock()
        ready = [uuid for uuid, due in self._due.items() if due <= now]
        looks = {}
        for uuid in ready:
            looks[uuid] = tuple(self._events.pop(uuid))
            del self._due[uuid]
            if looks[uuid]:
                self._budgets[uuid].spend(now)
        self._budgets = {uuid: budget for uuid, budget in self._budgets.items() if uuid in self._due or not budget.is_full(now)}
        return looks


class _Budget:
    """A token bucket of looks at one machine."""

    def __init__(self) -> None:
        self._left = float(_BURST)
        self._at: Seconds = 0.0

    def wait(self, now: Seconds) -> Seconds:
        return 0.0 if self._now(now) >= 1 else (1 - self._now(now)) * _SECONDS_A_LOOK

    def spend(self, now: Seconds) -> None:
        self._left, self._at = self._now(now) - 1, now

    def is_full(self, now: Seconds) -> bool:
        return self._now(now) >= _BURST

    def _now(self, now: Seconds) -> float:
        return min(float(_BURST), self._left + (now - self._at) / _SECONDS_A_LOOK)
