"""Hardware as pages and API: what is proposed, what is asked for, what is refused and why."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from accounts import tokens
from accounts.models import AuditEntry
from accounts.roles import Role
from jobs import secrets
from jobs.models import Job
from live import metrics
from machines.hardware import inventory as hardware_inventory
from machines.hardware.inventory import Live
from machines.hardware.models import LiveDefinition
from machines.hardware.offers import Offers, Volume
from machines.models import Definition, Machine, State
from tests import inventory
from tests.integration.hardware.conftest import LIVE, STORED
from tests.integration.machines.conftest import ASYNC, assert_escaped, client_of, names_of, text_of
from virt.guest import FileSystem, LoggedIn, Report
from virt.xml import tree
from virt.xml.devices import KINDS
from virt.xml.edit import edits
from virt.xml.edit.edits import Edit

DISK = {"source": "/srv/shared/d.img", "format": "raw", "bus": "virtio", "cache": "none", "serial": "SN1", "shareable": "yes", "target": "vda"}


def post(client: Client, machine: Machine, path: str, data: dict[str, Any], **headers: str) -> Any:
    based_on = {"based_on": machine.definitions.order_by("-id")[0].digest}
    return client.post(f"/machines/{machine.pk}/{path}/", based_on | data, headers=headers)


# ── forms ──


def test_every_device_has_its_form_and_every_kind_its_own(manager: Client, machine: Machine) -> None:
    root = tree.parse(STORED)
    for kind in KINDS.values():
        for key, _ in kind.keyed(root):
            page = text_of(manager.get(f"/machines/{machine.pk}/hardware/{kind.name}/{key}/"))
            assert 'id="device-form"' in page, (kind.name, key)
        if kind.addable:
            page = text_of(manager.get(f"/machines/{machine.pk}/hardware/add/{kind.name}/"))
            assert f"New {kind.title.lower()}" in page
            assert all(f'name="{each.name}"' in page for each in kind.fields)
        else:
            assert manager.get(f"/machines/{machine.pk}/hardware/add/{kind.name}/").status_code == 404
    assert manager.get(f"/machines/{machine.pk}/hardware/nothing/0/").status_code == 404
    assert manager.get(f"/machines/{machine.pk}/hardware/disk/vdz/").status_code == 302


def test_viewers_see_and_can_change_nothing(machine: Machine) -> None:
    viewer = client_of(inventory.person("v", role=Role.VIEWER, on=machine))
    page = text_of(viewer.get(f"/machines/{machine.pk}/hardware/disk/vda/"))
    assert "<fieldset" in page
    assert "disabled" in page.partition("<fieldset")[2].partition(">")[0]
    assert "Show changes" not in page
    assert "add-menu" not in page
    assert viewer.get(f"/machines/{machine.pk}/xml/").status_code == 403


def test_a_change_is_proposed_with_its_diff_then_asked_for(manager: Client, machine: Machine) -> None:
    wish = DISK | {"cache": "writeback"}
    for headers in ({}, ASYNC):
        page = text_of(post(manager, machine, "hardware/disk/vda", wish, **headers))
        assert "<del>      &lt;driver name=&quot;qemu&quot; type=&quot;raw&quot; cache=&quot;none&quot;/&gt;</del>" in page
        assert "Apply 1 change" in page
        assert ("<html" in page) != bool(headers)
    assert not Job.objects.exists()
    answer = post(manager, machine, "hardware/disk/vda", wish | {"confirmed": "1"}, **ASYNC)
    job = Job.objects.get()
    assert (answer.status_code, answer["WV-Job"]) == (204, str(job.pk))
    assert job.params["edits"] == [{"verb": "change", "kind": "disk", "key": "vda", "values": {"cache": "writeback"}}]
    assert job.params["changes"] == ["Disk vda: Cache none → writeback"]
    assert AuditEntry.objects.get().action == "machines.hardware.apply"


def test_nothing_to_change_is_no_job(manager: Client, machine: Machine) -> None:
    assert "Nothing would change." in text_of(post(manager, machine, "hardware/disk/vda", DISK, **ASYNC))
    assert post(manager, machine, "hardware/disk/vda", DISK | {"confirmed": "1"}, **ASYNC).status_code == 409
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("path", "data", "words"),
    [
        ("hardware/disk/vda", DISK | {"source": "x"}, "As pool/volume"),
        ("hardware/disk/vda", DISK | {"total_iops_sec": "many"}, "A whole number"),
        ("hardware/memory/0", {"memory": "lots", "current": "64 MiB"}, "A size such as"),
        ("hardware/memory/0", {"memory": "64 MiB", "current": "1 GiB"}, "more than what it can have"),
        (
            "hardware/cpu/0",
            {"vcpus": "6", "current": "1", "mode": "custom", "model": "qemu64", "sockets": "1", "cores": "4", "threads": "1"},
            "make 4, not 6 vCPUs",
        ),
        ("hardware/add/nic", {"way": "network", "source": "default", "mac": "01:00:00:00:00:00"}, "multicast"),
        ("hardware/boot/0", {"firmware": "efi", "machine": "pc-q35-7.2", "order": "disk vdz"}, "no device"),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_what_was_typed_stays(manager: Client, machine: Machine, path: str, data: dict[str, str], words: str) -> None:
    answer = post(manager, machine, path, data | {"confirmed": "1"}, **ASYNC)
    assert answer.status_code == 400
    assert words in text_of(answer)
    assert 'id="device-form"' in text_of(answer)
    assert not Job.objects.exists()


def test_an_edit_of_a_stale_definition_is_refused_with_both_sides(manager: Client, machine: Machine) -> None:
    theirs = STORED.replace("<title>A rich machine</title>", "<title>Theirs</title>")
    wish = DISK | {"cache": "writeback", "confirmed": "1", "based_on": tree.digest(STORED)}
    Definition.objects.create(machine=machine, digest=tree.digest(theirs), xml=theirs)
    answer = manager.post(f"/machines/{machine.pk}/hardware/disk/vda/", wish, headers=ASYNC)
    assert answer.status_code == 409
    page = text_of(answer)
    assert "&lt;title&gt;Theirs&lt;/title&gt;" in page
    assert "cache=&quot;writeback&quot;" in page
    assert f'value="{tree.digest(theirs)}"' in page
    assert not Job.objects.exists()
    assert post(manager, machine, "hardware/disk/vda", wish | {"based_on": tree.digest(theirs)}, **ASYNC).status_code == 204


def test_removing_asks_back_and_warns(manager: Client, machine: Machine) -> None:
    page = text_of(manager.get(f"/machines/{machine.pk}/hardware/nic/52:54:00:aa:bb:cc/remove/"))
    assert "The machine boots from it." in page
    assert "at once" in page
    assert post(manager, machine, "hardware/nic/52:54:00:aa:bb:cc/remove", {}, **ASYNC).status_code == 204
    assert Job.objects.get().params["changes"] == ["Card user, removed"]


def test_passwords_stay_out_of_jobs_pages_and_logs(manager: Client, machine: Machine) -> None:
    wish = {"type": "vnc", "listen": "socket", "password": "t0p-secret"}
    page = text_of(post(manager, machine, "hardware/graphics/0", wish, **ASYNC))
    assert "Apply 1 change" in page
    assert "t0p-secret" not in page
    assert post(manager, machine, "hardware/graphics/0", wish | {"confirmed": "1"}, **ASYNC).status_code == 204
    job = Job.objects.get()
    assert "t0p-secret" not in json.dumps(job.params) + json.dumps(list(AuditEntry.objects.values()), default=str)
    token = job.params["edits"][0]["values"]["password"]
    kept = metrics.store().get("wv:jobs:secret:" + token)
    assert kept
    assert b"t0p-secret" not in kept
    assert secrets.take(token) == "t0p-secret"
    with pytest.raises(Exception, match="not kept any more"):
        secrets.take(token)


# ── rights ──


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("hardware/add/filesystem", {"driver": "virtiofs", "source": "/etc", "target": "x"}),
        ("hardware/add/disk", {"source": "/etc/shadow", "format": "raw", "bus": "virtio"}),
        ("hardware/cdrom/sda", {"source": "/etc/shadow", "bus": "sata"}),
        ("hardware/add/nic", {"way": "bridge", "source": "br0"}),
        ("hardware/serial/0", {"type": "file", "path": "/etc/x"}),
        ("hardware/graphics/0", {"type": "vnc", "listen": "0.0.0.0"}),
        ("hardware/disk/vda", DISK | {"format": "qcow2"}),
        ("xml", {"xml": STORED.replace("</devices>", "<shmem name='x'/></devices>")}),
        ("xml", {"xml": STORED.replace("</domain>", "<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'/></domain>")}),
    ],
)
def test_what_reaches_into_the_host_needs_who_manages_it(manager: Client, host_manager: Client, machine: Machine, path: str, data: dict[str, str]) -> None:
    page = text_of(post(manager, machine, path, data, **ASYNC))
    assert "needs the role manager on it" in page
    assert post(manager, machine, path, data | {"confirmed": "1"}, **ASYNC).status_code == 403
    assert not Job.objects.exists()
    assert AuditEntry.objects.filter(action__startswith="machines.hardware", result="refused").count() == 1
    assert post(host_manager, machine, path, data | {"confirmed": "1"}, **ASYNC).status_code == 204


def test_the_disk_of_another_machine_needs_who_manages_both(manager: Client, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under either of its names; and what stands on a file outside the pools, or is not known at all, reaches into the host."""
    volumes = [
        Volume("pool/theirs", "/pool/theirs", "raw", 1, ""),
        Volume("pool/base", "/pool/base", "qcow2", 1, ""),
        Volume("pool/free", "/pool/free", "qcow2", 1, "/pool/base"),
        Volume("pool/odd", "/pool/odd", "qcow2", 1, "/etc/shadow"),
    ]
    monkeypatch.setattr(Offers, "volumes", volumes)
    inventory.machine(machine.host, "other", disks=[{"target": "vda", "device": "disk", "source": "/pool/theirs"}])
    wish = {"format": "raw", "bus": "virtio", "confirmed": "1"}
    for source in ("pool/theirs", "/pool/theirs", "pool/odd", "pool/unknown", "pool/base", "/pool/elsewhere"):
        assert post(manager, machine, "hardware/add/disk", wish | {"source": source}, **ASYNC).status_code == 403, source
    assert post(manager, machine, "hardware/add/disk", wish | {"source": "pool/free"}, **ASYNC).status_code == 204
    # By its path, which all of libvirt understands, and in the format that its pool knows it by.
    assert Job.objects.get().params["edits"][0]["values"] | {"source": "/pool/free", "format": "qcow2"} == Job.objects.get().params["edits"][0]["values"]


