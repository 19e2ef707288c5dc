"""The pages of consoles: who gets them, what they offer, and what they cost."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from accounts.roles import Role
from consoles.models import ConsoleSession
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
    assert f'href="/consoles/{machine.pk}/"' in page
    assert "#i-eye" in page, "who may only watch is offered to watch"


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


def test_small_pictures_in_the_list_are_a_persons_choice_and_for_machines_that_run() -> None:
    host = inventory.host()
    on = inventory.machine(host, "on", state=State.RUNNING)
    off = inventory.machine(host, "off", state=State.OFF)
    client = _signed_in(inventory.person("vera", role=Role.VIEWER))
    assert "<wv-screen" not in client.get("/machines/").content.decode(), "nobody is shown them unasked"
    page = client.get("/machines/?columns=1&col=cpu&col=screen").content.decode()
    assert f'src="/machines/{on.pk}/screen/"' in page
    assert f'src="/machines/{off.pk}/screen/"' not in page
    assert "<wv-screen" in client.get("/machines/").content.decode(), "this browser remembers"
    type(host).objects.update(state="offline")
    assert "<wv-screen" not in client.get("/machines/").content.decode(), "a silent host is not asked"


def test_the_machines_page_and_its_history_tell_who_is_and_was_on_the_console() -> None:
    machine = inventory.machine(inventory.host(), state=State.RUNNING)
    ann, bob = inventory.person("ann"), inventory.person("bob")
    now = timezone.now()
    session = {"machine": machine, "kind": "vnc", "bridge": "b"}
    ConsoleSession.objects.create(key="a", user=ann, person="ann", **session)
    ConsoleSession.objects.create(key="b", user=bob, person="bob", view_only=True, closed_at=now, opened_at=now - timedelta(minutes=3), **session)
    client = _signed_in(inventory.person("vera", role=Role.VIEWER, on=machine))
    page = client.get(f"/machines/{machine.pk}/").content.decode()
    here = page.partition('class="wv-company"')[2].partition("</ul>")[0]
    assert "ann" in here
    assert "bob" not in here
    told = client.get(f"/machines/{machine.pk}/history/").content.decode()
    assert "On its console by VNC" in told
    assert "Watched its console by VNC, 3" in told
    other = _signed_in(inventory.person("stranger"))
    assert other.get(f"/machines/{machine.pk}/history/").status_code == 404
