"""New machines: a thousand over a fleet by one call of the API, each with its own result; what pages take meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime

from tests.bench.figures import Figure, Spread
from tests.lab.fleet import Fleet
from tests.stack import Stack
from tests.waiting import wait_until

HOSTS, MACHINES = 20, 1000
ANSWER_SECONDS, ALL_SECONDS = 5.0, 180.0
_ORDER = {"vcpus": 1, "memory_bytes": 2**28, "disks": [{"pool": "default-pool", "size_bytes": 2**20}], "nics": [{"source": "default"}]}


def measure() -> Iterator[Figure]:
    """A stack and a fleet of its own: as large as what is asked of them, empty at first."""
    with ExitStack() as ending:
        fleet = Fleet(HOSTS)
        ending.callback(fleet.down)
        stack = Stack.start()
        ending.callback(stack.stop)
        stack.add_hosts({host.name: host.uri for host in fleet.hosts})
        wait_until("all pools are seen", lambda: len(stack.rows("SELECT * FROM storage_pool")) >= HOSTS, seconds=120, every=0.5)
        yield from _many(stack)


def _many(stack: Stack) -> Iterator[Figure]:
    where = f"{MACHINES} machines over {HOSTS} hosts"
    begun = time.monotonic()
    answer = stack.api.request("POST", "machines", {"machines": [{"name": f"web-{{0001..{MACHINES}}}", **_ORDER}]})
    assert answer.status == 202, answer
    yield Figure("call → answer with a result each", where, time.monotonic() - begun, "s", ANSWER_SECONDS)
    yield Figure("not accepted", where, MACHINES - sum(bool(one["job"]) for one in answer.body), "", 0.0)
    pages = []
    while _count(stack, "jobs_job WHERE state IN ('queued', 'running')"):
        asked = time.perf_counter()
        assert stack.web.get("/machines/").status == 200
        pages.append(time.perf_counter() - asked)
        time.sleep(0.5)
    yield Figure("call → last job ended", where, time.monotonic() - begun, "s", ALL_SECONDS)
    yield Figure("jobs that failed", where, _count(stack, "jobs_job WHERE state != 'done'"), "", 0.0)
    running = "machines_machine WHERE state = 'running' AND name LIKE 'web-%'"
    wait_until("all are seen to run", lambda: _count(stack, running) == MACHINES, seconds=60, every=0.1)
    yield Figure("call → all seen running", where, time.monotonic() - begun, "s")
    spread = Spread.of(pages)
    yield Figure("machines page meanwhile, p50", where, spread.p50, "ms")
    yield Figure("machines page meanwhile, p95", where, spread.p95, "ms")
    took = [_seconds(row["started_at"], row["finished_at"]) for row in stack.rows("SELECT started_at, finished_at FROM jobs_job")]
    spread = Spread.of(took)
    yield Figure("one machine in its worker, p50", where, spread.p50, "ms")
    yield Figure("one machine in its worker, p95", where, spread.p95, "ms")
    yield Figure("left behind on hosts", where, _count(stack, "creation_creation WHERE made != '[]'"), "", 0.0)


def _count(stack: Stack, of: str) -> int:
    return int(stack.rows(f"SELECT count(*) AS n FROM {of}")[0]["n"])


def _seconds(begun: str, ended: str) -> float:
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(begun)).total_seconds()