def test_a_mac_address_that_another_machine_has_is_warned_of(manager: Client, machine: Machine) -> None:
    inventory.machine(machine.host, "other", search="52:54:00:11:22:33")
    page = text_of(post(manager, machine, "hardware/add/nic", {"way": "network", "source": "default", "mac": "52:54:00:11:22:33"}, **ASYNC))
    assert "Another machine has the MAC address 52:54:00:11:22:33." in page


# ── what waits ──


def test_what_waits_for_the_next_boot_is_marked(manager: Client, machine: Machine) -> None:
    live = edits.applied(LIVE, [Edit("change", "disk", "vda", {"cache": "writeback"})])
    LiveDefinition.objects.create(machine=machine, xml=live, pending=1)
    page = text_of(manager.get(f"/machines/{machine.pk}/hardware/disk/vda/"))
    assert "The machine runs with other values" in page
    assert "Running: writeback" in page
    assert "Takes effect at next boot" in page
    compare = text_of(manager.get(f"/machines/{machine.pk}/hardware/compare/"))
    assert "<td><bdi>writeback</bdi></td><td><bdi>none</bdi></td>" in compare
    assert "Waiting for the next boot:" in text_of(manager.get(f"/machines/{machine.pk}/"))
    Machine.objects.update(state=State.OFF)
    page = text_of(manager.get(f"/machines/{machine.pk}/hardware/disk/vda/"))
    assert "at next boot" not in page
    assert "at once" not in page


