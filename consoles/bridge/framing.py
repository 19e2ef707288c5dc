"""The websocket of a browser: websockify's, with limits on what a stranger may send, and without copies on the way out."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from typing import Any, ClassVar

from websockify.websocket import WebSocketWantReadError, WebSocketWantWriteError
from websockify.websocketserver import HttpWebSocket

from consoles.bridge.pipe import Pipe

__all__ = ("BrowserSocket", "Garbage", "WebSocketWantReadError", "WebSocketWantWriteError")

LARGEST_FRAME = 1 << 20  # from a browser; a pasted text is the largest thing that one sends
_BINARY, _PING = 0x82, 0x89


class Garbage(Exception):
    """The browser sent what no websocket of ours sends."""


class BrowserSocket(HttpWebSocket):
    """Speaks to the browser. `heard_at`: when the last bytes came from it (monotonic seconds).

    `pipe`: while the display says much, its way here.
    """

    subprotocol: ClassVar[str] = "binary"

    def __init__(self, handler: Any) -> None:
        super().__init__(handler)
        self.heard_at = time.monotonic()
        self._send_buffer = b""
        self.pipe: Pipe | None = None
        self._before = b""

    def select_subprotocol(self, protocols: list[str]) -> str:
        """Never the ticket, which stands beside it."""
        return self.subprotocol

    @property
    def raw(self) -> socket.socket:
        assert self.socket is not None
        return self.socket  # type: ignore[no-any-return]

    @property
    def is_congested(self) -> bool:
        """Whether bytes wait for the browser to take them."""
        return bool(self._send_buffer) or self._is_pouring

    @property
    def _is_pouring(self) -> bool:
        """A frame is under way whose rest is in the pipe: nothing else may go before it."""
        return self.pipe is not None and self.pipe.held > 0

    def show(self, data: memoryview) -> None:
        """Send one message; what the network does not take at once waits in the buffer."""
        if self.is_congested:
            self._send_buffer += _head(len(data)) + bytes(data)
            return
        head = _head(len(data))
        try:
            sent = self.raw.sendmsg([head, data])
        except BlockingIOError:
            sent = 0
        if sent < len(head):
            self._send_buffer = head[sent:] + bytes(data)
        elif sent < len(head) + len(data):
            self._send_buffer = bytes(data[sent - len(head) :])

    def show_piped(self, size: int) -> None:
        """Send one message, all that `pipe` holds; what the network does not take at once stays there. Nothing may wait before it."""
        self._before = _head(size)
        self._pour()

    def open_pipe(self) -> Pipe:
        self.pipe = Pipe()
        return self.pipe

    def close_pipe(self) -> None:
        if self.pipe:
            self.pipe.close()
            self.pipe = None

    def _pour(self) -> None:
        """The head of the frame that is under way, and its rest."""
        assert self.pipe
        with contextlib.suppress(BlockingIOError):
            while self._before:
                self._before = self._before[self.raw.send(self._before, socket.MSG_MORE) :]
            self.pipe.pour(self.raw.fileno())

    def flush(self) -> None:
        """Send what waits, as far as the network takes it."""
        with contextlib.suppress(WebSocketWantWriteError):
            self._flush()

    def messages(self) -> list[bytes] | None:
        """What the browser has sent by now; None when it has gone. Raises Garbage."""
        found: list[bytes] = []
        try:
            while True:
                message = self.recvmsg()
                if message is None:
                    return found or None
                self.heard_at = time.monotonic()
                if message:
                    found.append(message)
                if not self.pending():
                    return found
        except WebSocketWantReadError:
            self.heard_at = time.monotonic()
            return None if self._sent_close else found
        except WebSocketWantWriteError:
            return found

    def knock(self) -> None:
        """Ping: the answer shows that the browser still lives."""
        if not self.is_congested:
            self._send_buffer = struct.pack(">BB", _PING, 0)
            self.flush()

    def bid_farewell(self, code: int, words: str) -> None:
        """The closing frame, with the reason (123 bytes at most)."""
        reason = words.encode()[:120].decode(errors="ignore")
        with contextlib.suppress(WebSocketWantWriteError, OSError):
            self.shutdown(socket.SHUT_RDWR, code, reason)

    def _flush(self) -> None:
        """Whatever websockify sends (its own buffer) comes after the frame that is under way."""
        if self._is_pouring:
            self._pour()
        if self._is_pouring:
            raise WebSocketWantWriteError
        super()._flush()

    def _decode_hybi(self, buf: bytes) -> dict[str, Any] | None:
        if _announced(buf) > LARGEST_FRAME or len(self._partial_msg) > LARGEST_FRAME:
            raise Garbage("a frame is too large")
        frame: dict[str, Any] | None = super()._decode_hybi(buf)
        if frame and frame["opcode"] == 0x1:
            raise Garbage("text, where bytes are spoken")
        return frame

    def _unmask(self, buf: bytes, mask: bytes) -> bytes:
        """By one XOR of two large numbers."""
        size = len(buf)
        key = (mask * (size // 4 + 1))[:size]
        return (int.from_bytes(buf, "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")


def _announced(buf: bytes) -> int:
    """The length that a frame's head tells; 0 while it is not all there (RFC 6455, 5.2)."""
    if len(buf) < 2:
        return 0
    length = buf[1] & 0x7F
    if length == 126 and len(buf) >= 4:
        return int.from_bytes(buf[2:4], "big")
    if length == 127 and len(buf) >= 10:
        return int.from_bytes(buf[2:10], "big")
    return length if length < 126 else 0


def _head(length: int) -> bytes:
    if length <= 125:
        return struct.pack(">BB", _BINARY, length)
    if length < 1 << 16:
        return struct.pack(">BBH", _BINARY, 126, length)
    return struct.pack(">BBQ", _BINARY, 127, length)
