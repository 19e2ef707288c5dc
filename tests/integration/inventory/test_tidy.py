"""Samples are rolled up and forgotten in time, histories cut, machines that vanished forgotten after a month."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Grant
from accounts.roles import Role
from hosts.models import Host, HostSample
from live import rollup
from live.metrics import Resolution
from machines import tidy
from machines.models import Event, Machine, MachineSample
from tests import inventory as rows

pytestmark = pytest.mark.django_db

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def host() -> Host:
    return rows.host()


def _values(cpu: float | None, **more: Any) -> dict[str, Any]:
    return {"cpu_percent": cpu, "memory_used": 100, "memory_total": 200, "disk_read": 1.0, "disk_write": None, "net_rx": 0.0, "net_tx": 2.0} | more


def _minutes(machine: Machine, count: int, *, start: datetime = START, cpu: float | None = None) -> None:
    for minute in range(count):
        rollup.store(MachineSample, "machine", start + timedelta(minutes=minute), {machine.pk: _values(float(minute) if cpu is None else cpu)})


def _rows(machine: Machine, resolution: Resolution) -> list[tuple[datetime, float | None]]:
    return list(MachineSample.objects.filter(machine=machine, resolution=resolution).order_by("at").values_list("at", "cpu_percent"))


def test_a_stored_minute_is_as_it_was_given(host: Host) -> None:
    machine = rows.machine(host)
    rollup.store(MachineSample, "machine", START, {machine.pk: _values(12.5)})
    row = MachineSample.objects.get()
    assert (row.machine_id, row.resolution, row.at, row.cpu_percent, row.memory_used, row.disk_write) == (machine.pk, 60, START, 12.5, 100, None)


def test_only_whole_quarters_are_rolled_up_and_only_once(host: Host) -> None:
    machine, other = rows.machine(host, "a"), rows.machine(host, "b")
    _minutes(machine, 40)
    _minutes(other, 15, cpu=80.0)
    for _ in range(2):
        rollup.tidy(MachineSample, "machine", START + timedelta(minutes=40))
    assert _rows(machine, Resolution.QUARTER) == [(START, 7.0), (START + timedelta(minutes=15), 22.0)]
    assert _rows(other, Resolution.QUARTER) == [(START, 80.0)]
    quarter = MachineSample.objects.filter(resolution=Resolution.QUARTER)[0]
    assert (quarter.memory_used, quarter.disk_read, quarter.disk_write, quarter.net_tx) == (100, 1.0, None, 2.0)


def test_a_minute_that_comes_late_is_waited_for(host: Host) -> None:
    machine = rows.machine(host)
    _minutes(machine, 15, cpu=10.0)
    rollup.tidy(MachineSample, "machine", START + timedelta(minutes=15, seconds=30))
    assert _rows(machine, Resolution.QUARTER) == []
    rollup.tidy(MachineSample, "machine", START + timedelta(minutes=17, seconds=30))
    assert len(_rows(machine, Resolution.QUARTER)) == 1


def test_a_gap_of_days_is_stepped_over(host: Host) -> None:
    machine = rows.machine(host)
    _minutes(machine, 15, cpu=10.0)
    _minutes(machine, 15, start=START + timedelta(days=20), cpu=30.0)
    rollup.tidy(MachineSample, "machine", START + timedelta(days=20, minutes=20))
    assert _rows(machine, Resolution.QUARTER) == [(START, 10.0), (START + timedelta(days=20), 30.0)]


def test_six_hours_are_made_of_quarters_and_old_rows_go(host: Host) -> None:
    machine = rows.machine(host)
    for quarter in range(24):
        MachineSample.objects.create(machine=machine, resolution=Resolution.QUARTER, at=START + timedelta(minutes=15 * quarter), **_values(float(quarter)))
    _minutes(machine, 3)
    rollup.tidy(MachineSample, "machine", START + timedelta(days=2))
    assert _rows(machine, Resolution.SIX_HOURS) == [(START, 11.5)]
    assert _rows(machine, Resolution.MINUTE) == []
    assert len(_rows(machine, Resolution.QUARTER)) == 24
    rollup.tidy(MachineSample, "machine", START + timedelta(days=31))
    assert _rows(machine, Resolution.QUARTER) == []
    assert len(_rows(machine, Resolution.SIX_HOURS)) == 1


def test_hosts_are_rolled_up_the_same_way(host: Host) -> None:
    for minute in range(15):
        rollup.store(HostSample, "host", START + timedelta(minutes=minute), {host.pk: _values(50.0)})
    rollup.tidy(HostSample, "host", START + timedelta(minutes=20))
    assert HostSample.objects.filter(host=host, resolution=Resolution.QUARTER).count() == 1


def test_a_machine_is_kept_for_a_month_after_it_vanished_with_its_grants(host: Host) -> None:
    now = timezone.now()
    old, recent, back = (rows.machine(host, name) for name in ("old", "recent", "back"))
    person = rows.person("viewer", role=Role.VIEWER, on=old)
    rows.grant(person, Role.VIEWER, recent)
    Machine.objects.filter(pk=old.pk).update(gone_at=now - timedelta(days=31))
    Machine.objects.filter(pk=recent.pk).update(gone_at=now - timedelta(days=29))
    tidy.forget_gone(now)
    assert set(Machine.objects.values_list("pk", flat=True)) == {recent.pk, back.pk}
    assert list(Grant.objects.filter(user=person).values_list("object_id", flat=True)) == [recent.pk]


def test_a_history_without_end_is_cut_to_its_newest(host: Host) -> None:
    noisy, calm = rows.machine(host, "noisy"), rows.machine(host, "calm")
    Event.objects.bulk_create([Event(machine=noisy, kind="rebooted", words=str(number)) for number in range(25)])
    Event.objects.bulk_create([Event(machine=calm, kind="started", words=str(number)) for number in range(5)])
    tidy.cut(Event, 10)
    assert [event.words for event in noisy.events.order_by("id")] == [str(number) for number in range(15, 25)]
    assert calm.events.count() == 5


def test_the_task_does_all_of_it_one_at_a_time(host: Host, redis: object) -> None:
    from django.core.cache import cache

    cache.clear()
    machine = rows.machine(host, gone_at=timezone.now() - timedelta(days=40))
    cache.add("machines:tidy", 1)
    tidy.tidy()
    assert Machine.objects.filter(pk=machine.pk).exists(), "another one is at it"
    cache.delete("machines:tidy")
    tidy.tidy()
    assert not Machine.objects.filter(pk=machine.pk).exists()
    assert cache.add("machines:tidy", 1), "the lock is given back"
    cache.clear()
