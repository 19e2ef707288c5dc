"""What a browser and other servers say, read strictly: ranges, digests, addresses."""

from __future__ import annotations

import base64
import hashlib
import http.server
import ipaddress
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from hosts.storage.transfers import digests, outward, ranges
from hosts.storage.transfers.outward import LinkBroken
from hosts.storage.transfers.ranges import Span
from virt.errors import Invalid


@pytest.mark.parametrize(
    ("header", "size", "span"),
    [
        ("", 100, Span(0, 100)),
        ("bytes=0-9", 100, Span(0, 10)),
        ("bytes=90-", 100, Span(90, 10)),
        ("bytes=90-1000", 100, Span(90, 10)),
        ("bytes=-10", 100, Span(90, 10)),
        ("bytes=-1000", 100, Span(0, 100)),
        ("bytes=100-", 100, None),
        ("bytes=-0", 100, None),
        ("bytes=0-0", 0, None),
        # what is not understood, or has several parts, is ignored
        ("bytes=5-4", 100, Span(0, 100)),
        ("bytes=0-1,5-6", 100, Span(0, 100)),
        ("bytes=-", 100, Span(0, 100)),
        ("lines=1-2", 100, Span(0, 100)),
        ("bytes=1-" + "9" * 30, 100, Span(0, 100)),
        ("", 0, Span(0, 0)),
    ],
)
def test_ranges(header: str, size: int, span: Span | None) -> None:
    assert ranges.span_of(*ranges.read(header), size) == span


def test_digests_are_read_as_they_are_copied() -> None:
    digits = hashlib.sha256(b"x").hexdigest()
    for text in (digits, digits.upper(), f"sha256:{digits}", f"SHA-256:{digits}", f"  {digits}  debian.iso\n"):
        assert digests.read(text) == f"sha256:{digits}"
    assert digests.read(hashlib.sha512(b"x").hexdigest()).startswith("sha512:")
    assert digests.read("  ") == ""
    for text in ("1234", digits[:-1], f"md5:{digits}", "g" * 64, f"sha512:{digits}"):
        with pytest.raises(Invalid):
            digests.read(text)


def test_checksums_of_chunks() -> None:
    value = hashlib.sha1(b"x").digest()
    assert digests.of_header(f"sha1 {base64.b64encode(value).decode()}") == ("sha1", value)
    assert digests.of_header("") is None
    for text in ("md5 AAAA", "sha1 !!!", "sha256 " + base64.b64encode(value).decode(), "sha1"):
        with pytest.raises(Invalid):
            digests.of_header(text)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://mirror.example/a.iso",
        "file:///etc/passwd",
        "gopher://x/",
        "//mirror.example/a.iso",
        "https://",
        "https://user:secret@mirror.example/a.iso",
        "https://@mirror.example/a.iso",
        "https://mirror.example:0/a.iso",
        "https://mirror.example:99999/a.iso",
        "https://mirror.example/a b.iso",
        "https://mirror.example/a\nX-Header: 1",
        "https://[::1/a.iso",
        "https://mirror.example/" + "a" * 3000,
        "",
    ],
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(Invalid):
        outward.check_url(url)


INSIDE = [
    "127.0.0.1",
    "127.8.9.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "255.255.255.255",
    "224.0.0.1",
    "::1",
    "::",
    "fe80::1",
    "fd00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2002:a00:1::1",
]


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_inside_is_not_reached(address: str, settings: Any) -> None:
    settings.FETCH_ALLOWED = []
    assert not outward.may_reach("innocent.example", ipaddress.ip_address(address))


def test_the_open_internet_is_and_what_an_administrator_allowed(settings: Any) -> None:
    settings.FETCH_ALLOWED = []
    for address in ("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::5db8:d70e"):
        assert outward.may_reach("x.example", ipaddress.ip_address(address))
    settings.FETCH_ALLOWED = ["10.20.0.0/16", "mirror.lan", ".corp.example", "fd00::/8"]
    allowed = [("x", "10.20.3.4"), ("mirror.lan", "192.168.1.1"), ("a.corp.example", "127.0.0.1"), ("x", "fd00::1"), ("x", "::ffff:10.20.3.4")]
    refused = [("x", "10.21.3.4"), ("mirror.lan.evil.example", "192.168.1.1"), ("evilcorp.example", "127.0.0.1"), ("x", "127.0.0.1")]
    assert all(outward.may_reach(host, ipaddress.ip_address(address)) for host, address in allowed)
    assert not any(outward.may_reach(host, ipaddress.ip_address(address)) for host, address in refused)


