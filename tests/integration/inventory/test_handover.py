"""A machine that moved keeps its row; what can't be known is a conflict and stays two rows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Grant
from accounts.roles import Role
from hosts.models import Host
from hosts.models import State as HostState
from jobs.models import Job
from machines import inventory
from machines.models import Event, Machine, Tag
from tests import inventory as rows
from virt.events import Event as HostEvent
from virt.machine import MachineSeen
from virt.state import State

pytestmark = pytest.mark.django_db

UUID = "00000000-0000-0000-0000-000000000001"
_XML = f"<domain type='kvm'><name>web</name><uuid>{UUID}</uuid><memory unit='MiB'>256</memory><vcpu>2</vcpu><os><type arch='x86_64'>hvm</type></os></domain>"
CAME = ("resumed", "migrated")


@pytest.fixture
def here() -> Host:
    return rows.host("here")


@pytest.fixture
def there() -> Host:
    return rows.host("there")


@pytest.fixture
def machine(here: Host) -> Machine:
    """It runs here, somebody has a right on it, it has a tag, notes and what its guest told."""
    machine = _sees(here, _seen(reason="booted"))
    assert machine
    Machine.objects.filter(pk=machine.pk).update(notes="ours", os_name="Debian", addresses=[{"ip": "10.0.0.5", "prefix": 24, "mac": "", "source": "agent"}])
    Tag.objects.create(machine=machine, text="shop")
    rows.person("sonja", role=Role.OPERATOR, on=machine)
    return machine


def _seen(state: State = State.RUNNING, reason: str = "migrated", **more: Any) -> MachineSeen:
    usual = {"name": "web", "persistent": True, "autostart": False, "has_saved_image": False, "live_xml": _XML}
    return MachineSeen(uuid=UUID, state=state, reason=reason, inactive_xml=_XML if state == State.RUNNING else "", **{**usual, **more})


def _sees(host: Host, seen: MachineSeen, *events: tuple[str, str], came: bool = False) -> Machine | None:
    """The host's thread looks: compare with its rows, write, and give the row."""
    known = inventory.load(host.pk)
    told = [HostEvent("domain", UUID, "web", event, detail, timezone.now()) for event, detail in events]
    change = inventory.compare(known.known.get(UUID), seen, told, timezone.now(), came=came)
    inventory.write(host.pk, [change] if change else [], known.ids)
    return Machine.objects.filter(host=host, uuid=UUID).first()


def _moves(machine: Machine, target: Host, **fields: Any) -> Job:
    usual = {"state": "running", "started_at": timezone.now() - timedelta(seconds=5), "asked_by_name": "sonja", "params": {"target": target.pk}}
    return Job.objects.create(kind="machines.migration.move", subject_type="machine", subject_id=machine.pk, subject_name="web", **{**usual, **fields})


def _is_whole(machine: Machine, there: Host) -> None:
    row = Machine.objects.get()
    assert (row.pk, row.host_id, row.gone_at, row.notes) == (machine.pk, there.pk, None, "ours")
    assert Grant.objects.get().object_id == row.pk and [tag.text for tag in row.tags.all()] == ["shop"]


def test_it_comes_over_before_our_eyes(machine: Machine, there: Host) -> None:
    assert _sees(there, _seen(State.PAUSED, "migrating", persistent=False), ("started", "migrated")) is None, "it is not here yet"
    _sees(there, _seen(), CAME)
    _is_whole(machine, there)
    row = Machine.objects.get()
    assert (row.state, row.os_name, row.addresses[0]["ip"]) == ("running", "Debian", "10.0.0.5"), "its guest is the same"
    assert list(Event.objects.order_by("-id").values_list("words", "actor")[:1]) == [("Moved from here to there", "outside WebVirt")]
    assert row.definitions.count() == 1, "its definition is the same"


def test_one_that_stands_still_was_seen_on_its_way(machine: Machine, there: Host) -> None:
    _sees(there, _seen(State.PAUSED, "by-request"), came=True)
    _is_whole(machine, there)


def test_by_a_job_of_ours_also_when_it_is_off_and_its_host_said_gone_first(machine: Machine, here: Host, there: Host) -> None:
    job = _moves(machine, there)
    known = inventory.load(here.pk)
    gone = inventory.vanished(UUID, known.known[UUID], (), timezone.now())
    assert gone
    inventory.write(here.pk, [gone], known.ids)
    _sees(there, _seen(State.OFF, ""), ("defined", "added"))
    _is_whole(machine, there)
    assert Event.objects.latest("id").job_id == job.pk


def test_what_the_old_host_still_says_does_not_count(machine: Machine, here: Host, there: Host) -> None:
    before = inventory.load(here.pk)
    _sees(there, _seen(), CAME)
    late = inventory.compare(before.known[UUID], _seen(State.OFF, "migrated"), (), timezone.now())
    assert late
    written = inventory.write(here.pk, [late], before.ids)
    assert written.missing == [UUID]
    assert Machine.objects.get().state == "running"


