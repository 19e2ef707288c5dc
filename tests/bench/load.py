"""Processor time and memory of the stack's processes."""

from __future__ import annotations

import time
from collections import Counter

from tests import processes
from tests.stack import Stack


def memory_bytes(stack: Stack) -> Counter[str]:
    """Proportional set size by process name."""
    found: Counter[str] = Counter()
    for pid in stack.pids():
        process = processes.read(pid)
        if process is not None:
            found[process.name] += processes.pss_bytes(pid)
    return found


def cores_busy(stack: Stack, *, seconds: float) -> Counter[str]:
    """The share of one core that each process name took on average over the next ``seconds``."""
    before, started = _cpu_seconds(stack), time.monotonic()
    time.sleep(seconds)
    after, took = _cpu_seconds(stack), time.monotonic() - started
    found: Counter[str] = Counter()
    for pid, (name, spent) in after.items():
        found[name] += (spent - before.get(pid, (name, 0.0))[1]) / took
    return found


def _cpu_seconds(stack: Stack) -> dict[int, tuple[str, float]]:
    moments = (processes.read(pid) for pid in stack.pids())
    return {moment.pid: (moment.name, moment.cpu_seconds) for moment in moments if moment}
