"""The dashboard: true sums, for each person their own, in few queries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.roles import Role
from hosts.models import Host
from hosts.models import State as HostState
from jobs.models import Job
from jobs.models import State as JobState
from machines.models import Machine, State
from tests import inventory
from tests.integration.dashboard.conftest import client_of
from webvirt.dashboard import Dashboard

GIB, TIB = 2**30, 2**40


def pool(uuid: str, *, size: int, free: int, active: bool = True) -> dict[str, Any]:
    return {
        "name": "default",
        "uuid": uuid,
        "kind": "dir",
        "active": active,
        "autostart": True,
        "capacity_bytes": size,
        "allocation_bytes": 0,
        "available_bytes": free,
    }


@pytest.fixture
def hosts() -> list[Host]:
    """Two that answer, one that does not; 12 threads each."""
    shared = pool("shared", size=10 * TIB, free=4 * TIB)
    return [
        inventory.host(
            "kvm-01", cpus=12, memory_bytes=64 * GIB, memory_used_bytes=32 * GIB, cpu_percent=50.0, pools=[shared, pool("a", size=2 * TIB, free=2 * TIB)]
        ),
        inventory.host(
            "kvm-02", cpus=12, memory_bytes=64 * GIB, memory_used_bytes=62 * GIB, cpu_percent=25.0, pools=[shared, pool("b", size=TIB, free=0, active=False)]
        ),
        inventory.host(
            "kvm-03",
            cpus=12,
            memory_bytes=64 * GIB,
            state=HostState.OFFLINE,
            error="No route to the host.",
            last_seen_at=timezone.now() - timedelta(minutes=18),
        ),
    ]


@pytest.fixture
def machines(hosts: list[Host]) -> list[Machine]:
    one, two, silent = hosts
    return [
        inventory.machine(one, "busy", cpu_percent=96.0, net_bps=1e6, vcpus=8, memory_bytes=16 * GIB),
        inventory.machine(one, "calm", cpu_percent=3.0, net_bps=5e8, vcpus=20, memory_bytes=32 * GIB),
        inventory.machine(two, "off", state=State.OFF, vcpus=100, memory_bytes=999 * GIB),
        inventory.machine(two, "dead", state=State.CRASHED),
        inventory.machine(silent, "far", vcpus=2, memory_bytes=8 * GIB, cpu_percent=99.0),
        inventory.machine(silent, "far-dead", state=State.CRASHED),
    ]


def test_sums_are_true(as_admin: Client, machines: list[Machine]) -> None:
    answer = as_admin.get("/")
    fleet: Dashboard = answer.context["fleet"]
    assert (fleet.machines, fleet.states["running"], fleet.states["off"], fleet.states["crashed"], fleet.states["stale"]) == (6, 2, 1, 1, 2)
    assert (len(fleet.hosts), fleet.answering) == (3, 2)
    cpu, memory, storage = fleet.capacity
    assert (cpu.words, cpu.note) == ("9 of 36 threads busy", "30 vCPU allocated, 0.83 for each thread")
    assert (memory.words, memory.note) == ("94 GiB of 192 GiB used", "56 GiB allocated, 136 GiB left to give")
    assert (storage.words, storage.note) == ("6 TiB of 12 TiB used", "6 TiB free in 2 pools"), "a shared pool counts once, one that is not active not at all"
    assert [round(value) for value in (cpu.used, cpu.allocated)] == [25, 83]
    assert cpu.physical is None
    assert [top.name for top in fleet.top_cpu] == ["busy", "calm"]
    assert [top.name for top in fleet.top_net] == ["calm", "busy"]


def test_over_allocation_passes_the_mark_of_the_physical(as_admin: Client, machines: list[Machine]) -> None:
    Machine.objects.filter(name="calm").update(vcpus=62)
    cpu = as_admin.get("/").context["fleet"].capacity[0]
    assert (round(cpu.allocated), round(cpu.physical), round(cpu.used)) == (100, 50, 12)


def test_what_needs_somebody_is_an_alert(as_admin: Client, machines: list[Machine]) -> None:
    page = as_admin.get("/").content.decode()
    alerts = as_admin.get("/").context["fleet"].alerts
    assert [alert.title for alert in alerts] == ["kvm-03: Does not answer", "dead crashed", "kvm-02: memory at 96 %"]
    assert "No route to the host. 2 machines are shown as last seen." in page
    for number in range(5):
        inventory.machine(Host.objects.get(name="kvm-01"), f"x{number}", state=State.CRASHED)
    titles = [alert.title for alert in as_admin.get("/").context["fleet"].alerts]
    assert "6 machines crashed" in titles
    Host.objects.filter(name="kvm-01").update(pools=[pool("a", size=100 * GIB, free=5 * GIB)])
    assert "kvm-01: pool default at 95 %" in [alert.title for alert in as_admin.get("/").context["fleet"].alerts]


def test_hosts_by_health(as_admin: Client, hosts: list[Host]) -> None:
    cells = as_admin.get("/").context["fleet"].cells
    assert [(cell.label, cell.health, round(cell.memory_percent)) for cell in cells] == [("kvm-01", "ok", 50), ("kvm-02", "warn", 97), ("kvm-03", "down", 0)]
    for number in range(30):
        inventory.host(f"kvm-x{number}")
    assert as_admin.get("/").context["fleet"].cells[0].label == "01", "many cells are small: what all names share is left out"


def test_recent_jobs_running_first(as_admin: Client, machines: list[Machine]) -> None:
    for _ in range(9):
        _job(machines[0], state=JobState.DONE, finished_at=timezone.now())
    _job(machines[1], state=JobState.FAILED, finished_at=timezone.now(), error="The guest refused.")
    _job(machines[2], state=JobState.FAILED, finished_at=timezone.now() - timedelta(hours=3))
    running = _job(machines[3], state=JobState.RUNNING, progress=62.0)
    _job(machines[0], state=JobState.DONE, finished_at=timezone.now())
    fleet = as_admin.get("/").context["fleet"]
    assert fleet.jobs[0] == running
    assert len(fleet.jobs) == 7
    assert (fleet.jobs_running, fleet.jobs_failed) == (1, 1)
    piece = as_admin.get("/", headers={"WV-Fragment": "fleet-jobs"}).content.decode()
    assert piece.startswith('<wv-live id="fleet-jobs"')
    assert 'value="62"' in piece
    assert "The guest refused." in piece


# ── for whom ──


def test_each_person_has_their_own_sums(hosts: list[Host], machines: list[Machine]) -> None:
    user = inventory.person(role=Role.VIEWER, on=machines[0])
    inventory.grant(user, Role.VIEWER, machines[4])
    client = client_of(user)
    _job(machines[1], state=JobState.DONE, finished_at=timezone.now())
    answer = client.get("/")
    fleet = answer.context["fleet"]
    assert (fleet.machines, fleet.hosts, fleet.capacity, fleet.jobs) == (2, [], [], [])
    assert (fleet.states["running"], fleet.states["stale"]) == (1, 1), "that its host is silent is seen without seeing the host"
    page = answer.content.decode().partition("<main")[2]
    assert "calm" not in page
    assert "/hosts/" not in page


def test_rights_on_a_host_show_that_host(hosts: list[Host], machines: list[Machine]) -> None:
    fleet = client_of(inventory.person(role=Role.OPERATOR, on=hosts[1])).get("/").context["fleet"]
    assert [host.name for host in fleet.hosts] == ["kvm-02"]
    assert fleet.machines == 2
    assert fleet.capacity[0].words == "3 of 12 threads busy"


# ── empty ──


def test_an_empty_fleet_offers_the_first_step(as_admin: Client) -> None:
    page = as_admin.get("/").content.decode().partition("<main")[2]
    assert "No host yet" in page
    assert 'href="/hosts/add/"' in page
    host = inventory.host(kind="local")
    page = as_admin.get("/").content.decode().partition("<main")[2].partition("</main>")[0]
    assert f'action="/hosts/{host.pk}/try-it/"' in page
    assert page.count("btn-primary") == 1
    assert "Nothing has been shared with you" in client_of(inventory.person()).get("/").content.decode()


def test_hosts_without_numbers_break_nothing(as_admin: Client) -> None:
    inventory.host("new", state=HostState.NEW, cpus=0, memory_bytes=0)
    inventory.machine(inventory.host("plain", cpus=0, memory_bytes=0, pools=[{"name": "x", "uuid": "u", "kind": "dir", "active": True}]))
    answer = as_admin.get("/")
    assert answer.status_code == 200
    assert answer.context["fleet"].capacity == []


# ── what it costs ──


def test_queries_do_not_grow_with_the_fleet(as_admin: Client) -> None:
    counts = []
    for size in ((2, 4), (40, 20)):
        Host.objects.all().delete()
        inventory.fleet(*size)
        Machine.objects.filter(state=State.CRASHED).update(state=State.OFF)
        as_admin.get("/")
        with CaptureQueriesContext(connection) as seen:
            as_admin.get("/")
        counts.append(len(seen))
    # Session, person; hosts, groups, silent hosts, two tops; jobs running, failed, the list's two; the first steps' two; the tree's two.
    assert counts[0] == counts[1]
    assert counts[1] <= 15


def _job(machine: Machine, **fields: Any) -> Job:
    usual = {
        "kind": "machines.start",
        "subject_type": "machine",
        "subject_id": machine.pk,
        "subject_name": machine.name,
        "host_id": machine.host_id,
        "changing": False,
    }
    return Job.objects.create(**{**usual, **fields})
