"""The websocket of a browser: websockify's, with limits on what a stranger may send, and without copies of ours on the way out."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from typing import Any, ClassVar

from websockify.websocket import WebSocketWantReadError, WebSocketWantWriteError
from websockify.websocketserver import HttpWebSocket

__all__ = ("BrowserSocket", "Garbage", "WebSocketWantReadError", "WebSocketWantWriteError")

LARGEST_FRAME = 1 << 20  # from a browser; a pasted text is the largest thing that one sends
_BINARY, _PING = 0x82, 0x89


class Garbage(Exception):
    """The browser sent what no websocket of ours sends."""


class BrowserSocket(HttpWebSocket):
    """Speaks to the browser. `heard_at`: when the last bytes came from it (monotonic seconds)."""

    subprotocol: ClassVar[str] = "binary"

    def __init__(self, handler: Any) -> None:
        super().__init__(handler)
        self.heard_at = time.monotonic()
        self._send_buffer = b""
        self._head, self._rest = b"", memoryview(b"")  # of the frame that is under way

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
        return bool(self._send_buffer) or bool(self._rest)

    def show(self, data: memoryview) -> None:
        """Send one message. What the network does not take at once is taken from `data` later, which must stay as it is while `is_congested`."""
        assert not self.is_congested
        self._head, self._rest = _head(len(data)), data
        self._pour()

    def _pour(self) -> None:
        """Of the frame that is under way, as much as the network takes."""
        with contextlib.suppress(BlockingIOError):
            while self._rest:
                sent = self.raw.sendmsg([self._head, self._rest]) if self._head else self.raw.send(self._rest)
                of_head = min(sent, len(self._head))
                self._head, self._rest = self._head[of_head:], self._rest[sent - of_head :]

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
        self._pour()
        if self._rest:
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
