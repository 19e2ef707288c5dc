"""Readiness as rows and pages: what lacks is said with its fix, to whom may see the host; the fleet is one page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import tokens
from accounts.models import User
from accounts.roles import Role
from hosts.models import Host
from hosts.readiness import inventory
from hosts.readiness.inventory import Look
from hosts.readiness.models import HostReadiness
from live import publisher, wishes
from tests.integration.hosts.conftest import client_of
from tests.inventory import host, person
from tests.unit.readiness.test_checks import SHOWN, TOLD
from virt.facts import HostFacts

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def facts(monkeypatch: pytest.MonkeyPatch, redis: Path) -> list[dict[str, Any]]:
    """What open pages would be told."""
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(publisher, "send", lambda group, message: sent.append(message))
    return sent


@pytest.fixture
def client() -> Client:
    return client_of(person("root", administrator=True))


def look(on: Host, told: dict[str, Any] | None = None, shown: dict[str, Any] | None = None) -> None:
    inventory.store(on.pk, Look(HostFacts(replace(TOLD, **(told or {})), replace(SHOWN, **(shown or {}))), timezone.now()))


def test_a_look_is_kept_and_lists_hear_only_of_what_changed(facts: list[dict[str, Any]], django_capture_on_commit_callbacks: Any) -> None:
    on = host()
    with django_capture_on_commit_callbacks(execute=True):
        look(on, {"tpm": False})
    first = HostReadiness.objects.get(host=on)
    assert (first.missing, first.warnings, first.states["tpm"], first.to_fix) == (0, 1, "warning", 1)
    facts.clear()
    with django_capture_on_commit_callbacks(execute=True):
        look(on, {"tpm": False})
    assert HostReadiness.objects.get(host=on).read_at > first.read_at
    assert [fact["topics"] for fact in facts] == [[f"host:{on.pk}"]]
    facts.clear()
    with django_capture_on_commit_callbacks(execute=True):
        look(on)
    assert HostReadiness.objects.get(host=on).to_fix == 0
    assert [fact["topics"] for fact in facts] == [[f"host:{on.pk}", "hosts"]]


def test_the_page_says_what_lacks_and_how_to_mend_it(client: Client) -> None:
    on = host(hypervisor="QEMU", kvm=False, libvirt_version="9.0.0")
    assert "Not looked at yet" in text(client, f"/hosts/{on.pk}/readiness/")
    look(on, {"kvm": False}, {"devices": (), "kernel": "6.1<b>"})
    page = text(client, f"/hosts/{on.pk}/readiness/")
    assert "modprobe kvm_amd" in page and "Machines are emulated here" in page
    assert "6.1&lt;b&gt;" in page and "6.1<b>" not in page
    assert page.index('id="check-kvm"') < page.index('id="check-vhost"'), "what machines can't do without comes first"
    overview = text(client, f"/hosts/{on.pk}/")
    assert "2 to mend" in overview and "emulation, no KVM" in overview
    look(on)
    assert "Nothing to mend" in text(client, f"/hosts/{on.pk}/readiness/")


def test_the_fleet_by_what_lacks(client: Client) -> None:
    good, poor, unseen = host("good"), host("poor"), host("unseen")
    look(good)
    look(poor, {"tpm": False}, {"qemu_img": ""})
    page = main(text(client, "/hosts/readiness/"))
    assert page.index(">poor<") < page.index(">good<")
    assert ">unseen<" in page and "1 of 3 lack nothing" in page
    assert ">good<" not in main(text(client, "/hosts/readiness/?lacks=tpm"))
    assert ">poor<" in main(text(client, "/hosts/readiness/?lacks=nonsense&q=POO"))
    assert "No host fits" in text(client, "/hosts/readiness/?lacks=kvm")
    assert "2 to mend" in main(text(client, "/hosts/?sort=-ready"))
    assert unseen.name in main(text(client, "/hosts/?sort=ready"))
    with CaptureQueriesContext(connection) as few:
        client.get("/hosts/readiness/")
    for number in range(12):
        look(host(f"more-{number}"), {"uefi": False})
    with CaptureQueriesContext(connection) as many:
        client.get("/hosts/readiness/")
    assert len(many) == len(few)


def test_only_what_may_be_seen() -> None:
    mine, foreign = host("mine"), host("foreign")
    look(mine, {"tpm": False})
    look(foreign, {"tpm": False})
    viewer = client_of(person("ann", role=Role.VIEWER, on=mine))
    page = text(viewer, "/hosts/readiness/")
    assert ">mine<" in page and "foreign" not in page
    assert viewer.get(f"/hosts/{foreign.pk}/readiness/").status_code == 404
    assert "Check again" not in text(viewer, f"/hosts/{mine.pk}/readiness/")


def test_the_api_tells_the_same(client: Client) -> None:
    on = host()
    look(on, {"tpm": False})
    token = tokens.create(User.objects.get(username="root"), "t")
    headers = {"Authorization": f"Bearer {token}"}
    told = Client().get(f"/api/v1/hosts/{on.pk}/readiness", headers=headers).json()
    first = told["checks"][0]
    assert (first["name"], first["state"], first["commands"][0]["where"], told["asked_itself"]) == ("tpm", "warning", "", True)
    assert "apt install swtpm" in first["commands"][0]["text"]
    assert Client().get("/api/v1/hosts/readiness", headers=headers).json()[0]["warnings"] == ["tpm"]
    wishes.take({on.pk})
    assert Client().post(f"/api/v1/hosts/{on.pk}/readiness/check", headers=headers).status_code == 202
    assert wishes.take({on.pk})[on.pk] >= {"readiness"}


def test_check_again_is_a_wish(client: Client) -> None:
    on, away = host("on"), host("away", state="offline")
    wishes.take({on.pk, away.pk})
    assert client.post(f"/hosts/{on.pk}/readiness/check/", headers={"WV-Async": "1"}).status_code == 204
    assert wishes.take({on.pk, away.pk}) == {on.pk: {"readiness", "capabilities"}}
    refused = client.post(f"/hosts/{away.pk}/readiness/check/", headers={"WV-Async": "1"})
    assert (refused.status_code, wishes.take({away.pk})) == (409, {})
    assert client.post(f"/hosts/{on.pk}/readiness/check/").headers["Location"] == f"/hosts/{on.pk}/readiness/"


def test_the_empty_tree_is_no_tree(client: Client) -> None:
    """A tree without items is one that a screen reader can't read."""
    for viewer, adds in ((client, True), (client_of(person("nobody")), False)):
        tree = text(viewer, "/hosts/tree/")
        assert "role=" not in tree and "No host yet." in tree
        assert ("/hosts/add/" in tree) is adds


def text(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return str(answer.content.decode())


def main(page: str) -> str:
    """Without the side tree."""
    return page.partition("<main")[2]
