"""SECURITY, promise 1: whatever a stranger, a colleague or a page elsewhere sends, with raw sockets."""

from __future__ import annotations

import socket
import struct
import time
from typing import Any

import pytest

from accounts import tokens
from accounts.models import AuditEntry, Grant
from accounts.roles import Role
from consoles import sessions, tickets
from consoles.bridge import server
from consoles.models import ConsoleSession
from live.metrics import store
from machines.models import Machine, State
from tests import consoles, inventory
from tests.consoles import Closed, Door, Refused, Socket
from tests.integration.consoles.conftest import HOST, Room
from tests.waiting import wait_until


def test_a_console_from_ticket_to_audit(room: Room) -> None:
    client = room.client(room.ann)
    asked = room.ask(client)
    assert {name: asked[name] for name in ("status", "socket", "expires_in", "view_only")} == {
        "status": 201, "socket": "/consoles/socket/", "expires_in": 30, "view_only": False,
    }  # fmt: skip
    with Socket(room.door(client), asked["tickets"][0]) as console:
        assert b"Sec-WebSocket-Protocol: binary\r\n" in console.answer + b"\r\n"
        assert asked["tickets"][0].encode() not in console.answer
        consoles.greet(console)
        console.send(struct.pack(">BBxxI", 4, 1, ord("a")))
        wait_until("the key is there", lambda: bytes(room.display.heard) == struct.pack(">BBxxI", 4, 1, ord("a")))
        (row,) = ConsoleSession.objects.all()
        assert (row.person, row.address, row.closed_at, row.key) == ("ann", "127.0.0.1", None, asked["session"])
        people = client.get(f"/consoles/{room.machine.pk}/state/").json()["people"]
        assert [(each["username"], each["me"], each["view_only"]) for each in people] == [("ann", True, False)]
    wait_until("it is closed", lambda: ConsoleSession.objects.exclude(closed_at=None).exists())
    opened, closed = AuditEntry.objects.filter(action__startswith="consoles.").order_by("id")
    assert (opened.action, opened.actor, opened.address, opened.subject) == ("consoles.opened", "ann", "127.0.0.1", room.machine.name)
    assert closed.action == "consoles.closed"
    assert closed.detail["bytes typed"] == 8
    assert asked["tickets"][0] not in str(list(AuditEntry.objects.values()))


def test_a_ticket_is_used_once(room: Room) -> None:
    client = room.client(room.ann)
    ticket = room.ask(client)["tickets"][0]
    with Socket(room.door(client), ticket) as console:
        consoles.greet(console)
        assert _code(room.door(client), ticket) == 4401


def test_a_ticket_dies_after_half_a_minute(room: Room) -> None:
    client = room.client(room.ann)
    ticket = room.ask(client)["tickets"][0]
    assert 0 < store().ttl(tickets._name(ticket)) <= 30
    store().pexpire(tickets._name(ticket), 1)
    time.sleep(0.01)
    assert _code(room.door(client), ticket) == 4401


def test_a_ticket_is_for_the_sign_in_that_asked(room: Room) -> None:
    """Not for another person, not for the same person elsewhere, not for nobody; and trying uses it up."""
    client, elsewhere, root = room.client(room.ann), room.client(room.ann), room.client(inventory.person("root", administrator=True))
    for other in (elsewhere, root, None):
        ticket = room.ask(client)["tickets"][0]
        assert _code(room.door(other), ticket) == 4401
        assert _code(room.door(client), ticket) == 4401
    assert not ConsoleSession.objects.exists()
    assert AuditEntry.objects.filter(action="consoles.refused", actor="ann").count() == 3


@pytest.mark.parametrize(
    "origin", ["", "null", "http://testserver:81", "https://testserver:80", "http://evil.example", "http://testserver.evil.example", "http://xtestserver"]
)
def test_pages_elsewhere_are_not_let_in(origin: str, room: Room) -> None:
    client = room.client(room.ann)
    ticket = room.ask(client)["tickets"][0]
    with pytest.raises(Refused) as refused:
        Socket(room.door(client, origin=origin), ticket)
    assert refused.value.status == 403


