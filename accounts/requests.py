"""Who sent a request, as views ask it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from accounts.models import User

Answer = TypeVar("Answer", bound=HttpResponseBase)


def person_of(request: HttpRequest) -> User:
    """The signed-in person; the middleware let nobody else through to this view."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def for_administrators(view: Callable[..., Answer]) -> Callable[..., Answer]:
    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> Answer:
        if not person_of(request).is_administrator:
            raise PermissionDenied("This page is for administrators.")
        return view(request, *args, **kwargs)

    return checked
