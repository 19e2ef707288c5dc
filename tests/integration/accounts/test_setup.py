"""The first administrator: made by a link that works once, and never a second time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from accounts import people, setup
from accounts.models import AuditEntry, SetupLink, User
from tests.integration.accounts.conftest import PASSWORD

FIELDS = {"username": "Root", "password": PASSWORD, "again": PASSWORD}


def test_the_link_makes_the_administrator_signs_in_and_is_over() -> None:
    link = setup.link_if_needed()
    assert link is not None
    client = Client()
    assert client.get(link).status_code == 200
    answer = client.post(link, FIELDS)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    person = User.objects.get()
    assert (person.username, person.is_administrator) == ("root", True)
    assert client.session["_auth_user_id"] == str(person.pk)
    assert setup.link_if_needed() is None
    again = Client().post(link, {**FIELDS, "username": "second"})
    assert again.status_code == 410
    assert User.objects.count() == 1
    assert list(AuditEntry.objects.order_by("id").values_list("action", "subject")) == [("people.add", "root"), ("session.set-up", "root")]


def test_only_the_newest_link_works() -> None:
    old, new = setup.link_if_needed(), setup.link_if_needed()
    assert old is not None
    assert new is not None
    assert Client().get(old).status_code == 410
    assert Client().get(new).status_code == 200


def test_made_up_links_look_like_used_ones() -> None:
    setup.link_if_needed()
    for secret in ("x", "a" * 500, "%00", "..%2f"):
        assert Client().get(f"/account/setup/{secret}/").status_code in (400, 404, 410)


def test_a_link_printed_before_somebody_made_an_administrator_otherwise_is_over(make: Callable[..., User]) -> None:
    link = setup.link_if_needed()
    assert link is not None
    make("root", is_superuser=True)
    assert Client().get(link).status_code == 410
    assert Client().post(link, {**FIELDS, "username": "evil"}).status_code == 410
    assert not User.objects.filter(username="evil").exists()


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"username": ""}, "username"),
        ({"username": "with space"}, "username"),
        ({"username": "<script>"}, "username"),
        ({"username": "x" * 200}, "username"),
        ({"password": "short", "again": "short"}, "password"),
        ({"password": "1234567890123", "again": "1234567890123"}, "password"),
        ({"again": "something else 1"}, "again"),
    ],
)
def test_mistakes_keep_the_link_and_say_where(fields: dict[str, str], where: str) -> None:
    link = setup.link_if_needed()
    assert link is not None
    answer = Client().post(link, {**FIELDS, **fields})
    assert answer.status_code == 400
    assert where in answer.context["form"].errors
    assert SetupLink.objects.filter(used_at=None).exists()
    assert PASSWORD not in answer.content.decode()


def test_two_at_once_make_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second has passed every check before the first is done."""
    link = setup.link_if_needed()
    assert link is not None
    secret = link.split("/")[3]
    assert people.link_is_good(secret)
    people.add_first_administrator(secret, "first", PASSWORD)
    with pytest.raises(people.Refused):
        people.add_first_administrator(secret, "second", PASSWORD)
    assert list(User.objects.values_list("username", flat=True)) == ["first"]
