"""How full the pools of a host are together."""

from __future__ import annotations

from typing import Any

from hosts import levels
from hosts.levels import Level


def pool(kind: str = "dir", size: int = 100, free: int = 60, *, active: bool = True) -> dict[str, Any]:
    return {"kind": kind, "active": active, "capacity_bytes": size, "available_bytes": free}


def test_nothing_known() -> None:
    assert levels.of_pools([]) == Level()
    assert Level().percent is None


def test_directories_of_one_file_system_count_once() -> None:
    assert levels.of_pools([pool(), pool(), pool(size=50, free=50)]) == Level(40, 150)


def test_equal_volume_groups_are_different_ones() -> None:
    assert levels.of_pools([pool("logical"), pool("logical")]) == Level(80, 200)


def test_inactive_pools_do_not_count() -> None:
    assert levels.of_pools([pool(active=False), pool(size=10, free=20)]) == Level(0, 10)
