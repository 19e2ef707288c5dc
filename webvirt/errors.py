"""Answers to what went wrong, in our look: pages for people, short texts for scripts, JSON for the API."""

from __future__ import annotations

import logging
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from accounts import audit

logger = logging.getLogger(__name__)

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _answer(request, 400, _("This request makes no sense"))


def denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Seen, but not to be touched; what was tried is written down."""
    if request.method not in _SAFE_METHODS:
        audit.record("denied", request.path, result="refused", detail={"method": request.method})
    return _answer(request, 403, _("You may not do that"), str(exception or ""))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The form is older than the sign-in, the browser sends no cookies, or another page sent it."""
    logger.info("a form was refused: %s", reason)
    return _answer(request, 403, _("The form was not accepted"), _("It was too old, or cookies are off. Go back, load the page again and send it once more."))


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _answer(request, 404, _("There is nothing here"), _("The address is wrong, what it showed is gone, or you may not see it."))


def failed(request: HttpRequest) -> HttpResponse:
    """Our own mistake: made without the database and without anything of the request but its path."""
    return _answer(request, 500, _("WebVirt made a mistake"), _("It is in the log of the server. Nothing more is known here."))


def _answer(request: HttpRequest, status: int, title: str, words: str = "") -> HttpResponse:
    if request.path.startswith("/api/"):
        return JsonResponse({"error": f"{title}. {words}".strip()}, status=status)
    if request.headers.get("WV-Fragment") or request.headers.get("WV-Async"):
        return HttpResponse(words or title, status=status, content_type="text/plain; charset=utf-8")
    context: dict[str, Any] = {"status": status, "title": title, "words": words}
    return HttpResponse(render_to_string("errors/error.html", context), status=status)