class _Server(http.server.BaseHTTPRequestHandler):
    """A mirror with one file, and some traps."""

    data = bytes(range(256)) * 5000
    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        port = self.server.server_address[1]
        moved = {
            "/moved": "/file.iso",
            "/inside": f"http://localhost:{port}/file.iso",
            "/meta": "http://169.254.169.254/latest/",
            "/loop": "/loop",
            "/odd": "file:///etc/passwd",
        }
        if self.path in moved:
            self.send_response(302)
            self.send_header("Location", moved[self.path])
            self.end_headers()
        elif self.path == "/unsized":
            self.send_response(200)
            self.end_headers()
        elif self.path == "/packed":
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", "3")
            self.end_headers()
        elif self.path in ("/file.iso", "/short"):
            self._file()
        else:
            self.send_error(404)

    def _file(self) -> None:
        first = 0
        if (asked := self.headers.get("Range")) and self.headers.get("If-Range") == '"v1"':
            first = int(asked.removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if first else 200)
        self.send_header("ETag", '"v1"')
        self.send_header("Content-Length", str(len(self.data) - first))
        self.end_headers()
        self.wfile.write(self.data[first:-1000] if self.path == "/short" else self.data[first:])

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def mirror() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_file_is_fetched_whole_or_from_where_it_broke(mirror: str, settings: Any) -> None:
    settings.FETCH_ALLOWED = ["127.0.0.1/32"]
    answer = outward.open_file(f"{mirror}/moved")
    assert (answer.first, answer.size_bytes, answer.version) == (0, len(_Server.data), '"v1"')
    assert b"".join(answer.pieces()) == _Server.data
    answer = outward.open_file(f"{mirror}/file.iso", first=1000, version='"v1"')
    assert answer.first == 1000 and b"".join(answer.pieces()) == _Server.data[1000:]
    answer = outward.open_file(f"{mirror}/file.iso", first=1000, version='"v0"')  # another file by now
    assert answer.first == 0 and answer.size_bytes == len(_Server.data)
    answer.close()


def test_what_leads_elsewhere_or_is_no_file_is_refused(mirror: str, settings: Any) -> None:
    settings.FETCH_ALLOWED = ["127.0.0.1/32"]
    for path, words in (
        ("/meta", "open internet"),
        ("/loop", "leads on"),
        ("/odd", "begins with"),
        ("/unsized", "how large"),
        ("/packed", "packed"),
        ("/no", "404"),
    ):
        with pytest.raises(Invalid, match=words):
            outward.open_file(mirror + path)
    with pytest.raises(LinkBroken, match="early"):
        list(outward.open_file(f"{mirror}/short").pieces())


def test_each_step_of_a_redirect_is_checked_anew(mirror: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is resolved once for each connection, and that very address is connected to."""
    settings.FETCH_ALLOWED = [".example"]
    real, answers = socket.getaddrinfo, iter(["127.0.0.1", "127.0.0.1"])
    port = mirror.rpartition(":")[2]

    def resolve(host: str, *rest: Any, **more: Any) -> Any:
        return real(next(answers), *rest, **more) if host == "mirror.example" else real(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    outward.open_file(f"http://mirror.example:{port}/file.iso").close()
    _Server.asked.clear()
    with pytest.raises(Invalid, match="localhost is not in the open internet"):
        outward.open_file(f"http://mirror.example:{port}/inside")
    assert _Server.asked == ["/inside"]


def test_a_name_with_one_address_inside_is_refused_whole(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.FETCH_ALLOWED = []
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in ("93.184.215.14", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("it was connected to"))
    with pytest.raises(Invalid):
        outward.open_file("http://two.example/a.iso")
