"""Wishes reach the watcher that follows the host, once."""

from __future__ import annotations

from pathlib import Path

from live import wishes


def test_a_wish_is_taken_once_by_who_follows_the_host(redis: Path) -> None:
    wishes.wish(3, "snapshots")
    wishes.wish(3, "pools")
    wishes.wish(3, "pools")
    wishes.wish(4, "pools")
    assert wishes.take({3, 9}) == {3: {"snapshots", "pools"}}
    assert wishes.take({3, 9}) == {}
    assert wishes.take({4}) == {4: {"pools"}}
