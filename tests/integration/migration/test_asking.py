"""Who may have which machine moved to which host; what is refused at once, in words; what the job holds."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from accounts.roles import Role
from hosts.models import Host
from hosts.models import State as HostState
from jobs.models import Job
from jobs.submit import Refused
from machines import actions as machine_actions
from machines.migration import actions, tidy, ways
from machines.migration.models import Move, Way
from machines.migration.options import Options
from machines.models import Machine
from tests import inventory as rows

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.submit.current_app.send_task", lambda *args, **options: None)


@pytest.fixture
def source() -> Host:
    return rows.host("kvm-1", kind="ssh", address="10.0.0.1")


@pytest.fixture
def target() -> Host:
    return rows.host("kvm-2", kind="ssh", address="10.0.0.2", login="virt", port=2222)


@pytest.fixture
def machine(source: Host) -> Machine:
    return rows.machine(source)


@pytest.fixture
def person(machine: Machine, source: Host) -> User:
    return rows.person("sonja", role=Role.MANAGER, on=source)


def test_the_job_holds_all_that_it_needs_and_waits_for_its_lanes(person: User, machine: Machine, target: Host) -> None:
    options = Options(storage={"vda": "fast"}, post_copy=True)
    job = actions.move(person, machine, target, options)
    assert Options.from_json(job.params["options"]) == options
    assert (job.params["target"], job.params["uuid"], job.host_id) == (target.pk, machine.uuid, machine.host_id)
    assert {lane.name.partition(":")[0] for lane in job.lanes.all()} == {"moves-out", "moves-in", "moves-link"}
    with pytest.raises(Refused, match="sonja is at it"):
        actions.move(person, machine, target, Options())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"machine": {"gone_at": "2026-01-01T00:00Z"}}, "not on its host any more"),
        ({"machine": {"state": "off", "has_saved_image": True}}, "memory is saved"),
        ({"source": {"state": HostState.OFFLINE}}, "kvm-1 does not answer"),
        ({"target": {"state": HostState.OFFLINE}}, "kvm-2 does not answer"),
        ({"target": {"driver": "test"}}, "test driver"),
        ({"target": {"kind": "local", "address": "", "login": "", "port": None}}, "migration address"),
    ],
)
def test_what_rows_can_tell_is_refused_at_once(changes: dict[str, Any], words: str, person: User, machine: Machine, target: Host) -> None:
    for name, pk, model in (("machine", machine.pk, Machine), ("source", machine.host_id, Host), ("target", target.pk, Host)):
        if name in changes:
            model.objects.filter(pk=pk).update(**changes[name])
    with pytest.raises(Refused, match=words):
        actions.move(person, Machine.objects.select_related("host").get(), Host.objects.get(pk=target.pk), Options())
    assert not Job.objects.exists()


def test_a_host_on_which_one_may_make_no_machines_is_as_if_it_were_not_there(person: User, target: Host) -> None:
    with pytest.raises(Refused, match="no such host"):
        actions.target_of(person, target.pk)
    rows.grant(person, Role.MANAGER, target)
    assert actions.target_of(User.objects.get(), target.pk) == target


def test_limits_are_for_the_move_that_runs(person: User, machine: Machine, target: Host) -> None:
    job = actions.move(person, machine, target, Options())
    with pytest.raises(Refused, match="not being moved"):
        actions.limit(person, machine, bandwidth_mib=5, max_downtime_ms=0)
    Job.objects.update(state="running")
    Move.objects.create(job=job, uuid=machine.uuid, source=machine.host, target=target)
    actions.limit(person, machine, bandwidth_mib=5, max_downtime_ms=0)
    assert Move.objects.get().limits == {"bandwidth_mib": 5, "max_downtime_ms": 0}


def test_a_host_is_reached_as_the_portal_does_unless_somebody_says_otherwise(client: Client, target: Host) -> None:
    assert ways.libvirt_uri(target) == "qemu+ssh://virt@10.0.0.2:2222/system" and ways.data_uri(target) == ""
    administrator = rows.person("administrator", administrator=True)
    client.force_login(administrator, backend="allauth.account.auth_backends.AuthenticationBackend")
    address = f"/hosts/{target.pk}/migration-address/"
    page = client.get(address).content.decode()
    assert "qemu+ssh://virt@10.0.0.2:2222/system" in page
    wrong = client.post(address, {"libvirt": "qemu+ssh://h/system?command=sh", "where": "exec:sh"})
    assert wrong.status_code == 422 and not Way.objects.exists()
    assert client.post(address, {"libvirt": "qemu+tls://kvm-2/system", "where": "tcp://192.168.7.2"}).status_code in (204, 302)
    assert (ways.libvirt_uri(target), ways.data_uri(target)) == ("qemu+tls://kvm-2/system", "tcp://192.168.7.2")


@pytest.fixture
def broken(person: User, machine: Machine, target: Host) -> Move:
    """The link broke after the guest had gone over: its row is the target's by now."""
    job = actions.move(person, machine, target, Options(post_copy=True, bandwidth_mib=7))
    made = Move.objects.create(job=job, uuid=machine.uuid, source=machine.host, target=target)
    made.note_broken()
    Job.objects.update(state="failed")
    Machine.objects.update(host=target, state="running", reason="postcopy-failed")
    rows.grant(person, Role.MANAGER, target)
    return made


def test_a_move_that_broke_half_way_is_resumed_as_it_was_begun(broken: Move, machine: Machine, target: Host) -> None:
    user, found = User.objects.get(), Machine.objects.select_related("host").get()
    assert "half of its memory is on another host" in actions.refusal(found)
    for verb in ("resume", "shutdown", "reset", "save"):
        with pytest.raises(Refused, match="Half of its memory"):
            machine_actions.set_power(user, found, verb)
    tidy.tidy()
    assert Job.objects.count() == 1, "nothing is cleaned while both halves are there"
    job = actions.move_again(user, broken.job)
    assert (job.kind, job.host_id, job.params["target"], job.params["move"]) == ("machines.migration.resume", broken.source_id, target.pk, broken.pk)
    assert Options.from_json(job.params["options"]) == Options(post_copy=True, bandwidth_mib=7)
    with pytest.raises(Refused, match="sonja is at it"):
        actions.resume_again(user, job)
    Job.objects.update(state="failed")
    Host.objects.filter(pk=broken.source_id).update(state=HostState.OFFLINE)
    with pytest.raises(Refused, match="kvm-1 does not answer"):
        actions.resume(user, found)
    broken.finish()
    with pytest.raises(Refused, match="No move of it is broken"):
        actions.resume(user, found)


def test_one_half_that_somebody_ended_is_cleaned_up_after(broken: Move) -> None:
    Machine.objects.update(state="off", reason="destroyed")
    tidy.tidy()
    assert Job.objects.get(kind="machines.migration.clean_up").params["move"] == broken.pk


def test_both_pages_of_such_a_machine_say_so(client: Client, broken: Move, redis: Any) -> None:
    client.force_login(User.objects.get(), backend="allauth.account.auth_backends.AuthenticationBackend")
    at = f"/machines/{Machine.objects.get().pk}/"
    assert "Its move broke after the guest had gone over" in client.get(at).content.decode()
    page = client.get(f"{at}move/").content.decode()
    assert "The link from kvm-1 to kvm-2 broke" in page and 'value="resume"' in page
    assert client.post(f"{at}move/", {"do": "resume"}, headers={"WV-Async": "1"}).status_code == 204
    assert Job.objects.filter(kind="machines.migration.resume").count() == 1
    assert client.post(f"{at}move/", {"do": "resume"}, headers={"WV-Async": "1"}).status_code == 409
