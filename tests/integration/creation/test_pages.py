"""The page "New machine" and the dialogs, without scripts and without a hypervisor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.test import Client

from accounts.models import AuditEntry, User
from accounts.roles import Role
from jobs.models import Job
from machines.creation.models import Creation
from machines.models import State
from tests import inventory
from tests.integration.creation.conftest import a_host

SignIn = Callable[[User], Client]

FORM: dict[str, Any] = {
    "source": "iso", "volume": "default/debian-12.7.0-netinst.iso", "name": "web", "vcpus": "2", "memory": "2", "do": "start",
    "disk_pool": ["default"], "disk_size": ["20"], "disk_format": ["qcow2"], "disk_bus": [""], "nic_source": ["default"], "nic_model": [""], "nic_mac": [""],
}  # fmt: skip


def test_who_may_make_machines_somewhere_sees_the_page(sign_in: SignIn) -> None:
    host = a_host("kvm-01")
    for name, role, status in (("viewer", Role.VIEWER, 403), ("operator", Role.OPERATOR, 403), ("manager", Role.MANAGER, 200)):
        browser = sign_in(inventory.person(name, role=role, on=host))
        assert browser.get("/machines/new/").status_code == status
        assert browser.post("/machines/new/", FORM).status_code == (403 if status == 403 else 302)


def test_the_address_fills_the_form(sign_in: SignIn) -> None:
    host = a_host("kvm-01")
    answer = sign_in(inventory.person(administrator=True)).get(
        f"/machines/new/?host={host.pk}&source=iso&volume=default/debian-12.7.0-netinst.iso&name=a-{{1..3}}"
    )
    text = answer.content.decode()
    assert '<option value="debian12" selected>' in text  # seen by the file's name
    assert "3 machines" in text
    assert "debian-12.7.0-netinst.iso is there already" in text


def test_a_series_becomes_one_job_each(sign_in: SignIn) -> None:
    a_host("kvm-01"), a_host("kvm-02")
    answer = sign_in(inventory.person(administrator=True)).post("/machines/new/", {**FORM, "name": "web-{01..04}"})
    assert answer.status_code == 302
    assert answer["Location"].startswith("/machines/power/")
    assert sorted(Creation.objects.values_list("name", flat=True)) == ["web-01", "web-02", "web-03", "web-04"]
    assert Job.objects.filter(kind="machines.creation.create", state="queued").count() == 4
    assert set(Creation.objects.values_list("host__name", flat=True)) == {"kvm-01", "kvm-02"}


def test_a_foreign_host_is_as_if_it_were_not_there(sign_in: SignIn) -> None:
    mine, foreign = a_host("kvm-01"), a_host("kvm-02")
    browser = sign_in(inventory.person(role=Role.MANAGER, on=mine))
    assert "kvm-02" not in browser.get("/machines/new/").content.decode()
    answer = browser.post("/machines/new/", {**FORM, "host": str(foreign.pk)})
    assert answer.status_code == 422
    assert not Creation.objects.exists()


def test_what_is_wrong_stands_at_its_field_and_what_was_typed_stays(sign_in: SignIn) -> None:
    a_host("kvm-01")
    browser = sign_in(inventory.person(administrator=True))
    text = browser.post("/machines/new/", {**FORM, "name": "a/b", "title": "kept title", "volume": ""}).content.decode()
    assert "has no “/”" in text
    assert "Choose what it starts from." in text
    assert "kept title" in text
    assert not Job.objects.exists()


def test_a_name_that_is_taken_is_said(sign_in: SignIn) -> None:
    host = a_host("kvm-01")
    inventory.machine(host, "web")
    text = sign_in(inventory.person(administrator=True)).post("/machines/new/", {**FORM, "host": str(host.pk)}).content.decode()
    assert "A machine web is on kvm-01 already." in text


def test_buttons_change_the_form_without_scripts(sign_in: SignIn) -> None:
    a_host("kvm-01")
    browser = sign_in(inventory.person(administrator=True))
    assert browser.post("/machines/new/", {**FORM, "do": "add-disk"}).content.decode().count('name="disk_pool"') == 2
    assert browser.post("/machines/new/", {**FORM, "do": "drop-disk-0"}).content.decode().count('name="disk_pool"') == 0
    assert 'name="vcpus" value="4"' in browser.post("/machines/new/", {**FORM, "do": "size-large"}).content.decode()
    assert "&lt;domain" in browser.post("/machines/new/", {**FORM, "do": "check", "preview": "1"}).content.decode()
    assert not Job.objects.exists()


def test_a_password_is_nowhere(sign_in: SignIn) -> None:
    a_host("kvm-01")
    secret = {"user": "anna", "password": "correct horse", "user_data": "#!/bin/sh\necho correct horse"}
    answer = sign_in(inventory.person(administrator=True)).post("/machines/new/", {**FORM, "source": "cloud", "volume": "default/cloud.qcow2", **secret})
    assert answer.status_code == 302
    creation = Creation.objects.get()
    everything = repr([list(Job.objects.values()), list(Creation.objects.values()), list(AuditEntry.objects.values())])
    assert "correct horse" not in everything
    assert "$6$" not in everything
    assert creation.sealed


def test_a_machine_is_deleted_by_its_name_alone(sign_in: SignIn) -> None:
    host = a_host("kvm-01")
    disk = {"target": "vda", "device": "disk", "source": "/p/cloud.qcow2"}
    machine = inventory.machine(host, "old", state=State.OFF, disks=[disk])
    other = inventory.machine(host, "other", state=State.OFF, disks=[disk])
    browser = sign_in(inventory.person(administrator=True))
    page = browser.get(f"/machines/{machine.pk}/delete/").content.decode()
    assert "Stays: used by machine other." in page
    assert browser.post(f"/machines/{machine.pk}/delete/", {"typed": "wrong", "disks": ["/p/cloud.qcow2"]}).status_code == 422
    assert browser.post(f"/machines/{machine.pk}/delete/", {"typed": "old", "disks": ["/p/cloud.qcow2", "/etc/shadow"]}).status_code == 302
    assert Job.objects.get().params["disks"] == []  # used by another one; and nothing of its own
    other.delete()


def test_a_running_machine_is_deleted_only_with_force(sign_in: SignIn) -> None:
    machine = inventory.machine(a_host("kvm-01"), "runs")
    browser = sign_in(inventory.person(administrator=True))
    assert browser.post(f"/machines/{machine.pk}/delete/", {"typed": "runs"}).status_code == 422
    assert browser.post(f"/machines/{machine.pk}/delete/", {"typed": "runs", "force_off": "on"}).status_code == 302


def test_many_are_deleted_with_a_result_each(sign_in: SignIn) -> None:
    host = a_host("kvm-01")
    ids = [inventory.machine(host, "off-1", state=State.OFF).pk, inventory.machine(host, "runs").pk]
    browser = sign_in(inventory.person(administrator=True))
    assert "Delete 2 machines?" in browser.post("/machines/deletion/", {"ids": ids}).content.decode()
    text = browser.post("/machines/deletion/", {"ids": ids, "confirmed": "1", "typed": "2", "with_disks": "1"}).content.decode()
    assert "1 accepted, 1 refused" in text
    assert "It is running." in text


def test_a_running_machine_is_not_copied_and_the_way_is_offered(sign_in: SignIn) -> None:
    machine = inventory.machine(a_host("kvm-01"), "runs")
    browser = sign_in(inventory.person(administrator=True))
    page = browser.get(f"/machines/{machine.pk}/clone/").content.decode()
    assert "its disks would be of different moments" in page
    assert f"/machines/{machine.pk}/power/?action=shutdown" in page
    refused = browser.post(f"/machines/{machine.pk}/clone/", {"name": "copy", "linked": "on"})
    assert refused.status_code == 422
    assert "Shut it down first" in refused.content.decode()
    assert not Job.objects.exists() and not Creation.objects.exists()


def test_copy_and_name_are_asked_for(sign_in: SignIn) -> None:
    host = a_host("kvm-01")
    machine = inventory.machine(host, "web", state=State.OFF)
    browser = sign_in(inventory.person(administrator=True))
    assert "already" in browser.post(f"/machines/{machine.pk}/clone/", {"name": "web"}).content.decode()
    assert browser.post(f"/machines/{machine.pk}/clone/", {"name": "web-2"}).status_code == 302
    assert Job.objects.get().kind == "machines.creation.clone"
    Job.objects.all().delete()
    assert browser.post(f"/machines/{machine.pk}/rename/", {"name": "www"}).status_code == 302
    assert Job.objects.get().params == {"name": "www", "was": "web"}