@pytest.mark.parametrize("ticket", ["", "x", "x" * 43, "x" * 5000, "../../x", "*", "\xe9"])
def test_what_is_no_ticket(ticket: str, room: Room) -> None:
    assert _code(room.door(room.client(room.ann)), ticket) == 4401


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda room: Grant.objects.all().delete(), 4403),
        (lambda room: Grant.objects.update(role=Role.VIEWER), 4403),
        (lambda room: type(room.ann).objects.update(is_active=False), 4403),
        (lambda room: Machine.objects.update(state=State.OFF), 4409),
        (lambda room: Machine.objects.update(host=inventory.host("other")), 4403),
        (lambda room: (Grant.objects.update(scope="fleet", object_id=0), Machine.objects.update(host=inventory.host("other"))), 4409),
    ],
    ids=["right gone", "may only watch now", "disabled", "stopped", "moved away from the right", "moved"],
)
def test_what_changed_between_ticket_and_socket_counts(change: Any, code: int, room: Room) -> None:
    if code == 4403:
        Grant.objects.update(scope="host", object_id=room.host.pk)
    client = room.client(room.ann)
    ticket = room.ask(client)["tickets"][0]
    change(room)
    assert _code(room.door(client), ticket) == code
    assert not room.display.sockets, "its display was not even asked"


def test_tickets_of_foreign_machines_and_for_more_than_one_may(room: Room) -> None:
    other = inventory.machine(room.host, "other", graphics=[{"kind": "vnc"}])
    client = room.client(room.ann)
    assert client.post(f"/consoles/{other.pk}/tickets/", {"kind": "vnc"}).status_code == 404
    watcher = room.client(inventory.person("watcher", role=Role.VIEWER, on=room.machine))
    assert room.ask(watcher)["status"] == 403
    assert room.ask(watcher, view_only=True)["status"] == 201
    for wish in ({"kind": "rdp"}, {"kind": "spice"}, {"kind": "serial"}, {"count": 9}, {"count": 0}, {"session": "0" * 32}):
        assert room.ask(client, **wish)["status"] == 409, wish
    for wish in ({"count": "x"}, {"kind": ["vnc"]}, {"serial_port": -1}, {"share": "x" * 5000}):
        assert room.ask(client, **wish)["status"] == 400, wish


def test_another_persons_session_is_not_joined(room: Room) -> None:
    bob = room.client(inventory.person("bob", role=Role.CONSOLE, on=room.machine))
    with room.open(room.client(room.ann)):
        key = ConsoleSession.objects.get().key
        assert room.ask(bob, session=key)["status"] == 409


def test_a_watcher_with_raw_sockets_reaches_nothing(room: Room) -> None:
    watcher = room.client(inventory.person("watcher", role=Role.VIEWER, on=room.machine))
    update = struct.pack(">BBHHHH", 3, 1, 0, 0, 64, 48)
    with room.open(watcher, view_only=True) as console:
        for message in (
            struct.pack(">BBxxI", 4, 1, 0xFFFF),
            struct.pack(">BBHH", 5, 1, 3, 3),
            struct.pack(">BxxxI", 6, 5) + b"hello",
            struct.pack(">BBHII", 255, 0, 1, 0x61, 30),
            struct.pack(">BxBB", 250, 1, 4),
            struct.pack(">BxHHBx", 251, 800, 600, 1) + bytes(16),
            update,
        ):
            for byte in message:
                console.send(bytes([byte]))
        wait_until("the question for a picture is there", lambda: bytes(room.display.heard) == update)
        console.send(b"\x4d" * 20)
        assert console.farewell().code == 4403
    assert bytes(room.display.heard) == update


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300),
        b"GET /consoles/socket/ HTTP/1.1\r\nHost: testserver\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: testserver\r\n\r\n",
        b"POST /consoles/socket/ HTTP/1.1\r\nHost: testserver\r\nContent-Length: 5\r\n\r\nhello",
        b"GET " + b"/x" * 60_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /consoles/socket/ HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(500)) + b"\r\n",
        b"GET /consoles/socket/ HTTP/1.1\r\nUpgrade: websocket\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET /consoles/socket/?ticket=x HTTP/1.1\r\nHost: testserver\r\nOrigin: http://testserver\r\nUpgrade: websocket\r\n\r\n",
        b"GET /consoles/socket/ HTTP/1.1\r\nHost: testserver\r\nOrigin: http://testserver\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 99\r\n\r\n",
    ],
)
def test_garbage_instead_of_a_handshake(request_: bytes, room: Room) -> None:
    with socket.create_connection(("127.0.0.1", room.bridge.server_port), timeout=10) as raw:
        answer = b""
        try:
            raw.sendall(request_)
            raw.shutdown(socket.SHUT_WR)
            while part := raw.recv(65536):
                answer += part
        except OSError:  # it has hung up already
            pass
    assert b" 101 " not in answer
    assert b"Traceback" not in answer
    assert not ConsoleSession.objects.exists()
    with room.open(room.client(room.ann)):
        pass


