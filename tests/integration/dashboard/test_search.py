"""Search everything: machines, hosts, jobs, and what can be done."""

from __future__ import annotations

import time

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.roles import Role
from hosts.models import State as HostState
from jobs.models import Job
from machines.models import Machine, State
from tests import inventory
from tests.integration.dashboard.conftest import client_of
from webvirt import search

PALETTE = {"WV-Fragment": "palette"}


@pytest.fixture
def machines() -> dict[str, Machine]:
    host, silent = inventory.host("kvm-07", address="10.1.0.7"), inventory.host("kvm-31", state=HostState.OFFLINE)
    rows = [
        inventory.machine(host, "web", uuid="6d1f0b8e-52c4-4d0e-9a55-0f6b1f0d2c11", search="52:54:00:8a:1c:02 10.20.4.38", addresses=[{"ip": "10.20.4.38"}]),
        inventory.machine(host, "a-web-first-by-name", state=State.OFF),
        inventory.machine(host, "web-2", state=State.OFF),
        inventory.machine(silent, "far-web"),
    ]
    return {row.name: row for row in rows}


def found(client: Client, text: str) -> dict[str, list[str]]:
    answer = client.get("/search/", {"q": text}, headers=PALETTE)
    assert answer.status_code == 200
    return {str(group.title): [item.title for item in group.items] for group in answer.context["groups"]}


def test_names_are_ranked(as_admin: Client, machines: dict[str, Machine]) -> None:
    assert found(as_admin, "web")["Machines"] == ["web", "web-2", "a-web-first-by-name", "far-web"]
    assert found(as_admin, "WEB-2")["Machines"] == ["web-2"]


@pytest.mark.parametrize("text", ["6d1f0b8e-52c4", "10.20.4.38", "52:54:00:8a:1c", "52-54-00-8A-1C-02", "name:web state:running host:kvm-07"])
def test_machines_are_found_by_whatever_names_them(as_admin: Client, machines: dict[str, Machine], text: str) -> None:
    assert found(as_admin, text)["Machines"] == ["web"]


def test_hosts_and_jobs(as_admin: Client, machines: dict[str, Machine]) -> None:
    job = Job.objects.create(kind="machines.start", subject_type="machine", subject_id=machines["web"].pk, subject_name="web", host_id=machines["web"].host_id)
    assert found(as_admin, "kvm-0")["Hosts"] == ["kvm-07"]
    assert found(as_admin, "10.1.0.7")["Hosts"] == ["kvm-07"]
    assert found(as_admin, f"#{job.pk}")["Jobs"] == ["Start web"]
    assert found(as_admin, "web")["Jobs"] == ["Start web"]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("start web-2", "Start web-2"),
        ("START   web", "Start web-2"),
        ("shut down web", "Shut down web"),
        ("force off web", "Force off web"),
        ("restart web", "Reboot web"),
    ],
)
def test_what_can_be_done_comes_first(as_admin: Client, machines: dict[str, Machine], text: str, first: str) -> None:
    groups = as_admin.get("/search/", {"q": text}, headers=PALETTE).context["groups"]
    assert str(groups[0].title) == "Actions"
    assert groups[0].items[0].title == first


def test_an_action_leads_to_its_question_and_says_why_not(as_admin: Client, machines: dict[str, Machine]) -> None:
    [actions, *_] = as_admin.get("/search/", {"q": "start web"}, headers=PALETTE).context["groups"]
    by_title = {item.title: item for item in actions.items}
    assert by_title["Start web-2"].url == f"/machines/{machines['web-2'].pk}/power/?action=start"
    assert as_admin.get(by_title["Start web-2"].url).status_code == 200
    assert by_title["Start web"].note == "It is on already."
    assert by_title["Start far-web"].note == "kvm-31 does not answer."


def test_places_without_a_text_and_by_name(as_admin: Client, machines: dict[str, Machine]) -> None:
    assert "Add host" in found(as_admin, "")["Go to"]
    assert found(as_admin, "add h") == {"Go to": ["Add host"]}
    assert "Add host" not in found(client_of(inventory.person(role=Role.MANAGER)), "")["Go to"]


def test_rights_decide(machines: dict[str, Machine]) -> None:
    user = inventory.person(role=Role.OPERATOR, on=machines["web"])
    inventory.grant(user, Role.CONSOLE, machines["web-2"])
    client = client_of(user)
    assert found(client, "web") == {"Machines": ["web", "web-2"]}
    assert found(client, "shut down web")["Actions"] == ["Shut down web"]
    assert found(client, "kvm") == {}
    assert found(client_of(inventory.person("nobody")), "web") == {}


def test_a_page_without_scripts(as_admin: Client, machines: dict[str, Machine]) -> None:
    page = as_admin.get("/search/?q=web").content.decode()
    assert "<html" in page
    assert f'href="/machines/{machines["web"].pk}/"' in page
    assert "Nothing found for “zzz”" in as_admin.get("/search/?q=zzz").content.decode()


@pytest.mark.parametrize(
    "text",
    ["<script>alert(1)</script>", "%", "_", "\\", "'; DROP TABLE machines_machine; --", "🦄", "x" * 10_000, "#99999999999999999999", "start ", "-"],
)
def test_hostile_texts_find_nothing_and_harm_nothing(as_admin: Client, machines: dict[str, Machine], text: str) -> None:
    answer = as_admin.get("/search/", {"q": text}, headers=PALETTE)
    assert answer.status_code == 200
    assert "<script>" not in answer.content.decode()
    assert not any(str(group.title) == "Machines" and text not in ("-",) for group in answer.context["groups"])


def test_it_is_quick_at_ten_thousand(as_admin: Client) -> None:
    inventory.fleet(100, 100)
    with CaptureQueriesContext(connection) as seen:
        as_admin.get("/search/?q=web", headers=PALETTE)
    assert len(seen) == 5  # session, person, machines, hosts, jobs
    took = []
    for text in ("web", "start web", "52:54:00", "no such thing", "10.20.7.7"):
        before = time.perf_counter()
        as_admin.get("/search/", {"q": text}, headers=PALETTE)
        took.append(time.perf_counter() - before)
    assert sorted(took)[2] < 0.15  # the bench holds it to 30 ms
    assert len(search.find(inventory.person("x", role=Role.VIEWER), "web")[0].items) == 8
