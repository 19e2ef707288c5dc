"""VNC's protocol as far as the bridge speaks it: signing in on both sides, and what a watcher may send.

https://www.rfc-editor.org/rfc/rfc6143 and https://github.com/rfbproto/rfbproto (the extensions)
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from consoles.bridge.closing import Closing, Code
from consoles.bridge.tls import Trust

_VERSION = b"RFB 003.008\n"
_NONE, _PASSWORD = 1, 2
_VENCRYPT = 19
_ENCRYPTED = {_VENCRYPT: "VeNCrypt", 18: "TLS"}
# Of VeNCrypt: TLS with the display's certificate, and then nothing, or VNC's password. The kinds without a certificate prove nothing.
_X509_NONE, _X509_PASSWORD = 260, 261
_VENCRYPT_VERSION = b"\0\2"
_LONGEST_REASON = 1000

Receive = Callable[[int], bytes]
"""Exactly so many bytes, or an exception."""


class WrongPassword(Closing):
    """The display asks for a password that is not the one we know."""

    def __init__(self) -> None:
        super().__init__(Code.UNREACHABLE, "The display does not accept the password that its host told us.")


def sign_in(display: socket.socket, password: str, trust: Trust | None = None) -> socket.socket:
    """Greet the display as a client, up to where it waits for ClientInit; the socket to go on with. Raises WrongPassword, Closing.

    A display that encrypts must prove who it is, to `trust`; `display` is used up then.
    """
    receive = receiver(display)
    version = receive(12)
    if not version.startswith(b"RFB 003."):
        raise Closing(Code.UNREACHABLE, "The display does not speak VNC.")
    if version < b"RFB 003.007\n":
        raise Closing(Code.UNREACHABLE, "The display speaks a version of VNC that is too old.")
    say(display, min(version, _VERSION))
    offered = receive(receive(1)[0])
    if not offered:
        raise Closing(Code.UNREACHABLE, f"The display refuses: {_reason(receive)}")
    if trust and _VENCRYPT in offered:
        return _sign_in_within_tls(display, password, trust)
    if trust:
        trust.refuse_plain()
    if _NONE in offered:
        say(display, bytes([_NONE]))
        if version < _VERSION:
            return display
    elif _PASSWORD in offered:
        say(display, bytes([_PASSWORD]))
        say(display, answer(receive(16), password))
    else:
        names = ", ".join(_ENCRYPTED.get(kind, str(kind)) for kind in offered)
        raise Closing(Code.UNREACHABLE, f"The display demands an encryption that is not spoken here: {names}.")
    _hear_that_it_is_well(receive)
    return display


def _sign_in_within_tls(display: socket.socket, password: str, trust: Trust) -> socket.socket:
    """VeNCrypt: https://github.com/rfbproto/rfbproto/blob/master/rfbproto.rst#vencrypt"""
    receive = receiver(display)
    say(display, bytes([_VENCRYPT]))
    receive(2)
    say(display, _VENCRYPT_VERSION)
    if receive(1) != b"\0":
        raise Closing(Code.UNREACHABLE, "The display speaks another version of VeNCrypt.")
    offered = struct.unpack(f">{(count := receive(1)[0])}I", receive(4 * count))
    kind = next((kind for kind in (_X509_NONE, _X509_PASSWORD) if kind in offered), 0)
    if not kind:
        raise Closing(Code.UNREACHABLE, f"The display encrypts, but proves by no certificate who it is, or asks for more than a password (VeNCrypt {offered}).")
    say(display, struct.pack(">I", kind))
    if receive(1) != b"\1":
        raise Closing(Code.UNREACHABLE, "The display did not begin to encrypt.")
    secured = trust.wrap(display)
    try:
        receive = receiver(secured)
        if kind == _X509_PASSWORD:
            say(secured, answer(receive(16), password))
        _hear_that_it_is_well(receive)
    except BaseException:
        secured.close()
        raise
    return secured


def _hear_that_it_is_well(receive: Receive) -> None:
    if receive(4) != b"\0\0\0\0":
        raise WrongPassword


def let_in(send: Callable[[bytes], None], receive: Receive) -> None:
    """Greet the browser as a display that wants no password. Raises Closing for what is no VNC client."""
    send(_VERSION)
    version = receive(12)
    if version not in (_VERSION, b"RFB 003.007\n"):
        raise Closing(Code.NORMAL, "The browser does not speak this VNC.")
    send(bytes([1, _NONE]))
    if receive(1)[0] != _NONE:
        raise Closing(Code.NORMAL, "The browser does not speak this VNC.")
    if version == _VERSION:
        send(b"\0\0\0\0")


