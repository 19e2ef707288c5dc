"""How views answer: a page or one piece of it, and forms sent with or without scripts. static/js/{fragment,wv-form}.js are the other side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.utils.html import format_html


def page(request: HttpRequest, template: str, context: Mapping[str, Any], pieces: Mapping[str, str] | None = None, *, status: int = 200) -> HttpResponse:
    """The page, or the piece that the header WV-Fragment names: `pieces` says which template renders which id."""
    wanted = (pieces or {}).get(request.headers.get("WV-Fragment", ""))
    response = render(request, wanted or template, dict(context), status=status)
    # The same address has several bodies: none may come from a cache for another.
    patch_vary_headers(response, ["WV-Fragment"])
    response.headers["Cache-Control"] = "no-store" if wanted else "no-cache"
    return response


def is_async(request: HttpRequest) -> bool:
    """Sent by a script, which wants no page back."""
    return request.headers.get("WV-Async") == "1"


def done(request: HttpRequest, url: str, *, words: str = "", job_id: int | None = None, go: bool = False) -> HttpResponse:
    """It is done, or will be by a job. `url`: where a browser without scripts goes, and with `go` every one."""
    if not is_async(request):
        if words:
            messages.info(request, words)
        return redirect(url)
    response = HttpResponse(status=204)
    if job_id:
        response.headers["WV-Job"] = str(job_id)
    if go:
        response.headers["WV-Location"] = url
    return response


def refused(request: HttpRequest, words: str, url: str, *, detail: str = "", status: int = 409) -> HttpResponse:
    """It is not done, and why; `detail` are a hypervisor's own words."""
    if not is_async(request):
        messages.error(request, words)
        return redirect(url)
    more = format_html("<pre>{}</pre>", detail) if detail else ""
    return HttpResponse(format_html("<p>{}</p>{}", words, more), status=status)
