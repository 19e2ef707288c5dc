"""Displays that encrypt, by a fake one on real sockets: believed with a certificate of the host's authority alone; directly nothing goes in the clear."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from consoles.bridge import rfb
from consoles.bridge.closing import Closing, Code
from consoles.bridge.tls import TlsSocket, Trust
from tests import tls_display
from tests.tls_display import X509_NONE, X509_PASSWORD, Authority
from tests.waiting import wait_until
from virt.connection import Credentials
from virt.errors import Invalid
from virt.tls import client_context

NAME = "kvm-07.example"
AUTHORITY, STRANGER = Authority(), Authority("authority")  # of the same name: the key counts
Display = Callable[..., socket.socket]


def trust(*, demanded: bool = True, name: str = NAME) -> Trust:
    return Trust(name, demanded, Credentials(ca_cert=AUTHORITY.certificate))


@pytest.fixture
def display(tmp_path: Path) -> Iterator[Display]:
    """Makes a connection to a display that runs `deed(link)`; what it raises is what the client's refusal looks like from there."""
    threads: list[threading.Thread] = []

    def connect(deed: Callable[[socket.socket], Any]) -> socket.socket:
        ours, theirs = socket.socketpair()
        ours.settimeout(5)

        def run() -> None:
            with theirs, contextlib.suppress(OSError):
                deed(theirs)

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        return ours

    yield connect
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()


def context_of(folder: Path, authority: Authority = AUTHORITY, name: str = NAME, **more: Any) -> ssl.SSLContext:
    return authority.sign(name, **more).server_context(folder)


@pytest.mark.parametrize("name", [NAME, "192.0.2.7", "2001:db8::7"])
def test_a_display_that_proves_who_it_is(name: str, display: Display, tmp_path: Path) -> None:
    context, heard = context_of(tmp_path, name=name), []

    def deed(link: socket.socket) -> None:
        with tls_display.serve(link, context) as secured:
            heard.append(secured.recv(1))
            secured.sendall(b"screen")

    with rfb.sign_in(display(deed), "", trust(name=name)) as secured:
        secured.sendall(rfb.client_init(b"\0"))
        assert secured.recv(6) == b"screen"
        assert isinstance(secured, TlsSocket)
    assert heard == [b"\1"]


@pytest.mark.parametrize(("password", "is_right"), [("geheim", True), ("falsch", False)])
def test_its_password_is_asked_within(password: str, is_right: bool, display: Display, tmp_path: Path) -> None:
    context = context_of(tmp_path)
    link = display(lambda link: tls_display.serve(link, context, kinds=(X509_PASSWORD,), password="geheim").close())
    if is_right:
        rfb.sign_in(link, password, trust()).close()
    else:
        with pytest.raises(rfb.WrongPassword):
            rfb.sign_in(link, password, trust())


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        ({"authority": STRANGER}, "not trusted"),
        ({"name": "kvm-08.example"}, "Hostname mismatch"),
        ({"valid": dt.timedelta(days=-1)}, "expired"),
    ],
)
def test_a_certificate_that_proves_nothing_ends_it_before_anything_is_said(certificate: Any, words: str, display: Display, tmp_path: Path) -> None:
    context, said = context_of(tmp_path, **certificate), []

    def deed(link: socket.socket) -> None:
        try:
            said.append(tls_display.serve(link, context, kinds=(X509_PASSWORD,)))
        except OSError:
            said.append(link.recv(1))
            raise

    link = display(deed)
    with pytest.raises(Closing, match=words) as caught:
        rfb.sign_in(link, "geheim", trust())
    assert caught.value.code == Code.UNREACHABLE
    assert link.fileno() == -1, "nothing goes on in the clear"
    assert said in ([], [b""])


@pytest.mark.parametrize("kinds", [(256,), (257, 258), (259,), (262, 263), ()])
def test_encryption_without_a_certificate_is_refused(kinds: tuple[int, ...], display: Display) -> None:
    """By which anybody in between could be the display."""
    heard = [b"the version"]

    def deed(link: socket.socket) -> None:
        link.sendall(b"RFB 003.008\n")
        link.recv(12)
        link.sendall(b"\x01\x13" + b"\0\2" + struct.pack(f">BB{len(kinds)}I", 0, len(kinds), *kinds))
        while heard[-1]:
            heard.append(link.recv(16))

    with display(deed) as link, pytest.raises(Closing, match="by no certificate"):
        rfb.sign_in(link, "geheim", trust())
    wait_until("it has heard all", lambda: not heard[-1])
    assert b"".join(heard[1:]) == b"\x13\0\2"


def _in_the_clear(link: socket.socket, offered: bytes = b"\x01\x01") -> None:
    link.sendall(b"RFB 003.008\n")
    link.recv(12)
    link.sendall(offered)
    if link.recv(1) == b"\x01":
        link.sendall(b"\0\0\0\0")
        link.recv(1)


@pytest.mark.parametrize("offered", [b"\x01\x01", b"\x02\x02\x01", b"\x01\x02"])
def test_a_display_in_the_clear_is_refused_directly(offered: bytes, display: Display) -> None:
    with display(lambda link: _in_the_clear(link, offered)) as link, pytest.raises(Closing, match=r"is not encrypted.*let consoles go through SSH"):
        rfb.sign_in(link, "geheim", trust())


def test_and_taken_within_a_tunnel(display: Display) -> None:
    with display(_in_the_clear) as link:
        assert rfb.sign_in(link, "", trust(demanded=False)) is link


def test_without_a_known_authority_it_is_not_believed(display: Display) -> None:
    with display(lambda link: _in_the_clear(link, b"\x01\x13")) as link, pytest.raises(Closing, match="not spoken here: VeNCrypt"):
        rfb.sign_in(link, "")


@pytest.mark.parametrize(
    "said", [b"RFB 003.008\n\x01\x13\0\2\1", b"RFB 003.008\n\x01\x13\0\2\0\1" + struct.pack(">I", X509_NONE) + b"\0", b"RFB 003.008\n\x01\x13"]
)
def test_one_that_breaks_off_is_told_of(said: bytes, display: Display) -> None:
    with display(lambda link: link.sendall(said)) as link, pytest.raises(Closing) as caught:
        rfb.sign_in(link, "", trust())
    assert caught.value.code == Code.UNREACHABLE


def test_one_that_falls_silent_is_told_of(display: Display) -> None:
    over = threading.Event()

    def deed(link: socket.socket) -> None:
        link.sendall(b"RFB 003.008\n\x01\x13\0\2\0\1" + struct.pack(">I", X509_NONE) + b"\1")
        over.wait(5)

    link = display(deed)
    link.settimeout(0.2)
    with pytest.raises(Closing, match="fell silent"):
        rfb.sign_in(link, "", trust())
    over.set()


def test_a_display_that_wants_to_know_who_we_are_is_shown_the_hosts_client_certificate(display: Display, tmp_path: Path) -> None:
    """QEMU's vnc_tls_x509_verify."""
    context, client = context_of(tmp_path), AUTHORITY.sign("webvirt")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=AUTHORITY.certificate)
    given = Credentials(ca_cert=AUTHORITY.certificate, client_cert=client.certificate, client_key=client.key)
    rfb.sign_in(display(lambda link: tls_display.serve(link, context).close()), "", Trust(NAME, True, given)).close()
    with pytest.raises(Closing):
        rfb.sign_in(display(lambda link: tls_display.serve(link, context).close()), "", trust())


def test_certificates_that_cant_be_used_are_told_of() -> None:
    with pytest.raises(Invalid, match="can't be used"):
        client_context("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(Invalid, match="authority"):
        client_context("")
