"""Counters of a host's machines, and the rates between two readings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from virt import host as virt_host
from virt import stats
from virt.host import HostLoad
from virt.machine import State
from virt.stats import RawSample, rates
from virt.testing import FakeHost

_BUSY: dict[str, Any] = {
    "cpu.time": 5_000_000_000,
    "balloon.current": 2048,
    "balloon.available": 2000,
    "balloon.unused": 100,
    "balloon.usable": 500,
    "block.count": 3,
    "block.0.rd.bytes": 10,
    "block.0.wr.bytes": 1,
    "block.1.name": "sda",  # an empty drive has no counters
    "block.2.rd.bytes": 5,
    "block.2.wr.bytes": 2,
    "net.count": 2,
    "net.0.rx.bytes": 7,
    "net.0.tx.bytes": 8,
    "net.1.rx.bytes": 70,
    "net.1.tx.bytes": 80,
}

_SAMPLE = RawSample("u", 100.0, 1_000_000_000, 2, 10, 20, 1000, 2000, 3000, 4000)


def test_one_call_for_all_that_run() -> None:
    host = FakeHost()
    on = host.add("on", State.RUNNING, stats=_BUSY, vcpus=4)
    host.add("off")
    (found,) = stats.sample(host.connect())
    assert replace(found, at=0.0) == RawSample(
        uuid=on,
        at=0.0,
        cpu_ns=5_000_000_000,
        vcpus=4,
        memory_used_bytes=1500 * 1024,
        memory_bytes=2048 * 1024,
        disk_read_bytes=15,
        disk_write_bytes=3,
        net_rx_bytes=77,
        net_tx_bytes=88,
    )
    assert host.calls["getAllDomainStats"] == 1


def test_how_many_cpus_is_not_asked_each_time() -> None:
    host = FakeHost()
    uuid = host.add("on", State.RUNNING, stats=_BUSY)
    connection = host.connect()
    for _ in range(3):
        stats.sample(connection)
    assert host.calls["info"] == 1
    connection.vcpus[uuid] = (connection.vcpus[uuid][0] - 61, 2)
    host.machines[uuid].vcpus = 8
    assert stats.sample(connection)[0].vcpus == 8


def test_stopped_machines_are_forgotten() -> None:
    host = FakeHost()
    uuid = host.add("on", State.RUNNING, stats=_BUSY)
    connection = host.connect()
    stats.sample(connection)
    del host.machines[uuid]
    stats.sample(connection)
    assert connection.vcpus == {}


def test_driver_that_knows_states_alone() -> None:
    host = FakeHost()
    uuid = host.add("on", State.RUNNING)
    (found,) = stats.sample(host.connect())
    assert replace(found, at=0.0) == RawSample(uuid, 0.0, *[None] * 8)
    assert "info" not in host.calls


@pytest.mark.parametrize(
    ("told", "used"),
    [
        ({"balloon.available": 10, "balloon.usable": 4, "balloon.unused": 1}, 6),
        ({"balloon.available": 10, "balloon.unused": 1}, 9),
        ({"balloon.available": 10}, None),
        ({"balloon.current": 10}, None),
        ({"balloon.available": 1, "balloon.usable": 4}, 0),
    ],
)
def test_memory_in_use_is_the_guests_word(told: dict[str, int], used: int | None) -> None:
    host = FakeHost()
    host.add("on", State.RUNNING, stats=told)
    (found,) = stats.sample(host.connect())
    assert found.memory_used_bytes == (None if used is None else used * 1024)


def test_rates() -> None:
    after = RawSample("u", 102.0, 2_000_000_000, 2, 11, 21, 1200, 2000, 3002, 4100)
    found = rates(_SAMPLE, after)
    assert found.cpu_percent == pytest.approx(25.0)
    assert (found.memory_used_bytes, found.memory_bytes) == (11, 21)
    assert (found.disk_read_bps, found.disk_write_bps, found.net_rx_bps, found.net_tx_bps) == (100, 0, 1, 50)


def test_cpu_never_shows_more_than_everything() -> None:
    """QEMU's own threads count too."""
    assert rates(_SAMPLE, replace(_SAMPLE, at=101.0, cpu_ns=4_000_000_000)).cpu_percent == 100.0


def test_counters_that_began_anew_give_no_rate() -> None:
    found = rates(_SAMPLE, replace(_SAMPLE, at=101.0, cpu_ns=5, disk_read_bytes=0, net_rx_bytes=4000))
    assert found.cpu_percent is None
    assert found.disk_read_bps is None
    assert found.net_rx_bps == 1000


@pytest.mark.parametrize("after", [replace(_SAMPLE, at=100.0), replace(_SAMPLE, at=101.0, vcpus=None), replace(_SAMPLE, at=101.0, vcpus=0)])
def test_without_time_or_cpus_no_percentage(after: RawSample) -> None:
    assert rates(_SAMPLE, after).cpu_percent is None


@pytest.mark.parametrize(
    ("before", "after", "percent"),
    [
        ((100, 1000), (150, 1100), 50.0),
        ((100, 1000), (100, 1000), None),
        ((100, 1000), (50, 1100), None),
        ((None, None), (50, 1100), None),
        ((100, 1000), (None, None), None),
    ],
)
def test_hosts_cpu(before: tuple[int | None, int | None], after: tuple[int | None, int | None], percent: float | None) -> None:
    one, two = (HostLoad(at, *reading, None, None) for at, reading in ((1.0, before), (2.0, after)))
    assert virt_host.cpu_percent(one, two) == percent
