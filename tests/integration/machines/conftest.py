"""People, a host and machines for tests of the machines' room."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from tests import inventory

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
ASYNC = {"WV-Async": "1"}


@pytest.fixture(autouse=True)
def _database_and_redis(db: None, redis: Path) -> None:
    cache.clear()


@pytest.fixture
def admin() -> User:
    return inventory.person("root", administrator=True)


@pytest.fixture
def as_admin(admin: User) -> Client:
    return client_of(admin)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


def text_of(answer: Any) -> str:
    return str(answer.content.decode())


def queries(client: Client, url: str, **headers: str) -> int:
    """How many queries a page takes once everything is warm."""
    client.get(url, headers=headers)
    with CaptureQueriesContext(connection) as seen:
        assert client.get(url, headers=headers).status_code == 200
    return len(seen)


def names_of(answer: Any) -> list[str]:
    """The machines of a list, in order."""
    found = _Rows()
    found.feed(text_of(answer))
    return found.names


class _Rows(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "th":
            self._inside = dict(attrs).get("scope") == "row"
        elif tag == "a" and self._inside:
            self.names.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "th"

    def handle_data(self, data: str) -> None:
        if self._inside and self.names:
            self.names[-1] += data


Commits = Callable[..., Any]


@pytest.fixture
def commits(django_capture_on_commit_callbacks: Commits) -> Callable[[], Any]:
    """``with commits():`` what waits for the commit is done."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


def assert_escaped(answer: Any, hostile: str) -> None:
    assert hostile not in text_of(answer)
    assert hostile.replace("<", "&lt;").replace(">", "&gt;") in text_of(answer)
