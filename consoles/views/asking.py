"""Reading what a page sent, as a form or as JSON, and saying no in JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, JsonResponse

from accounts import audit
from jobs.submit import Refused

_LONGEST = 200
_TRUE = ("1", "true", "on", "yes")


@dataclass(frozen=True)
class Asked:
    """Fields of a request; each reading raises ValueError for what makes no sense."""

    fields: dict[str, Any]

    def text(self, name: str) -> str:
        value = self.fields.get(name, "")
        if not isinstance(value, str) or len(value) > _LONGEST or "\x00" in value:
            raise ValueError(name)
        return value

    def flag(self, name: str) -> bool:
        value = self.fields.get(name, False)
        return value if isinstance(value, bool) else str(value).lower() in _TRUE

    def number(self, name: str, default: int) -> int:
        value = self.fields.get(name, "")
        if value in ("", None):
            return default
        if isinstance(value, bool) or not str(value).isascii() or not str(value).isdigit() or len(str(value)) > 6:
            raise ValueError(name)
        return int(value)


def asked(request: HttpRequest) -> Asked:
    """Raises ValueError for a body that is not what its type says."""
    if request.content_type != "application/json":
        return Asked(request.POST.dict())
    fields = json.loads(request.body or b"{}")
    if not isinstance(fields, dict):
        raise ValueError("body")
    return Asked(fields)


def refusal(exc: Exception) -> JsonResponse:
    """{"error": words} with the status that fits."""
    if isinstance(exc, Http404):
        return JsonResponse({"error": "There is nothing here."}, status=404)
    if isinstance(exc, PermissionDenied):
        return JsonResponse({"error": str(exc) or "You may not do that."}, status=403)
    if isinstance(exc, Refused):
        return JsonResponse({"error": str(exc)}, status=409)
    return JsonResponse({"error": "The request makes no sense."}, status=400)


def denied(request: HttpRequest, exc: Exception) -> JsonResponse:
    """As `refusal`, and what was tried is written down."""
    if isinstance(exc, PermissionDenied):
        audit.record("denied", request.path, result="refused", detail={"method": request.method})
    return refusal(exc)
