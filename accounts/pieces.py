"""A page, or the piece of it that a script asks for by the header WV-Fragment (live/answers.py does the same for the apps above)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers


def page(request: HttpRequest, template: str, context: Mapping[str, Any], pieces: Mapping[str, str], *, status: int = 200) -> HttpResponse:
    """`pieces` says which template renders which id."""
    wanted = pieces.get(request.headers.get("WV-Fragment", ""))
    response = render(request, wanted or template, dict(context), status=status)
    patch_vary_headers(response, ["WV-Fragment"])
    response.headers["Cache-Control"] = "no-store" if wanted else "no-cache"
    return response
