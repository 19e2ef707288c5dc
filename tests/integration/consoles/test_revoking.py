"""A right that is taken away closes the open console within two seconds; invitations give what their maker may, for their time."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Grant
from accounts.roles import Role
from consoles import access
from consoles.models import ConsoleSession, ConsoleShare
from machines.models import Machine, State
from tests import inventory
from tests.integration.consoles.conftest import Room
from tests.waiting import wait_until

WITHIN = 2.0
Change = Callable[[Room, Client], Any]


def _save(user: Any, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(user, name, value)
    user.save()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param(lambda room, client: Grant.objects.all().delete(), 4403, id="right withdrawn"),
        pytest.param(lambda room, client: Grant.objects.update(role=Role.VIEWER), 4403, id="may only watch now"),
        pytest.param(lambda room, client: _save(room.ann, is_active=False), 4403, id="disabled"),
        pytest.param(lambda room, client: client.post("/account/logout/"), 4403, id="signed out"),
        pytest.param(lambda room, client: (room.ann.set_password("x"), room.ann.save()), 4403, id="password changed by somebody else"),
        pytest.param(lambda room, client: Machine.objects.update(state=State.OFF), 4409, id="stopped"),
        pytest.param(lambda room, client: Machine.objects.update(gone_at=timezone.now()), 4409, id="gone"),
        pytest.param(lambda room, client: room.display.hang_up(), 4409, id="display hung up"),
    ],
)
def test_an_open_console_closes(change: Change, code: int, room: Room) -> None:
    client = room.client(room.ann)
    with room.open(client) as console:
        began = time.monotonic()
        change(room, client)
        assert console.farewell().code == code
        assert time.monotonic() - began < WITHIN
    wait_until("its row says why", lambda: ConsoleSession.objects.exclude(closed_why="").exists())


def test_a_host_that_falls_silent_closes_nothing(room: Room) -> None:
    """Its machines are as last seen; the console may well live."""
    with room.open(room.client(room.ann)) as console:
        type(room.host).objects.update(state="offline")
        Machine.objects.update(state=State.OFF)
        time.sleep(1.5)
        console.send(b"\x03" + bytes(9))
        wait_until("it goes on", lambda: bytes(room.display.heard) == b"\x03" + bytes(9))


# ── invitations ──


def _invite(client: Client, room: Room, **wish: Any) -> Any:
    answer = client.post(f"/consoles/{room.machine.pk}/shares/", {"minutes": 10, "view_only": False, **wish}, content_type="application/json")
    return answer.status_code, answer.json()


def _token(answer: Any) -> str:
    return str(answer["link"].rstrip("/").rpartition("/")[2])


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param(lambda room, maker: maker.post(f"/consoles/shares/{ConsoleShare.objects.get().pk}/revoke/"), id="revoked"),
        pytest.param(lambda room, maker: Grant.objects.all().delete(), id="its maker may no more"),
        pytest.param(lambda room, maker: _save(room.ann, is_active=False), id="its maker was disabled"),
        pytest.param(lambda room, maker: ConsoleShare.objects.update(until=timezone.now() - timedelta(seconds=1)), id="its time is over"),
    ],
)
def test_an_invited_person_without_any_role(ending: Change, room: Room) -> None:
    maker, guest = room.client(room.ann), room.client(inventory.person("guest"))
    assert room.ask(guest)["status"] == 404
    status, answer = _invite(maker, room, to="guest")
    assert status == 201, answer
    token = _token(answer)
    assert guest.get(f"/consoles/shared/{token}/").headers["Location"] == f"/consoles/{room.machine.pk}/?share={token}"
    state = guest.get(f"/consoles/{room.machine.pk}/state/?share={token}").json()
    assert (state["may"]["act"], state["may"]["share"], state["may"]["power"], state["shares"]) == (True, False, False, [])
    assert access.heard_ids(inventory.User.objects.get(username="guest"), {room.machine.pk}) == {room.machine.pk}
    with room.open(guest, share=token) as console:
        people = maker.get(f"/consoles/{room.machine.pk}/state/").json()["people"]
        assert [(each["username"], each["via_share"]) for each in people] == [("guest", True)]
        began = time.monotonic()
        ending(room, maker)
        assert console.farewell().code == 4403
        assert time.monotonic() - began < WITHIN
    assert room.ask(guest, share=token)["status"] == 404
    assert guest.get(f"/consoles/shared/{token}/").status_code == 404


def test_an_invitation_gives_no_more_than_its_maker_may(room: Room) -> None:
    watcher = room.client(inventory.person("watcher", role=Role.VIEWER, on=room.machine))
    assert _invite(watcher, room)[0] == 403
    status, answer = _invite(watcher, room, view_only=True)
    assert status == 201
    guest, token = room.client(inventory.person("guest")), _token(answer)
    assert room.ask(guest, share=token)["status"] == 403
    with room.open(guest, share=token, view_only=True) as console:
        assert console
    assert _invite(guest, room, share=token)[0] == 404, "nothing is passed on"


def test_an_invitation_is_for_whom_it_is_for_and_for_its_machine(room: Room) -> None:
    maker, stranger = room.client(room.ann), room.client(inventory.person("stranger"))
    inventory.person("guest")
    token = _token(_invite(maker, room, to="guest")[1])
    assert room.ask(stranger, share=token)["status"] == 404
    assert stranger.get(f"/consoles/shared/{token}/").status_code == 404
    assert _invite(maker, room, to="nobody")[0] == 409
    assert _invite(maker, room, minutes=0)[0] == 409
    other = inventory.machine(room.host, "other", graphics=[{"kind": "vnc"}])
    guest = room.client(inventory.User.objects.get(username="guest"))
    assert guest.post(f"/consoles/{other.pk}/tickets/", {"kind": "vnc", "share": token}).status_code == 404
    assert token not in str(list(ConsoleShare.objects.values())), "only its hash is kept"
