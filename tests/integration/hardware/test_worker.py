"""The worker looks again before it does anything: at the definition that is there now, and at the rights that the person has now."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.roles import Role
from jobs import secrets
from jobs.models import Job
from jobs.work import Work
from machines.hardware import operations
from machines.models import Machine
from tests import inventory
from tests.integration.hardware.conftest import STORED
from virt import hardware
from virt.errors import Invalid, OperationFailed, PermissionRefused, WrongState
from virt.hardware import Definitions
from virt.xml import tree
from virt.xml.edit.edits import Edit
from virt.xml.edit.plan import Step

SECURE = STORED.replace("<graphics type='vnc'", "<graphics passwd='kept' type='vnc'")


class Host:
    """What a host would show, and what it was asked to store and to do."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, live: str = "") -> None:
        self.defined: list[str] = []
        self.steps: list[Step] = []
        self.seen = Definitions("m", bool(live), True, STORED, live, SECURE)
        monkeypatch.setattr(operations, "connection_to", lambda host: None)
        monkeypatch.setattr(hardware, "read", lambda connection, uuid: self.seen)
        monkeypatch.setattr(hardware, "define", lambda connection, xml: self.defined.append(xml))
        monkeypatch.setattr(hardware, "carry_out", lambda connection, uuid, step: self.carry_out(step))

    def carry_out(self, step: Step) -> None:
        self.steps.append(step)


def run(machine: Machine, edit: Edit, *, role: Role = Role.MANAGER, based_on: str = "", on_host: bool = False) -> Any:
    person = inventory.person(role=role, on=machine.host if on_host else machine)
    params = {"based_on": based_on or tree.digest(STORED), "edits": [edit.as_dict]}
    job = Job.objects.create(kind="machines.hardware.apply", subject_type="machine", subject_id=machine.pk, params=params, asked_by=person)
    return operations.apply(Work(job))


def test_an_edit_is_stored_with_what_libvirt_hides(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch)
    assert run(machine, Edit("change", "disk", "vda", {"cache": "writeback"})) == {"at_once": [], "at_next_boot": []}
    stored = tree.parse(host.defined[0])
    assert stored.find("devices/graphics").get("passwd") == "kept"  # type: ignore[union-attr]
    assert tree.canonical(stored) == tree.canonical(tree.parse(SECURE.replace("cache='none'", "cache='writeback'")))


def test_a_password_goes_from_its_seal_to_the_host_and_nowhere_else(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch)
    edit = Edit("change", "graphics", "0", {"password": secrets.put("new-one")})
    run(machine, edit)
    assert 'passwd="new-one"' in host.defined[0]
    with pytest.raises(Invalid, match="not kept any more"):
        operations.apply(Work(Job.objects.get()))


def test_a_stale_edit_does_nothing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch)
    with pytest.raises(WrongState, match="Somebody changed the definition meanwhile"):
        run(machine, Edit("change", "disk", "vda", {"cache": "writeback"}), based_on="older")
    assert host.defined == []


@pytest.mark.parametrize("edit", [Edit("change", "disk", "vda", {"source": "/etc/shadow"}), Edit("change", "disk", "vda", {"format": "qcow2"})])
def test_rights_are_asked_of_what_is_there_now(machine: Machine, monkeypatch: pytest.MonkeyPatch, edit: Edit) -> None:
    host = Host(monkeypatch)
    with pytest.raises(PermissionRefused, match="needs the role manager"):
        run(machine, edit)
    assert host.defined == []
    Job.objects.all().delete()
    inventory.User.objects.all().delete()
    run(machine, edit, on_host=True)
    assert len(host.defined) == 1


def test_the_running_machine_is_asked_after_the_definition_and_its_refusal_is_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch, live=SECURE)
    edit = Edit("change", "disk", "vda", {"total_iops_sec": "5", "cache": "writeback"})
    assert run(machine, edit)["at_next_boot"] == ["Cache of Disk vda"]
    assert [step.way for step in host.steps] == ["throttle"]

    def refuse(step: Step) -> None:
        raise OperationFailed("No.", "libvirt's words")

    monkeypatch.setattr(host, "carry_out", refuse)
    with pytest.raises(OperationFailed, match="It is saved, and takes effect at next boot") as caught:
        operations.apply(Work(Job.objects.get()))
    assert caught.value.detail == "libvirt's words"
