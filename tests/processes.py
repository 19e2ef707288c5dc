"""What /proc tells of processes: their children, their names, what memory and processor time they take."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """A moment of a process, from proc_pid_stat(5)."""

    pid: int
    parent: int
    name: str
    state: str
    cpu_seconds: float


def read(pid: int) -> Process | None:
    """None when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name stands in parentheses and may hold blanks and parentheses itself.
    name, rest = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
    return Process(pid, int(rest[1]), name, rest[0], (int(rest[11]) + int(rest[12])) / _TICKS_A_SECOND)


def lives(pid: int) -> bool:
    """Neither gone nor a zombie."""
    process = read(pid)
    return process is not None and process.state != "Z"


def descendants(pid: int) -> list[Process]:
    """Children, their children and so on, oldest generation first."""
    everybody = [process for entry in Path("/proc").iterdir() if entry.name.isdigit() and (process := read(int(entry.name)))]
    found: list[Process] = []
    parents = {pid}
    while generation := [process for process in everybody if process.parent in parents]:
        found += generation
        parents = {process.pid for process in generation}
    return found


def pss_bytes(pid: int) -> int:
    """Memory that is its own, and its share of what it has in common with others; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
