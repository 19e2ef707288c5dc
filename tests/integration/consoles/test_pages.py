"""The pages of consoles: who gets them, what they offer, and what they cost."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.roles import Role
from machines.models import State
from tests import inventory

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
pytestmark = pytest.mark.django_db


def _signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


def test_a_bookmark_asks_to_sign_in_and_leads_on() -> None:
    machine = inventory.machine(inventory.host())
    answer = Client().get(f"/consoles/{machine.pk}/")
    assert answer.status_code == 302
    assert answer["Location"].endswith(f"?next=/consoles/{machine.pk}/")


def test_who_only_watches_is_offered_no_keys() -> None:
    machine = inventory.machine(inventory.host(), graphics=[{"kind": "vnc"}], state=State.RUNNING)
    watcher = _signed_in(inventory.person("vera", role=Role.VIEWER, on=machine)).get(f"/consoles/{machine.pk}/").content.decode()
    helper = _signed_in(inventory.person("hal", role=Role.CONSOLE, on=machine)).get(f"/consoles/{machine.pk}/").content.decode()
    assert "may-act" not in watcher
    assert "data-press" not in watcher
    assert "may-act" in helper
    assert "power-menu" not in helper, "power is for operators"


def test_the_help_desk_finds_console_buttons_in_the_list() -> None:
    machine = inventory.machine(inventory.host(), state=State.RUNNING)
    page = _signed_in(inventory.person("hal", role=Role.CONSOLE, on=machine)).get("/machines/").content.decode()
    assert f'href="/consoles/{machine.pk}/"' in page
    assert "Power of" not in page
    page = _signed_in(inventory.person("vera", role=Role.VIEWER, on=machine)).get("/machines/").content.decode()
    assert f'href="/consoles/{machine.pk}/"' not in page


def test_the_wall_shows_chosen_screens_by_rights_and_costs_the_same_for_many() -> None:
    host = inventory.host()
    mine = inventory.machine(host, "web-01", state=State.RUNNING)
    inventory.machine(host, "web-02", state=State.RUNNING)
    client = _signed_in(inventory.person("hal", role=Role.CONSOLE, on=mine))
    page = client.get("/consoles/wall/").content.decode()
    assert f"/machines/{mine.pk}/screen/" in page
    assert "web-02" not in page
    assert "web-01" not in client.get("/consoles/wall/?f=name:other").content.decode()

    administrator = _signed_in(inventory.person("root", administrator=True))
    few = _queries(administrator)
    for number in range(20):
        inventory.machine(host, f"more-{number}", state=State.OFF)
    assert _queries(administrator) == few
    assert "more-1" not in administrator.get("/consoles/wall/?running=1").content.decode()


def _queries(client: Client) -> int:
    with CaptureQueriesContext(connection) as seen:
        client.get("/consoles/wall/")
    return len(seen)
