"""What the bench ran on: figures without it mean nothing."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path


def describe() -> dict[str, str]:
    """Processor, cores, memory, system and the versions of what does the work."""
    return {
        "processor": _first("/proc/cpuinfo", "model name"),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{int(_first('/proc/meminfo', 'MemTotal').split()[0]) / 1024 / 1024:.1f} GiB",
        "kernel": platform.release(),
        "system": _system(),
        "python": platform.python_version(),
        "django": version("django"),
        "libvirt": _says("libvirtd", "--version"),
        "revision": _says("git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"),
    }


def load_average() -> float:
    """Of the last minute: a busy machine makes every figure worse."""
    return os.getloadavg()[0]


def _system() -> str:
    return _first("/etc/os-release", "PRETTY_NAME", "=").strip('"')


def _first(file: str, name: str, separator: str = ":") -> str:
    for line in Path(file).read_text().splitlines():
        key, _, value = line.partition(separator)
        if key.strip() == name:
            return value.strip()
    return "unknown"


def _says(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return "not here"
    return subprocess.run(command, capture_output=True, text=True).stdout.strip() or "unknown"
