"""Pages of readiness. None of them reaches a host: they show what the watcher wrote, and ask it to look again."""

from __future__ import annotations

from typing import cast

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from accounts.roles import Role
from hosts import access
from hosts.overview import Overview
from hosts.readiness import actions
from hosts.readiness.listing import Matrix, Query
from hosts.readiness.report import Report
from jobs.submit import Refused
from live import answers


@require_GET
def fleet(request: HttpRequest) -> HttpResponse:
    query = Query.of(request.GET)
    context = {"matrix": Matrix(query, _user(request)), "query": query}
    return answers.page(request, "readiness/fleet.html", context, {"readiness-fleet": "readiness/_fleet.html"})


@require_GET
def of_host(request: HttpRequest, pk: int) -> HttpResponse:
    overview = Overview(access.get(_user(request), pk), _user(request))
    context = {"o": overview, "host": overview.host, "tab": "readiness", "report": Report(overview.host), "operates": _operates(request, overview)}
    return answers.page(request, "readiness/of_host.html", context, {"host-head": "hosts/_head.html", "readiness": "readiness/_report.html"})


@require_POST
def check(request: HttpRequest, pk: int) -> HttpResponse:
    """Look again, now."""
    host = access.get(_user(request), pk, Role.OPERATOR)
    back = reverse("readiness:of-host", args=[pk])
    try:
        actions.check_again(host)
    except Refused as exc:
        return answers.refused(request, str(exc), back)
    return answers.done(request, back, words=_("It is looked at again."))


def _operates(request: HttpRequest, overview: Overview) -> bool:
    return access.may(_user(request), overview.host, Role.OPERATOR)


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)  # accounts.middleware lets nobody else in
