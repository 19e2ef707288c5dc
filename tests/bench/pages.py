"""Pages by HTTP: time, queries, bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.bench.figures import Figure, Spread
from tests.bench.product import HYPERVISORS_HEADER, MILLISECONDS_HEADER, QUERIES_HEADER
from tests.websession import Reply, WebSession

WARM_UP = 5
TIMES = 60
# What the project promises of the page of all machines, at any number of machines and with mute hosts.
MACHINES_P50_MS = 40.0
MACHINES_P95_MS = 100.0
MACHINES_KB = 30.0


def measure(session: WebSession, paths: Mapping[str, str], *, where: str) -> Iterator[Figure]:
    """The figures of each page, ``paths`` by name."""
    for name, path in paths.items():
        for _ in range(WARM_UP):
            _fetch(session, path)
        replies = [_fetch(session, path) for _ in range(TIMES)]
        yield from _figures(name, where, replies)


def _fetch(session: WebSession, path: str) -> Reply:
    reply = session.get(path, {"Accept-Encoding": "gzip"})
    if reply.status != 200:
        raise RuntimeError(f"{path} answered {reply.status}")
    return reply


def _figures(name: str, where: str, replies: list[Reply]) -> Iterator[Figure]:
    server = Spread.of(float(reply.headers[MILLISECONDS_HEADER]) / 1000 for reply in replies)
    client = Spread.of(reply.seconds for reply in replies)
    promised = name == "machines"
    yield Figure(f"{name}: server p50", where, server.p50, "ms", MACHINES_P50_MS if promised else None)
    yield Figure(f"{name}: server p95", where, server.p95, "ms", MACHINES_P95_MS if promised else None)
    yield Figure(f"{name}: with transport p50", where, client.p50, "ms")
    yield Figure(f"{name}: with transport p95", where, client.p95, "ms")
    yield Figure(f"{name}: queries", where, max(int(reply.headers[QUERIES_HEADER]) for reply in replies), "")
    yield Figure(f"{name}: libvirt connections", where, max(int(reply.headers[HYPERVISORS_HEADER]) for reply in replies), "", 0.0)
    yield Figure(f"{name}: compressed", where, max(len(reply.body) for reply in replies) / 1000, "kB", MACHINES_KB if promised else None)
