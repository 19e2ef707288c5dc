"""SPICE as far as the bridge speaks it: the link of a channel, where it puts in the password, and what a watcher may send.

https://www.spice-space.org/spice-protocol.html; numbers from spice-protocol's enums.h
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from consoles.bridge.closing import Closing, Code
from consoles.bridge.rfb import Receive, receiver, say

_MAGIC = b"REDQ"
_HEAD = struct.Struct("<4sIII")  # magic, major, minor, size
_MESSAGE = struct.Struct("<IBBIII")  # connection id, channel type, channel id, common caps, channel caps, offset of caps
_REPLY = struct.Struct("<I162sIII")  # error, public key, common caps, channel caps, offset of caps
_LARGEST_LINK = 4096
_TICKET_BYTES = 128
_AUTH_SELECTION, _MINI_HEADER = 1 << 0, 1 << 3
_AUTH_SPICE = 1

MAIN, DISPLAY, INPUTS, CURSOR, PLAYBACK = 1, 2, 3, 4, 5
# Of the client's messages, by channel: acknowledgements, pongs, good-byes, and what only asks for pictures.
_ALWAYS = frozenset({1, 2, 3, 6})  # ACK_SYNC, ACK, PONG, DISCONNECTING
_A_WATCHER_MAY: dict[int, frozenset[int]] = {
    MAIN: _ALWAYS | {101, 104},  # CLIENT_INFO, ATTACH_CHANNELS; not: mouse mode, agent
    DISPLAY: _ALWAYS | {101, 102, 103, 104, 105},  # INIT, STREAM_REPORT, PREFERRED_COMPRESSION, GL_DRAW_DONE, PREFERRED_VIDEO_CODEC
    CURSOR: _ALWAYS,
    PLAYBACK: _ALWAYS,
}


def link(send: Callable[[bytes], None], from_browser: Receive, display: socket.socket, password: str, *, view_only: bool) -> WatcherSieve | None:
    """Carry the link of one channel, up to where its messages begin. The browser's own password, whatever it is, is thrown away.

    Returns what must stand between the two from then on. Raises Closing.
    """
    asked = _whole(from_browser, Code.NORMAL)
    channel, caps = _channel_and_caps(asked)
    if view_only and channel not in _A_WATCHER_MAY:
        raise Closing(Code.RIGHT_GONE, "You may only watch: this channel was refused.")
    say(display, asked)
    answered = _whole(receiver(display), Code.UNREACHABLE)
    send(answered)
    error, key, common, _channel, offset = _REPLY.unpack_from(answered, _HEAD.size) if len(answered) >= _HEAD.size + _REPLY.size else (1, b"", 0, 0, 0)
    if error:
        raise Closing(Code.UNREACHABLE, "The display refuses the link.")
    if caps & _AUTH_SELECTION:
        if struct.unpack("<I", from_browser(4))[0] != _AUTH_SPICE:
            raise Closing(Code.NORMAL, "The browser wants to sign in to the display in a way that is not spoken here.")
        say(display, struct.pack("<I", _AUTH_SPICE))
    from_browser(_TICKET_BYTES)
    say(display, ticket(key, password))
    if not view_only:
        return None
    theirs = _first_caps(answered[_HEAD.size :], common, offset)
    return WatcherSieve(channel, mini=bool(caps & theirs & _MINI_HEADER))


def ticket(key: bytes, password: str) -> bytes:
    """The password as the display wants it: RSA-OAEP with SHA-1, ended by a NUL."""
    public = load_der_public_key(key)
    if not isinstance(public, rsa.RSAPublicKey):
        raise Closing(Code.UNREACHABLE, "The display shows a key of an unknown kind.")
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)
    return public.encrypt(password.encode() + b"\0", oaep)


def _whole(receive: Receive, code: Code) -> bytes:
    """A link's head and body."""
    head = receive(_HEAD.size)
    magic, _major, _minor, size = _HEAD.unpack(head)
    if magic != _MAGIC or size > _LARGEST_LINK:
        raise Closing(code, "This is not SPICE.")
    return head + receive(size)


def _channel_and_caps(asked: bytes) -> tuple[int, int]:
    body = asked[_HEAD.size :]
    if len(body) < _MESSAGE.size:
        raise Closing(Code.NORMAL, "This is not SPICE.")
    _id, channel, _number, common, _channel_caps, offset = _MESSAGE.unpack_from(body)
    return channel, _first_caps(body, common, offset)


def _first_caps(body: bytes, count: int, offset: int) -> int:
    return int(struct.unpack_from("<I", body, offset)[0]) if count and offset + 4 <= len(body) else 0


class WatcherSieve:
    """Lets through the messages of a channel that only look; any other is taken out. Feed it any chunks."""

    def __init__(self, channel: int, *, mini: bool) -> None:
        self._may = _A_WATCHER_MAY[channel]
        self._head = struct.Struct("<HI") if mini else struct.Struct("<QHII")
        self._held = bytearray()
        self._rest = 0
        self._keep = False

    def __call__(self, data: bytes) -> bytes:
        self._held += data
        passed = bytearray()
        while self._held:
            if not self._rest:
                if len(self._held) < self._head.size:
                    break
                self._begin()
            part = self._held[: self._rest]
            del self._held[: self._rest]
            self._rest -= len(part)
            if self._keep:
                passed += part
        return bytes(passed)

    def _begin(self) -> None:
        fields = self._head.unpack_from(self._held)
        kind, size = fields[-2:] if len(fields) == 2 else fields[1:3]
        # Messages may hold others (sub_list): a channel's client sends none.
        self._keep = kind in self._may and (len(fields) == 2 or not fields[3])
        self._rest = self._head.size + size
