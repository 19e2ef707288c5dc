from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from tests.security.world import World

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@pytest.fixture
def world(db: None, redis: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> World:
    """Jobs are asked for and go nowhere; static files, which every client would look for anew, are not served."""
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "whitenoise" not in name]
    cache.clear()
    monkeypatch.setattr("jobs.submit.current_app.send_task", lambda *args, **options: None)
    return World()


@pytest.fixture
def browser_of() -> Callable[[User | None], Client]:
    """A client that shows a 500 as one, as a browser would see it."""

    def sign_in(user: User | None) -> Client:
        client = Client(raise_request_exception=False)
        if user:
            client.force_login(user, backend=BACKEND)
        return client

    return sign_in
