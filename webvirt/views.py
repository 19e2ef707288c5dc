"""The dashboard and the search; what they show is put together in webvirt.dashboard and webvirt.search."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from accounts.models import User
from live import answers
from machines.filters import printable
from webvirt import search as searching
from webvirt.dashboard import Dashboard


@require_GET
def dashboard(request: HttpRequest) -> HttpResponse:
    pieces = {"fleet": "webvirt/_fleet.html", "fleet-jobs": "webvirt/_jobs.html"}
    return answers.page(request, "webvirt/dashboard.html", {"fleet": Dashboard(_user(request))}, pieces)


@require_GET
def search(request: HttpRequest) -> HttpResponse:
    """Everything that a text can name; for the palette the list alone."""
    text = printable(request.GET.get("q", ""))[: searching.LONGEST].strip()
    context = {"q": text, "groups": searching.find(_user(request), text)}
    return answers.page(request, "webvirt/search.html", context, {"palette": "frame/found.html"})


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # the middleware let nobody else through
    return request.user
