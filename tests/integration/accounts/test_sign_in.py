"""Signing in: who gets in, who does not, and what an attacker learns and can break."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client
from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver

from accounts import attempts, audit, people
from accounts.models import AuditEntry, User
from tests.integration.accounts.conftest import PASSWORD


def sign_in(client: Client, name: str, password: str = PASSWORD, *, address: str = "192.0.2.1", **more: str) -> Any:
    return client.post("/account/login/", {"login": name, "password": password, **more}, REMOTE_ADDR=address)


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_the_right_password_lets_in_and_changes_the_session(admin: User) -> None:
    client = Client()
    client.get("/account/login/")
    client.cookies["sessionid"] = "chosen-by-an-attacker"
    answer = sign_in(client, "root")
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/"
    assert is_in(client)
    assert client.cookies["sessionid"].value != "chosen-by-an-attacker"
    assert not Session.objects.filter(session_key="chosen-by-an-attacker").exists()


def test_names_are_taken_in_any_case(admin: User) -> None:
    client = Client()
    sign_in(client, " Root ")
    assert is_in(client)


def test_wrong_name_wrong_password_and_disabled_person_look_the_same(make: Callable[..., User]) -> None:
    make("ann")
    make("bob", is_active=False)
    answers = [sign_in(Client(), name, password) for name, password in (("nobody", PASSWORD), ("ann", "wrong"), ("bob", PASSWORD), ("bob", "wrong"))]
    assert {answer.status_code for answer in answers} == {200}
    words = {tuple(answer.context["form"].non_field_errors()) for answer in answers}
    assert words == {("The name or the password is not right.",)}


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example", "http://testserver:81/", "javascript:alert(1)", "/\\evil.example", "http:///evil"]
)
def test_next_leads_only_to_ourselves(admin: User, elsewhere: str) -> None:
    assert sign_in(Client(), "root", next=elsewhere).headers["Location"] == "/"


def test_next_leads_to_the_page_that_was_asked_for(admin: User) -> None:
    client = Client()
    asked = client.get("/people/?a=1").headers["Location"]
    assert asked == "/account/login/?next=/people/%3Fa%3D1"
    assert sign_in(client, "root", next="/people/?a=1").headers["Location"] == "/people/?a=1"


def test_no_other_route_of_allauth_exists() -> None:
    patterns = _patterns(get_resolver().url_patterns)
    ours = {name for name, module in patterns if name and name.startswith("account")}
    assert ours == {"account", "account_login", "account_logout", "account_setup", "account_change_password", "account_tokens", "account_revoke_token"}
    for path in ("signup", "password/reset", "email", "inactive", "reauthenticate", "login/code", "3rdparty"):
        assert Client().get(f"/account/{path}/").status_code in (404, 405)


# ── guesses ──


def test_guesses_at_one_name_from_one_address_end_soon(make: Callable[..., User]) -> None:
    make("ann")
    client = Client()
    for _ in range(8):
        sign_in(client, "ann", "wrong")
    answer = sign_in(client, "ann")  # even the right one
    assert not is_in(client)
    assert "Too many attempts" in answer.content.decode()


def test_a_name_that_does_not_exist_is_limited_in_the_same_way() -> None:
    for _ in range(8):
        sign_in(Client(), "nobody", "wrong")
    assert "Too many attempts" in sign_in(Client(), "nobody", "wrong").content.decode()


def test_one_address_cannot_lock_a_name_for_others(make: Callable[..., User]) -> None:
    make("ann")
    for _ in range(100):
        sign_in(Client(), "ann", "wrong", address="192.0.2.66")
    client = Client()
    sign_in(client, "ann", address="192.0.2.7")
    assert is_in(client)


def test_a_whole_botnet_cannot_lock_out_a_browser_that_was_in_before(admin: User) -> None:
    mine = Client()
    sign_in(mine, "root")
    mine.post("/account/logout/")
    for n in range(60):
        sign_in(Client(), "root", "wrong", address=f"198.51.100.{n}")
    stranger = Client()
    assert "Too many attempts" in sign_in(stranger, "root", address="192.0.2.200").content.decode()
    sign_in(mine, "root")
    assert is_in(mine)


def test_the_known_browser_is_limited_too_and_its_mark_cannot_be_made_up_or_moved(admin: User, make: Callable[..., User]) -> None:
    make("ann")
    mine = Client()
    sign_in(mine, "root")
    mine.post("/account/logout/")
    for _ in range(10):
        sign_in(mine, "root", "wrong")
    assert "Too many attempts" in sign_in(mine, "root").content.decode()

    mark = next(cookie.value for name, cookie in mine.cookies.items() if name.startswith("wv_known"))
    other = Client()
    other.cookies[attempts._cookie("ann")] = mark  # root's mark for ann's name
    for _ in range(8):
        sign_in(other, "ann", "wrong")
    assert "Too many attempts" in sign_in(other, "ann").content.decode()


def test_right_ones_do_not_count(admin: User) -> None:
    for _ in range(20):
        client = Client()
        sign_in(client, "root")
        assert is_in(client)


def test_a_locked_name_can_be_let_in_again_from_the_command_line(admin: User) -> None:
    from django.core.management import call_command

    for n in range(45):
        sign_in(Client(), "root", "wrong", address=f"198.51.100.{n}")
    assert "Too many" in sign_in(Client(), "root").content.decode()
    call_command("people", "unlock", "root")
    client = Client()
    sign_in(client, "root", address="192.0.2.9")
    assert is_in(client)


def test_the_log_is_not_filled_by_guesses_beyond_the_limit(make: Callable[..., User]) -> None:
    make("ann")
    for _ in range(30):
        sign_in(Client(), "ann", "wrong")
    assert AuditEntry.objects.filter(action="session.sign-in").count() <= 10


def test_without_redis_nobody_is_let_in_and_is_told_why(admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    from redis.exceptions import ConnectionError as Away

    def away(*args: Any, **kwargs: Any) -> None:
        raise Away("gone")

    monkeypatch.setattr(cache, "add", away)
    client = Client()
    answer = sign_in(client, "root")
    assert answer.status_code == 503
    assert "not possible just now" in answer.content.decode()
    assert not is_in(client)


# ── signing out ──


def test_signing_out_needs_a_post_and_tells_the_open_pages(as_admin: Client) -> None:
    from accounts import signals

    ended: list[str] = []
    key = as_admin.session.session_key

    def listen(sender: Any, session_key: str, **kwargs: Any) -> None:
        ended.append(session_key)

    signals.session_ended.connect(listen)
    assert as_admin.get("/account/logout/").status_code == 405
    assert ended == []
    assert as_admin.post("/account/logout/").status_code == 302
    assert ended == [key]
    assert not Session.objects.filter(session_key=key).exists()


def test_a_disabled_person_is_out_at_once_and_stays_out(as_admin: Client, make: Callable[..., User]) -> None:
    ann, client = make("ann"), Client()
    sign_in(client, "ann")
    assert client.get("/account/").status_code == 200
    people.disable(ann)
    assert client.get("/account/").status_code == 302
    people.enable(ann)
    assert client.get("/account/").status_code == 302, "the old session must not come back to life"


def test_signed_out_scripts_get_a_401_and_no_page(admin: User) -> None:
    assert Client().get("/people/", headers={"WV-Fragment": "people"}).status_code == 401
    assert Client().post("/people/add/", headers={"WV-Async": "1"}).status_code == 401


# ── what is written down ──


def test_successes_and_failures_are_in_the_audit_log_without_the_password(admin: User) -> None:
    sign_in(Client(), "root")
    sign_in(Client(), "root", "wrong-password-here")
    sign_in(Client(), "my-password-typed-as-name", "x")
    entries = list(AuditEntry.objects.order_by("id"))
    assert [(e.action, e.subject, e.result, e.address) for e in entries] == [
        ("session.sign-in", "root", "done", "192.0.2.1"),
        ("session.sign-in", "root", "refused", "192.0.2.1"),
        ("session.sign-in", "unknown name", "refused", "192.0.2.1"),
    ]
    assert audit.first_broken() is None


def _patterns(patterns: list[Any]) -> list[tuple[str | None, str]]:
    found: list[tuple[str | None, str]] = []
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            found += _patterns(pattern.url_patterns)
        elif isinstance(pattern, URLPattern):
            found.append((pattern.name, pattern.callback.__module__))
    return found
