"""A console as a browser opens it, by hand: tickets, the websocket byte by byte, and as much of VNC as a picture takes."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.websession import WebSession

PATH = "/consoles/socket/"
# Whether anything but black is drawn.
DRAWN = """() => { const canvas = document.querySelector('wv-console canvas');
  if (!canvas || !canvas.width) return false;
  const shown = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  return shown.some((value, at) => at % 4 < 3 && value > 90); }"""


class Refused(Exception):
    """The handshake was answered with something else than 101; `status` says what."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


class Closed(Exception):
    """The other side closed, with that code (1006: without a word)."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class Door:
    """Where and as whom to knock."""

    address: tuple[str, int]
    cookie: str
    origin: str
    host: str

    @classmethod
    def of(cls, web: WebSession) -> Door:
        host, _, port = web.address.partition(":")
        return cls((host, int(port)), web.cookie, f"http://{web.address}", web.address)


def ask(web: WebSession, machine_id: int, **wish: Any) -> dict[str, Any]:
    """The answer of the tickets page, with its `status`."""
    fields = {name: ("1" if value is True else "" if value is False else str(value)) for name, value in wish.items()}
    reply = web.post(f"/consoles/{machine_id}/tickets/", fields)
    return {"status": reply.status, **json.loads(reply.body)}


class Socket:
    """One websocket to the bridge. Blocking; a read that gets nothing for `seconds` raises TimeoutError."""

    def __init__(self, door: Door, ticket: str, *, seconds: float = 20.0, headers: Mapping[str, str] | None = None, path: str = PATH) -> None:
        self.raw = socket.create_connection(door.address, timeout=seconds)
        self.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = b""
        fields = {
            "Host": door.host,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Protocol": f"binary, ticket.{ticket}",
            **({"Origin": door.origin} if door.origin else {}),
            **({"Cookie": door.cookie} if door.cookie else {}),
            **(headers or {}),
        }
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        self.raw.sendall("\r\n".join(lines).encode())
        self._buffer = b""
        while b"\r\n\r\n" not in self._buffer:
            part = self.raw.recv(65536)
            if not part:
                raise Refused(0)
            self._buffer += part
        self.answer, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        status = int(self.answer.split()[1])
        if status != 101:
            self.close()
            raise Refused(status)

    def close(self) -> None:
        self.raw.close()

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, data: bytes, *, opcode: int = 2, fin: bool = True) -> None:
        """One masked frame."""
        mask = os.urandom(4)
        size = len(data)
        head = bytes([(0x80 if fin else 0) | opcode])
        head += bytes([0x80 | size]) if size < 126 else struct.pack(">BH", 0xFE, size) if size < 65536 else struct.pack(">BQ", 0xFF, size)
        key = (mask * (size // 4 + 1))[:size]
        masked = (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big") if size else b""
        self.raw.sendall(head + mask + masked)

    def receive(self) -> bytes:
        """The next message's bytes; raises Closed."""
        while True:
            opcode, data = self._frame()
            if opcode == 8:
                self.closed_with = data
                raise Closed(struct.unpack(">H", data[:2])[0] if len(data) > 1 else 1005, data[2:].decode())
            if opcode == 9:
                self.send(data, opcode=10)
            if opcode in (0, 2):
                return data

    def exactly(self, size: int) -> bytes:
        """So many bytes of the stream that the messages are."""
        while len(self.stream) < size:
            self.stream += self.receive()
        wanted, self.stream = self.stream[:size], self.stream[size:]
        return wanted

    def until(self, words: bytes) -> bytes:
        """The stream up to and with these words."""
        while words not in self.stream:
            self.stream += self.receive()
        end = self.stream.index(words) + len(words)
        wanted, self.stream = self.stream[:end], self.stream[end:]
        return wanted

    def farewell(self) -> Closed:
        """What the other side closes with, whatever it sends before."""
        try:
            while True:
                self.receive()
        except Closed as closed:
            return closed

    def _frame(self) -> tuple[int, bytes]:
        head = self._take(2)
        size = head[1] & 0x7F
        if size == 126:
            size = int(struct.unpack(">H", self._take(2))[0])
        elif size == 127:
            size = int(struct.unpack(">Q", self._take(8))[0])
        return head[0] & 0x0F, self._take(size)

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            try:
                part = self.raw.recv(1 << 18)
            except ConnectionResetError:
                part = b""
            if not part:
                raise Closed(1006)
            self._buffer += part
        wanted, self._buffer = self._buffer[:size], self._buffer[size:]
        return wanted


@dataclass(frozen=True)
class Screen:
    """What VNC says at the beginning."""

    width: int
    height: int
    name: str


def greet(console: Socket) -> Screen:
    """VNC's handshake, as noVNC speaks it."""
    assert console.exactly(12) == b"RFB 003.008\n"
    console.send(b"RFB 003.008\n")
    kinds = console.exactly(console.exactly(1)[0])
    assert kinds == b"\x01", "the browser is never asked for a password"
    console.send(b"\x01")
    assert console.exactly(4) == b"\0\0\0\0"
    console.send(b"\x00")  # "not shared": the bridge knows better
    width, height = struct.unpack(">HH", console.exactly(4))
    console.exactly(16)
    return Screen(width, height, console.exactly(struct.unpack(">I", console.exactly(4))[0]).decode())


def pixels(console: Socket, screen: Screen) -> bytes:
    """One whole picture, raw, 32 bits a pixel."""
    console.send(struct.pack(">BxHi", 2, 1, 0))  # encodings: raw
    console.send(struct.pack(">BBHHHH", 3, 0, 0, 0, screen.width, screen.height))
    picture = b""
    while len(picture) < screen.width * screen.height * 4:
        kind = console.exactly(1)[0]
        if kind == 2:  # bell
            continue
        assert kind == 0, kind
        for _ in range(struct.unpack(">xH", console.exactly(3))[0]):
            _x, _y, width, height, encoding = struct.unpack(">HHHHi", console.exactly(12))
            assert encoding == 0, encoding
            picture += console.exactly(width * height * 4)
    return picture