def test_a_job_hands_it_over_once(machine: Machine, here: Host, there: Host) -> None:
    """It came by our job and went back by another hand: the job, ended a moment ago, does not claim it again."""
    _moves(machine, there, state="done", finished_at=timezone.now())
    _sees(there, _seen(), CAME)
    _sees(here, _seen(), CAME)
    assert Machine.objects.get().host_id == here.pk
    _sees(there, _seen(State.OFF, "migrated"))
    assert Machine.objects.filter(pk=machine.pk).get().host_id == here.pk


def test_the_same_uuid_twice_is_a_conflict_and_not_guessed(machine: Machine, here: Host, there: Host) -> None:
    _sees(there, _seen(reason="booted"), ("started", "booted"))
    assert {(row.host_id, row.state) for row in Machine.objects.all()} == {(here.pk, "running"), (there.pk, "running")}


def test_one_found_moved_is_not_taken_from_a_host_that_still_shows_it(machine: Machine, here: Host, there: Host) -> None:
    _sees(there, _seen())
    assert Machine.objects.count() == 2


def test_one_found_moved_before_its_host_says_gone(machine: Machine, here: Host, there: Host) -> None:
    """Nobody watched while somebody moved it, and the new host was looked at first."""
    _sees(there, _seen())
    known = inventory.load(here.pk)
    gone = inventory.vanished(UUID, known.known[UUID], (), timezone.now())
    assert gone
    assert inventory.write(here.pk, [gone], known.ids).missing == [UUID]
    _is_whole(machine, there)
    assert Event.objects.latest("id").words == "Moved from here to there"


def test_one_found_moved_goes_on_with_the_row_of_a_host_that_does_not_answer(machine: Machine, here: Host, there: Host) -> None:
    Host.objects.filter(pk=here.pk).update(state=HostState.OFFLINE)
    _sees(there, _seen())
    _is_whole(machine, there)


def test_it_comes_back_to_where_it_once_was(machine: Machine, here: Host, there: Host) -> None:
    """The row that it had there before goes into its history."""
    old = rows.machine(there, "web", uuid=UUID, state="off", gone_at=timezone.now())
    Event.objects.create(machine=old, kind="gone", words="Removed from the host")
    _sees(there, _seen(), CAME)
    _is_whole(machine, there)
    assert Event.objects.filter(machine=machine, words="Removed from the host").exists()


@pytest.mark.parametrize(("reason", "by_us"), [("migration-cancelled", False), ("unpaused", True)])
def test_one_that_was_given_up_there_comes_back(reason: str, by_us: bool, machine: Machine, here: Host, there: Host) -> None:
    """It lived there for a moment, its row went along, and here it runs on: the target died before it could say that it has it."""
    job = _moves(machine, there, host_id=here.pk)
    _sees(there, _seen(), CAME)
    known = inventory.load(there.pk)
    gone = inventory.vanished(UUID, known.known[UUID], (), timezone.now())
    assert gone
    inventory.write(there.pk, [gone], known.ids)
    Job.objects.filter(pk=job.pk).update(state="failed", finished_at=timezone.now() - timedelta(hours=0 if by_us else 1))
    assert inventory.count(here.pk) == 0, "its host finds out that its row is not its own any more"
    _sees(here, _seen(reason=reason))
    _is_whole(machine, here)


def test_a_half_that_is_left_behind_is_nobodys_row(machine: Machine, here: Host, there: Host) -> None:
    """The guest went over by post-copy; while its memory follows, and when the link breaks, the source has something of its uuid too."""
    _sees(here, _seen(State.PAUSED, "postcopy"))
    assert (Machine.objects.get().state, Machine.objects.get().is_half) == ("paused", True)
    _sees(there, _seen(reason="postcopy"), ("resumed", "postcopy"))
    assert _sees(here, _seen(State.PAUSED, "postcopy-failed"), ("paused", "postcopy-failed")) is None
    assert (Machine.objects.get().host_id, Machine.objects.get().is_half) == (there.pk, True)
    _sees(there, _seen())
    _is_whole(machine, there)
    assert not Machine.objects.get().is_half


def test_one_that_ended_as_it_came_is_off_there_with_its_row(machine: Machine, here: Host, there: Host) -> None:
    """The job failed, since its guest was lost on the way; its old host has nothing of it any more."""
    _moves(machine, there, host_id=here.pk, state="failed", finished_at=timezone.now())
    known = inventory.load(here.pk)
    gone = inventory.vanished(UUID, known.known[UUID], (), timezone.now())
    assert gone
    inventory.write(here.pk, [gone], known.ids)
    _sees(there, _seen(State.OFF, "crashed"))
    _is_whole(machine, there)
