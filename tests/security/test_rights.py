"""Who may what: every address × every role × what is theirs and what is foreign (SECURITY: promise 2).

The table is tests/security/endpoints.py; the websocket's part is tests/integration/live/test_socket.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from accounts import tokens
from accounts.models import Token, User
from jobs.models import Job, State
from tests.security.endpoints import ANYBODY, ASKED_ELSEWHERE, CALLS, PAGES, SIGNED_IN, Row, addresses, calls
from tests.security.world import Thing, World, fingerprint, kinds, writes

SignIn = Callable[[User | None], Client]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def test_every_address_has_a_row() -> None:
    assert set(addresses()) == set(PAGES) | ASKED_ELSEWHERE
    assert calls() == set(CALLS)


# ── pages ──


@pytest.mark.parametrize("name", PAGES)
def test_pages(name: str, world: World, browser_of: SignIn) -> None:
    row = PAGES[name]
    browsers = {who: browser_of(user) for who, user in world.people.items()}
    for method in row.needs:
        for who, browser in browsers.items():
            for near in (True, False) if row.about in ("host", "machine", "job", *kinds()) else (True,):
                _check(row, method, world, who, near=near, ask=lambda: _ask_page(browser, name, row, method, world, near=near))  # noqa: B023
        _check_stranger(row, method, _ask_page(browser_of(None), name, row, method, world, near=True))


@pytest.mark.parametrize("name", PAGES)
def test_what_is_not_a_method_of_a_page_is_refused_and_changes_nothing(name: str, world: World, browser_of: SignIn) -> None:
    row, browser = PAGES[name], browser_of(world.root)
    for method in METHODS:
        if method not in row.needs and not name.startswith("api-1"):
            status = _ask_page(browser, name, row, method, world, near=True).status_code
            assert status == 405 or (row.needs.get("GET") == ANYBODY and status < 500), f"{method}: {status}"
    assert fingerprint() == world.before


@pytest.mark.parametrize("name", [name for name, row in PAGES.items() if "GET" in row.needs])
def test_nothing_changes_by_looking(name: str, world: World, browser_of: SignIn) -> None:
    browser = browser_of(world.root)
    status = _ask_page(browser, name, PAGES[name], "GET", world, near=True).status_code
    assert status in (200, 204, 302, 409, 410, 503)  # 409: the machine is off; 503: readyz, nothing runs here
    assert fingerprint() == world.before


@pytest.mark.parametrize("name", [name for name, row in PAGES.items() if "POST" in row.needs])
def test_a_form_from_elsewhere_is_not_accepted(name: str, world: World) -> None:
    """Whoever's cookies come with it: it lacks the token of our own page."""
    row = PAGES[name]
    browser = Client(enforce_csrf_checks=True, raise_request_exception=False)
    browser.force_login(world.root, backend="allauth.account.auth_backends.AuthenticationBackend")
    answer = _ask_page(browser, name, row, "POST", world, near=True)
    assert answer.status_code == 403
    assert "was not accepted" in answer.content.decode()
    assert fingerprint() == world.before


# ── the API ──


@pytest.mark.parametrize("call", CALLS)
def test_calls(call: str, world: World) -> None:
    row, method = CALLS[call], call.partition(" ")[0]
    for who, token in world.tokens.items():
        for near in (True, False) if row.about else (True,):
            _check(row, method, world, who, near=near, ask=lambda: _ask_api(call, world, token, near=near))  # noqa: B023
    for bad in ("", "wv_made-up", "x" * 5_000, "\xe9"):
        answer = _ask_api(call, world, bad, near=True)
        assert answer.status_code == 401, bad
        assert call.startswith("HEAD") or answer.json()["error"]  # nothing has a body that is asked for by HEAD


@pytest.mark.parametrize("call", CALLS)
def test_a_session_is_no_token(call: str, world: World, browser_of: SignIn) -> None:
    """The API takes no cookies: a page elsewhere can make a browser send them."""
    method, path = _api_address(call, world.near)
    assert browser_of(world.root).generic(method, path, b"{}", content_type="application/json").status_code == 401


@pytest.mark.parametrize("call", [call for call in CALLS if call.startswith("GET")])
def test_nothing_changes_by_reading(call: str, world: World) -> None:
    assert _ask_api(call, world, world.tokens["administrator"], near=True).status_code in (200, 503)  # 503: a download, which no worker reads here
    assert fingerprint() == world.before


# ── what the matrix does not ask ──


def test_ones_own_tokens_are_ones_own(world: World, browser_of: SignIn) -> None:
    for who, user in world.people.items():
        browser = browser_of(user)
        theirs = Token.objects.filter(user=user).get()
        assert browser.post(reverse("account_revoke_token", args=[world.near.token.pk])).status_code == 404, who
        assert browser.post(reverse("account_revoke_token", args=[theirs.pk])).status_code == 302
        assert not Token.objects.filter(pk=theirs.pk).exists()
    assert Token.objects.filter(pk=world.near.token.pk).exists()


def test_bulk_does_only_what_one_may_and_tells_nothing_of_the_rest(world: World, browser_of: SignIn) -> None:
    ids = [world.near.machine.pk, world.neighbour.pk, world.far.machine.pk, 10**9]
    Job.objects.all().delete()
    for who, expected in (
        ("nothing of the host", set()),
        ("viewer of the host", set()),
        ("console of the host", set()),
        ("operator of the machine", {world.near.machine.pk}),
        ("operator of the host", {world.near.machine.pk, world.neighbour.pk}),
        ("manager of the fleet", {world.near.machine.pk, world.neighbour.pk, world.far.machine.pk}),
    ):
        for way in ("page", "api"):
            answer = _bulk(way, world, who, browser_of, ids)
            assert set(Job.objects.values_list("subject_id", flat=True)) == expected, (who, way)
            if who != "manager of the fleet":
                assert "machine-far" not in answer.content.decode()
            Job.objects.all().delete()


