"""Whatever is typed, sent or linked: a clear answer, never a 500, and never a stranger's markup in a page.

Values that make sense are in the table of tests/security/endpoints.py; here each of them in turn is replaced by rubbish.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import transaction
from django.test import Client

from hosts.storage.transfers import tus
from tests.security.endpoints import CALLS, PAGES, addresses
from tests.security.world import World
from webvirt.api import api

SignIn = Callable[[Any], Client]
MARKUP = '"><script>alert(1)</script>'
TEXTS = [
    "",
    MARKUP,
    "a\r\nSet-Cookie: x=1\r\n\r\nb",
    "😀" * 60,
    "x" * 10_000,
    "nul\x00nul",
    "-1",
    "9" * 40,
    "٣",
    "1e400",
    "'; DROP TABLE jobs_job; --",
    "../../../../etc/passwd",
    "%00%ff%2e",
    "\u202e\u200b",
    "{{7*7}}{% debug %}",
    "-oProxyCommand=id",
]
QUESTIONS = (
    "q",
    "f",
    "sort",
    "page",
    "rows",
    "ids",
    "host",
    "range",
    "state",
    "kind",
    "who",
    "about",
    "batch",
    "before",
    "since",
    "until",
    "action",
    "scope",
    "with",
    "col",
    "columns",
    "next",
    "view",
    "check",
    "add",
)


def _fine(answer: Any, what: str) -> None:
    """503: readyz, nothing of the stack runs here."""
    assert answer.status_code < 500 or answer.status_code == 503, f"{what}: {answer.status_code}"
    body = b"".join(_streamed(answer) if answer.streaming else [answer.content]).decode(errors="replace")
    assert "Traceback" not in body, what
    if "html" in answer.headers.get("Content-Type", ""):
        assert "<script>alert(1)" not in body, what
    assert "x=1" not in answer.headers.get("Set-Cookie", ""), what


def _streamed(answer: Any) -> list[bytes]:
    """Some answers are made for an asynchronous server."""
    if not answer.is_async:
        return list(answer)

    async def read() -> list[bytes]:
        return [part async for part in answer]

    return async_to_sync(read)()


# ── pages ──


@pytest.mark.parametrize("name", [name for name, row in PAGES.items() if "POST" in row.needs])
def test_forms(name: str, world: World, browser_of: SignIn) -> None:
    row, browser = PAGES[name], browser_of(world.root)
    good = row.data(world) or {"x": ""}
    for field in [*good, "unasked"]:
        for text in TEXTS:
            with transaction.atomic():
                _fine(browser.post(_address(name, world), {**good, field: [text, text] if text == MARKUP else text}), f"{name} {field}={text[:40]!r}")
                transaction.set_rollback(True)
    for body, kind in (
        (b"\xff\xfe\x00", "application/x-www-form-urlencoded"),
        (b"--x", "multipart/form-data; boundary=x"),
        (b"{", "application/json"),
        (b"a=1" * 9, "text/plain"),
    ):
        with transaction.atomic():
            _fine(browser.generic("POST", _address(name, world), body, content_type=kind), f"{name} {kind}")
            transaction.set_rollback(True)


@pytest.mark.parametrize("name", [name for name, row in PAGES.items() if "GET" in row.needs and not name.startswith("api-1:")])
def test_questions(name: str, world: World, browser_of: SignIn) -> None:
    """Every parameter that any page knows, with rubbish, asked of every page."""
    browser = browser_of(world.root)
    for text in TEXTS:
        _fine(browser.get(_address(name, world), dict.fromkeys(QUESTIONS, text)), f"{name} all={text[:40]!r}")
    for field in QUESTIONS:
        _fine(browser.get(_address(name, world), {field: MARKUP}), f"{name} {field}")
    for piece in ("x", "x" * 5_000, MARKUP):
        _fine(browser.get(_address(name, world), headers={"WV-Fragment": piece}), f"{name} piece {piece[:40]}")


@pytest.mark.parametrize("name", [name for name, row in PAGES.items() if row.about])
def test_numbers_in_addresses(name: str, world: World, browser_of: SignIn) -> None:
    browser, route = browser_of(world.root), "/" + addresses()[name]
    for number in ("0", "9" * 18, "9" * 19, str(2**63), "9" * 60, "-1", "1.5", "x", "%00", "%2e%2e", "😀"):
        path = route
        path = re.sub(r"<int:\w+>", number, path)
        for method in PAGES[name].needs:
            answer = browser.generic(method, path)
            assert answer.status_code in (400, 403, 404), f"{method} {path[:80]}: {answer.status_code}"


@pytest.mark.parametrize(
    "path",
    [
        "/" + "a/" * 2_000,
        "/%",
        "/%ff%fe",
        "/machines/%00/",
        "/..%2f..%2fetc/passwd",
        "/static/../../etc/passwd",
        "//evil.example/",
        "/account/setup/" + "x" * 5_000 + "/",
        "/api/v1/\u202e",
        "/api/v1/" + "x" * 5_000,
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "BREW"])
def test_addresses_that_lead_nowhere(path: str, method: str, world: World, browser_of: SignIn) -> None:
    for browser in (browser_of(world.root), browser_of(None)):
        _fine(browser.generic(method, path), f"{method} {path[:60]}")


def test_a_wrong_host_header_is_refused(world: World, browser_of: SignIn) -> None:
    for host in ("evil.example", "testserver.evil.example", "", "x" * 300, "a b", "[::1"):
        assert browser_of(world.root).get("/", headers={"Host": host}).status_code == 400, host


# ── the API ──

VALUES: list[Any] = [None, True, 1.5, -1, 0, 10**30, 2**63, [], [[]], {}, {"a": {"b": []}}, [1] * 50, *TEXTS]
BODIES = [
    b"",
    b"null",
    b"[]",
    b'"x"',
    b"7",
    b"{",
    b"{}" * 3,
    b"\xff\xfe",
    b"NaN",
    b'{"a": NaN}',
    b'{"a": 1e999}',
    b"[" * 50_000,
    b'{"a":' * 20_000,
    b'{"name": "\\ud800"}',
    b'{"name": "a\\u0000b"}',
]


@pytest.mark.parametrize("call", CALLS)
def test_calls(call: str, world: World) -> None:
    method = call.partition(" ")[0]
    path = _api_path(call, world)
    good = CALLS[call].data(world)
    if method == "GET":
        for field in _parameters(call):
            for text in TEXTS:
                _told(_call(world, "GET", path, question={field: text}), f"{call} {field}={text[:40]!r}")
        return
    for field in _fields(call):
        for value in VALUES:
            _told(_call(world, method, path, json.dumps({**good, field: value}).encode()), f"{call} {field}={str(value)[:40]}")
    for body in BODIES:
        _told(_call(world, method, path, body), f"{call} {body[:40]!r}")


@pytest.mark.parametrize("call", [call for call in CALLS if "{" in call])
def test_numbers_in_the_addresses_of_calls(call: str, world: World) -> None:
    method, _, path = call.partition(" ")
    for number in ("0", "-1", "9" * 19, str(2**63), "9" * 60, "1.5", "x", "1e3", "٣", "%00", "%2e%2e", MARKUP.replace("/", "%2f")):
        address = "/api/v1" + re.sub(r"{\w+}", lambda _: number, path)  # noqa: B023 - called at once
        answer = _call(world, method, address, json.dumps(CALLS[call].data(world)).encode())
        assert answer.status_code in (400, 404, 405, 422), f"{method} {address[:80]}: {answer.status_code}"
        assert method == "HEAD" or answer.json()["error"]


def test_what_was_sent_is_not_repeated_in_an_error(world: World) -> None:
    """It may be a secret in the wrong field."""
    for body in ({"kind": "ssh", "name": "x", "private_key": ["very-secret"]}, {"kind": "very-secret"}, {"port": "very-secret", "kind": "tcp", "name": "x"}):
        answer = _call(world, "POST", "/api/v1/hosts", json.dumps(body).encode())
        assert answer.status_code == 422
        assert "very-secret" not in answer.content.decode()


def _told(answer: Any, what: str) -> None:
    """An error says so in words, in JSON; to HEAD in its status alone."""
    _fine(answer, what)
    if answer.status_code >= 400:
        over = (410,) if "/uploads/{upload_id}" in what else ()  # the world's upload has ended
        assert answer.status_code in (400, 404, 405, 409, 413, 422, *over), f"{what}: {answer.status_code}"
        assert answer.request["REQUEST_METHOD"] == "HEAD" or isinstance(answer.json()["error"], str), what


def _call(world: World, method: str, path: str, body: bytes = b"", *, question: dict[str, str] | None = None) -> Any:
    client = Client(raise_request_exception=False)
    headers = {"Authorization": f"Bearer {world.tokens['administrator']}", "Tus-Resumable": tus.VERSION}
    with transaction.atomic():
        if question:
            answer: Any = client.get(path, question, headers=headers)
        else:
            answer = client.generic(method, path, body, content_type="application/json", headers=headers)
        transaction.set_rollback(True)
    return answer


def _address(name: str, world: World) -> str:
    route = "/" + addresses()[name].replace("<str:secret>", "x")
    for key, value in world.near.keys(PAGES[name].about).items():
        route = route.replace(f"<int:{key}>", str(value))
    return route


def _api_path(call: str, world: World) -> str:
    return "/api/v1" + call.partition(" ")[2].format(**world.near.keys(CALLS[call].about))


@cache
def _schema() -> dict[str, Any]:
    return dict(api.get_openapi_schema())


def _operation(call: str) -> dict[str, Any]:
    method, _, path = call.partition(" ")
    operation: dict[str, Any] = _schema()["paths"][f"/api/v1{path}"][method.lower()]
    return operation


def _parameters(call: str) -> Iterator[str]:
    for parameter in _operation(call).get("parameters", []):
        if parameter["in"] == "query":
            yield parameter["name"]


def _fields(call: str) -> list[str]:
    """All that the call knows, also what the good example leaves out, and one that it does not know."""
    content = _operation(call).get("requestBody", {}).get("content", {}).get("application/json", {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    known = _schema()["components"]["schemas"][name]["properties"] if name else {}
    return [*known, "unasked"]
