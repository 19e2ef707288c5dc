"""How long to wait before the next attempt to reach a host."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

Seconds = float

# The first few soon, for a daemon that is being restarted; then ever more rarely.
_PAUSES: tuple[Seconds, ...] = (0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 30.0)
# Where only a person can help, what they did on the host is noticed by asking now and then.
_PAUSES_WHEN_REFUSED: tuple[Seconds, ...] = (30.0, 60.0, 120.0, 300.0)
_JITTER = 0.25
_WELL_AFTER: Seconds = 5.0


class Backoff:
    """One host's; a connection that stood for some seconds begins anew."""

    def __init__(self, clock: Callable[[], Seconds] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._connected_at: Seconds | None = None

    def connected(self) -> None:
        self._connected_at = self._clock()

    def failed(self, *, refused: bool = False) -> Seconds:
        """The pause before the next attempt, with jitter so that the hosts of a rack do not come back in step."""
        if self._connected_at is not None and self._clock() - self._connected_at >= _WELL_AFTER:
            self._failures = 0
        self._connected_at = None
        pauses = _PAUSES_WHEN_REFUSED if refused else _PAUSES
        pause = pauses[min(self._failures, len(pauses) - 1)]
        self._failures += 1
        return pause * random.uniform(1 - _JITTER, 1 + _JITTER)
