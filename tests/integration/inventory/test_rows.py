"""What was seen becomes rows, history with who did it, and the same knowledge again after a restart."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from hosts.models import Host
from jobs.models import Job
from machines import inventory
from machines.inventory import Change
from machines.models import Definition, Event, Machine
from tests import inventory as rows
from virt.events import Event as HostEvent
from virt.guest import Address
from virt.machine import MachineSeen
from virt.state import State

pytestmark = pytest.mark.django_db


def _seen(number: int = 1, state: State = State.OFF, **more: Any) -> MachineSeen:
    uuid = f"00000000-0000-0000-0000-{number:012d}"
    xml = (
        f"<domain type='kvm'><name>m{number}</name><uuid>{uuid}</uuid><memory unit='MiB'>256</memory><vcpu>2</vcpu><os><type arch='x86_64'>hvm</type></os>"
        f"<devices><interface type='network'><mac address='52:54:00:00:00:{number:02x}'/><source network='default'/></interface></devices></domain>"
    )
    usual = {"name": f"m{number}", "reason": "", "persistent": True, "autostart": False, "has_saved_image": False, "live_xml": xml}
    return MachineSeen(uuid=uuid, state=state, inactive_xml=xml if state == State.RUNNING else "", **{**usual, **more})


def _event(seen: MachineSeen, event: str, detail: str = "") -> HostEvent:
    return HostEvent("domain", seen.uuid, seen.name, event, detail, timezone.now())


def _changes(known: dict[str, inventory.Known], *seen: MachineSeen) -> list[Change]:
    found = [inventory.compare(known.get(each.uuid), each, (), timezone.now()) for each in seen]
    return [change for change in found if change]


def _happens(host: Host, seen: MachineSeen, *events: HostEvent) -> Machine:
    """Compare with the rows, write, and give the row."""
    known = inventory.load(host.pk)
    change = inventory.compare(known.known.get(seen.uuid), seen, events, timezone.now())
    inventory.write(host.pk, [change] if change else [], known.ids)
    return Machine.objects.get(host=host, uuid=seen.uuid)


def _last(machine: Machine) -> tuple[str, str, int | None]:
    event = Event.objects.filter(machine=machine).order_by("-id")[0]
    return event.words, event.actor, event.job_id


@pytest.fixture
def host() -> Host:
    return rows.host()


@pytest.fixture
def job() -> Callable[..., Job]:
    person = User.objects.create(username="sonja")

    def make(machine: Machine, kind: str = "machines.start", **fields: Any) -> Job:
        usual = {"state": "running", "started_at": timezone.now() - timedelta(seconds=1), "asked_by": person, "asked_by_name": "sonja"}
        return Job.objects.create(kind=kind, subject_type="machine", subject_id=machine.pk, subject_name=machine.name, **{**usual, **fields})

    return make


def test_a_whole_host_is_written_in_few_queries_and_known_again(host: Host, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    seen = [_seen(number, State.RUNNING if number % 2 else State.OFF) for number in range(1, 101)]
    with django_assert_max_num_queries(30):
        written = inventory.write(host.pk, _changes({}, *seen), {})
    assert len(written.ids) == len(written.listed) == Machine.objects.filter(host=host).count() == 100
    assert Definition.objects.count() == Event.objects.count() == 100
    with django_assert_max_num_queries(1):
        again = inventory.load(host.pk)
    assert again.ids == written.ids
    assert _changes(again.known, *[each for each in seen if each.state == State.OFF]) == []


def test_what_is_known_after_a_restart_equals_what_was_known_before(host: Host) -> None:
    change = _changes({}, _seen(1, State.RUNNING))[0]
    lease = inventory.leased(change.uuid, change.after, [Address("10.0.0.5", 24, "52:54:00:00:00:01", "lease")])
    assert lease
    inventory.write(host.pk, [change.then(lease)], {})
    loaded = inventory.load(host.pk).known[change.uuid]
    assert loaded.asks_agent is None, "the XML is read again to know"
    (again,) = _changes({change.uuid: loaded}, _seen(1, State.RUNNING))
    assert again.after == lease.after and not again.is_written
    assert (loaded.addresses, loaded.macs, loaded.digest, loaded.reading) == (lease.after.addresses, lease.after.macs, lease.after.digest, lease.after.reading)


def test_a_person_s_notes_are_never_written_over(host: Host) -> None:
    machine = _happens(host, _seen())
    Machine.objects.filter(pk=machine.pk).update(notes="the shop's database")
    machine = _happens(host, _seen(1, State.RUNNING))
    assert (machine.state, machine.notes) == ("running", "the shop's database")


def test_a_change_by_our_job_names_who_asked(host: Host, job: Callable[..., Job]) -> None:
    machine = _happens(host, _seen())
    start = job(machine)
    running = _seen(1, State.RUNNING)
    _happens(host, running, _event(running, "started", "booted"))
    assert _last(machine) == ("Started", "sonja", start.pk)


def test_a_job_that_ended_a_moment_ago_counts_too(host: Host, job: Callable[..., Job]) -> None:
    machine = _happens(host, _seen())
    start = job(machine, state="done", finished_at=timezone.now() - timedelta(milliseconds=200))
    running = _seen(1, State.RUNNING)
    _happens(host, running, _event(running, "started", "booted"))
    assert _last(machine)[1:] == ("sonja", start.pk)


def test_a_first_machine_is_by_who_tried_it(host: Host) -> None:
    """That job is about the host: only its parameters name the machine."""
    tried = _seen()
    asked = {"kind": "machines.try_it", "state": "running", "subject_type": "host", "subject_id": host.pk, "host_id": host.pk}
    when = timezone.now() - timedelta(seconds=1)
    job = Job.objects.create(**asked, params={"uuid": tried.uuid}, started_at=when, asked_by_name="sonja")
    _happens(host, tried, _event(tried, "defined", "added"))
    running, other = _seen(1, State.RUNNING), _seen(2)
    machine = _happens(host, running, _event(running, "started", "booted"))
    assert [(event.words, event.actor, event.job_id) for event in machine.events.order_by("id")] == [
        ("Defined", "sonja", job.pk),
        ("Started", "sonja", job.pk),
    ]
    assert _last(_happens(host, other, _event(other, "defined", "added"))) == ("Defined", "outside WebVirt", None)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "machines.set_autostart"},  # can't start anything
        {"started_at": None, "state": "queued"},  # nothing done yet
        {"state": "done", "finished_at": timezone.now() - timedelta(minutes=1)},
    ],
)
def test_what_no_job_of_ours_can_have_done_was_done_outside(host: Host, job: Callable[..., Job], fields: dict[str, Any]) -> None:
    machine = _happens(host, _seen())
    job(machine, **fields)
    running = _seen(1, State.RUNNING)
    _happens(host, running, _event(running, "started", "booted"))
    assert _last(machine) == ("Started", "outside WebVirt", None)


def test_a_crash_was_nobody(host: Host, job: Callable[..., Job]) -> None:
    running = _seen(1, State.RUNNING)
    machine = _happens(host, running)
    job(machine, "machines.reset")
    _happens(host, _seen(1, State.OFF), _event(running, "stopped", "crashed"))
    assert _last(machine) == ("Crashed", "", None)


def test_gone_and_back_is_one_row_with_its_history(host: Host) -> None:
    machine = _happens(host, _seen())
    known = inventory.load(host.pk)
    change = inventory.vanished(machine.uuid, known.known[machine.uuid], (), timezone.now())
    assert change
    written = inventory.write(host.pk, [change], known.ids)
    machine.refresh_from_db()
    assert machine.gone_at is not None and written.moved == [machine.pk]
    back = _happens(host, _seen())
    assert (back.pk, back.gone_at) == (machine.pk, None)
    assert [event.words for event in back.events.order_by("id")] == ["Seen for the first time", "Removed from the host", "Came back to the host"]


def test_a_row_that_was_removed_meanwhile_is_reported(host: Host) -> None:
    machine = _happens(host, _seen())
    known = inventory.load(host.pk)
    machine.delete()
    change = inventory.compare(known.known[machine.uuid], _seen(1, State.RUNNING), (), timezone.now())
    assert change
    assert inventory.write(host.pk, [change], known.ids).missing == [machine.uuid]


def test_averages_reach_only_machines_that_are_on(host: Host) -> None:
    on, off = _happens(host, _seen(1, State.RUNNING)), _happens(host, _seen(2))
    row = {"cpu_percent": 12.5, "memory_used": 100, "disk_read": None, "disk_write": None, "net_rx": 1.0, "net_tx": 2.0}
    inventory.write_averages({on.pk: row, off.pk: row})
    on.refresh_from_db()
    off.refresh_from_db()
    assert (on.cpu_percent, on.memory_used_bytes, on.disk_bps, on.net_bps) == (12.5, 100, None, 3.0)
    assert off.cpu_percent is None
