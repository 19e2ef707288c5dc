"""The product as the bench starts it: ``manage.py``, with two additions that only the bench has.

1. libvirt's test driver tells nothing but states, so the counters of running machines are made up here, after the real call to the host.
2. Every answer says in its headers how many queries it took, how long the server worked on it, and how many connections to a hypervisor its process has
   opened so far: without one no call can be made.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse

QUERIES_HEADER = "X-Bench-Queries"
MILLISECONDS_HEADER = "X-Bench-Milliseconds"
HYPERVISORS_HEADER = "X-Bench-Hypervisors"


def main() -> None:
    """``python -m tests.bench.product up …`` is ``manage.py up …``."""
    from tests.bench import product  # what the settings name, and this module run as __main__ is not

    sys.argv[0] = "manage.py"
    from webvirt import launch

    launch.adopt(sys.argv)
    _make_up_counters()
    product.count_every_request()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


def count_every_request() -> None:
    """Put the counting outermost."""
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webvirt.settings")
    from webvirt import settings

    settings.MIDDLEWARE.insert(0, "tests.bench.product.counted")


def counted(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: the number of queries and the time from the first line of ours to the last, in headers."""
    from django.db import connection

    opened = _count_connections()

    def answer(request: HttpRequest) -> HttpResponse:
        queries = 0

        def count(execute: Callable[..., Any], *arguments: Any) -> Any:
            nonlocal queries
            queries += 1
            return execute(*arguments)

        started = time.perf_counter()
        with connection.execute_wrapper(count):
            response = get_response(request)
        response[MILLISECONDS_HEADER] = f"{(time.perf_counter() - started) * 1000:.2f}"
        response[QUERIES_HEADER] = str(queries)
        response[HYPERVISORS_HEADER] = str(opened())
        return response

    return answer


def _count_connections() -> Callable[[], int]:
    """How often this process has opened libvirt, from now on."""
    import libvirt

    calls: list[str] = []

    def counting(name: str) -> Callable[..., Any]:
        real = getattr(libvirt, name)

        def opening(*arguments: Any) -> Any:
            calls.append(name)
            return real(*arguments)

        return opening

    for name in ("open", "openAuth", "openReadOnly"):
        setattr(libvirt, name, counting(name))
    return lambda: len(calls)


def _make_up_counters() -> None:
    """In the watcher's process alone, once it is forked: no other process may get libvirt loaded by us."""
    from webvirt import stack

    real_watcher = stack._watcher

    def watcher() -> None:
        from virt import stats

        real_sample = stats.sample
        stats.sample = lambda connection: [_busy(seen) for seen in real_sample(connection)]
        real_watcher()

    stack._watcher = watcher


def _busy(seen: Any) -> Any:
    """A machine with two processors and 2 GiB that is as busy as its uuid says, always growing."""
    kind = int(seen.uuid[-4:], 16) % 97 + 1
    seconds = seen.at
    return replace(
        seen,
        cpu_ns=int(seconds * 1e9 * kind / 50),
        vcpus=2,
        memory_bytes=2 << 30,
        memory_used_bytes=(kind << 24) + int(seconds) % 60 * (1 << 20),
        disk_read_bytes=int(seconds * kind * 4096),
        disk_write_bytes=int(seconds * kind * 2048),
        net_rx_bytes=int(seconds * kind * 1500),
        net_tx_bytes=int(seconds * kind * 900),
    )


if __name__ == "__main__":
    main()
