"""The bridge in this process, with the real database, Redis and sockets. Only the hypervisor is left out: its place takes a display that speaks VNC.

tests/lab/consoles has the real ones.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from accounts.roles import Role
from consoles.bridge import reach
from consoles.bridge.closing import Closing, Code
from consoles.bridge.guard import Guard
from consoles.bridge.server import Bridge
from consoles.bridge.tls import Trust
from hosts.models import Host
from machines.models import Machine
from tests import consoles, inventory, tls_display
from tests.consoles import Door, Socket
from virt.connection import Credentials

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
HOST = "testserver"


@dataclass
class FakeDisplay:
    """Answers as QEMU does: a version, no password, a screen of 64×48. `heard`: what came after ClientInit."""

    heard: bytearray = field(default_factory=bytearray)
    sockets: list[socket.socket] = field(default_factory=list)
    context: ssl.SSLContext | None = None  # when it encrypts

    def connect(self) -> socket.socket:
        theirs, ours = socket.socketpair()
        threading.Thread(target=self._serve, args=(ours,), daemon=True).start()
        return theirs

    def hang_up(self) -> None:
        for each in self.sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _greet(self, link: socket.socket) -> socket.socket:
        if self.context:
            return tls_display.serve(link, self.context)
        link.sendall(b"RFB 003.008\n")
        link.recv(12, socket.MSG_WAITALL)
        link.sendall(b"\x01\x01")
        link.recv(1)
        link.sendall(b"\0\0\0\0")
        return link

    def _serve(self, link: socket.socket) -> None:
        try:
            link = self._greet(link)
            self.sockets.append(link)
            if link.recv(1) != b"\x01":  # not shared, or gone
                link.close()
            link.sendall(struct.pack(">HH16xI", 64, 48, 4) + b"fake")
            while data := link.recv(65536):
                self.heard += data
        except OSError:
            pass


@dataclass
class Room:
    """A machine that runs, its display, people, and the bridge."""

    bridge: Bridge
    display: FakeDisplay
    host: Host
    machine: Machine
    ann: User
    trust: list[Trust | None]

    def encrypt(self, folder: Path) -> None:
        """From now on the display does, and proves who it is."""
        authority = tls_display.Authority()
        self.display.context = authority.sign("kvm.example").server_context(folder)
        self.trust[0] = Trust("kvm.example", True, Credentials(ca_cert=authority.certificate))

    def client(self, user: User) -> Client:
        client = Client()
        client.force_login(user, backend=BACKEND)
        return client

    def door(self, client: Client | None, *, origin: str = f"http://{HOST}") -> Door:
        cookie = f"sessionid={client.cookies['sessionid'].value}" if client else ""
        return Door(("127.0.0.1", self.bridge.server_port), cookie, origin, HOST)

    def ask(self, client: Client, **wish: Any) -> dict[str, Any]:
        answer = client.post(f"/consoles/{self.machine.pk}/tickets/", {"kind": "vnc", **wish}, content_type="application/json")
        return {"status": answer.status_code, **answer.json()}

    def open(self, client: Client, **wish: Any) -> Socket:
        """A console, greeted."""
        asked = self.ask(client, **wish)
        assert asked["status"] == 201, asked
        console = Socket(self.door(client), asked["tickets"][0])
        assert consoles.greet(console).name == "fake"
        return console


@pytest.fixture(scope="module")
def bridge(redis: Path) -> Iterator[Bridge]:
    bridge = Bridge("127.0.0.1", 0, "test")
    guard = Guard(bridge.registry, bridge.handshakes)
    for work in (bridge.serve_forever, guard.run):
        threading.Thread(target=work, daemon=True).start()
    yield bridge
    bridge.registry.end_all()
    bridge.shutdown()
    bridge.server_close()
    guard.finish()


@pytest.fixture
def room(transactional_db: None, bridge: Bridge, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    settings.ALLOWED_HOSTS = [HOST]
    cache.clear()
    display = FakeDisplay()
    trust: list[Trust | None] = [None]
    monkeypatch.setattr(reach, "reach", lambda machine, kind: reach.Reached(display.connect(), 1, "", trust[0]))
    monkeypatch.setattr(reach, "why_gone", lambda machine, run: Closing(Code.STOPPED, "The machine stopped."))
    host = inventory.host(kind="socket", path="/none")
    machine = inventory.machine(host, graphics=[{"kind": "vnc", "listen": "socket"}])
    ann = inventory.person("ann", role=Role.CONSOLE, on=machine)
    yield Room(bridge, display, host, machine, ann, trust)
    display.hang_up()


@pytest.fixture
def people(room: Room) -> Callable[..., User]:
    return inventory.person
