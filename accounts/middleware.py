"""Every page needs a signed-in person unless its path is named here; and the audit log knows who asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_only_middleware

from accounts import audit

# The API asks for a token by itself.
_OPEN_PREFIXES = ("/account/login/", "/account/setup/", "/static/", "/healthz", "/readyz", "/api/", "/favicon.ico")


class _SignInRequired:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with audit.during(request):
            return self._get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponseBase | None:
        if request.user.is_authenticated or request.path.startswith(_OPEN_PREFIXES):
            return None
        if request.headers.get("WV-Fragment") or request.headers.get("WV-Async"):
            return HttpResponse("Signed out", status=401, content_type="text/plain")
        return redirect_to_login(request.get_full_path() if request.method in ("GET", "HEAD") else "/")


sign_in_required = sync_only_middleware(_SignInRequired)
