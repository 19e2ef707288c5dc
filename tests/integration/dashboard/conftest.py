from __future__ import annotations

from pathlib import Path

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from tests import inventory

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@pytest.fixture(autouse=True)
def _database_and_redis(db: None, redis: Path) -> None:
    cache.clear()


@pytest.fixture
def as_admin() -> Client:
    return client_of(inventory.person("root", administrator=True))


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client
