"""A display's password in a file for virt-viewer: who is given which, and that it is taken back. Real displays are in tests/lab/consoles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from celery import current_app
from django.test import Client

from accounts.models import AuditEntry, Grant, User
from accounts.roles import Role
from consoles import lending, viewer
from consoles.viewer import Screen
from live.metrics import store
from tests import inventory
from tests.integration.consoles.conftest import Room

LENT, LASTING = Screen("vnc", "kvm.example", 5900, "lent-one"), Screen("vnc", "kvm.example", 5900, "geheim", lasting=True)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[int]]]:
    """The tasks that workers are asked for."""
    found: list[tuple[str, list[int]]] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, args, **_: found.append((name, args)))
    store().delete("wv:lent-passwords")
    return found


def _file(room: Room, client: Client, user: User, screen: Screen, share: str = "") -> Any:
    room.machine.graphics = [{"kind": "vnc", "address": "0.0.0.0"}]
    room.machine.save()
    room.host.address = "kvm.example"
    room.host.save()
    viewer.keep(room.machine.pk, user.pk, screen)
    return client.get(f"/consoles/{room.machine.pk}/console.vv?share={share}")


def test_a_lasting_password_is_for_who_may_change_the_machine(room: Room, people: Callable[..., User], sent: list[Any]) -> None:
    answer = _file(room, room.client(room.ann), room.ann, LASTING)
    assert (answer.status_code, "its owner has set for good" in answer.content.decode()) == (409, True)
    assert "geheim" not in answer.content.decode()
    boss = people("boss", role=Role.MANAGER, on=room.machine)
    answer = _file(room, room.client(boss), boss, LASTING)
    assert (answer.status_code, "password=geheim" in answer.content.decode()) == (200, True)
    assert AuditEntry.objects.get(action="consoles.viewer_file").detail == {"by": "vnc", "lasting password": True}
    Grant.objects.filter(user=boss).delete()
    lending.recall()
    assert sent == [], "it can't be taken back, and nobody says that it is"


def _no_grant(room: Room) -> None:
    Grant.objects.filter(user=room.ann).delete()


def _only_watching(room: Room) -> None:
    Grant.objects.filter(user=room.ann).update(role=Role.VIEWER)


def _disabled(room: Room) -> None:
    User.objects.filter(pk=room.ann.pk).update(is_active=False)


@pytest.mark.parametrize("change", [_no_grant, _only_watching, _disabled])
def test_a_lent_one_is_taken_back_with_the_right(change: Callable[[Room], None], room: Room, sent: list[Any]) -> None:
    assert "password=lent-one" in _file(room, room.client(room.ann), room.ann, LENT).content.decode()
    lending.recall()
    assert sent == []
    change(room)
    lending.recall()
    lending.recall()
    assert sent == [("consoles.take_back", [room.machine.pk])], "once"


def test_and_with_an_invitation_to_act(room: Room, sent: list[Any]) -> None:
    guest = inventory.person("guest")
    made = room.client(room.ann).post(
        f"/consoles/{room.machine.pk}/shares/", {"minutes": 5, "view_only": False, "to": "guest"}, content_type="application/json"
    )
    token = made.json()["link"].rstrip("/").rpartition("/")[2]
    assert _file(room, room.client(guest), guest, LENT, token).status_code == 200
    lending.recall()
    assert sent == []
    room.client(room.ann).post(f"/consoles/shares/{made.json()['share']['id']}/revoke/")
    lending.recall()
    assert sent == [("consoles.take_back", [room.machine.pk])]


def test_one_that_has_ended_is_forgotten(room: Room, sent: list[Any]) -> None:
    _file(room, room.client(room.ann), room.ann, LENT)
    (name,) = store().hkeys("wv:lent-passwords")
    store().hset("wv:lent-passwords", name, "1")
    _no_grant(room)
    lending.recall()
    assert (sent, store().exists("wv:lent-passwords")) == ([], 0)


def test_a_display_without_a_password_lends_none(room: Room, sent: list[Any]) -> None:
    assert "password" not in _file(room, room.client(room.ann), room.ann, Screen("vnc", "kvm.example", 5900)).content.decode()
    assert store().exists("wv:lent-passwords") == 0
