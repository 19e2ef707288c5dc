from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import transaction
from django.test import Client

from accounts.models import User
from tests.security.world import World

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@pytest.fixture(scope="module")
def made(django_db_setup: None, django_db_blocker: Any, redis: Any) -> Iterator[World]:
    """Made once, in a transaction that those of the module's tests lie in. Jobs are asked for and go nowhere."""
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch, transaction.atomic():
        patch.setattr("jobs.submit.current_app.send_task", lambda *args, **options: None)
        yield World()
        transaction.set_rollback(True)


@pytest.fixture
def world(made: World, db: None, settings: Any) -> World:
    """Of the test's own. Static files, which every client would look for anew, are not served."""
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "whitenoise" not in name]
    cache.clear()
    return copy.deepcopy(made)


@pytest.fixture
def browser_of() -> Callable[[User | None], Client]:
    """A client that shows a 500 as one, as a browser would see it."""

    def sign_in(user: User | None) -> Client:
        client = Client(raise_request_exception=False)
        if user:
            client.force_login(user, backend=BACKEND)
        return client

    return sign_in