def client_init(_from_browser: bytes) -> bytes:
    """Shared, whatever was asked for: one person's screen must not throw out another's."""
    return b"\x01"


def answer(challenge: bytes, password: str) -> bytes:
    """DES with the password as key, the bits of each byte the other way round (RFC 6143, 7.2.2 and its errata)."""
    key = bytes(int(f"{byte:08b}"[::-1], 2) for byte in password.encode("latin-1", "replace")[:8].ljust(8, b"\0"))
    encryptor = Cipher(TripleDES(key * 3), modes.ECB()).encryptor()
    return encryptor.update(challenge) + encryptor.finalize()


def receiver(sock: socket.socket) -> Receive:
    def receive(size: int) -> bytes:
        got = b""
        while len(got) < size:
            try:
                part = sock.recv(size - len(got))
            except OSError as exc:
                raise _broken(exc) from exc
            if not part:
                raise Closing(Code.UNREACHABLE, "The display hung up.")
            got += part
        return got

    return receive


def say(sock: socket.socket, data: bytes) -> None:
    """To the display."""
    try:
        sock.sendall(data)
    except OSError as exc:
        raise _broken(exc) from exc


def _broken(exc: OSError) -> Closing:
    return Closing(Code.UNREACHABLE, "The display does not answer." if isinstance(exc, TimeoutError) else f"The display broke off: {exc.strerror or exc}.")


def _reason(receive: Receive) -> str:
    size = struct.unpack(">I", receive(4))[0]
    return receive(min(size, _LONGEST_REASON)).decode(errors="replace")


class WatcherSieve:
    """Lets through what only looks: formats, encodings, requests for pictures, the flow of them.

    Keys, pointer, clipboard, resizing and power are taken out. What it does not know ends the console: from then on it
    could not tell where a message begins. Feed it any chunks after ClientInit.
    """

    def __init__(self) -> None:
        self._held = bytearray()  # the head of a message that is not all there
        self._rest = 0  # bytes of the current message that are still to come
        self._keep = False

    def __call__(self, data: bytes) -> bytes:
        self._held += data
        passed = bytearray()
        while self._held:
            if not self._rest and not self._begin():
                break
            part = self._held[: self._rest]
            del self._held[: self._rest]
            self._rest -= len(part)
            if self._keep:
                passed += part
        return bytes(passed)

    def _begin(self) -> bool:
        """Look at the next message's head; False while too little of it is there."""
        kind = self._held[0]
        if kind not in _MESSAGES:
            raise Closing(Code.RIGHT_GONE, f"You may only watch: an unknown message ({kind}) was refused.")
        needed, size_of, self._keep = _MESSAGES[kind]
        if len(self._held) < needed:
            return False
        self._rest = size_of(self._held)
        return True


def _cut_text(head: bytearray) -> int:
    """A negative length marks the extended clipboard."""
    return 8 + abs(int.from_bytes(head[4:8], "big", signed=True))


def _fence(head: bytearray) -> int:
    if head[8] > 64:
        raise Closing(Code.RIGHT_GONE, "You may only watch: a wrong message was refused.")
    return 9 + head[8]


def _qemu(head: bytearray) -> int:
    """0: a key with its scan code; 1: sound."""
    if head[1] == 0:
        return 12
    if head[1] == 1:
        return 10 if struct.unpack(">H", head[2:4])[0] == 2 else 4
    raise Closing(Code.RIGHT_GONE, "You may only watch: an unknown message was refused.")


_DROP, _KEEP = False, True
# message: bytes of its head that tell the length, the length, whether a watcher may send it
_MESSAGES: dict[int, tuple[int, Callable[[bytearray], int], bool]] = {
    0: (1, lambda head: 20, _KEEP),  # SetPixelFormat
    2: (4, lambda head: 4 + 4 * struct.unpack(">H", head[2:4])[0], _KEEP),  # SetEncodings
    3: (1, lambda head: 10, _KEEP),  # FramebufferUpdateRequest
    4: (1, lambda head: 8, _DROP),  # KeyEvent
    5: (1, lambda head: 6, _DROP),  # PointerEvent
    6: (8, _cut_text, _DROP),  # ClientCutText
    150: (1, lambda head: 10, _KEEP),  # EnableContinuousUpdates
    248: (9, _fence, _KEEP),  # ClientFence
    250: (1, lambda head: 4, _DROP),  # xvp: power
    251: (8, lambda head: 8 + 16 * head[6], _DROP),  # SetDesktopSize
    255: (4, _qemu, _DROP),  # QEMU: keys, sound
}
