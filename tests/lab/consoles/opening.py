"""Consoles of machines in the lab, opened through the stack."""

from __future__ import annotations

import struct
from typing import Any

from tests import consoles
from tests.stack import Stack
from tests.waiting import wait_until


def open_console(stack: Stack, machine: str, **wish: Any) -> consoles.Socket:
    asked = consoles.ask(stack.web, stack.machine(machine)["id"], **{"kind": "vnc", **wish})
    assert asked["status"] == 201, asked
    return consoles.Socket(consoles.Door.of(stack.web), asked["tickets"][0])


def link_spice(console: consoles.Socket, *, channel: int, connection: int = 0) -> int:
    """The link of a channel as spice-html5 makes it; the display's word on it, 0 for yes."""
    caps = (1 << 0) | (1 << 3)
    body = struct.pack("<IBBIIII", connection, channel, 0, 1, 0, 18, caps)
    console.send(struct.pack("<4sIII", b"REDQ", 2, 2, len(body)) + body)
    magic, _major, _minor, size = struct.unpack("<4sIII", console.exactly(16))
    assert magic == b"REDQ"
    assert struct.unpack_from("<I", console.exactly(size))[0] == 0
    console.send(struct.pack("<I", 1) + b"\x2a" * 128)
    return int(struct.unpack("<I", console.exactly(4))[0])


def wait_known(stack: Stack, name: str) -> None:
    wait_until(f"{name} is known", lambda: stack.machine(name)["state"] == "running" and stack.machine(name)["graphics"] != "[]", seconds=30)
