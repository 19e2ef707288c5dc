"""Bearer tokens: shown once, kept as a hash, dead with their person."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from accounts.models import Token, User
from accounts.setup import digest

MOST = 50  # a person may have
_USE_IS_WORTH_A_WRITE = timedelta(minutes=1)


def create(user: User, name: str, expires_at: datetime | None = None) -> str:
    """Make a token and return its text, which cannot be had again."""
    text = f"wv_{secrets.token_urlsafe(32)}"
    Token.objects.create(user=user, name=name, prefix=text[:9], digest=digest(text), expires_at=expires_at)
    return text


def person_of(text: str) -> User | None:
    """Whose token this is, if it is valid and its person is active."""
    now = timezone.now()
    token = Token.objects.select_related("user").filter(Q(expires_at=None) | Q(expires_at__gt=now), digest=digest(text), user__is_active=True).first()
    if token is None:
        return None
    if token.last_used_at is None or now - token.last_used_at > _USE_IS_WORTH_A_WRITE:
        Token.objects.filter(pk=token.pk).update(last_used_at=now)
    return token.user
