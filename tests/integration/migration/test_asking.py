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
from machines.migration import actions, ways
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