@pytest.mark.parametrize(("opcode", "data"), [(1, b"text"), (3, b"unknown"), (2, None)], ids=["text", "unknown opcode", "a frame of 2^40 bytes"])
def test_garbage_in_frames_ends_that_console_alone(opcode: int, data: bytes | None, room: Room) -> None:
    client = room.client(room.ann)
    with room.open(client) as other, room.open(client) as console:
        if data is None:
            console.raw.sendall(b"\x82" + bytes([0x80 | 127]) + struct.pack(">Q", 2**40) + bytes(4))
        else:
            console.send(data, opcode=opcode)
        assert console.farewell().code in (1000, 1003, 1002)
        other.send(b"\x03" + bytes(9))
        wait_until("the other goes on", lambda: bytes(room.display.heard) == b"\x03" + bytes(9))


def test_who_drips_a_handshake_is_shown_out(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_HANDSHAKE_SECONDS", 1.0)
    with socket.create_connection(("127.0.0.1", room.bridge.server_port), timeout=10) as raw:
        began = time.monotonic()
        with pytest.raises(OSError):
            for _ in range(100):
                raw.sendall(b"G")
                time.sleep(0.1)
        assert time.monotonic() - began < 8


def test_many_who_say_nothing_keep_nobody_out_for_long(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_HANDSHAKE_SECONDS", 1.0)
    monkeypatch.setattr(server, "_MOST_HANDSHAKES", 8)
    silent = [socket.create_connection(("127.0.0.1", room.bridge.server_port)) for _ in range(20)]
    client = room.client(room.ann)
    wait_until("somebody is let in", lambda: room.open(client).close() or True)
    for each in silent:
        each.close()


def test_limits(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MOST_OF_A_PERSON", 1)
    client = room.client(room.ann)
    first, second = room.ask(client)["tickets"][0], room.ask(client)["tickets"][0]
    with Socket(room.door(client), first) as console:
        consoles.greet(console)
        assert _code(room.door(client), second) == 4429
        asked = room.ask(client)
        assert (asked["status"], "Close one first" in asked["error"]) == (409, True)
        monkeypatch.setattr(sessions, "MOST_OF_A_PERSON", 9)
        monkeypatch.setattr("consoles.bridge.registry.MOST", 1)
        assert _code(room.door(client), room.ask(client)["tickets"][0]) == 4429


def test_a_flood_of_questions_for_tickets_is_refused(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consoles.actions._MOST_A_MINUTE", 3)
    client = room.client(room.ann)
    assert [room.ask(client)["status"] for _ in range(5)] == [201, 201, 201, 409, 409]


def test_a_program_comes_with_its_token(room: Room) -> None:
    """By the API: no cookie, no origin; the same token must come along, and a browser's page can't send one."""
    token, other = tokens.create(room.ann, "script"), tokens.create(room.ann, "other")
    client = room.client(room.ann)

    def ask() -> str:
        path = f"/api/v1/machines/{room.machine.pk}/console"
        answer = client.post(path, {"kind": "vnc"}, content_type="application/json", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 201, answer.content
        return str(answer.json()["tickets"][0])

    nowhere = Door(("127.0.0.1", room.bridge.server_port), "", "", HOST)
    with Socket(nowhere, ask(), headers={"Authorization": f"Bearer {token}"}) as console:
        consoles.greet(console)
        assert _code(nowhere, ask(), {"Authorization": f"Bearer {other}"}) == 4401
        assert _code(room.door(client), ask()) == 4401, "the cookie of the same person is not the token"
        room.ann.tokens.filter(name="script").delete()
        assert console.farewell().code == 4403


def _code(door: Door, ticket: str, headers: dict[str, str] | None = None) -> int:
    """With what a socket with that ticket is closed."""
    try:
        with Socket(door, ticket, headers=headers) as console:
            consoles.greet(console)
    except Closed as closed:
        return closed.code
    return 0
