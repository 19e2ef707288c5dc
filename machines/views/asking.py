"""What the views share: who asks, and the record of what they asked."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import User
from jobs.models import Job


def user_of(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # the middleware let nobody else through
    return request.user


def number(text: str) -> int | None:
    """A row's id from an address, None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def first_error(form: Any) -> str:
    return next((str(error) for errors in form.errors.values() for error in errors), _("That made no sense."))


def record(request: HttpRequest, action: str, name: str, machine_id: int, *, job: Job | None = None, refused: str = "") -> None:
    """Put it into the audit log, asked or refused."""
    detail: dict[str, Any] = {"machine": machine_id}
    if job:
        detail["job"] = job.pk
    if refused:
        detail["refused"] = refused
    audit.record(action, name, request=request, result="refused" if refused else "asked" if job else "done", detail=detail)
