"""Moves by the product against plain ``virsh migrate``, by turns, of the same machine between the same hosts; and what a job costs before libvirt is asked.

``script/bench --only migration``. Needs root, as the lab does.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import datetime
from statistics import median
from typing import Any

from tests.bench.figures import Figure, Spread
from tests.lab.guests import build_image
from tests.lab.lab import Lab
from tests.lab.migration.moving import Moving, set_ways
from tests.stack import Stack
from tests.waiting import wait_until

ROUNDS = 6  # there and back, each by the product and by virsh
JOBS = 40
MOST_AGAINST_VIRSH = 1.1
OVERHEAD_P50_MS = 50.0
_WHERE = "migration"


_Run = tuple[float, float, float]  # milliseconds: libvirt's total, its downtime, from asking to the end


def measure() -> Iterator[Figure]:
    lab = Lab.start(2)
    stack = Stack.start()
    try:
        stack.add_hosts({host.name: host.uri for host in lab.hosts})
        wait_until("both are online", lambda: all(stack.host(host.name)["state"] == "online" for host in lab.hosts), seconds=30)
        set_ways(stack, hosts=("h1", "h2"))
        it = Moving.make(stack, lab["h1"], "measured", build_image(), words="dirty")
        yield from _against_virsh(it)
        yield from _overhead(stack, it)
    finally:
        stack.stop()
        lab.down()


def _against_virsh(it: Moving) -> Iterator[Figure]:
    """By turns, so that what else the machine does hits both alike."""
    ours: list[_Run] = []
    plain: list[_Run] = []
    on, other = "h1", "h2"
    for number in range(2 * ROUNDS):
        mine = number % 4 in (0, 3)  # each direction as often by the one as by the other
        (ours if mine else plain).append(_by_us(it, other) if mine else _by_virsh(it, on, other))
        on, other = other, on
    for which, name in ((0, "libvirt's total"), (1, "downtime"), (2, "from asking to the end")):
        we, they = (median(run[which] for run in runs) for runs in (ours, plain))
        yield Figure(f"{name} by virsh migrate, median of {len(plain)}", _WHERE, they, "ms")
        yield Figure(f"{name} by a job, median of {len(ours)}", _WHERE, we, "ms")
        yield Figure(f"{name}, a job against virsh", _WHERE, we / they, "times", MOST_AGAINST_VIRSH if which < 2 else None)


def _by_us(it: Moving, target: str) -> _Run:
    """libvirt's own total and downtime, in milliseconds, as the job tells them."""
    number = it.number
    row = it.done(it.ask_to_move(target))
    whole = (_at(row["finished_at"]) - _at(row["created_at"])) * 1000
    it.is_only_on(target, number)
    result = json.loads(row["result"])
    return float(result["elapsed_ms"]), float(result["downtime_ms"]), whole


def _by_virsh(it: Moving, source: str, target: str) -> _Run:
    """The same numbers, by virsh's hand."""
    flags = ("--live", "--p2p", "--persistent", "--undefinesource", "--unsafe", "--abort-on-error")
    begun = time.monotonic()
    it.lab[source].run("virsh", "-q", "migrate", *flags, it.guest.uuid, f"qemu+tcp://{target}/system")
    whole = (time.monotonic() - begun) * 1000
    told = it.lab[target].run("virsh", "-q", "domjobinfo", it.guest.uuid, "--completed")
    it.is_only_on(target, it.number)
    return _milliseconds(told, "Time elapsed"), _milliseconds(told, "Total downtime"), whole


def _milliseconds(told: str, name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+)\s+ms", told, re.MULTILINE)
    assert found, told
    return float(found[1])


def _overhead(stack: Stack, it: Moving) -> Iterator[Figure]:
    """From the row's birth until the operation says its first phase, which it does before it first asks a host for anything that takes long."""
    waits = []
    for number in range(JOBS):
        action = "pause" if number % 2 == 0 else "resume"
        job = stack.power(it.guest.name, action)
        stack.wait_job(job)
        waits.append(_until_begun(stack, job))
        wait_until("it is shown", lambda action=action: stack.machine(it.guest.name)["state"] == {"pause": "paused", "resume": "running"}[action])  # type: ignore[misc]
        time.sleep(0.05)
    spread = Spread.of(waits)
    yield Figure(f"job asked for → libvirt called, p50 of {spread.count}", _WHERE, spread.p50, "ms", OVERHEAD_P50_MS)
    yield Figure(f"job asked for → libvirt called, p95 of {spread.count}", _WHERE, spread.p95, "ms")


def _until_begun(stack: Stack, job: int) -> float:
    """Seconds between the request's row and the line that is written just before the call."""
    line = stack.rows("SELECT at FROM jobs_jobline WHERE job_id = ? ORDER BY id", job)[0]
    return _at(line["at"]) - _at(stack.job(job)["created_at"])


def _at(text: Any) -> float:
    return datetime.fromisoformat(str(text)).timestamp()
