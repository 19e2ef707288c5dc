"""A host with twenty running machines is emptied and gets them back: real hosts, real QEMU, by the pages' own forms."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from typing import Any

from tests.bench.figures import Figure, Spread
from tests.lab.guests import Recipe
from tests.lab.lab import Lab
from tests.stack import Stack
from tests.waiting import wait_until

MACHINES = 20
MEMORY_MIB = 64
_SET_WAYS = """
import json, sys
from hosts.models import Host
from machines.migration import ways
for name, address in json.load(sys.stdin).items():
    ways.set_way(Host.objects.get(name=name), libvirt=address, data="")
"""
_WISH = {"stuck": "leave", "off": "leave", "do": "go"}


def measure() -> Iterator[Figure]:
    """A lab and a stack of its own. The machines have firmware alone: what is timed is our part and libvirt's, not a guest's memory."""
    with ExitStack() as ending:
        lab = Lab.start(3)
        ending.callback(lab.down)
        ending.callback(lab.sweep)
        stack = Stack.start()
        ending.callback(stack.stop)
        stack.add_hosts({host.name: host.uri for host in lab.hosts})
        wait_until("all hosts are online", lambda: all(stack.host(host.name)["state"] == "online" for host in lab.hosts), seconds=60)
        stack.manage("shell", "-c", _SET_WAYS, input=json.dumps({host.name: f"qemu+tcp://{host.name}/system" for host in lab.hosts}))
        for number in range(MACHINES):
            lab["h1"].define(Recipe(f"d{number:02d}", memory_mib=MEMORY_MIB), start=True)
        wait_until("all are seen to run", lambda: _running_on(stack, "h1") == MACHINES, seconds=60)
        page = f"/hosts/{stack.host('h1')['id']}/maintenance/"
        assert stack.web.get("/hosts/").status == 200  # signed in, and its code is loaded
        begun = time.perf_counter()
        assert stack.web.get(page).status == 200
        yield Figure("plan shown", f"{MACHINES} machines", (time.perf_counter() - begun) * 1000, "ms")
        yield from _round(stack, page, _WISH, "machines.moves.drain", "emptied")
        yield Figure("still on the host", "emptied", _running_on(stack, "h1"), "", 0.0)
        yield from _round(stack, f"{page}end/", {"back": "1"}, "machines.moves.bring_back", "brought back")
        wait_until("all are back", lambda: _running_on(stack, "h1") == MACHINES, seconds=20)


def _round(stack: Stack, address: str, wish: dict[str, str], kind: str, where: str) -> Iterator[Figure]:
    begun = time.perf_counter()
    answer = stack.web.post(address, wish)
    assert answer.status == 204, (answer.status, answer.body)
    yield Figure("asked → answer", where, (time.perf_counter() - begun) * 1000, "ms")
    parent = stack.rows("SELECT * FROM jobs_job WHERE kind = ? ORDER BY id DESC", kind)[0]["id"]
    ended = stack.wait_job(parent, seconds=600)
    yield Figure("asked → all done", where, time.perf_counter() - begun, "s")
    children = stack.rows("SELECT * FROM jobs_job WHERE parent_id = ?", parent)
    yield Figure("not done", where, sum(child["state"] != "done" for child in children) + (ended["state"] != "done"), "", 0.0)
    took = Spread.of(_seconds(child) for child in children if child["state"] == "done")
    yield Figure("one move, p50", where, took.p50, "ms")
    yield Figure("one move, worst", where, took.worst, "ms")
    yield Figure("most under way at once", where, _most_at_once(children), "")


def _running_on(stack: Stack, host: str) -> int:
    rows = stack.rows("SELECT count(*) AS n FROM machines_machine WHERE host_id = ? AND state = 'running' AND gone_at IS NULL", stack.host(host)["id"])
    return int(rows[0]["n"])


def _seconds(job: dict[str, Any]) -> float:
    return (datetime.fromisoformat(job["finished_at"]) - datetime.fromisoformat(job["started_at"])).total_seconds()


def _most_at_once(jobs: list[dict[str, Any]]) -> int:
    spans = [(job["started_at"], job["finished_at"]) for job in jobs if job["started_at"] and job["finished_at"]]
    return max((sum(begun <= at < ended for begun, ended in spans) for at, _ in spans), default=0)
