"""Pauses between attempts: short for a restart, long for a host that is gone, seldom where only a person can help."""

from __future__ import annotations

import random

import pytest

from watcher.backoff import Backoff


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: (low + high) / 2)


def test_a_daemon_that_restarts_is_met_within_about_a_second(no_jitter: None) -> None:
    pauses = [Backoff().failed() for _ in range(1)]
    assert pauses[0] <= 0.3
    again = Backoff()
    assert max(again.failed() for _ in range(4)) <= 1.0


def test_pauses_grow_up_to_half_a_minute(no_jitter: None) -> None:
    tries = Backoff()
    pauses = [tries.failed() for _ in range(40)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 30.0


def test_pauses_differ_so_that_hosts_do_not_come_back_in_step() -> None:
    one, other = Backoff(), Backoff()
    assert [one.failed() for _ in range(8)] != [other.failed() for _ in range(8)]


def test_a_refusal_is_tried_rarely(no_jitter: None) -> None:
    tries = Backoff()
    assert [tries.failed(refused=True) for _ in range(5)] == [30.0, 60.0, 120.0, 300.0, 300.0]


def test_only_a_connection_that_stood_begins_anew(no_jitter: None) -> None:
    clock = Clock()
    tries = Backoff(clock)
    for _ in range(6):
        tries.failed()
    tries.connected()
    clock.now += 1
    assert tries.failed() == 2.0  # it broke at once: go on slowing down
    tries.connected()
    clock.now += 6
    assert tries.failed() == 0.2