def test_the_watcher_keeps_the_running_definition_only_while_it_differs(machine: Machine) -> None:
    host = machine.host_id
    hardware_inventory.store(host, {machine.uuid: Live("<domain/>", 2)})
    hardware_inventory.store(host, {machine.uuid: Live("<domain><a/></domain>", 3), "unknown": Live("<x/>", 1)})
    assert LiveDefinition.objects.get().pending == 3
    assert hardware_inventory.load(host) == {machine.uuid}
    hardware_inventory.store(host, {machine.uuid: None})
    assert not LiveDefinition.objects.exists()


# ── the definition ──


def test_the_xml_editor_proposes_saves_and_tells_the_line_of_a_mistake(manager: Client, machine: Machine) -> None:
    text = STORED.replace("<on_crash>destroy</on_crash>", "<on_crash>restart</on_crash>")
    page = text_of(post(manager, machine, "xml", {"xml": text.replace("\n", "\r\n")}, **ASYNC))
    assert "<ins>  &lt;on_crash&gt;restart&lt;/on_crash&gt;</ins>" in page
    answer = post(manager, machine, "xml", {"xml": STORED.replace("</title>", "</tilte>")}, **ASYNC)
    assert answer.status_code == 400
    assert "Line 4:" in text_of(answer)
    for bad, words in (
        (STORED.replace("0f2a0000", "0f2a0001"), "UUID"),
        (STORED.replace("<name>rich", "<name>poor"), "name"),
        (STORED.replace("<graphics type='vnc'", "<graphics passwd='x' type='vnc'"), "Passwords"),
        ("<!DOCTYPE domain [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>" + STORED, "document type"),
    ):
        answer = post(manager, machine, "xml", {"xml": bad, "confirmed": "1"}, **ASYNC)
        assert answer.status_code == 400
        assert words in text_of(answer)
    assert not Job.objects.exists()
    assert post(manager, machine, "xml", {"xml": text, "confirmed": "1"}, **ASYNC).status_code == 204
    assert Job.objects.get().kind == "machines.hardware.define"


