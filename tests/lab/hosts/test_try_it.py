"""*Try it* on a real host: a machine that runs, once, and never half of one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from accounts.models import User
from hosts import connections
from hosts.models import Host as HostRow
from hosts.models import State
from jobs.models import Job
from jobs.registry import Fate, find
from jobs.submit import Refused
from jobs.work import Work
from machines.models import Machine
from machines.on_hosts import MachinesOnHosts
from machines.operations import FIRST_NAME
from tests.inventory import person
from tests.lab.lab import Lab
from virt.errors import Conflict, HostUnreachable

ANSWERS = MachinesOnHosts()


@pytest.fixture
def host(lab: Lab, db: None, redis: Path) -> Iterator[HostRow]:
    lab["h1"].sweep()
    row = HostRow.objects.create(name="h1", kind="socket", path=str(lab["h1"].socket), state=State.ONLINE, kvm=False)
    yield row
    connections.drop(row.pk)


def asked(host: HostRow) -> Work:
    return Work(ANSWERS.try_it(_root(), host))


def test_it_runs_and_is_told_true_afterwards(host: HostRow, lab: Lab) -> None:
    work, operation = asked(host), find("machines.try_it")
    assert operation.settle(work) == Fate.NOT_DONE
    operation(work)
    assert lab["h1"].virsh("domstate", FIRST_NAME) == "running"
    assert operation.settle(work) == Fate.DONE
    assert lab["h1"].virsh("domuuid", FIRST_NAME) == work.params["uuid"]


def test_a_name_that_is_taken_stays_whose_it_is(host: HostRow, lab: Lab) -> None:
    """Somebody made a machine of that name that the watcher has not told yet."""
    first, operation = asked(host), find("machines.try_it")
    operation(first)
    Job.objects.all().delete()
    second = asked(host)
    with pytest.raises(Conflict):
        operation(second)
    assert lab["h1"].virsh("list", "--all", "--name") == FIRST_NAME
    assert lab["h1"].virsh("domuuid", FIRST_NAME) == first.params["uuid"]
    assert operation.settle(second) == Fate.NOT_DONE


def test_what_does_not_start_is_not_left_behind(host: HostRow, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is not there: QEMU does not start."""
    from virt.xml.build import first

    usual = first.build_xml
    disk = "<disk type='file'><source file='/nonexistent'/><target dev='vda'/></disk></devices>"
    monkeypatch.setattr(first, "build_xml", lambda **asked: usual(**asked).replace("</devices>", disk))
    with pytest.raises(Exception, match="nonexistent"):
        find("machines.try_it")(asked(host))
    assert lab["h1"].virsh("list", "--all", "--name") == ""


def test_kvm_that_is_there_but_closed_is_emulated(host: HostRow, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """With KVM QEMU ends at once; here by a disk that is not there."""
    from virt.xml.build import first

    usual = first.build_xml
    disk = "<disk type='file'><source file='/nonexistent'/><target dev='vda'/></disk></devices>"
    broken = {"kvm": disk, "qemu": "</devices>"}
    monkeypatch.setattr(first, "build_xml", lambda **asked: usual(**asked | {"virt_type": "qemu"}).replace("</devices>", broken[asked["virt_type"]]))
    HostRow.objects.update(kvm=True)
    work = asked(HostRow.objects.get())
    assert find("machines.try_it")(work) == {"uuid": work.params["uuid"], "virt_type": "qemu"}
    assert lab["h1"].virsh("domstate", FIRST_NAME) == "running"
    assert any("emulated" in line.text for line in work.job.lines.all())


def test_a_taken_name_says_nothing_of_kvm(host: HostRow, lab: Lab) -> None:
    find("machines.try_it")(asked(host))
    Job.objects.all().delete()
    HostRow.objects.update(kvm=True)
    work = asked(HostRow.objects.get())
    with pytest.raises(Conflict):
        find("machines.try_it")(work)
    assert not any("KVM" in line.text for line in work.job.lines.all())


def test_a_host_lost_while_it_starts_is_not_asked_to_start_another(host: HostRow, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def lose(connection: object, uuid: str) -> None:
        calls.append(uuid)
        raise HostUnreachable("The host is gone.")

    monkeypatch.setattr("machines.operations.virt_machine.start", lose)
    HostRow.objects.update(kvm=True)
    with pytest.raises(HostUnreachable):
        find("machines.try_it")(asked(HostRow.objects.get()))
    assert len(calls) == 1


def test_asked_only_where_it_makes_sense(host: HostRow) -> None:
    root = _root()
    Machine.objects.create(host=host, uuid="11111111-1111-1111-1111-111111111111", name="there")
    with pytest.raises(Refused, match="has machines already"):
        ANSWERS.try_it(root, host)
    Machine.objects.all().delete()
    ANSWERS.try_it(root, host)
    with pytest.raises(Refused, match="root"):
        ANSWERS.try_it(root, host)
    HostRow.objects.update(state=State.OFFLINE)
    with pytest.raises(Refused, match="does not answer"):
        ANSWERS.try_it(root, HostRow.objects.get())


def _root() -> User:
    return User.objects.filter(username="root").first() or person("root", administrator=True)
