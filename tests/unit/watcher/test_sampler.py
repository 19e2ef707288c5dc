"""Counters become rows of numbers, rows become a minute's averages; Redis may be away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from live import facts, metrics
from live.metrics import Mean
from virt import stats
from virt.host import HostLoad
from virt.stats import RawSample
from watcher import sampler
from watcher.sampler import Minute, Sampler

GIB = 2**30


class Host:
    """What a connection tells, a step at a time, five seconds apart."""

    def __init__(self) -> None:
        self.step = 0
        self.states_only = False

    def load(self) -> HostLoad:
        self.step += 1
        return HostLoad(self.step * 5.0, self.step * 2, self.step * 10, 3 * GIB, 4 * GIB)

    def samples(self) -> list[RawSample]:
        at = self.step * 5.0
        if self.states_only:
            return [RawSample("u1", at, *[None] * 8)]
        cpu, disk = int(at * 1e9), int(at * 1000)
        return [RawSample("u1", at, cpu, 2, GIB, 2 * GIB, disk, 2 * disk, None, None), RawSample("not yet a row", at, *[None] * 8)]


class Pushed:
    def __init__(self) -> None:
        self.numbers: list[tuple[Any, Any]] = []
        self.remembered: list[Any] = []
        self.redis_is_away = False

    def publish(self, host_id: int, host: Any, machines: Any) -> None:
        self.numbers.append((host, machines))

    def remember(self, samples: Any) -> None:
        if self.redis_is_away:
            raise redis.ConnectionError("away")
        self.remembered.append(samples)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host()
    monkeypatch.setattr(stats, "sample", lambda connection: made.samples())
    return made


@pytest.fixture
def pushed(monkeypatch: pytest.MonkeyPatch) -> Pushed:
    made = Pushed()
    monkeypatch.setattr(facts, "publish_numbers", made.publish)
    monkeypatch.setattr(metrics, "remember", made.remember)
    monkeypatch.setattr(sampler, "_redis_away_until", 0.0)
    return made


def _take(taker: Sampler, host: Host) -> None:
    taker.take(host)  # type: ignore[arg-type]


def test_rates_need_two_samples_and_memory_one(host: Host, pushed: Pushed) -> None:
    taker = Sampler(3, {"u1": 42}, lambda minute: None)
    _take(taker, host)
    _take(taker, host)
    (first_host, first), (second_host, second) = pushed.numbers
    assert first[42][1:] == (None, GIB, 2 * GIB, None, None, None, None)
    assert second[42][1:] == (50.0, GIB, 2 * GIB, 1000, 2000, None, None)
    assert (first_host[1], second_host[1]) == (None, 20.0)
    assert list(second) == [42], "a machine without a row is left out"
    assert len(second[42]) == len(second_host) == len(metrics.COLUMNS)
    assert pushed.remembered[1] == {"host": {3: second_host}, "machine": second}


def test_a_driver_that_tells_states_only_makes_no_numbers_of_machines(host: Host, pushed: Pushed) -> None:
    host.states_only = True
    taker = Sampler(3, {"u1": 42}, lambda minute: None)
    _take(taker, host)
    _take(taker, host)
    assert all(machines == {} for _, machines in pushed.numbers)


def test_without_redis_the_page_still_gets_its_numbers_and_redis_a_pause(host: Host, pushed: Pushed) -> None:
    taker = Sampler(3, {"u1": 42}, lambda minute: None)
    pushed.redis_is_away = True
    _take(taker, host)
    pushed.redis_is_away = False
    _take(taker, host)
    assert len(pushed.numbers) == 2
    assert pushed.remembered == [], "not asked again at once"


def test_an_answer_that_comes_too_late_is_dropped(host: Host, pushed: Pushed) -> None:
    taker = Sampler(3, {"u1": 42}, lambda minute: None)
    _take(taker, host)
    _take(taker, host)
    host.step = 0  # asked before, answered after
    _take(taker, host)
    assert len(pushed.numbers) == 2


def test_a_minute_is_handed_over_when_it_is_over(host: Host, pushed: Pushed, monkeypatch: pytest.MonkeyPatch) -> None:
    minutes: list[Minute] = []
    now = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
    monkeypatch.setattr(sampler, "datetime", _Fixed(lambda: now))
    taker = Sampler(3, {"u1": 42}, minutes.append)
    for _ in range(3):
        _take(taker, host)
    assert minutes == []
    now += timedelta(seconds=31)
    _take(taker, host)
    (minute,) = minutes
    assert minute.at == datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    assert minute.machines[42]["cpu_percent"] == 50.0
    assert minute.machines[42]["memory_used"] == GIB
    assert minute.host and minute.host["cpu_percent"] == 20.0
    assert minute.latency_ms is not None and minute.latency_ms >= 0


def test_a_mean_counts_only_what_was_known() -> None:
    mean = Mean()
    mean.add((1, 10.0, 100, 200, None, 4, None, None))
    mean.add((2, None, 101, 200, None, 8, None, None))
    fields = mean.fields()
    assert fields == {"cpu_percent": 10.0, "memory_used": 100, "memory_total": 200, "disk_read": None, "disk_write": 6.0, "net_rx": None, "net_tx": None}


class _Fixed:
    """Stands for the class datetime in the sampler."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock

    def now(self, zone: Any) -> datetime:
        now: datetime = self._clock()
        return now
