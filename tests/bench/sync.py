"""How long the watcher takes to see a whole host, as its own log says it: list, definitions, comparison."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.bench.figures import Figure, Spread
from tests.stack import Stack

SYNC_MS = 500.0

_SEEN = re.compile(r"host=(\S+) online: (\d+) machines, seen in (\d+) ms")


def measure(stack: Stack, machines: int, *, hosts: set[str], where: str) -> Iterator[Figure]:
    """Of the hosts that were added last. ``RuntimeError`` when the log tells of none of them."""
    found = {name: int(milliseconds) / 1000 for name, count, milliseconds in _SEEN.findall(stack.log) if name in hosts and int(count) >= machines}
    if not found:
        raise RuntimeError("the watcher's log does not say how long it took to see a host")
    spread = Spread.of(found.values())
    alone = len(found) == 1
    yield Figure("full sync of a host p50", where, spread.p50, "ms", SYNC_MS if alone else None)
    yield Figure("full sync of a host, worst", where, spread.worst, "ms")
