"""What changes a machine: asked, refused, recorded; with scripts and without."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone

from accounts import audit
from accounts.models import AuditEntry, User
from accounts.roles import Role
from hosts.models import Host
from hosts.models import State as HostState
from jobs.models import Job
from machines import notes
from machines.models import Machine, State
from machines.power import VERBS
from tests import inventory
from tests.integration.machines.conftest import ASYNC, client_of, text_of


@pytest.fixture
def machine() -> Machine:
    disk = {"target": "vda", "bus": "virtio", "device": "disk", "source": "/srv/web.qcow2", "format": "qcow2", "readonly": False}
    return inventory.machine(inventory.host("kvm-07"), "web-01", disks=[disk, disk | {"target": "sda", "device": "cdrom", "readonly": True}])


@pytest.fixture
def operator(machine: Machine) -> Client:
    return client_of(inventory.person("o.osei", role=Role.OPERATOR, on=machine))


def post(client: Client, machine: Machine, path: str, data: dict[str, Any], **headers: str) -> Any:
    return client.post(f"/machines/{machine.pk}/{path}/", data, headers=headers)


# ── power ──


@pytest.mark.parametrize("verb", VERBS.values(), ids=lambda verb: verb.name)
def test_each_verb_becomes_a_job_where_the_state_allows_it(operator: Client, machine: Machine, verb: Any) -> None:
    for state in State:
        Job.objects.all().delete()
        Machine.objects.filter(pk=machine.pk).update(state=state, has_saved_image=True)
        answer = post(operator, machine, "power", {"action": verb.name}, **ASYNC)
        if state in verb.allowed:
            job = Job.objects.get()
            assert (answer.status_code, answer["WV-Job"], job.kind) == (204, str(job.pk), verb.kind)
        else:
            assert answer.status_code == 409
            assert verb.otherwise in text_of(answer)
            assert not Job.objects.exists()


def test_without_scripts_the_page_comes_again_and_says_what_happens(operator: Client, machine: Machine) -> None:
    answer = post(operator, machine, "power", {"action": "shutdown"})
    assert (answer.status_code, answer["Location"]) == (302, f"/machines/{machine.pk}/")
    assert "Shut down of web-01 is on its way." in text_of(operator.get(answer["Location"]))
    refused = post(operator, machine, "power", {"action": "start"})
    assert [str(message) for message in get_messages(refused.wsgi_request)] == ["web-01: It is on already."]


def test_the_second_is_told_what_the_first_is_doing(operator: Client, machine: Machine) -> None:
    post(operator, machine, "power", {"action": "reboot"}, **ASYNC)
    answer = post(client_of(inventory.person("late", role=Role.OPERATOR)), machine, "power", {"action": "pause"}, **ASYNC)
    assert answer.status_code == 409
    assert "o.osei" in text_of(answer)


@pytest.mark.parametrize("data", [{}, {"action": ""}, {"action": "explode"}, {"action": "x" * 10_000}, {"action": "start\n"}, {"action": "<b>"}])
def test_what_makes_no_sense_is_refused_in_words(operator: Client, machine: Machine, data: dict[str, str]) -> None:
    answer = post(operator, machine, "power", data, **ASYNC)
    assert answer.status_code == 400
    assert text_of(answer).startswith("<p>")
    assert "<b>" not in text_of(answer)
    assert not Job.objects.exists()


@pytest.mark.parametrize("role", [Role.VIEWER, Role.CONSOLE])
def test_smaller_roles_may_not(machine: Machine, role: Role) -> None:
    client = client_of(inventory.person(role=role, on=machine))
    for path, data in (("power", {"action": "shutdown"}), ("autostart", {"on": "1"}), ("notes", {"notes": "x", "version": notes.version("")})):
        assert post(client, machine, path, data, **ASYNC).status_code == 403
    for path in ("power", "notes"):
        assert client.get(f"/machines/{machine.pk}/{path}/").status_code == 403
    assert not Job.objects.exists()
    assert Machine.objects.get(pk=machine.pk).notes == ""


def test_nothing_changes_by_looking(operator: Client, machine: Machine) -> None:
    for path in ("power/?action=force-off", "power/", "notes/", "history/"):
        assert operator.get(f"/machines/{machine.pk}/{path}").status_code == 200
    assert operator.get(f"/machines/{machine.pk}/autostart/").status_code == 405
    assert operator.get("/machines/power/").status_code == 405
    assert not Job.objects.exists()


def test_a_foreign_form_cannot_act(machine: Machine, admin: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert post(client, machine, "power", {"action": "force-off"}).status_code == 403
    assert not Job.objects.exists()


def test_the_question_names_the_machine_and_what_is_lost(operator: Client, machine: Machine) -> None:
    for headers in ({}, {"WV-Fragment": "dialog"}):
        page = text_of(operator.get(f"/machines/{machine.pk}/power/?action=force-off", headers=headers))
        assert "Force off: web-01?" in page
        assert "unsaved work in the guest is lost" in page
        assert "/srv/</span>web.qcow2" in page
        assert ("<html" in page) != bool(headers)
    assert "It is not paused." in text_of(operator.get(f"/machines/{machine.pk}/power/?action=resume"))


def test_asked_and_refused_are_both_recorded(operator: Client, machine: Machine) -> None:
    post(operator, machine, "power", {"action": "shutdown"}, **ASYNC)
    post(operator, machine, "power", {"action": "start"}, **ASYNC)
    asked, refused = AuditEntry.objects.order_by("id")
    assert (asked.actor, asked.action, asked.subject, asked.result) == ("o.osei", "machines.shutdown", "web-01", "asked")
    assert asked.detail == {"job": Job.objects.get().pk}
    assert (refused.action, refused.result, refused.detail["why"]) == ("machines.start", "refused", "It is on already.")
    assert asked.address == "127.0.0.1"
    assert audit.first_broken() is None


# ── autostart ──


def test_autostart_becomes_a_job(operator: Client, machine: Machine) -> None:
    assert post(operator, machine, "autostart", {"on": "1"}, **ASYNC).status_code == 204
    job = Job.objects.get()
    assert (job.kind, job.params) == ("machines.set_autostart", {"on": True})
    assert AuditEntry.objects.get().action == "machines.set_autostart"
    assert post(operator, machine, "autostart", {"on": "maybe"}, **ASYNC).status_code == 400


def test_autostart_says_why_not(operator: Client, machine: Machine) -> None:
    Machine.objects.filter(pk=machine.pk).update(persistent=False)
    assert "It is transient" in text_of(post(operator, machine, "autostart", {"on": "1"}, **ASYNC))
    assert "It is transient" in text_of(operator.get(f"/machines/{machine.pk}/"))
    Host.objects.update(state=HostState.OFFLINE)
    assert "kvm-07 does not answer." in text_of(post(operator, machine, "autostart", {"on": "1"}, **ASYNC))
    Machine.objects.filter(pk=machine.pk).update(gone_at=timezone.now())
    assert post(operator, machine, "autostart", {"on": "1"}, **ASYNC).status_code == 409


# ── notes ──


def test_notes_are_saved_and_shown(operator: Client, machine: Machine) -> None:
    form = text_of(operator.get(f"/machines/{machine.pk}/notes/", headers={"WV-Fragment": "dialog"}))
    assert f'value="{notes.version("")}"' in form
    assert post(operator, machine, "notes", {"notes": "**Do not** touch\r\nplease", "version": notes.version("")}, **ASYNC).status_code == 204
    assert Machine.objects.get(pk=machine.pk).notes == "**Do not** touch\nplease"
    assert "<strong>Do not</strong>" in text_of(operator.get(f"/machines/{machine.pk}/"))
    assert AuditEntry.objects.get().action == "machines.notes"


def test_notes_that_changed_meanwhile_are_shown_not_overwritten(operator: Client, machine: Machine) -> None:
    base = notes.version("")
    Machine.objects.filter(pk=machine.pk).update(notes="theirs <i>")
    answer = post(operator, machine, "notes", {"notes": "mine", "version": base}, **ASYNC)
    assert answer.status_code == 409
    assert "theirs &lt;i&gt;" in text_of(answer)
    assert ">mine</textarea>" in text_of(answer).replace("\n", "")
    assert 'id="notes-form"' in text_of(answer), "the script puts it in the form's place"
    assert Machine.objects.get(pk=machine.pk).notes == "theirs <i>"
    again = answer.context["form"].data["version"]
    assert post(operator, machine, "notes", {"notes": "mine", "version": again}).status_code == 302
    assert Machine.objects.get(pk=machine.pk).notes == "mine"


def test_notes_too_long_keep_what_was_typed(operator: Client, machine: Machine) -> None:
    answer = post(operator, machine, "notes", {"notes": "x" * 20_001, "version": notes.version("")})
    assert answer.status_code == 400
    assert "at most 20000 characters" in text_of(answer)
    assert "x" * 20_001 in text_of(answer)
