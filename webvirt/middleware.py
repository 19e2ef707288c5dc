"""Headers that every answer carries, and what no request may hold."""

from __future__ import annotations

from collections.abc import Callable

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, JsonResponse

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "manifest-src 'self'",
    ]
)


def content_policy(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Nothing inline, nothing from elsewhere, never in a frame."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response

    return middleware


def sane_questions(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """No NUL in addresses: PostgreSQL refuses it, wherever it would be compared with. And the API's errors are JSON, all of them."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if "%00" in request.META.get("QUERY_STRING", "") or "\x00" in request.path:
            raise BadRequest("NUL")
        response = get_response(request)
        if response.status_code >= 400 and request.path.startswith("/api/") and "json" not in response.get("Content-Type", ""):
            return JsonResponse({"error": f"{response.reason_phrase}."}, status=response.status_code, headers=_kept(response))
        return response

    return middleware


def _kept(response: HttpResponse) -> dict[str, str]:
    return {name: response.headers[name] for name in ("Allow", "WWW-Authenticate") if name in response.headers}
