"""What the views share: who asks, and reading what they sent."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.models import User


def user_of(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # the middleware let nobody else through
    return request.user


def number(text: str) -> int | None:
    """A row's id from an address, None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def first_error(form: Any) -> str:
    return next((str(error) for errors in form.errors.values() for error in errors), _("That made no sense."))
