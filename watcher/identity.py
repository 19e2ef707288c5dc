"""The name by which a watcher holds leases, and whether the one behind another name has ended for sure."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from pathlib import Path

_STARTTIME = 19  # of /proc/<pid>/stat behind the command's name, proc(5) field 22
_LONGEST = 64


def own_name() -> str:
    """Boot, process namespace, process and its start make it unlike any other, now and later; the host name is for people."""
    return f"{_place()}.{os.getpid()}.{_started(os.getpid())}.{socket.gethostname()}"[:_LONGEST]


def ended(names: Iterable[str]) -> set[str]:
    """Those that were processes beside us and are no more: nobody has to wait for their leases to run out."""
    return {name for name in names if _has_ended(name)}


def _has_ended(name: str) -> bool:
    parts = name.split(".", 4)
    if len(parts) < 4 or ".".join(parts[:2]) != _place() or not parts[2].isdigit():
        return False
    return _started(int(parts[2])) != parts[3]


def _place() -> str:
    """Where process ids mean the same as here."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    return f"{boot}.{os.stat('/proc/self/ns/pid').st_ino}"


def _started(pid: int) -> str:
    """When the process was started, in ticks since boot; "" when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[_STARTTIME]
