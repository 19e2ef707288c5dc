"""A thousand machines over twenty daemons of libvirt's test driver by one call of the API: `python -m tests.bench.creation`. Needs root, as the lab does."""

from __future__ import annotations

import time

from tests.lab.fleet import Fleet
from tests.stack import Stack
from tests.waiting import wait_until

HOSTS, MACHINES = 20, 1000
_ORDER = {"vcpus": 1, "memory_bytes": 2**28, "disks": [{"pool": "default-pool", "size_bytes": 2**20}], "nics": [{"source": "default"}]}


def main() -> None:
    fleet, stack = Fleet(HOSTS), Stack.start()
    try:
        stack.add_hosts({host.name: host.uri for host in fleet.hosts})
        wait_until("all pools are seen", lambda: len(stack.rows("SELECT * FROM storage_pool")) >= HOSTS, seconds=120, every=0.5)
        begun = time.monotonic()
        answer = stack.api.request("POST", "machines", {"machines": [{"name": f"web-{{0001..{MACHINES}}}", **_ORDER}]})
        accepted = sum(bool(one["job"]) for one in answer.body)
        print(f"answered after {time.monotonic() - begun:.1f} s: {accepted} of {len(answer.body)} accepted")
        active = "SELECT id FROM jobs_job WHERE state IN ('queued', 'running')"
        wait_until("all jobs ended", lambda: not stack.rows(active), seconds=600, every=0.5)
        seen = "SELECT id FROM machines_machine WHERE state = 'running' AND name LIKE 'web-%'"
        wait_until("all are seen to run", lambda: len(stack.rows(seen)) == MACHINES, seconds=60, every=0.2)
        print(f"all {MACHINES} made, started and seen after {time.monotonic() - begun:.1f} s")
    finally:
        stack.stop()
        fleet.down()


if __name__ == "__main__":
    main()
