"""What is done with a host again and again, each host at a time of its own, so that a hundred of them don't call at once."""

from __future__ import annotations

from collections.abc import Mapping

Seconds = float

_GOLDEN = 0.618033988749895  # multiples of it, without their whole part, spread evenly


class Rounds:
    """`periods`: name → seconds. `key` decides the phase; `now` is monotonic, as in all calls."""

    def __init__(self, periods: Mapping[str, Seconds], key: int, now: Seconds) -> None:
        self._periods = periods
        self._next = {}
        for name, period in periods.items():
            phase = key * _GOLDEN % 1 * period
            self._next[name] = now + (phase - now) % period

    def due(self, now: Seconds) -> list[str]:
        """What is due; one that was missed several times is due once, and keeps its phase."""
        due = [name for name, at in self._next.items() if at <= now]
        for name in due:
            late = now - self._next[name]
            self._next[name] += (late // self._periods[name] + 1) * self._periods[name]
        return due

    def soon(self, name: str, now: Seconds) -> None:
        """Have it due at once, and then a whole period later."""
        self._next[name] = now

    def within(self, name: str, seconds: Seconds, now: Seconds) -> None:
        """Have it due after `seconds` at the latest: what many events ask for is done once."""
        self._next[name] = min(self._next[name], now + seconds)

    def next_at(self) -> Seconds:
        return min(self._next.values())
