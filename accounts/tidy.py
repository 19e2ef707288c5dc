"""What is over and can go: ended sessions, tokens that ended long ago, grants on what is gone."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.sessions.models import Session
from django.utils import timezone

from accounts import objects
from accounts.models import Grant, Token
from accounts.roles import Scope

_ENDED_TOKENS_ARE_SHOWN = timedelta(days=30)


def tidy() -> None:
    now = timezone.now()
    Session.objects.filter(expire_date__lt=now).delete()
    Token.objects.filter(expires_at__lt=now - _ENDED_TOKENS_ARE_SHOWN).delete()
    for scope in (Scope.HOST, Scope.MACHINE):
        granted = set(Grant.objects.filter(scope=scope).values_list("object_id", flat=True))
        Grant.objects.filter(scope=scope, object_id__in=granted - set(objects.named(scope, granted))).delete()