def test_versions_are_listed_with_who_and_restored(manager: Client, machine: Machine) -> None:
    old = machine.definitions.get()
    new = STORED.replace("A rich machine", "Poor")
    Definition.objects.create(machine=machine, digest=tree.digest(new), xml=new, actor="outside WebVirt")
    page = text_of(manager.get(f"/machines/{machine.pk}/xml/"))
    assert "outside WebVirt" in page
    question = text_of(manager.get(f"/machines/{machine.pk}/xml/{old.pk}/restore/"))
    assert "<ins>  &lt;title&gt;A rich machine&lt;/title&gt;</ins>" in question
    assert post(manager, machine, f"xml/{old.pk}/restore", {}, **ASYNC).status_code == 204
    assert "restored" in Job.objects.get().params["changes"][0]
    Job.objects.all().delete()
    renamed = new.replace("<name>rich", "<name>poor")
    Definition.objects.create(machine=machine, digest=tree.digest(renamed), xml=renamed)
    assert post(manager, machine, f"xml/{old.pk}/restore", {}, **ASYNC).status_code == 204
    assert "<name>poor" in Job.objects.get().params["xml"]
    other = inventory.machine(machine.host, "other")
    assert manager.get(f"/machines/{machine.pk}/xml/{Definition.objects.create(machine=other, digest='x', xml='<domain/>').pk}/restore/").status_code == 404


