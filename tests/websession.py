"""A signed-in person without a browser: pages by HTTP as they are sent, and the cookie for a websocket."""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

_FORM_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


@dataclass(frozen=True)
class Reply:
    """``body`` is as it came over the wire, compressed if ``encoding`` says so. ``seconds``: from the request to the body's last byte."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    seconds: float

    @property
    def encoding(self) -> str:
        return self.headers.get("Content-Encoding") or ""


class WebSession:
    """One kept-alive connection and a person's cookies. Not for several threads."""

    def __init__(self, url: str) -> None:
        self.address = urlsplit(url).netloc
        self._connection = http.client.HTTPConnection(self.address, timeout=60)
        self._cookies: dict[str, str] = {}

    @property
    def cookie(self) -> str:
        """The Cookie header."""
        return "; ".join(f"{name}={value}" for name, value in self._cookies.items())

    def sign_in(self, name: str, password: str) -> None:
        """By the form, as a browser does."""
        path = "/account/login/"
        token = _FORM_TOKEN.search(self.get(path).body.decode())
        assert token, "the sign-in page has no form"
        fields = {"csrfmiddlewaretoken": token[1], "login": name, "password": password}
        reply = self.request("POST", path, urlencode(fields).encode(), {"Content-Type": "application/x-www-form-urlencoded"})
        assert reply.status == 302, f"{name} was not let in: {reply.status}"

    def post(self, path: str, fields: Mapping[str, str]) -> Reply:
        """A form, as a page's script sends it."""
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-CSRFToken": self._cookies.get("csrftoken", ""), "WV-Async": "1"}
        return self.request("POST", path, urlencode(fields).encode(), headers)

    def get(self, path: str, headers: dict[str, str] | None = None) -> Reply:
        return self.request("GET", path, None, headers)

    def request(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Reply:
        """One request; no redirect is followed."""
        started = time.perf_counter()
        answer = self._send(method, path, body, {"Cookie": self.cookie, **(headers or {})})
        content = answer.read()
        seconds = time.perf_counter() - started
        for line in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = line.split(";")[0].partition("=")
            self._cookies[name] = value
        return Reply(answer.status, answer.headers, content, seconds)

    def _send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> http.client.HTTPResponse:
        """What changes something goes over a new connection: were a kept one found closed, nobody would know whether it arrived."""
        if method != "GET":
            self._connection.close()
        try:
            self._connection.request(method, path, body, headers)
            return self._connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            if method != "GET":
                raise
            self._connection.close()
            self._connection.request(method, path, body, headers)
            return self._connection.getresponse()