def _bulk(way: str, world: World, who: str, browser_of: SignIn, ids: list[int]) -> Any:
    if way == "page":
        return browser_of(world.people[who]).post("/machines/power/", {"action": "start", "ids": ids})
    headers = {"Authorization": f"Bearer {world.tokens[who]}"}
    return Client().post("/api/v1/machines/power", {"action": "start", "ids": ids}, content_type="application/json", headers=headers)


def test_a_batch_shows_only_the_jobs_that_one_may_see(world: World, browser_of: SignIn) -> None:
    browser = browser_of(world.people["viewer of the machine"])
    assert browser.get(reverse("machines:batch", args=["batch-near"])).status_code == 200
    assert browser.get(reverse("machines:batch", args=["batch-far"])).status_code == 404
    assert browser_of(None).get(reverse("machines:batch", args=["batch-near"])).status_code == 302


@pytest.mark.parametrize(
    "path",
    [
        "/machines/",
        "/machines/csv/",
        "/machines/rows/?ids={far}",
        "/hosts/",
        "/hosts/rows/?ids={far_host}",
        "/hosts/tree/",
        "/jobs/",
        "/jobs/drawer/",
        "/",
        "/search/?q=far",
        "/search/?q=near",
    ],
)
@pytest.mark.parametrize("who", ["viewer of the host", "viewer of the machine"])
def test_lists_name_nothing_foreign(path: str, who: str, world: World, browser_of: SignIn) -> None:
    answer = browser_of(world.people[who]).get(path.format(far=world.far.machine.pk, far_host=world.far.host.pk))
    text = b"".join(answer).decode().replace("?q=far", "").replace('value="far"', "").replace("far</", "</")
    assert answer.status_code == 200
    assert "machine-far" not in text
    assert "far.example" not in text


@pytest.mark.parametrize("path", ["hosts", "machines", "jobs", "machines?q=far", "jobs?subject_type=machine&subject_id={far}", "jobs?batch=batch-far"])
@pytest.mark.parametrize("who", ["nothing of the host", "viewer of the machine"])
def test_lists_of_the_api_name_nothing_foreign(path: str, who: str, world: World) -> None:
    headers = {"Authorization": f"Bearer {world.tokens[who]}"}
    answer = Client().get(f"/api/v1/{path.format(far=world.far.machine.pk)}", headers=headers)
    assert answer.status_code == 200
    assert "far" not in answer.content.decode()


def test_the_jobs_of_foreign_machines_cannot_be_cancelled_by_guessing(world: World, browser_of: SignIn) -> None:
    browser_of(world.people["manager of the host"]).post(reverse("jobs:cancel", args=[world.far.job.pk]))
    assert Job.objects.get(pk=world.far.job.pk).state == State.QUEUED


def test_a_disabled_person_and_an_ended_token_are_nobody(world: World) -> None:
    user = world.people["manager of the fleet"]
    token = tokens.create(user, "x")
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert Client().get("/api/v1/me", headers={"Authorization": f"Bearer {token}"}).status_code == 401


# ── the questions ──


def _check(row: Row, method: str, world: World, who: str, *, near: bool, ask: Callable[[], Any]) -> None:
    """The answer is the one that the row says, and only who may changes anything."""
    needs, level = row.needs[method], world.level(who, row.about, near=near)
    with transaction.atomic():
        with writes() as written:
            answer = ask()
        changed = bool(written) and fingerprint() != world.before
        transaction.set_rollback(True)
    what = f"{method} by {who} on what is {'theirs' if near else 'foreign'}: {answer.status_code} {answer.content[:300] if not answer.streaming else ''}"
    if row.about in ("host", "machine", "job", *kinds()) and level == 0:
        assert answer.status_code == 404, what
    elif needs > max(level, 0):
        assert answer.status_code == 403, what
    else:
        assert answer.status_code in (200, 201, 202, 204, 302, 400, 409, 410, 412, 422, 503), what
        assert "/account/login/?" not in answer.headers.get("Location", ""), what
        assert changed or method == "GET" or not row.changes or not near, f"{what}: nothing was changed"
        return
    assert not changed, what


def _check_stranger(row: Row, method: str, answer: Any) -> None:
    if row.needs[method] == ANYBODY:
        assert answer.status_code < 500 or answer.status_code == 503
        return
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/account/login/")


def _ask_page(browser: Client, name: str, row: Row, method: str, world: World, *, near: bool) -> Any:
    thing = world.near if near else world.far
    arguments = {key: value for key, value in thing.keys(row.about).items() if f":{key}>" in addresses()[name]}
    if name == "account_setup":
        arguments = {"secret": "x"}  # type: ignore[dict-item]
    data = row.data(world) if method != "GET" else {}
    if method == "POST":
        return browser.post(reverse(name, kwargs=arguments), data)
    return browser.generic(method, reverse(name, kwargs=arguments))


def _ask_api(call: str, world: World, token: str, *, near: bool) -> Any:
    method, path = _api_address(call, world.near if near else world.far)
    client = Client(raise_request_exception=False)
    data = CALLS[call].data(world)
    return client.generic(method, path, _json(data) if method != "GET" else b"", content_type="application/json", headers={"Authorization": f"Bearer {token}"})


def _api_address(call: str, thing: Thing) -> tuple[str, str]:
    method, _, path = call.partition(" ")
    return method, "/api/v1" + path.format(**thing.keys(CALLS[call].about))


def _json(data: Any) -> bytes:
    import json

    return json.dumps(data).encode()


assert SIGNED_IN == 0  # so that a person without any role passes max(level, 0)
