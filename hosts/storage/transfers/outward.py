"""Going out to addresses that people give: only to the open internet, and to what an administrator allowed inside.

A name is resolved once, what it resolves to is checked, and that very address is connected to: a name that answers differently a
moment later leads nowhere. Each redirect is a new address. No proxy, no cookies, no credentials.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from django.conf import settings

from virt.errors import Invalid, OperationFailed

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Seconds = float

_MOST_REDIRECTS = 5
_LONGEST_URL = 2000
_SILENCE_SECONDS: Seconds = 30.0
_REDIRECTS = (301, 302, 303, 307, 308)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_PIECE = 2**20


class LinkBroken(OperationFailed):
    """It did not work this time; asking again may help."""

    retry = True


@dataclass(frozen=True)
class Answer:
    """`first`: the byte of the file with which it begins. `size_bytes`: of the whole file. `version`: what the server calls this state of it."""

    first: int
    size_bytes: int
    version: str
    _response: http.client.HTTPResponse
    _connection: http.client.HTTPConnection

    def pieces(self) -> Iterator[bytes]:
        """Of 1 MiB, the last one smaller. Raises LinkBroken when the link breaks, or less comes than was announced."""
        left = self.size_bytes - self.first
        try:
            while left > 0:
                piece = self._response.read(min(_PIECE, left))
                if not piece:
                    raise LinkBroken("The other server ended the transfer early.")
                left -= len(piece)
                yield piece
        except (OSError, http.client.HTTPException) as exc:
            raise LinkBroken("The link to the other server broke.", str(exc)) from exc

    def close(self) -> None:
        self._connection.close()


def check_url(url: str) -> SplitResult:
    """The parts of an address that may be asked for, its name not yet resolved. Raises Invalid."""
    if len(url) > _LONGEST_URL or not url.isprintable() or " " in url:
        raise Invalid("This is no address of a file.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise Invalid("This is no address of a file.") from exc
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Invalid("An address begins with https:// or http:// and has a name in it.")
    if parts.username is not None or parts.password is not None:
        raise Invalid("An address with a name or password in it is not taken: it would stand in the log.")
    if port == 0:
        raise Invalid("There is no port 0.")
    return parts


def open_file(url: str, *, first: int = 0, version: str = "") -> Answer:
    """Ask for a file from its byte `first` on, if it is still the same `version`; else from its beginning.

    Raises Invalid for what may not be reached or is no file, LinkBroken for what did not work this time.
    """
    for _ in range(_MOST_REDIRECTS + 1):
        connection = _connect(check_url(url))
        try:
            response = _ask(connection, urlsplit(url), first, version)
            if response.status in _REDIRECTS:
                url = urljoin(url, response.headers.get("Location") or "")
                connection.close()
                continue
            return _answer(response, connection, first)
        except (OSError, http.client.HTTPException) as exc:
            connection.close()
            raise LinkBroken("The other server did not answer as it should.", str(exc)) from exc
        except Exception:
            connection.close()
            raise
    raise Invalid(f"The address leads on more than {_MOST_REDIRECTS} times.")


# ── the steps ──


def _connect(parts: SplitResult) -> http.client.HTTPConnection:
    host, port = str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)
    problem: OSError | None = None
    for address in _permitted(host, port):
        try:
            link = socket.create_connection((str(address), port), timeout=_SILENCE_SECONDS)
        except OSError as exc:
            problem = exc
            continue
        connection = http.client.HTTPConnection(host, port, timeout=_SILENCE_SECONDS)
        try:
            # The certificate is checked against the name, whatever address it was reached at.
            connection.sock = ssl.create_default_context().wrap_socket(link, server_hostname=host) if parts.scheme == "https" else link
        except OSError as exc:
            link.close()
            raise LinkBroken(f"No encrypted link to {host}: {exc}", str(exc)) from exc
        return connection
    raise LinkBroken(f"{host} does not answer.", str(problem))


def _permitted(host: str, port: int) -> list[Address]:
    """What the name resolves to, if all of it may be reached."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise LinkBroken(f"The name {host} can't be resolved.", str(exc)) from exc
    addresses = list(dict.fromkeys(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))
    for address in addresses:
        if not may_reach(host, address):
            raise Invalid(f"{host} is not in the open internet. An administrator can allow it (WEBVIRT_FETCH_ALLOW).")
    return addresses


def may_reach(host: str, address: Address) -> bool:
    """Whether it is global, or its network or name is among settings.FETCH_ALLOWED."""
    real = _behind(address)
    if real.is_global and not real.is_multicast:
        return True
    return any(_covers(rule.lower(), host.lower(), real) for rule in settings.FETCH_ALLOWED)


def _covers(rule: str, host: str, address: Address) -> bool:
    try:
        network = ipaddress.ip_network(rule, strict=False)
    except ValueError:
        return host == rule or (rule.startswith(".") and host.endswith(rule))
    return address.version == network.version and address in network


def _behind(address: Address) -> Address:
    """An IPv4 address in IPv6's clothes is what it is."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address.sixtofour:
            return address.sixtofour
        if address.teredo:
            return address.teredo[1]
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _ask(connection: http.client.HTTPConnection, parts: SplitResult, first: int, version: str) -> http.client.HTTPResponse:
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._") + (f"?{quote(parts.query, safe='/%:@!$&()*+,;=~-._?[]')}" if parts.query else "")
    headers = {"User-Agent": "WebVirt", "Accept": "*/*", "Accept-Encoding": "identity"}
    if first and version:
        headers |= {"Range": f"bytes={first}-", "If-Range": version}
    connection.request("GET", path, headers=headers)
    return connection.getresponse()


def _answer(response: http.client.HTTPResponse, connection: http.client.HTTPConnection, first: int) -> Answer:
    if response.status not in (200, 206):
        raise (Invalid if 400 <= response.status < 500 else LinkBroken)(f"The other server says {response.status} {response.reason[:80]}.")
    if (response.headers.get("Content-Encoding") or "identity") != "identity":
        raise Invalid("The other server sends the file packed in another form.")
    length = response.headers.get("Content-Length") or ""
    if not length.isdecimal():
        raise Invalid("The other server does not say how large the file is.")
    begins = first if response.status == 206 else 0
    etag = response.headers.get("ETag") or ""
    version = etag if etag.startswith('"') else response.headers.get("Last-Modified") or ""
    return Answer(begins, begins + int(length), version[:500], response, connection)
