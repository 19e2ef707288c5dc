"""People for tests: passwords hashed fast, the counters of guesses empty."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import User

PASSWORD = "correct horse 7 battery"


@pytest.fixture(autouse=True)
def _quick_and_clean(settings: Any, db: None, redis: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    cache.clear()


@pytest.fixture
def make() -> Callable[..., User]:
    def make(name: str, **fields: Any) -> User:
        user = User(username=name, **fields)
        user.set_password(PASSWORD)
        user.save()
        return user

    return make


@pytest.fixture
def admin(make: Callable[..., User]) -> User:
    return make("root", is_superuser=True)


@pytest.fixture
def as_admin(admin: User) -> Client:
    client = Client()
    client.force_login(admin, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client