def test_the_api_does_what_the_page_does(machine: Machine) -> None:
    person = inventory.person("api", role=Role.MANAGER, on=machine)
    headers = {"Authorization": f"Bearer {tokens.create(person, 't')}"}
    client = Client()
    shown = client.get(f"/api/v1/machines/{machine.pk}/hardware", headers=headers).json()
    assert shown["digest"] == tree.digest(STORED)
    assert next(each for each in shown["devices"] if each["key"] == "vda")["values"]["cache"] == "none"

    def patch(based_on: str, **edit: Any) -> Any:
        body = {"based_on": based_on, "edits": [{"verb": "change", "kind": "disk", "key": "vda", **edit}]}
        return client.patch(f"/api/v1/machines/{machine.pk}/hardware", json.dumps(body), content_type="application/json", headers=headers)

    assert patch("old", values={"cache": "writeback"}).status_code == 409
    assert patch(shown["digest"], values={"cache": "fancy"}).status_code == 422
    assert patch(shown["digest"], key="vdz", values={"cache": "none"}).status_code == 422
    assert patch(shown["digest"], values={"source": "/etc/shadow"}).status_code == 403
    assert patch(shown["digest"], values={"cache": "writeback"}).status_code == 202


# ── tags, and the guest ──


def test_tags_are_shown_and_found(machine: Machine) -> None:
    operator = client_of(inventory.person("o", role=Role.OPERATOR, on=machine))
    assert operator.post(f"/machines/{machine.pk}/tags/", {"tags": "prod, db prod"}, headers=ASYNC).status_code == 204
    assert 'class="wv-tag' in text_of(operator.get(f"/machines/{machine.pk}/"))
    assert "prod" in text_of(operator.get("/machines/"))
    assert len(names_of(operator.get("/machines/?q=tag:prod"))) == 1
    assert len(names_of(operator.get("/machines/?q=tag:d*"))) == 1
    assert names_of(operator.get("/machines/?q=tag:pro")) == []
    assert names_of(operator.get("/machines/?q=-tag:db")) == []
    answer = operator.post(f"/machines/{machine.pk}/tags/", {"tags": "<b>"}, headers=ASYNC)
    assert answer.status_code == 400
    assert operator.post(f"/machines/{machine.pk}/tags/", {"tags": ""}, headers=ASYNC).status_code == 204
    assert not machine.tags.exists()


def test_what_the_guest_reports_is_shown_as_text(manager: Client, machine: Machine) -> None:
    Machine.objects.update(agent="answers")
    hostile = "<script>x</script>"
    report = Report((LoggedIn(hostile, 1.0),), (FileSystem("/data", "ext4", 100 * 2**30, 40 * 2**30, ("vda",)),))
    hardware_inventory.report(machine.host_id, machine.uuid, report)
    page = manager.get(f"/machines/{machine.pk}/")
    assert_escaped(page, hostile)
    assert "/data" in text_of(page)
    assert "/ 100 GiB" in text_of(page)


@pytest.mark.parametrize(("agent", "words"), [("", "no channel for a guest agent"), ("missing", "Install qemu-guest-agent")])
def test_without_an_agent_the_fix_is_told(manager: Client, machine: Machine, agent: str, words: str) -> None:
    Machine.objects.update(agent=agent)
    assert words in text_of(manager.get(f"/machines/{machine.pk}/"))
    assert words in text_of(manager.get(f"/machines/{machine.pk}/guest/password/"))
    answer = manager.post(f"/machines/{machine.pk}/guest/password/", {"user": "root", "password": "x"}, headers=ASYNC)
    assert answer.status_code == 409
    assert words in text_of(answer)


def test_keys_are_keys(manager: Client, machine: Machine) -> None:
    Machine.objects.update(agent="answers")
    for bad in (
        "x",
        "ssh-ed25519 AAAA",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        'command="x" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6q4oV6kJ6dRZ2c3yqV0cN0lGm7m8kq1m7d0c3l5Xyz',
    ):
        assert manager.post(f"/machines/{machine.pk}/guest/key/", {"user": "root", "key": bad}, headers=ASYNC).status_code == 400, bad
    good = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6q4oV6kJ6dRZ2c3yqV0cN0lGm7m8kq1m7d0c3l5Xyz me@here"
    assert manager.post(f"/machines/{machine.pk}/guest/key/", {"user": "root", "key": good}, headers=ASYNC).status_code == 204
    assert "AAAAC3" not in json.dumps(Job.objects.get().params)
