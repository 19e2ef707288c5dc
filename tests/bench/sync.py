"""How long the watcher takes to see a whole host, as its own log says it: list, definitions, comparison."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.bench.figures import Figure, Spread
from tests.stack import Stack
from tests.waiting import wait_until

SYNC_MS = 500.0

_SEEN = re.compile(r"host=(\S+) online: (\d+) machines, \D*(\d+) ms")


def measure(stack: Stack, machines: int, *, hosts: set[str], where: str) -> Iterator[Figure]:
    """Of the hosts that were added last. ``AssertionError`` when the log does not tell of all of them."""
    wait_until("the log tells how long each host took", lambda: _seconds(stack, machines, hosts).keys() == hosts, every=0.5)
    spread = Spread.of(_seconds(stack, machines, hosts).values())
    alone = len(hosts) == 1
    yield Figure("full sync of a host p50", where, spread.p50, "ms", SYNC_MS if alone else None)
    yield Figure("full sync of a host, worst", where, spread.worst, "ms")


def _seconds(stack: Stack, machines: int, hosts: set[str]) -> dict[str, float]:
    """The first time with all machines, by host."""
    found: dict[str, float] = {}
    for name, count, milliseconds in _SEEN.findall(stack.log):
        if name in hosts and int(count) >= machines:
            found.setdefault(name, int(milliseconds) / 1000)
    return found
