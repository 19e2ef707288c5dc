"""How full the pools of a host are together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# Pools of these kinds are directories: several may lie on one file system, and each reports the whole of it.
_ON_FILE_SYSTEMS = frozenset({"dir", "fs", "netfs"})


@dataclass(frozen=True)
class Level:
    """Bytes."""

    used: int = 0
    total: int = 0

    @property
    def percent(self) -> float | None:
        return 100 * self.used / self.total if self.total else None


def of_pools(pools: Iterable[Mapping[str, Any]]) -> Level:
    """`pools` as on the host's row; a file system that several of them share is counted once."""
    seen, used, total = set(), 0, 0
    for pool in pools:
        size, free = pool["capacity_bytes"], pool["available_bytes"]
        if not pool["active"] or (pool["kind"] in _ON_FILE_SYSTEMS and (size, free) in seen):
            continue
        seen.add((size, free))
        used, total = used + max(0, size - free), total + size
    return Level(used, total)
