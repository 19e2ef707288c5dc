"""The first administrator: a one-time link instead of a default password."""

from __future__ import annotations

import hashlib
import secrets

from accounts.models import SetupLink, User


def digest(secret: str) -> str:
    """SHA-256 as hex: what is kept of a random secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def link_if_needed() -> str | None:
    """The path of a fresh one-time set-up page while there is no administrator, else None.

    Each call retires the link before it: the newest one printed is the one that works.
    """
    if User.objects.filter(is_superuser=True).exists():
        return None
    secret = secrets.token_urlsafe(24)
    SetupLink.objects.all().delete()
    SetupLink.objects.create(digest=digest(secret))
    return f"/account/setup/{secret}/"
