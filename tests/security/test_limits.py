"""What is too large, too old or our own mistake: refused early, told in our look, and nothing learned from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from asgiref.testing import ApplicationCommunicator
from django.test import Client, override_settings
from django.urls import path

from accounts.models import AuditEntry, User
from tests.security.world import World
from webvirt.limits import BodyLimit

SignIn = Callable[[User | None], Client]


# ── bodies ──


async def _application(scope: Any, receive: Any, send: Any) -> None:
    """Reads all of the body, like Django before it calls a view."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


async def _parts(parts: list[bytes], *, announced: int | None = None, address: str = "/x/") -> tuple[int, bytes]:
    headers = [] if announced is None else [(b"content-length", str(announced).encode())]
    wire: Any = ApplicationCommunicator(BodyLimit(_application, 100), {"type": "http", "path": address, "headers": headers})  # type: ignore[no-untyped-call]
    for number, part in enumerate(parts):
        await wire.send_input({"type": "http.request", "body": part, "more_body": number < len(parts) - 1})
    start = await wire.receive_output()
    return start["status"], (await wire.receive_output())["body"]


async def test_a_body_within_the_limit_passes() -> None:
    assert await _parts([b"x" * 60, b"x" * 40], announced=100) == (200, b"100")
    assert await _parts([b""]) == (200, b"0")


async def test_a_body_that_says_that_it_is_too_large_is_not_read() -> None:
    assert (await _parts([], announced=101))[0] == 413
    status, body = await _parts([], announced=10**30, address="/api/v1/hosts")
    assert (status, json.loads(body)) == (413, {"error": "The request is too large."})


async def test_a_body_that_grows_too_large_is_given_up_in_the_middle() -> None:
    assert (await _parts([b"x" * 60, b"x" * 60, b"x" * 60]))[0] == 413
    assert (await _parts([b"x" * 101], announced=5))[0] == 413, "it lied"


async def test_the_product_has_that_limit() -> None:
    from webvirt.asgi import application

    scope = {"type": "http", "method": "POST", "path": "/account/login/", "query_string": b"", "headers": [(b"content-length", b"99999999999")]}
    wire: Any = ApplicationCommunicator(application, scope)  # type: ignore[no-untyped-call]
    assert (await wire.receive_output())["status"] == 413


def test_too_many_fields_are_refused(world: World, browser_of: SignIn) -> None:
    body = "&".join(f"ids={n}" for n in range(12_100))
    assert browser_of(world.root).generic("POST", "/machines/power/", body, content_type="application/x-www-form-urlencoded").status_code == 400


# ── pages of what went wrong ──


def test_a_page_that_is_not_there(world: World, browser_of: SignIn) -> None:
    for browser in (browser_of(world.root), browser_of(None)):
        answer = browser.get("/no/such/page/")
        assert answer.status_code == 404
        assert "There is nothing here" in answer.content.decode()
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_a_refusal_says_what_is_missing_and_is_written_down(world: World, browser_of: SignIn) -> None:
    browser = browser_of(world.people["viewer of the machine"])
    answer = browser.post(f"/machines/{world.near.machine.pk}/power/", {"action": "start"})
    assert answer.status_code == 403
    assert "This needs the role operator on machine-near." in answer.content.decode()
    entry = AuditEntry.objects.get(action="denied")
    assert (entry.actor, entry.subject) == ("m-viewer", f"/machines/{world.near.machine.pk}/power/")
    short = browser.post(f"/machines/{world.near.machine.pk}/power/", {"action": "start"}, headers={"WV-Async": "1"})
    assert short.content.decode() == "This needs the role operator on machine-near."


def _broken(request: Any) -> Any:
    raise RuntimeError("a secret in a message")


def _broken_urls() -> list[Any]:
    from webvirt.urls import urlpatterns

    return [path("broken/", _broken), path("api/v1/broken", _broken), *urlpatterns]


class _Urls:
    urlpatterns = property(lambda self: _broken_urls())
    handler400, handler403, handler404, handler500 = (f"webvirt.errors.{name}" for name in ("bad_request", "denied", "not_found", "failed"))


def test_our_own_mistakes_tell_nothing(world: World, browser_of: SignIn) -> None:
    with override_settings(ROOT_URLCONF=_Urls()):
        browser = browser_of(world.root)
        answer = browser.get("/broken/")
        assert answer.status_code == 500
        assert "WebVirt made a mistake" in answer.content.decode()
        assert "secret" not in answer.content.decode()
        called = browser.get("/api/v1/broken")
        assert called.status_code == 500
        assert called.json()["error"].startswith("WebVirt made a mistake")


def test_the_page_of_our_own_mistakes_needs_no_database(browser_of: SignIn, rf: Any) -> None:
    from webvirt.errors import failed

    answer = failed(rf.get("/"))  # no database fixture: a query would fail this test
    assert "WebVirt made a mistake" in answer.content.decode()


def test_no_page_is_ever_in_a_frame_or_guessed_at(world: World, browser_of: SignIn) -> None:
    headers = browser_of(world.root).get("/").headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(world: World) -> None:
    world.root.set_password("correct horse 7 battery")
    world.root.save()
    client = Client()
    client.post("/account/login/", {"login": "root", "password": "correct horse 7 battery"})
    kept = {name: cookie for name, cookie in client.cookies.items() if name == "sessionid" or name.startswith("wv_known")}
    assert len(kept) == 2
    for name, cookie in kept.items():
        assert cookie["httponly"], name
        assert cookie["samesite"] == "Lax", name
