"""People, their roles and tokens: what administrators do, and what nobody can."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts import audit, people, signals, tidy, tokens
from accounts.models import AuditEntry, Grant, Token, User
from accounts.rights import ADMINISTRATOR, Rights
from accounts.roles import Role, Scope
from hosts.models import Host
from machines.models import Machine
from tests.integration.accounts.conftest import PASSWORD

Make = Callable[..., User]


@pytest.fixture
def machine() -> Machine:
    host = Host.objects.create(name="kvm-1", address="kvm-1.example")
    return Machine.objects.create(host=host, uuid="11111111-1111-1111-1111-111111111111", name="web-1")


@contextmanager
def rights_told() -> Iterator[list[int]]:
    told: list[int] = []

    def listen(sender: Any, user_id: int, **kwargs: Any) -> None:
        told.append(user_id)

    signals.rights_changed.connect(listen)
    yield told
    signals.rights_changed.disconnect(listen)


def sign_in(name: str, password: str = PASSWORD) -> Client:
    client = Client()
    client.post("/account/login/", {"login": name, "password": password})
    return client


# ── adding and changing ──


def test_adding_a_person_and_giving_roles(as_admin: Client, machine: Machine) -> None:
    answer = as_admin.post("/people/add/", {"username": "Ann", "full_name": "Ann Ivanova", "password": PASSWORD, "again": PASSWORD})
    ann = User.objects.get(username="ann")
    assert answer.headers["Location"] == f"/people/{ann.pk}/"
    assert Rights.of(ann) == Rights()
    with rights_told() as told:
        as_admin.post(f"/people/{ann.pk}/grants/", {"scope": "machine", "object_id": machine.pk, "role": 30})
        as_admin.post(f"/people/{ann.pk}/grants/", {"scope": "fleet", "role": 10})
        as_admin.post(f"/people/{ann.pk}/grants/", {"scope": "machine", "object_id": machine.pk, "role": 20})
    assert told == [ann.pk] * 3
    assert Rights.of(ann) == Rights(fleet=Role.VIEWER, machines={machine.pk: Role.CONSOLE})
    page = as_admin.get(f"/people/{ann.pk}/").content.decode()
    assert "web-1" in page
    assert "Console" in page
    given = Grant.objects.get(user=ann, scope="machine")
    as_admin.post(f"/people/{ann.pk}/grants/{given.pk}/withdraw/")
    assert Rights.of(ann) == Rights(fleet=Role.VIEWER)


def test_roles_are_found_by_searching_what_they_are_about(as_admin: Client, make: Make, machine: Machine) -> None:
    ann = make("ann")
    for question, found in (("scope=machine&q=WEB", True), ("scope=machine&q=11111111", True), ("scope=machine&q=db", False), ("scope=host&q=kvm-1.ex", True)):
        piece = as_admin.get(f"/people/{ann.pk}/?{question}", headers={"WV-Fragment": "grant"}).content.decode()
        assert ('type="radio"' in piece) is found, question
        assert piece.startswith('<wv-live id="grant"')


@pytest.mark.parametrize(
    "fields",
    [
        {"scope": "host", "role": 10},
        {"scope": "host", "object_id": "99999", "role": 10},
        {"scope": "host", "object_id": "x", "role": 10},
        {"scope": "host", "object_id": "9" * 40, "role": 10},
        {"scope": "galaxy", "object_id": "1", "role": 10},
        {"scope": "fleet", "role": 100},
        {"scope": "fleet", "role": ""},
    ],
)
def test_a_role_on_nothing_is_not_given(as_admin: Client, make: Make, fields: dict[str, Any]) -> None:
    ann = make("ann")
    answer = as_admin.post(f"/people/{ann.pk}/grants/", fields)
    assert answer.status_code in (302, 400)
    assert not Grant.objects.exists()


def test_names_that_look_alike_are_one_name(as_admin: Client, make: Make) -> None:
    make("ann")
    for name in ("ANN", " ann ", "ａｎｎ"):
        answer = as_admin.post("/people/add/", {"username": name, "password": PASSWORD, "again": PASSWORD})
        assert answer.status_code == 400, name
    assert User.objects.count() == 2


def test_the_last_administrator_stays(as_admin: Client, admin: User, make: Make) -> None:
    as_admin.post(f"/people/{admin.pk}/administrator/", {"on": "0"})
    as_admin.post(f"/people/{admin.pk}/active/", {"on": "0"})
    admin.refresh_from_db()
    assert admin.is_administrator
    other = make("other", is_superuser=True, is_active=False)  # disabled: does not count
    with pytest.raises(people.Refused):
        people.disable(admin)
    people.enable(other)
    as_admin.post(f"/people/{admin.pk}/administrator/", {"on": "0"})
    admin.refresh_from_db()
    assert not admin.is_superuser
    with pytest.raises(people.Refused):
        people.set_administrator(User.objects.get(pk=other.pk), False)


def test_nobody_disables_themselves(as_admin: Client, admin: User, make: Make) -> None:
    make("other", is_superuser=True)
    as_admin.post(f"/people/{admin.pk}/active/", {"on": "0"})
    admin.refresh_from_db()
    assert admin.is_active


def test_a_new_password_ends_their_sessions(as_admin: Client, make: Make) -> None:
    ann = make("ann")
    theirs = sign_in("ann")
    assert theirs.get("/account/").status_code == 200
    with rights_told() as told:
        as_admin.post(f"/people/{ann.pk}/password/", {"password": "another long one 5", "again": "another long one 5"})
    assert told == [ann.pk]
    assert theirs.get("/account/").status_code == 302
    assert sign_in("ann", "another long one 5").get("/account/").status_code == 200


def test_others_see_nothing_of_it(make: Make) -> None:
    ann = make("ann")
    Grant.objects.create(user=ann, role=Role.MANAGER, scope=Scope.FLEET)
    client = sign_in("ann")
    for path in ("/people/", "/people/add/", f"/people/{ann.pk}/", "/people/audit/", "/people/audit.csv"):
        assert client.get(path).status_code == 403, path
    assert client.post(f"/people/{ann.pk}/administrator/", {"on": "1"}).status_code == 403
    ann.refresh_from_db()
    assert not ann.is_superuser


def test_grants_on_what_is_gone_are_tidied(make: Make, machine: Machine) -> None:
    ann = make("ann")
    people.grant(ann, Role.VIEWER, Scope.MACHINE, machine.pk)
    people.grant(ann, Role.VIEWER, Scope.HOST, machine.host_id)
    machine.delete()
    tidy.tidy()
    assert [grant.scope for grant in Grant.objects.all()] == ["host"]


# ── one's own account ──


def test_changing_ones_password_keeps_this_session_and_ends_the_others(make: Make) -> None:
    make("ann")
    here, there = sign_in("ann"), sign_in("ann")
    wrong = here.post("/account/password/", {"old": "no", "password": "another long one 5", "again": "another long one 5"})
    assert wrong.status_code == 400
    assert "old" in wrong.context["password_form"].errors
    here.post("/account/password/", {"old": PASSWORD, "password": "another long one 5", "again": "another long one 5"})
    assert here.get("/account/").status_code == 200
    assert there.get("/account/").status_code == 302


def test_a_stolen_session_cannot_guess_the_password(make: Make) -> None:
    make("ann")
    thief = sign_in("ann")
    for _ in range(12):
        thief.post("/account/password/", {"old": "guess", "password": "another long one 5", "again": "another long one 5"})
    thief.post("/account/password/", {"old": PASSWORD, "password": "another long one 5", "again": "another long one 5"})
    assert User.objects.get(username="ann").check_password(PASSWORD)


def test_a_token_is_shown_once_and_works_until_revoked(make: Make) -> None:
    ann = make("ann")
    client = sign_in("ann")
    page = client.post("/account/tokens/", {"name": "backup <script>", "days": "30"})
    text = page.context["fresh_token"]
    assert text in page.content.decode()
    assert "<script>" not in page.content.decode().split("</head>")[1].replace('<script type="module"', "")
    assert page.headers["Cache-Control"] == "no-store"
    assert text not in client.get("/account/").content.decode()
    assert tokens.person_of(text) == ann
    client.post(f"/account/tokens/{Token.objects.get().pk}/revoke/")
    assert tokens.person_of(text) is None


def test_nobody_revokes_anothers_token(make: Make) -> None:
    ann = make("ann")
    make("bob")
    tokens.create(ann, "mine")
    assert sign_in("bob").post(f"/account/tokens/{Token.objects.get().pk}/revoke/").status_code == 404
    assert Token.objects.exists()


def test_tokens_die_with_their_time_and_their_person(make: Make) -> None:
    ann = make("ann")
    over = tokens.create(ann, "old", timezone.now() - timedelta(seconds=1))
    good = tokens.create(ann, "new", timezone.now() + timedelta(days=1))
    assert tokens.person_of(over) is None
    assert tokens.person_of(good) == ann
    assert tokens.person_of(good[:-1]) is None
    people.disable(ann)
    assert tokens.person_of(good) is None


# ── the log ──


def test_every_act_is_written_down_with_who_and_from_where(as_admin: Client, admin: User, make: Make) -> None:
    ann = make("ann")
    base = f"/people/{ann.pk}/"
    as_admin.post(base + "grants/", {"scope": "fleet", "role": 10})
    as_admin.post(base + f"grants/{Grant.objects.get().pk}/withdraw/")
    as_admin.post(base + "administrator/", {"on": "1"})
    as_admin.post(base + "administrator/", {"on": "0"})
    as_admin.post(base + "active/", {"on": "0"})
    as_admin.post(base + "active/", {"on": "1"})
    as_admin.post(base + "password/", {"password": "another long one 5", "again": "another long one 5"})
    as_admin.post(base + "name/", {"full_name": "Ann"})
    entries = list(AuditEntry.objects.order_by("id"))
    acts = ["grant", "withdraw", "administrator", "administrator", "disable", "enable", "password", "rename"]
    assert [entry.action for entry in entries] == [f"people.{act}" for act in acts]
    assert {(entry.actor, entry.actor_id, entry.address, entry.subject) for entry in entries} == {("root", admin.pk, "127.0.0.1", "ann")}
    assert "another long one 5" not in str([entry.detail for entry in entries])
    assert audit.first_broken() is None


def test_a_changed_or_removed_entry_breaks_the_chain(as_admin: Client) -> None:
    for n in range(5):
        audit.record("test", f"entry {n}")
    ids = list(AuditEntry.objects.order_by("id").values_list("pk", flat=True))
    assert "follow from one another" in as_admin.get("/people/audit/?check=1").content.decode()
    AuditEntry.objects.filter(pk=ids[2]).update(subject="something else")
    assert audit.first_broken() == ids[2]
    AuditEntry.objects.filter(pk=ids[2])._raw_delete("default")
    assert audit.first_broken() == ids[3]
    assert "chain is broken" in as_admin.get("/people/audit/?check=1").content.decode()


def test_entries_cannot_be_changed_by_our_own_code() -> None:
    entry = audit.record("test")
    entry.subject = "other"
    with pytest.raises(TypeError):
        entry.save()
    with pytest.raises(TypeError):
        entry.delete()


@pytest.mark.parametrize("address", ["", "not an address", "::ffff:192.0.2.1", "fe80::1%eth0", "2001:DB8::0:1"])
def test_odd_addresses_and_names_keep_the_chain_whole(address: str, rf: Any) -> None:
    request = rf.get("/", REMOTE_ADDR=address)
    audit.record("test", "a\x00b\nc \U0001f600" + "x" * 500, request=request, detail={"n": 1.5, "deep": [None, {"é": True}]})
    assert audit.first_broken() is None
    assert "\x00" not in AuditEntry.objects.get().subject


def test_filter_and_paging_and_csv(as_admin: Client, admin: User) -> None:
    for n in range(120):
        audit.record("test.even" if n % 2 == 0 else "test.odd", f"=cmd{n}", actor=admin, result="done" if n % 3 else "failed")
    first = as_admin.get("/people/audit/")
    assert len(first.context["entries"]) == 100
    older = as_admin.get(f"/people/audit/?before={first.context['older']}")
    assert len(older.context["entries"]) == 20
    assert {entry.action for entry in as_admin.get("/people/audit/?action=test.odd").context["entries"]} == {"test.odd"}
    assert as_admin.get("/people/audit/?result=failed&who=RO&subject=cmd1").context["total"] > 0
    today = timezone.now().date()
    assert as_admin.get(f"/people/audit/?since={today}&until={today}").context["total"] == 120
    assert as_admin.get(f"/people/audit/?until={today - timedelta(days=1)}").context["total"] == 0
    answer = as_admin.get("/people/audit.csv?action=test.odd")
    lines = _streamed(answer).decode().splitlines()
    assert len(lines) == 61
    assert ",'=cmd1," in lines[1], "a spreadsheet must not run it"


@pytest.mark.parametrize("question", ["since=x", "before=-1", "before=" + "9" * 30, "who=%00", "since=99999-01-01", "action=" + "x" * 9999, "until=0001-01-01"])
def test_rubbish_in_the_filter_is_no_error(as_admin: Client, question: str) -> None:
    assert as_admin.get(f"/people/audit/?{question}").status_code in (200, 400)
    assert as_admin.get(f"/people/audit.csv?{question}").status_code in (200, 400)


def _streamed(answer: Any) -> bytes:
    """It is made for an asynchronous server."""

    async def read() -> bytes:
        return b"".join([part async for part in answer])

    return async_to_sync(read)()


# ── the command line ──


def run(*arguments: str, given: str = "") -> str:
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", io.StringIO(given))
        call_command(*arguments, stdout=out)
    return out.getvalue()


def test_people_and_tokens_from_the_command_line(machine: Machine) -> None:
    run("people", "add", "boss", "--role", "administrator", "--password-stdin", given=PASSWORD + "\n")
    run("people", "add", "ann", "--role", "operator", "--host", "kvm-1", "--password-stdin", given=PASSWORD)
    run("people", "add", "bob", "--role", "viewer", "--machine", "web-1", "--password-stdin", given=PASSWORD)
    run("people", "add", "cat", "--role", "console", "--password-stdin", given=PASSWORD)
    assert Rights.of(User.objects.get(username="boss")).fleet == ADMINISTRATOR
    assert Rights.of(User.objects.get(username="ann")) == Rights(hosts={machine.host_id: 30})
    assert Rights.of(User.objects.get(username="bob")) == Rights(machines={machine.pk: 10})
    assert run("people", "list").splitlines() == [
        "ann\toperator on host kvm-1",
        "bob\tviewer on machine web-1",
        "boss\tadministrator",
        "cat\tconsole on the whole fleet",
    ]
    text = run("tokens", "create", "Ann", "--expires-days", "7").strip()
    assert tokens.person_of(text) == User.objects.get(username="ann")
    assert timedelta(days=6) < (Token.objects.get().expires_at or timezone.now()) - timezone.now() <= timedelta(days=7)


def test_the_command_line_says_what_is_wrong(machine: Machine) -> None:
    Machine.objects.create(host=Host.objects.create(name="kvm-2"), uuid="22222222-1111-1111-1111-111111111111", name="web-1")
    for arguments, given, words in (
        (("people", "add", "x y", "--role", "viewer", "--password-stdin"), PASSWORD, "username"),
        (("people", "add", "ann", "--role", "viewer", "--password-stdin"), "short", "too short"),
        (("people", "add", "ann", "--role", "viewer", "--host", "kvm-9", "--password-stdin"), PASSWORD, "no host kvm-9"),
        (("people", "add", "ann", "--role", "viewer", "--machine", "web-1", "--password-stdin"), PASSWORD, "Several fit"),
        (("people", "add", "ann", "--role", "administrator", "--host", "kvm-1", "--password-stdin"), PASSWORD, "may everything"),
        (("tokens", "create", "nobody"), "", "nobody active"),
        (("tokens", "create", "nobody", "--expires-days", "-3"), "", "nobody active"),
    ):
        with pytest.raises(CommandError, match=words):
            run(*arguments, given=given)
    assert not User.objects.exists()
